//! The core as a plugin sees it, behind a trait: handlers are generic over [`Cloud`], so that the same handler runs in the
//! sandbox over [`Imports`], in a unit test over a fake, and natively in the benchmark's twin.

use crate::Error;
use crate::cloud::{
    billing, collections, compute, flavors, identity, images, keypairs, networks, operations, quotas, volumes,
};
use crate::packed::Packed;

/// What a function gives: its answer, or that as it crossed.
macro_rules! given {
    ($answer:ty as packed) => { Packed<$answer> };
    ($answer:ty) => { $answer };
}

macro_rules! handed {
    (packed $from:ident $answer:expr) => {
        $answer.map(Packed::$from)
    };
    ($from:ident $answer:expr) => {
        $answer
    };
}

macro_rules! interfaces {
    ($($(#[$meta:meta])* trait $name:ident in $module:ident {
        $(fn $function:ident($($arg:ident: $kind:ty),*) -> $answer:ty $(as $packed:ident)?;)*
    })*) => {
        $(
            $(#[$meta])*
            pub trait $name {
                $(fn $function(&self, $($arg: $kind),*) -> Result<given!($answer $(as $packed)?), Error>;)*
            }

            impl $name for Imports {
                $(fn $function(&self, $($arg: $kind),*) -> Result<given!($answer $(as $packed)?), Error> {
                    handed!($($packed)? Bytes $module::$function($($arg),*))
                })*
            }
        )*

        /// One fake an interface; see [`crate::testing::FakeCloud`].
        #[cfg(not(target_arch = "wasm32"))]
        pub mod fake {
            use super::*;

            $(
                /// What a test says its functions do; those that are left out answer `not-supported`.
                #[derive(Default)]
                pub struct $name {
                    $(
                        #[allow(clippy::type_complexity, missing_docs)]
                        pub $function: Option<Box<dyn Fn($($kind),*) -> Result<$answer, Error>>>,
                    )*
                }
            )*
        }

        /// The core as a test makes it up: each function is a closure, and one that nobody set answers `not-supported`.
        #[cfg(not(target_arch = "wasm32"))]
        #[derive(Default)]
        pub struct FakeCloud {
            $(#[allow(missing_docs)] pub $module: fake::$name,)*
            /// Who answers requests to the outside.
            pub http: crate::http::FakeSend,
        }

        /// All of the core. A fake for tests implements the traits that its handler uses.
        pub trait Cloud: $($name +)* {}
        impl<T: $($name +)*> Cloud for T {}

        $(
            #[cfg(not(target_arch = "wasm32"))]
            impl $name for FakeCloud {
                $(fn $function(&self, $($arg: $kind),*) -> Result<given!($answer $(as $packed)?), Error> {
                    match &self.$module.$function {
                        Some(function) => handed!($($packed)? Whole function($($arg),*)),
                        None => Err(crate::testing::not_faked(stringify!($function))),
                    }
                })*
            }
        )*
    };
}

/// The functions that the host gives a component.
#[derive(Clone, Copy, Debug, Default)]
pub struct Imports;

crate::functions::cloud_functions!(interfaces);
