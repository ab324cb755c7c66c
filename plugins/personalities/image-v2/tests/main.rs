//! One program of all of them: each would be compiled and linked with what it tests.

mod api;
mod imports;
mod patches;
mod support;
