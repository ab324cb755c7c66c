//! What the deployment file says about one destination.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where requests of one label may go, with what, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rules {
    /// `api.example.org`, `*.example.org`, `192.0.2.7`, `[2001:db8::7]:8443`; `*`: any. Without a port the scheme's own, 443 or 80.
    pub hosts: Vec<String>,
    #[serde(default = "reading")]
    pub methods: Vec<String>,
    /// Whether `http://` is taken too, which everybody on the way reads and may change.
    #[serde(default)]
    pub plain: bool,
    /// Networks and addresses beyond the public ones that a host's name may stand for: `10.0.0.0/8`. A host that is written as
    /// an address needs none.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// PEM file of the authorities that vouch for the hosts; left out: those of this machine.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// SHA-256 of the one certificate that is taken, in hex: whoever signed it, whatever name it has. Instead of `ca`.
    #[serde(default)]
    pub pin: Option<String>,
    /// Put into each request by the host, but behind a redirection to another origin; the plugin never sees it.
    #[serde(default)]
    pub login: Option<Login>,
    /// Redirections that are followed, each within this grant; 0: what redirects is the answer.
    #[serde(default = "some_redirects")]
    pub redirects: u32,
    /// Requests a second in the long run; 0: no limit.
    #[serde(default = "some_requests")]
    pub rate: u32,
    /// So many more at once.
    #[serde(default = "some_more")]
    pub burst: u32,
    /// Requests at the same time; the next one waits.
    #[serde(default = "at_once")]
    pub at_once: u32,
    /// From the first byte to the last, waiting and redirections included; at most 600000.
    #[serde(default = "some_time")]
    pub timeout_ms: u32,
    /// Largest body of a request; at most 16384.
    #[serde(default = "small")]
    pub request_kib: u32,
    /// Largest body of an answer; at most 16384.
    #[serde(default = "middling")]
    pub answer_kib: u32,
}

/// A login; one of `user` and `header`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Login {
    /// Basic authentication with this user; the file holds the password.
    #[serde(default)]
    pub user: Option<String>,
    /// A header of this name, such as `Authorization` or `X-Api-Key`; the file holds its value.
    #[serde(default)]
    pub header: Option<String>,
    pub secret_file: PathBuf,
}

fn reading() -> Vec<String> {
    vec!["GET".to_owned(), "HEAD".to_owned()]
}

fn some_redirects() -> u32 {
    3
}

fn some_requests() -> u32 {
    10
}

fn some_more() -> u32 {
    20
}

fn at_once() -> u32 {
    8
}

fn some_time() -> u32 {
    10_000
}

fn small() -> u32 {
    256
}

fn middling() -> u32 {
    1024
}

const MOST_MS: u32 = 600_000;
const MOST_KIB: u32 = 16_384;
const MOST_REDIRECTS: u32 = 10;

impl Rules {
    /// Everything as where it is left out.
    pub fn to(hosts: Vec<String>) -> Self {
        Self {
            hosts,
            methods: reading(),
            plain: false,
            addresses: Vec::new(),
            ca: None,
            pin: None,
            login: None,
            redirects: some_redirects(),
            rate: some_requests(),
            burst: some_more(),
            at_once: at_once(),
            timeout_ms: some_time(),
            request_kib: small(),
            answer_kib: middling(),
        }
    }

    /// The first number that is out of bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bounds = [
            ("at-once", self.at_once, 1, 1024),
            ("timeout-ms", self.timeout_ms, 1, MOST_MS),
            ("request-kib", self.request_kib, 0, MOST_KIB),
            ("answer-kib", self.answer_kib, 1, MOST_KIB),
            ("redirects", self.redirects, 0, MOST_REDIRECTS),
        ];
        match bounds.iter().find(|(_, value, least, most)| value < least || value > most) {
            Some((name, value, least, most)) => Err(format!("{name}: {value} is not from {least} to {most}")),
            None if self.hosts.is_empty() => Err("hosts: there is none".to_owned()),
            None if self.methods.is_empty() => Err("methods: there is none".to_owned()),
            None => Ok(()),
        }
    }
}
