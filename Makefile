# `make help` lists what can be made. Everything lands in target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET   := $(or $(CARGO_TARGET_DIR),target)
# `release` for those who use it; `dev` for tests and work on the sources (Cargo.toml).
PROFILE  ?= release
BUILT     = $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
SKYLOOM   = $(BUILT)/skyloom
PACKED   := $(TARGET)/plugins
ARGS     ?=

# The libvirt capability links against the system's library, so it is built where that library is.
FEATURES ?= $(shell pkg-config --exists libvirt 2>/dev/null && echo --features skyloom/libvirt)

# SQLite: each connection has its own page cache and nobody counts memory. By default all connections take one lock for every page
# and every allocation. A cargo called by hand builds SQLite anew without it, so: eval "$(make env)".
export LIBSQLITE3_FLAGS := -USQLITE_ENABLE_MEMORY_MANAGEMENT -DSQLITE_DEFAULT_MEMSTATUS=0

# Every folder with a Cargo.toml here is one plugin; a new one needs no line in this file.
PLUGINS  := $(patsubst %/Cargo.toml,%,$(wildcard $(addsuffix /*/Cargo.toml,\
              plugins/personalities plugins/drivers plugins/tariffs tests/hostile examples/plugins)))
package   = $(shell sed -n 's/^name *= *"\(.*\)"/\1/p' $(1)/Cargo.toml | head -n 1)

.PHONY: help build host components plugins run test faults load env fmt clippy clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: host plugins ## the skyloom binary and all plugins, packed into target/plugins

# The whole workspace decides on features, so that the tests build nothing of this again.
host:
	cargo build --profile $(PROFILE) --workspace --bin skyloom $(FEATURES)

# One call for all plugins: they share their dependencies and cargo its parallelism. Their target brings no WASI, so a
# plugin can reach nothing that the host does not give it.
components:
	@if command -v rustup >/dev/null && ! rustup target list --installed | grep -x wasm32-unknown-unknown >/dev/null; then \
	  rustup target add wasm32-unknown-unknown; fi
	cargo build --profile plugin --target wasm32-unknown-unknown $(foreach p,$(PLUGINS),-p $(call package,$(p)))

# Packing checks a plugin against its manifest and puts the one into the other; only what changed is packed again.
plugins: host components
	@mkdir -p $(PACKED)
	@for folder in $(PLUGINS); do \
	  manifest=$$folder/plugin.toml; \
	  [ -e "$$manifest" ] || { echo "$$folder has no plugin.toml: not packed"; continue; }; \
	  id=$$(sed -n 's/^id *= *"\(.*\)"/\1/p' "$$manifest" | head -n 1); \
	  name=$$(sed -n 's/^name *= *"\(.*\)"/\1/p' "$$folder/Cargo.toml" | head -n 1); \
	  wasm=$(TARGET)/wasm32-unknown-unknown/plugin/$${name//-/_}.wasm; \
	  out=$(PACKED)/$$id.wasm; \
	  if [ "$$out" -nt "$$wasm" ] && [ "$$out" -nt "$(SKYLOOM)" ] && \
	    [ -z "$$(find -L "$$folder" -newer "$$out" -not -name '*.rs' -print -quit)" ]; then continue; fi; \
	  $(SKYLOOM) plugin pack --manifest "$$manifest" --component "$$wasm" --out "$$out"; \
	done

run: build ## the laptop deployment on loopback (ARGS= passes more to `skyloom serve`)
	$(SKYLOOM) serve --config examples/deployments/laptop/skyloom.toml $(ARGS)

test faults: PROFILE := dev

test: build ## unit, integration and end-to-end tests; names what could not run here
	tests/support/run-tests $(FEATURES)

faults: build ## every death over libvirt too, of which the tests take a sample; prints how many points there were
	SKYLOOM_FAULTS=all tests/support/run-faults $(FEATURES)

load: build ## the load test against a server of its own on loopback
	tests/load/run $(ARGS)

env: ## what a cargo called by hand wants in its environment (eval it first)
	@echo "export LIBSQLITE3_FLAGS='$(LIBSQLITE3_FLAGS)'"

fmt: ## format the sources
	cargo fmt --all

clippy: ## lints, as CI runs them
	cargo clippy --workspace --all-targets $(FEATURES) -- -D warnings

clean: ## remove everything built
	rm -rf $(PACKED) $(TARGET)/tests
	cargo clean
