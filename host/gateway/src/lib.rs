//! HTTP: from a socket to a plugin and back. Routes come from the manifests of the mounted plugins.
//!
//! What a request needs is compiled when the process starts ([`Mount`]): templates, header names, pointers, schemas,
//! policies. The gateway knows no vendor: its own refusals are worded by the manifest's templates.

mod accept;
mod access;
mod answer;
mod authentication;
mod cloud;
mod connection;
mod core;
mod credentials;
mod door;
mod exchange;
mod gateway;
mod held;
mod incoming;
mod internal;
mod json;
mod lingering;
mod metrics;
mod mount;
mod operator;
mod operator_clock;
mod operator_nodes;
mod outgoing;
mod pace;
mod peers;
mod proxies;
mod refusal;
mod replays;
mod routes;
mod server;
mod settings;
mod shared;
mod short;
mod signing;
mod spacing;
mod templates;
mod tls;
mod turns;
mod unread;
mod unserved;
mod upload;
mod versioning;

pub use core::{BlobSink, Body, Core, Handler, Request, Response, SigningKey, Upload, Violation};
pub use gateway::Gateway;
pub use internal::{Answering, Asking, DrivenNodes, INTERNAL_READS, InternalLimits};
pub use metrics::{Metrics, Sample, SampleKind, Source};
pub use mount::{Mount, MountSpec};
pub use operator::Check;
pub use operator_nodes::Nodes;
pub use proxies::Network;
pub use refusal::Refusal;
pub use routes::check_routes;
pub use server::Server;
pub use settings::Settings;
pub use shared::Shared;
pub use tls::Tls;
