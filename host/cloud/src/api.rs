//! What `runtime::api` promises to personalities, each interface answered by its area.

use std::sync::Arc;

use skyloom_runtime::api::{
    BillingApi, CollectionsApi, ComputeApi, FlavorsApi, IdentityApi, ImagesApi, KeypairsApi, NetworksApi,
    OperationsApi, QuotasApi, VolumesApi,
};
use skyloom_runtime::bindings::cloud::{
    billing, collections, compute, flavors, identity, images, keypairs, networks, operations, quotas, volumes,
};
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use crate::Cloud;

macro_rules! areas {
    ($($(#[$meta:meta])* trait $name:ident in $area:ident needs $capability:ident {
        $($effect:ident fn $function:ident($($arg:ident: $kind:ty),*) -> $answer:ty $(as $packed:ident)?;)*
    })*) => {
        $(
            #[async_trait::async_trait]
            impl $name for Cloud {
                $(async fn $function(&self, context: &Arc<CallContext>, $($arg: $kind),*) -> Result<$answer, Error> {
                    self.$area.$function(context, $($arg),*).await
                })*
            }
        )*
    };
}

skyloom_runtime::cloud_functions!(areas);
