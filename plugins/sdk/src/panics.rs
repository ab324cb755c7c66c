//! What a panic says reaches the host's log, which knows the plugin, the operation and the request: on this target nothing else
//! would tell more than that the code came to an `unreachable`.

use std::marker::PhantomData;
use std::panic::PanicHookInfo;

use crate::driver::types::{Domain, DomainSpec, NodeCapacity, Progress, StepKey};
use crate::driver::{console, inventory, lifecycle};
use crate::tariff::rating;
use crate::{Error, Personality, Request, Response, host::log};

/// The component that the export macros make of an author's: the same, but a panic is logged before it ends the sandbox.
#[derive(Debug)]
pub struct Reported<T>(PhantomData<T>);

/// For every call anew: a sandbox has one. It takes no memory.
fn report_panics() {
    std::panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    log::write(log::Level::Error, &words(info));
}

/// In one line, where the panic was and what it said.
fn words(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload_as_str().unwrap_or("no text");
    match info.location() {
        Some(place) => format!("panicked at {place}: {text}"),
        None => format!("panicked: {text}"),
    }
}

impl<T: Personality> Personality for Reported<T> {
    fn handle(request: Request) -> Response {
        report_panics();
        T::handle(request)
    }
}

macro_rules! reported {
    ($interface:ident { $(fn $function:ident($($name:ident: $kind:ty),*) -> $answer:ty;)* }) => {
        impl<T: $interface::Guest> $interface::Guest for Reported<T> {
            $(fn $function($($name: $kind),*) -> $answer {
                report_panics();
                T::$function($($name),*)
            })*
        }
    };
}

reported!(lifecycle {
    fn create_disks(key: StepKey, spec: DomainSpec) -> Result<Progress, Error>;
    fn delete_disks(key: StepKey, server: String, disks: Vec<String>) -> Result<Progress, Error>;
    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error>;
    fn reconfigure(key: StepKey, spec: DomainSpec) -> Result<Progress, Error>;
    fn undefine(key: StepKey, server: String) -> Result<Progress, Error>;
    fn start(key: StepKey, server: String) -> Result<Progress, Error>;
    fn stop(key: StepKey, server: String, mode: lifecycle::StopMode) -> Result<Progress, Error>;
    fn poll(key: StepKey, server: String, token: String) -> Result<Progress, Error>;
    fn inspect(server: String) -> Result<Option<Domain>, Error>;
});

reported!(inventory {
    fn capacity() -> Result<NodeCapacity, Error>;
    fn list(after: Option<String>, limit: u32) -> Result<Vec<Domain>, Error>;
});

reported!(console {
    fn output(server: String, max_bytes: u32) -> Result<String, Error>;
});

reported!(rating {
    fn rate(pieces: Vec<rating::Piece>, sheet: rating::Sheet, tallies: Vec<rating::Tally>) -> Result<rating::Rated, String>;
});
