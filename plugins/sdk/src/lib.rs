//! What a plugin's author depends on: the contracts' types, the core behind a trait, and the macros that make a crate a
//! component. Everything here also builds natively, so that a handler is tested without a sandbox.

// The generated glue is the contract, not our style.
#[allow(clippy::all, clippy::pedantic, unsafe_code, missing_docs)]
mod bindings {
    pub mod personality {
        wit_bindgen::generate!({
            path: [
                "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/cloud/0.1.0",
                "../../wit/personality/0.1.0",
            ],
            world: "skyloom:personality/personality",
            pub_export_macro: true,
            default_bindings_module: "skyloom_sdk::personality_bindings",
            additional_derives: [PartialEq, Clone, serde::Deserialize],
            // What crosses packed is named by no function.
            generate_unused_types: true,
            generate_all,
        });
    }
    pub mod driver {
        wit_bindgen::generate!({
            path: [
                "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/libvirt/0.1.0",
                "../../wit/driver/0.1.0",
            ],
            world: "skyloom:driver/basic-driver",
            pub_export_macro: true,
            default_bindings_module: "skyloom_sdk::driver_bindings",
            additional_derives: [PartialEq, Clone],
            with: {
                "skyloom:types/common@0.1.0": crate::bindings::personality::skyloom::types::common,
                "skyloom:types/errors@0.1.0": crate::bindings::personality::skyloom::types::errors,
                "skyloom:host/log@0.1.0": crate::bindings::personality::skyloom::host::log,
                "skyloom:host/clock@0.1.0": crate::bindings::personality::skyloom::host::clock,
                "skyloom:host/random@0.1.0": crate::bindings::personality::skyloom::host::random,
                "skyloom:host/config@0.1.0": crate::bindings::personality::skyloom::host::config,
                "skyloom:host/documents@0.1.0": crate::bindings::personality::skyloom::host::documents,
                "skyloom:egress/http@0.1.0": crate::bindings::personality::skyloom::egress::http,
            },
            generate_all,
        });
    }
    // What a platform may have beside: a component exports all of its world, so each has one of its own.
    pub mod console {
        wit_bindgen::generate!({
            inline: r"
                package skyloom:sdk;
                world console {
                  import skyloom:libvirt/libvirt@0.1.0;
                  export skyloom:driver/console@0.1.0;
                }
            ",
            path: [
                "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/libvirt/0.1.0",
                "../../wit/driver/0.1.0",
            ],
            world: "skyloom:sdk/console",
            pub_export_macro: true,
            default_bindings_module: "skyloom_sdk::console_bindings",
            additional_derives: [PartialEq, Clone],
            with: {
                "skyloom:types/errors@0.1.0": crate::bindings::personality::skyloom::types::errors,
            },
            generate_all,
        });
    }
    pub mod hotplug {
        wit_bindgen::generate!({
            inline: r"
                package skyloom:sdk;
                world hotplug {
                  export skyloom:driver/hotplug@0.1.0;
                }
            ",
            path: [
                "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/libvirt/0.1.0",
                "../../wit/driver/0.1.0",
            ],
            world: "skyloom:sdk/hotplug",
            pub_export_macro: true,
            default_bindings_module: "skyloom_sdk::hotplug_bindings",
            additional_derives: [PartialEq, Clone],
            with: {
                "skyloom:types/common@0.1.0": crate::bindings::personality::skyloom::types::common,
                "skyloom:types/errors@0.1.0": crate::bindings::personality::skyloom::types::errors,
                "skyloom:driver/types@0.1.0": crate::bindings::driver::skyloom::driver::types,
            },
            generate_all,
        });
    }
    pub mod suspension {
        wit_bindgen::generate!({
            inline: r"
                package skyloom:sdk;
                world suspension {
                  export skyloom:driver/suspension@0.1.0;
                }
            ",
            path: [
                "../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/egress/0.1.0", "../../wit/libvirt/0.1.0",
                "../../wit/driver/0.1.0",
            ],
            world: "skyloom:sdk/suspension",
            pub_export_macro: true,
            default_bindings_module: "skyloom_sdk::suspension_bindings",
            additional_derives: [PartialEq, Clone],
            with: {
                "skyloom:types/common@0.1.0": crate::bindings::personality::skyloom::types::common,
                "skyloom:types/errors@0.1.0": crate::bindings::personality::skyloom::types::errors,
                "skyloom:driver/types@0.1.0": crate::bindings::driver::skyloom::driver::types,
            },
            generate_all,
        });
    }
    pub mod tariff {
        wit_bindgen::generate!({
            path: ["../../wit/types/0.1.0", "../../wit/host/0.1.0", "../../wit/tariff/0.1.0"],
            world: "skyloom:tariff/tariff",
            pub_export_macro: true,
            default_bindings_module: "skyloom_sdk::tariff_bindings",
            additional_derives: [PartialEq, Clone],
            with: {
                "skyloom:types/common@0.1.0": crate::bindings::personality::skyloom::types::common,
                "skyloom:host/log@0.1.0": crate::bindings::personality::skyloom::host::log,
            },
            generate_all,
        });
    }
}

