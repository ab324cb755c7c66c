//! Public addresses: taken from an external network, bound to an address of one of the project's ports.

use std::net::Ipv4Addr;
use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::Filter;
use skyloom_store::networks::{self, Network, Port, PortNetwork};
use skyloom_store::public_addresses::{self as store, NewAddress, PublicAddress, Target};
use skyloom_store::quotas::Quota;

use super::Networks;
use super::{Asking, bounded, convert, network, not_theirs, read_only, rules, text};
use crate::attributes;
use crate::events::{self, Owner};
use crate::lists::{conditions, page, spell, spelled_address};

impl Networks {
    pub(super) async fn public_addresses_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::PublicAddressPage> {
        let asking = self.asking(context, Action::PublicAddressesRead)?;
        let mut wanted = conditions(wanted)?;
        spell(&mut wanted, "address", spelled_address);
        spell(&mut wanted, "fixed-address", spelled_address);
        let filter = Filter::new(&asking.reach, wanted);
        let mut conn = self.db().read().await?;
        let listed = store::list(&mut conn, &filter, &page(request)).await?;
        let addresses = listed.items.into_iter().map(|address| convert::public_address(context, address));
        Ok(wit::PublicAddressPage { addresses: addresses.collect::<Result<_>>()?, next: listed.next })
    }

    pub(super) async fn public_addresses_get(
        &self,
        context: &Arc<CallContext>,
        id: &str,
    ) -> Result<wit::PublicAddress> {
        let asking = self.asking(context, Action::PublicAddressesRead)?;
        let mut conn = self.db().read().await?;
        let address = store::get(&mut conn, id, &asking.reach).await?;
        convert::public_address(context, address.ok_or_else(|| missing(id))?)
    }

    pub(super) async fn public_addresses_create(
        &self,
        context: &Arc<CallContext>,
        writes: Vec<wit::PublicAddressWrite>,
    ) -> Result<Vec<wit::PublicAddress>> {
        let asking = self.asking(context, Action::PublicAddressesCreate)?;
        bounded("public-addresses", writes.len())?;
        let mut tx = self.db().begin().await?;
        let mut made = Vec::with_capacity(writes.len());
        for write in writes {
            made.push(self.make_public_address(&mut tx, &asking, write).await?);
        }
        tx.commit().await?;
        Ok(made)
    }

    async fn make_public_address(
        &self,
        tx: &mut Conn,
        asking: &Asking<'_>,
        write: wit::PublicAddressWrite,
    ) -> Result<wit::PublicAddress> {
        let project_id = self.project_for(tx, asking, write.project_id).await?;
        let outside = outside(tx, asking, write.network_id).await?;
        if write.address.is_some() {
            self.as_owner(tx, asking, &outside.project_id).await.map_err(not_theirs("address"))?;
        }
        let address = write.address.as_deref().map(|text| rules::address("address", text)).transpose()?;
        let mut own = attributes::NONE.to_owned();
        attributes::put(asking.context, &mut own, write.attributes.as_deref())?;
        let description = text("description", write.description)?.unwrap_or_default();
        // A public address stands at a port of its own.
        let needs = [(Quota::Ports, 1), (Quota::PublicAddresses, 1)];
        self.check_room(tx, asking, &project_id, &needs).await?;
        let to = To { port_id: write.port_id.flatten(), fixed_address: write.fixed_address };
        let target = self.target(tx, asking, &project_id, to, "").await?;
        let new = NewAddress {
            project_id,
            subnet_id: write.subnet_id,
            address,
            target,
            description,
            attributes: own,
            ..NewAddress::default()
        };
        let network = PortNetwork::load(tx, &outside.id).await?;
        let made = store::make(tx, &network, new, Timestamp::now()).await;
        // An address or subnet that doesn't fit: the request has no list of them.
        let made = made.map_err(|error| match error.field.as_deref() {
            Some("fixed-ips") if address.is_some() => error.with_field("address"),
            Some("fixed-ips") => error.with_field("subnet-id"),
            _ => error,
        })?;
        let (id, project) = (&made.id, Owner::Project(&made.project_id));
        events::changed(tx, asking.context, Action::PublicAddressesCreate, ("public-address", id), project).await?;
        convert::public_address(asking.context, made)
    }

