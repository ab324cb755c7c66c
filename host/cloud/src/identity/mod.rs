//! Domains, projects, users, roles, tokens, access keys; who may do what.

mod access_keys;
mod api;
mod assignments;
mod catalog;
mod convert;
mod domains;
mod extra;
mod failures;
mod login;
mod passwords;
pub(crate) mod policy;
mod projects;
mod roles;
mod seed;
mod sessions;
mod settings;
mod throttle;
mod users;

#[cfg(test)]
mod tests;

pub use access_keys::SigningKey;
pub use policy::{ADMIN, MANAGER, MEMBER, READER, RoleRules, SERVICE, Vocabulary};
pub use seed::Seed;
pub use sessions::REVOCATION_BOUND;
pub use settings::{Settings, Slowdown};

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_store::Conn;

use crate::base::{Base, stands_on_base};

/// Caches and rules of this area.
pub struct Identity {
    base: Base,
    settings: Settings,
    passwords: passwords::Passwords,
    throttle: throttle::Throttle,
    failures: failures::Failures,
    sessions: sessions::Cache,
    catalog: catalog::Catalog,
}

stands_on_base!(Identity);

impl Identity {
    pub(crate) fn new(base: Base, settings: Settings) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            base,
            passwords: passwords::Passwords::new(&settings)?,
            throttle: throttle::Throttle::new(settings.slowdown.clone()),
            failures: failures::Failures::new(),
            sessions: sessions::Cache::new(),
            catalog: catalog::Catalog::default(),
            settings,
        })
    }

    pub(crate) async fn seed(&self, tx: &mut Conn, seed: &Seed) -> Result<()> {
        seed::seed(self, tx, seed).await
    }

    /// The roles that every cloud has, in a database of an older program too.
    pub(crate) async fn ensure_roles(&self, tx: &mut Conn) -> Result<()> {
        seed::ensure_roles(tx).await
    }
}

/// Ids of this area are 32 hex digits, so that they are one and the same on every face.
fn new_id() -> String {
    skyloom_model::new_id().replace('-', "")
}

/// A name: something other than blanks, at most `max` characters.
fn check_name(field: &str, name: &str, max: usize) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid(field, "A text must not be empty.").with_reason("malformed"));
    }
    check_length(field, name, max)
}

fn check_length(field: &str, text: &str, max: usize) -> Result<()> {
    if text.chars().count() > max {
        let message = format!("A text is longer than {max} characters.");
        return Err(Error::invalid(field, message).with_reason("too-long"));
    }
    // PostgreSQL has no such text.
    if text.contains('\0') {
        return Err(Error::invalid(field, "A text must not contain the character NUL.").with_reason("malformed"));
    }
    Ok(())
}

/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 65_535;
/// Longest name of a domain or project, in characters.
const MAX_PLACE_NAME: usize = 64;
/// Longest name of a user or role, in characters.
const MAX_NAME: usize = 255;

/// A kind and a name that is taken, as the caller knows it.
fn taken(kind: &str, name: &str) -> impl Fn(Error) -> Error {
    let text = format!("A {kind} named {name} exists already.");
    let kind = kind.to_owned();
    let name = name.to_owned();
    move |error| {
        if error.code == ErrorCode::AlreadyExists {
            Error::new(ErrorCode::AlreadyExists, text.clone()).with_resource(kind.clone(), name.clone())
        } else {
            error
        }
    }
}

fn check_description(description: Option<&str>) -> Result<()> {
    description.map_or(Ok(()), |text| check_length("description", text, MAX_DESCRIPTION))
}
