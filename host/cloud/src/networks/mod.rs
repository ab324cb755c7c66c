//! Networks: the rules of what may be made, changed and removed, over `store::networks`, which gives the addresses.

mod api;
mod convert;
mod group_rules;
mod groups;
mod network;
mod ports;
mod public_addresses;
mod rules;
mod seed;
mod subnets;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod traffic;

use std::sync::Arc;

use skyloom_model::{Action, Caller, Error, ErrorCode, Reach, Result};
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::quotas::Quota;

use crate::base::{Base, stands_on_base};
use crate::compute::quotas::Quotas;
use crate::reach;

pub use seed::{Seed, SeedNetwork};

/// The `[networks]` table of the deployment file.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Largest packet of networks that say none, in bytes.
    pub mtu: u32,
    /// What a network may ask for at most.
    pub max_mtu: u32,
    /// Addresses that one port may have.
    pub max_addresses_per_port: usize,
    /// Name servers that a subnet may have.
    pub max_dns_servers: usize,
    /// Routes that a subnet may give its machines.
    pub max_host_routes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mtu: 1500, max_mtu: 9000, max_addresses_per_port: 16, max_dns_servers: 5, max_host_routes: 20 }
    }
}

/// The least that IPv4 asks of a link.
const MIN_MTU: u32 = 68;
/// What one request makes at most of a kind.
const MAX_BULK: usize = 128;
/// Address ranges of a subnet.
const MAX_POOLS: usize = 100;
/// Security groups of a port.
const MAX_GROUPS: usize = 128;
/// Rules of a security group, which stand in it wherever it is shown: at most 2 MiB of text.
const MAX_RULES: usize = 1000;
/// Of names and descriptions, in characters.
const MAX_TEXT: usize = 255;

/// The area's own state; everything durable stands in the store.
pub struct Networks {
    base: Base,
    quotas: Arc<Quotas>,
    settings: Settings,
}

stands_on_base!(Networks);

impl Networks {
    pub(crate) fn new(base: Base, quotas: Arc<Quotas>, settings: Settings) -> Result<Self> {
        if settings.mtu < MIN_MTU || settings.mtu > settings.max_mtu {
            return Err(Error::invalid(
                "networks.mtu",
                format!("[networks] mtu = {}: give {MIN_MTU} to max-mtu ({})", settings.mtu, settings.max_mtu),
            ));
        }
        Ok(Self { base, quotas, settings })
    }
}

/// Who asks, and in which project.
struct Asking<'a> {
    caller: &'a Caller,
    reach: Reach,
    /// None: the token is for more than one.
    project: Option<&'a str>,
    context: &'a CallContext,
}

impl Networks {
    /// Checks the policy; gives who asks.
    fn asking<'a>(&self, context: &'a Arc<CallContext>, action: Action) -> Result<Asking<'a>> {
        let reach = self.permit(context.caller.as_deref(), action)?;
        let caller: &Caller = context.caller()?;
        Ok(Asking { project: caller.project_id(), reach, caller, context })
    }

    /// The project that something is made for: the caller's, or one that operators and managers name.
    async fn project_for(&self, conn: &mut Conn, asking: &Asking<'_>, wanted: Option<String>) -> Result<String> {
        match text("project-id", wanted)? {
            Some(other) if Some(other.as_str()) != asking.project => {
                let reach = self.permit(Some(asking.caller), Action::NetworksWriteAll);
                reach::check(conn, &reach.map_err(not_theirs("project-id"))?, "project-id", &other).await?;
                Ok(other)
            }
            _ => asking.caller.project().map(ToOwned::to_owned),
        }
    }

    /// Whether the project's quota has room for what is made. The project that an operator names need not be there (yet).
    async fn check_room(
        &self,
        tx: &mut Conn,
        asking: &Asking<'_>,
        project_id: &str,
        needs: &[(Quota, u64)],
    ) -> Result<()> {
        if Some(project_id) == asking.project {
            self.quotas.check_quota(tx, project_id, needs).await
        } else {
            self.quotas.check_quota_named(tx, project_id, needs).await
        }
    }

    /// What only the network's owner and those who manage it may say of a port or subnet.
    async fn as_owner(&self, conn: &mut Conn, asking: &Asking<'_>, owner: &str) -> Result<()> {
        if Some(owner) == asking.project {
            return Ok(());
        }
        let reach = self.permit(Some(asking.caller), Action::NetworksWriteAll)?;
        if reach::holds(conn, &reach, owner).await? {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Forbidden, "The policy does not allow this to be performed.")
            .with_resource("action", Action::NetworksWriteAll.as_str()))
    }
}

/// Tells which field a caller who may not must leave alone.
fn not_theirs(field: &str) -> impl FnOnce(Error) -> Error {
    move |error| error.with_field(field)
}

/// A name or description as it is stored.
fn text(field: &str, value: Option<String>) -> Result<Option<String>> {
    if let Some(value) = &value {
        if value.chars().count() > MAX_TEXT {
            let message = format!("'{value}' exceeds maximum length of {MAX_TEXT}.");
            return Err(Error::invalid(field, message).with_reason("too-long"));
        }
        // PostgreSQL holds no such character.
        if value.contains('\0') {
            return Err(Error::invalid(field, "A text must not contain the character NUL.").with_reason("malformed"));
        }
    }
    Ok(value)
}

fn read_only(field: &str) -> Error {
    Error::invalid(field, "It cannot be changed.").with_reason("read-only")
}

/// What one request may make.
fn bounded(field: &str, count: usize) -> Result<()> {
    if (1..=MAX_BULK).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("A request makes 1 to {MAX_BULK} at once, not {count}.")).with_reason("too-many"))
}

/// What one resource holds.
fn at_most(field: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(field, format!("There are {count} of at most {most}.")).with_reason("too-many"))
}
