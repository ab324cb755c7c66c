//! HTTP: from a socket to a plugin and back. Routes come from the manifests of the mounted plugins.

mod settings;

pub use settings::Settings;
