//! The request on whose behalf a guest runs.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use skyloom_model::{Caller, Error, ErrorCode};

use crate::collections::Collections;

/// Made by the host for each request; a guest reaches the core only through it.
#[derive(Debug)]
pub struct CallContext {
    /// None: nobody is authenticated (login, version lists).
    pub caller: Option<Arc<Caller>>,
    /// `req-<uuid>`.
    pub request_id: Arc<str>,
    /// Id of the personality; owns the attributes' namespace.
    pub personality: Arc<str>,
    /// What the personality keeps of its own.
    pub collections: Collections,
    /// The values behind the request's secret handles.
    pub secrets: SecretVault,
    /// Address of the client, for slowing failed logins.
    pub client: Option<std::net::IpAddr>,
    /// The bytes that may pass beside the sandbox.
    pub streams: Streams,
    /// When a refused request may come again, where the core knows it: for the header of the answer, whatever its words.
    pub retry_after: OnceLock<Duration>,
}

impl CallContext {
    /// Who calls; `unauthenticated` when nobody is known.
    pub fn caller(&self) -> Result<&Arc<Caller>, Error> {
        self.caller.as_ref().ok_or_else(|| Error::new(ErrorCode::Unauthenticated, "This request needs a valid token."))
    }

    /// The value behind a handle of this request; `invalid` on `field` when it is none (the guest sent a value of its own).
    pub fn secret(&self, field: &str, handle: &str) -> Result<Arc<str>, Error> {
        self.secrets.get(handle).ok_or_else(|| Error::invalid(field, "The value of this field is not understood."))
    }
}

/// What the core let this request stream. A guest's answer only names bytes or a size, so it is believed no further than this.
#[derive(Debug, Default)]
pub struct Streams(Mutex<Granted>);

#[derive(Debug, Default)]
struct Granted {
    downloads: Vec<String>,
    upload: Option<u64>,
}

impl Streams {
    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stored bytes of this name may be sent.
    pub fn grant_download(&self, blob: &str) {
        self.granted().downloads.push(blob.to_owned());
    }

    /// So many bytes may be taken.
    pub fn grant_upload(&self, limit: u64) {
        self.granted().upload = Some(limit);
    }

    pub fn may_send(&self, blob: &str) -> bool {
        self.granted().downloads.iter().any(|granted| granted == blob)
    }

    /// How many bytes may be taken; none: no upload was begun.
    pub fn upload(&self) -> Option<u64> {
        self.granted().upload
    }
}

/// Secrets of one request by handle. Values never cross into a guest. Clones share them.
#[derive(Clone, Default)]
pub struct SecretVault {
    values: Arc<Mutex<Vec<Arc<str>>>>,
    /// Makes handles unguessable across requests.
    salt: u64,
}

impl std::fmt::Debug for SecretVault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretVault")
    }
}

impl SecretVault {
    pub fn new() -> Self {
        Self { values: Arc::default(), salt: rand::random() }
    }

    /// Keep a value; gives its handle.
    pub fn put(&self, value: impl Into<Arc<str>>) -> String {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.push(value.into());
        self.handle(values.len() - 1)
    }

    fn handle(&self, index: usize) -> String {
        format!("secret:{:016x}:{index}", self.salt)
    }

    /// Every handle with its value.
    pub fn all(&self) -> Vec<(String, Arc<str>)> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().enumerate().map(|(index, value)| (self.handle(index), value.clone())).collect()
    }

    /// None: no handle of this request.
    pub fn get(&self, handle: &str) -> Option<Arc<str>> {
        let (salt, index) = handle.strip_prefix("secret:")?.split_once(':')?;
        if salt != format!("{:016x}", self.salt) {
            return None;
        }
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(index.parse::<usize>().ok()?).cloned()
    }
}
