//! What a panic says reaches the host's log, which knows the plugin, the operation and the request: on this target nothing else
//! would tell more than that the code came to an `unreachable`.

use std::marker::PhantomData;
use std::panic::PanicHookInfo;

use crate::driver::types::{Disk, Domain, DomainSpec, Nic, NodeCapacity, Progress, StepKey};
use crate::driver::{console, disks, hotplug, inventory, servers, steps, suspension};
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

reported!(steps {
    fn poll(key: StepKey, token: String) -> Result<Progress, Error>;
});

reported!(servers {
    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error>;
    fn reconfigure(key: StepKey, spec: DomainSpec) -> Result<Progress, Error>;
    fn undefine(key: StepKey, server: String) -> Result<Progress, Error>;
    fn start(key: StepKey, server: String) -> Result<Progress, Error>;
    fn stop(key: StepKey, server: String, mode: servers::StopMode) -> Result<Progress, Error>;
    fn inspect(server: String) -> Result<Option<Domain>, Error>;
});

reported!(disks {
    fn create(key: StepKey, disk: Disk) -> Result<Progress, Error>;
    fn grow(key: StepKey, id: String, size_gib: u32) -> Result<Progress, Error>;
    fn export(key: StepKey, id: String, blob: String) -> Result<Progress, Error>;
    fn remove(key: StepKey, id: String) -> Result<Progress, Error>;
    fn list(after: Option<String>, limit: u32) -> Result<Vec<String>, Error>;
});

reported!(hotplug {
    fn attach_disk(key: StepKey, server: String, disk: Disk) -> Result<Progress, Error>;
    fn detach_disk(key: StepKey, server: String, id: String) -> Result<Progress, Error>;
    fn attach_nic(key: StepKey, server: String, nic: Nic) -> Result<Progress, Error>;
    fn detach_nic(key: StepKey, server: String, nic: Nic) -> Result<Progress, Error>;
});

reported!(suspension {
    fn pause(key: StepKey, server: String) -> Result<Progress, Error>;
    fn unpause(key: StepKey, server: String) -> Result<Progress, Error>;
    fn suspend(key: StepKey, server: String) -> Result<Progress, Error>;
    fn resume(key: StepKey, server: String) -> Result<Progress, Error>;
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
