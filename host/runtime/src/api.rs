//! What the core offers to personalities: the traits that `cloud` implements, one an interface of `wit/cloud`.

use std::sync::Arc;

use crate::bindings::cloud::{
    billing, collections, compute, flavors, identity, images, keypairs, networks, operations, quotas, volumes,
};
use crate::bindings::types::errors::Error;
use crate::context::CallContext;

macro_rules! traits {
    ($($(#[$meta:meta])* trait $name:ident in $module:ident needs $capability:ident {
        $($effect:ident fn $function:ident($($arg:ident: $kind:ty),*) -> $answer:ty $(as $packed:ident)?;)*
    })*) => {
        $(
            $(#[$meta])*
            #[async_trait::async_trait]
            pub trait $name: Send + Sync {
                $(
                    #[cfg(not(any(test, feature = "testing")))]
                    async fn $function(&self, context: &Arc<CallContext>, $($arg: $kind),*) -> Result<$answer, Error>;

                    // A core of a test implements what it needs.
                    #[cfg(any(test, feature = "testing"))]
                    async fn $function(&self, _context: &Arc<CallContext>, $($arg: $kind),*) -> Result<$answer, Error> {
                        let _unused = ($($arg,)*);
                        Err(not_faked(stringify!($function)))
                    }
                )*
            }
        )*

        /// All of the core.
        pub trait CloudApi: $($name +)* {}
        impl<T: $($name +)*> CloudApi for T {}
    };
}

#[cfg(any(test, feature = "testing"))]
fn not_faked(function: &str) -> Error {
    let code = skyloom_model::ErrorCode::NotSupported;
    skyloom_model::Error::new(code, format!("the test's core has no {function}")).into()
}

crate::cloud_functions!(traits);
