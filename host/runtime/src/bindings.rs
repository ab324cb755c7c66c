//! Types and glue made from `wit/`. Nothing else in the host names the contracts' files.

/// What a personality imports and exports.
pub mod personality {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/cloud/0.1.0",
            "../../wit/personality/0.1.0",
        ],
        world: "skyloom:personality/personality",
        imports: { default: async | trappable },
        exports: { default: async },
        // For what crosses packed.
        additional_derives: [serde::Serialize],
    });
}

/// What a driver imports and exports, the libvirt capability among it. Shares types and host services with the
/// personality's bindings.
pub mod driver {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/libvirt/0.1.0",
            "../../wit/driver/0.1.0",
        ],
        world: "skyloom:driver/libvirt-driver",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "skyloom:types/common@0.1.0": super::personality::skyloom::types::common,
            "skyloom:types/errors@0.1.0": super::personality::skyloom::types::errors,
            "skyloom:host/log@0.1.0": super::personality::skyloom::host::log,
            "skyloom:host/clock@0.1.0": super::personality::skyloom::host::clock,
            "skyloom:host/random@0.1.0": super::personality::skyloom::host::random,
            "skyloom:host/config@0.1.0": super::personality::skyloom::host::config,
            "skyloom:host/documents@0.1.0": super::personality::skyloom::host::documents,
            "skyloom:egress/http@0.1.0": super::personality::skyloom::egress::http,
        },
    });
}

/// What a tariff exports; it imports nothing but the log.
pub mod tariff {
    wasmtime::component::bindgen!({
        path: ["../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/tariff/0.1.0"],
        world: "skyloom:tariff/tariff",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "skyloom:types/common@0.1.0": super::personality::skyloom::types::common,
            "skyloom:host/log@0.1.0": super::personality::skyloom::host::log,
        },
    });
}

pub use personality::skyloom::{cloud, egress, host, types};
