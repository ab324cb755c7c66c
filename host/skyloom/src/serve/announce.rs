//! What a start says on standard output, for the person or the script that started it; the log goes elsewhere. Paths of what is
//! secret, never the secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use skyloom_cloud::identity::Seed;

use super::Running;
use super::client_files::{self, Reached};
use crate::config::{Address, Loaded};
use crate::failure::Failure;
use crate::state::StateDir;

/// One line of JSON with `serve --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Announcement<'a> {
    version: &'static str,
    ready_after_ms: u128,
    endpoints: Vec<Endpoint<'a>>,
    /// Base URL of the operator's listener, where there is one.
    operator: Option<String>,
    administrator: Administrator<'a>,
    files: Vec<ClientFile<'a>>,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    plugin: &'a str,
    listener: &'a str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Administrator<'a> {
    user: &'a str,
    project: &'a str,
    domain: &'a str,
    /// None: the database had its administrator before this state folder was there.
    password_file: Option<&'a Path>,
}

#[derive(Serialize)]
struct ClientFile<'a> {
    path: PathBuf,
    purpose: &'a str,
}

impl Running {
    /// Writes the clients' files, and says where everything is.
    pub(super) fn announce(
        &self,
        loaded: &Loaded,
        state: &StateDir,
        took: Duration,
        json: bool,
    ) -> Result<(), Failure> {
        let operator = self.operator.as_ref().map(Address::as_local);
        let reached = Reached { places: &self.places, bound: &self.bound, operator: operator.as_ref() };
        let files = client_files::write(&loaded.deployment, reached, state, self.admin.as_ref())?;
        let announcement = Announcement {
            version: env!("CARGO_PKG_VERSION"),
            ready_after_ms: took.as_millis(),
            endpoints: self
                .places
                .iter()
                .map(|place| Endpoint { plugin: &place.plugin, listener: &place.listener, url: place.endpoint() })
                .collect(),
            operator: operator.as_ref().map(|address| format!("http://{address}")),
            administrator: administrator(
                &loaded.deployment.seed.identity,
                self.admin.as_ref().map(|admin| &*admin.file),
            ),
            files: files.into_iter().map(|(file, path)| ClientFile { path, purpose: &file.purpose }).collect(),
        };
        if json {
            let line = serde_json::to_string(&announcement).map_err(|error| Failure::new(error.to_string()))?;
            say!("{line}");
        } else {
            announcement.say(took);
        }
        if let Err(error) = crate::output::finish() {
            tracing::warn!(%error, "the announcement cannot be written to standard output");
        }
        for bound in &self.bound {
            tracing::info!(listener = bound.name, address = %bound.address, "listening");
        }
        Ok(())
    }
}

fn administrator<'a>(identity: &'a Seed, password_file: Option<&'a Path>) -> Administrator<'a> {
    Administrator {
        user: &identity.admin_user,
        project: &identity.admin_project,
        domain: &identity.domain_name,
        password_file,
    }
}

impl Announcement<'_> {
    fn say(&self, took: Duration) {
        say!("Skyloom {} is ready after {:.2} s", self.version, took.as_secs_f64());
        say!("\nendpoints");
        for endpoint in &self.endpoints {
            say!("  {:<14} {}", endpoint.plugin, endpoint.url);
        }
        if let Some(operator) = &self.operator {
            say!("  {:<14} {operator}/healthz /readyz /metrics", "operator");
        }
        let Administrator { user, project, domain, password_file } = &self.administrator;
        say!("\nadministrator");
        say!("  user {user}, project {project}, domain {domain}");
        match password_file {
            Some(file) => say!("  password in {}", file.display()),
            None => say!("  password: the one that this database was first started with"),
        }
        if !self.files.is_empty() {
            say!("\nfiles for clients");
        }
        for file in &self.files {
            say!("  {}", file.path.display());
            if !file.purpose.is_empty() {
                say!("    {}", file.purpose);
            }
        }
        say!("\nCtrl-C or SIGTERM ends it, once the requests in flight are answered");
    }
}