#[doc(hidden)]
pub use bindings::{
    console as console_bindings, driver as driver_bindings, hotplug as hotplug_bindings,
    personality as personality_bindings, suspension as suspension_bindings, tariff as tariff_bindings,
};

pub mod base64;
pub mod bump;
mod cloud_api;
pub mod conditions;
mod functions;
pub mod http;
pub mod json;
pub mod lenient;
pub mod money;
pub mod packed;
pub mod paging;
#[doc(hidden)]
pub mod panics;
pub mod query;
pub mod respond;
pub mod servers;
pub mod states;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
pub mod unsupported;
pub mod violations;

pub use bindings::personality::exports::skyloom::personality::handler::{
    Body, Caller, Guest as Personality, Request, Response, Upload, Violation,
};
pub use bindings::personality::skyloom::cloud;
pub use bindings::personality::skyloom::egress;
pub use bindings::personality::skyloom::host;
pub use bindings::personality::skyloom::types::common::{Condition, PageRequest, Pair, SortKey, Timestamp};
pub use bindings::personality::skyloom::types::errors::{Error, ErrorClass, ErrorCode};
pub use cloud_api::{
    Billing, Cloud, Collections, Compute, Flavors, Identity, Images, Imports, Keypairs, Networks, Operations, Quotas,
    Volumes,
};

/// Driver side: the traits that a driver implements and the capabilities that it imports.
pub mod driver {
    pub use crate::bindings::console::exports::skyloom::driver::console;
    pub use crate::bindings::console::skyloom::libvirt::libvirt;
    pub use crate::bindings::driver::exports::skyloom::driver::{disks, inventory, servers, steps};
    pub use crate::bindings::driver::skyloom::driver::types;
    pub use crate::bindings::hotplug::exports::skyloom::driver::hotplug;
    pub use crate::bindings::suspension::exports::skyloom::driver::suspension;
}

/// Tariff side.
pub mod tariff {
    pub use crate::bindings::tariff::exports::skyloom::tariff::rating;
}

/// Makes the crate a personality component: `skyloom_sdk::personality!(MyHandler);`, with an allocator for guests that live for
/// one request. Natively it exports nothing, so that several personalities link into one test program. As with the other two
/// macros, what a panic says goes to the host's log.
#[macro_export]
macro_rules! personality {
    ($handler:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static ALLOCATOR: $crate::bump::Bump = $crate::bump::Bump::new();

        $crate::exported!($handler, personality_bindings);
    };
}

/// Makes the crate a driver component: `driver!(MyDriver);`, or with what the platform can beside,
/// `driver!(MyDriver, console, hotplug, suspension);`.
#[macro_export]
macro_rules! driver {
    ($driver:ident $(, $more:ident)*) => {
        $crate::exported!($driver, driver_bindings);
        $($crate::driver!(@more $driver $more);)*
    };
    (@more $driver:ident console) => {
        $crate::exported!($driver, console_bindings);
    };
    (@more $driver:ident hotplug) => {
        $crate::exported!($driver, hotplug_bindings);
    };
    (@more $driver:ident suspension) => {
        $crate::exported!($driver, suspension_bindings);
    };
}

/// Makes the crate a tariff component.
#[macro_export]
macro_rules! tariff {
    ($tariff:ident) => {
        $crate::exported!($tariff, tariff_bindings);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! exported {
    ($component:ident, $bindings:ident) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Reported = $crate::panics::Reported<$component>;
    $crate::$bindings::export!(Reported with_types_in $crate::$bindings);
        };
    };
}
