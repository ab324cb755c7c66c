//! Why a plugin isn't loaded, and why a call of a loaded one gave nothing.

use std::path::PathBuf;
use std::time::Duration;

use skyloom_model::{Error, ErrorCode};

use crate::manifest::{Capability, Defects, Kind};

/// One line for a person who can act on it; a manifest's defects are a line each.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{path}: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the file is no WebAssembly component: {0}")]
    Broken(String),
    #[error("the component holds no manifest: pack it with `skyloom plugin pack`")]
    NoManifest,
    #[error("the component holds {0} manifests: it was put together by hand")]
    SeveralManifests(usize),
    #[error("the component is packed already: pack the one that the compiler made")]
    PackedAlready,
    #[error("the manifest is no UTF-8 text")]
    ManifestNotText,
    #[error("plugin.toml: {}", .0.0.join("\nplugin.toml: "))]
    Manifest(Defects),
    #[error("a {wanted} is wanted here, the plugin is a {found}")]
    WrongKind { wanted: Kind, found: Kind },
    #[error("the manifest says {kind}, but the component doesn't export `{missing}`")]
    MissingExport { kind: Kind, missing: &'static str },
    #[error("the component speaks `{interface}` version {version}; this host serves {}", served.join(", "))]
    Contract { interface: String, version: String, served: &'static [&'static str] },
    #[error("the component imports `{0}`, which no plugin may have")]
    ForeignImport(String),
    #[error("the component imports `{import}`, but plugin.toml doesn't ask for the capability `{capability}`")]
    NotAsked { import: String, capability: Capability },
    #[error(
        "it needs the capability `{capability}` ({reason}), which the deployment doesn't grant: add \"{capability}\" to its grants"
    )]
    NotGranted { capability: Capability, reason: String },
    #[error("grant `{capability}`: {reason}")]
    Grant { capability: Capability, reason: String },
    #[error("config{pointer}: {message}")]
    Config { pointer: String, message: String },
    #[error("{0}")]
    Limit(String),
    #[error("limit memory-mib = {wanted} is above the {most} that one call may have of [sandbox] memory-mib")]
    Memory { wanted: usize, most: usize },
    #[error("schema `{file}`: {reason}")]
    Schema { file: String, reason: String },
    #[error("the component can't be compiled: {0}")]
    Compile(String),
    #[error("the component can't be linked: {0}")]
    Link(String),
    #[error("folder of compiled code {}: {reason}", path.display())]
    Cache { path: PathBuf, reason: String },
    #[error("the sandbox engine can't be started: {0}")]
    Engine(String),
}

/// A call that gave no answer. `Display` is for the log; clients see the neutral refusal of [`RunError::code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("the plugin trapped: {0}")]
    Trapped(String),
    #[error("the plugin's code ran for more than {} ms", .0.as_millis())]
    CpuExhausted(Duration),
    #[error("the call took more than {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("the plugin wanted more than {0} bytes of memory")]
    OutOfMemory(usize),
    #[error("the plugin's answer has {size} bytes, {limit} are allowed")]
    OutputTooLarge { size: usize, limit: usize },
    #[error("the plugin's answer makes no sense: {0}")]
    Rubbish(String),
    #[error("the plugin called `{0}`, which it was not granted")]
    Denied(Capability),
    #[error("no sandbox or memory for it became free in {} ms", .0.as_millis())]
    Busy(Duration),
}

impl RunError {
    /// The neutral code that a client is answered with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Trapped(_)
            | Self::OutOfMemory(_)
            | Self::OutputTooLarge { .. }
            | Self::Rubbish(_)
            | Self::Denied(_) => ErrorCode::Internal,
            Self::CpuExhausted(_) | Self::TimedOut(_) => ErrorCode::TimedOut,
            Self::Busy(_) => ErrorCode::Unavailable,
        }
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error.code() {
            ErrorCode::TimedOut => Self::new(ErrorCode::TimedOut, "The request took too long.").with_internal(&error),
            ErrorCode::Unavailable => Self::unavailable(&error),
            _ => Self::internal(&error),
        }
    }
}

/// Compilers write long messages; the first line says what is wrong.
pub(crate) fn one_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown reason").to_owned()
}