    pub(super) async fn public_addresses_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::PublicAddressWrite,
    ) -> Result<wit::PublicAddress> {
        let binds = write.port_id.is_some() || write.fixed_address.is_some();
        let action = if binds { Action::PublicAddressesBind } else { Action::PublicAddressesUpdate };
        let asking = self.asking(context, action)?;
        if binds && (write.description.is_some() || write.attributes.is_some()) {
            self.permit(Some(asking.caller), Action::PublicAddressesUpdate)?;
        }
        let mut tx = self.db().begin().await?;
        let before = store::lock(&mut tx, id, &asking.reach).await?.ok_or_else(|| missing(id))?;
        unchanged(&before, &write)?;
        let mut after = before.clone();
        if let Some(description) = text("description", write.description)? {
            after.description = description;
        }
        attributes::put(context, &mut after.attributes, write.attributes.as_deref())?;
        if binds {
            // An address alone is of the port that it leads to already.
            let now_at = Some(before.port_id.clone()).filter(|port| !port.is_empty());
            let to = To { port_id: write.port_id.unwrap_or(now_at), fixed_address: write.fixed_address };
            after.lead(self.target(&mut tx, &asking, &before.project_id, to, id).await?);
        }
        after.updated_at = Timestamp::now();
        events::changed(&mut tx, context, action, ("public-address", id), Owner::Project(&after.project_id)).await?;
        store::change(&mut tx, &before, &after).await?;
        after.revision += 1;
        tx.commit().await?;
        convert::public_address(context, after)
    }

    pub(super) async fn public_addresses_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::PublicAddressesDelete)?;
        let mut tx = self.db().begin().await?;
        let address = store::lock(&mut tx, id, &asking.reach).await?.ok_or_else(|| missing(id))?;
        events::changed(
            &mut tx,
            context,
            Action::PublicAddressesDelete,
            ("public-address", id),
            Owner::Project(&address.project_id),
        )
        .await?;
        store::release(&mut tx, id, Timestamp::now()).await?;
        tx.commit().await
    }

    /// The port's address that a request names, held until the commit. None: it names no port. `own`: the id of the address that
    /// is to lead there; empty: it is new.
    async fn target(
        &self,
        tx: &mut Conn,
        asking: &Asking<'_>,
        project_id: &str,
        to: To,
        own: &str,
    ) -> Result<Option<Target>> {
        let To { port_id, fixed_address } = to;
        let Some(port_id) = port_id else {
            let message = "An address of a port can't be named without the port.";
            return fixed_address
                .map_or(Ok(None), |_| Err(Error::invalid("fixed-address", message).with_reason("no-port")));
        };
        self.permit(Some(asking.caller), Action::PublicAddressesBind)?;
        networks::lock_port(tx, &port_id).await?;
        let port = networks::get_port(tx, &port_id, &asking.reach).await?;
        let port = port.ok_or_else(|| Error::not_found("port", &port_id))?;
        may_lead_to(tx, &port, project_id).await?;
        let fixed_address = chosen(&port, fixed_address)?;
        let others = store::of_port(tx, &port_id).await?;
        if let Some(other) = others.iter().find(|other| other.id != own && other.fixed_address == fixed_address) {
            let message =
                format!("The address {fixed_address} of port {port_id} has the public address {}.", other.address);
            return Err(Error::new(ErrorCode::InUse, message).with_resource("port", &port_id));
        }
        let server_id = if port.of_core { port.device_id } else { String::new() };
        Ok(Some(Target { port_id, fixed_address, server_id }))
    }
}

/// Where a request says that an address leads.
struct To {
    port_id: Option<String>,
    /// None: the only one that the port has.
    fixed_address: Option<String>,
}

fn missing(id: &str) -> Error {
    Error::not_found("public-address", id)
}

/// The network that a new address is from.
async fn outside(conn: &mut Conn, asking: &Asking<'_>, id: Option<String>) -> Result<Network> {
    let Some(id) = id else {
        let message = "There is no network that public addresses come from.";
        return networks::external_network(conn)
            .await?
            .ok_or_else(|| Error::new(ErrorCode::NotSupported, message).with_field("network-id"));
    };
    let network = network::seen(conn, &id, asking).await?;
    if network.external {
        return Ok(network);
    }
    let message = format!("Network {id} is not a valid external network");
    Err(Error::invalid("network-id", message).with_reason("not-external"))
}

/// What a client that sends the whole record back may repeat, but not change.
fn unchanged(address: &PublicAddress, write: &wit::PublicAddressWrite) -> Result<()> {
    for (field, is, wanted) in [
        ("project-id", &address.project_id, &write.project_id),
        ("network-id", &address.network_id, &write.network_id),
        ("address", &address.address, &write.address),
    ] {
        if wanted.as_ref().is_some_and(|wanted| wanted != is) {
            return Err(read_only(field));
        }
    }
    if write.subnet_id.is_some() { Err(read_only("subnet-id")) } else { Ok(()) }
}

/// A port of the same project that isn't outside itself.
async fn may_lead_to(conn: &mut Conn, port: &Port, project_id: &str) -> Result<()> {
    if port.project_id != project_id {
        let message = format!("Port {} is of another project than the public address.", port.id);
        return Err(Error::invalid("port-id", message).with_reason("other-project"));
    }
    let network = networks::get_network(conn, &port.network_id, &Reach::All).await?;
    if network.is_some_and(|network| network.external) {
        let message = format!("Port {} is on an external network: no public address can lead to it.", port.id);
        return Err(Error::invalid("port-id", message).with_reason("external"));
    }
    Ok(())
}

/// The address of the port that is named, or the only one that there is.
fn chosen(port: &Port, named: Option<String>) -> Result<String> {
    let mut of_version_4 = port.fixed_ips.iter().map(|fixed| &fixed.address).filter(|text| is_version_4(text));
    if let Some(named) = named {
        let address = rules::address("fixed-address", &named)?.to_string();
        return of_version_4.find(|known| **known == address).cloned().ok_or_else(|| {
            let message = format!("Port {} does not have fixed ip {named}", port.id);
            Error::invalid("fixed-address", message).with_reason("not-of-port")
        });
    }
    match (of_version_4.next(), of_version_4.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => {
            let message = format!("Port {} has no fixed IPv4 address to which a public one could lead.", port.id);
            Err(Error::invalid("port-id", message).with_reason("no-address"))
        }
        (Some(_), Some(_)) => {
            let message = format!("Port {} has several fixed IPv4 addresses: name one of them.", port.id);
            Err(Error::invalid("fixed-address", message).with_reason("ambiguous"))
        }
    }
}

fn is_version_4(address: &str) -> bool {
    address.parse::<Ipv4Addr>().is_ok()
}
