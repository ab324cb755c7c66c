//! The core's functions as guests call them: the one place where they are permitted.

use crate::bindings::cloud::{
    billing, collections, compute, flavors, identity, images, keypairs, networks, operations, quotas, volumes,
};
use crate::bindings::types::errors::Error;
use crate::guest::{Effect, GuestState};
use crate::manifest::Capability;
use crate::packed;

macro_rules! hosts {
    ($($(#[$meta:meta])* trait $name:ident in $module:ident needs $capability:ident {
        $($effect:ident fn $function:ident($($arg:ident: $kind:ty),*) -> $answer:ty $(as $packed:ident)?;)*
    })*) => {
        $(
            impl $module::Host for GuestState {
                $(async fn $function(
                    &mut self,
                    $($arg: $kind),*
                ) -> wasmtime::Result<Result<crossing!($answer $(as $packed)?), Error>> {
                    let (cloud, context) = self.cloud(Capability::$capability, Effect::$effect)?;
                    let answer = cloud.$function(context, $($arg),*).await;
                    grant!($function, context.streams, &answer);
                    let given = crossed!($($packed)? answer);
                    self.resume();
                    Ok(given)
                })*
            }
        )*
    };
}

/// What the guest gets for an answer: itself, or its bytes.
macro_rules! crossing {
    ($answer:ty as packed) => { Vec<u8> };
    ($answer:ty) => { $answer };
}

macro_rules! crossed {
    (packed $answer:ident) => {
        match $answer {
            Ok(answer) => Ok(packed::pack(&answer)?),
            Err(error) => Err(error),
        }
    };
    ($answer:ident) => {
        $answer
    };
}

/// Two of them open a stream to the request that they are called for.
macro_rules! grant {
    (begin_upload, $streams:expr, $answer:expr) => {
        if let Ok(limit) = $answer {
            $streams.grant_upload(*limit);
        }
    };
    (open_download, $streams:expr, $answer:expr) => {
        if let Ok(Some(download)) = $answer {
            $streams.grant_download(&download.blob);
        }
    };
    ($function:ident, $streams:expr, $answer:expr) => {};
}

crate::cloud_functions!(hosts);
