//! Subnets.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::Filter;
use skyloom_store::networks::{self as store, Range, Subnet};
use skyloom_store::quotas::Quota;

use super::Networks;
use super::{Asking, bounded, convert, read_only, rules, text};
use crate::attributes;
use crate::events::{self, Owner};
use crate::lists::{conditions, page, spell, spelled_address};

impl Networks {
    pub(super) async fn subnets_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::SubnetPage> {
        let asking = self.asking(context, Action::SubnetsRead)?;
        let mut wanted = conditions(wanted)?;
        spell(&mut wanted, "cidr", |text| rules::cidr(text).ok().map(|cidr| cidr.to_string()));
        spell(&mut wanted, "gateway", spelled_address);
        let filter = Filter::new(&asking.reach, wanted);
        let mut conn = self.db().read().await?;
        let listed = store::list_subnets(&mut conn, &filter, &page(request)).await?;
        let subnets = listed.items.into_iter().map(|subnet| convert::subnet(context, subnet));
        Ok(wit::SubnetPage { subnets: subnets.collect::<Result<_>>()?, next: listed.next })
    }

    pub(super) async fn subnets_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::Subnet> {
        let asking = self.asking(context, Action::SubnetsRead)?;
        let mut conn = self.db().read().await?;
        convert::subnet(context, seen(&mut conn, id, &asking).await?)
    }

    pub(super) async fn subnets_create(
        &self,
        context: &Arc<CallContext>,
        writes: Vec<wit::SubnetWrite>,
    ) -> Result<Vec<wit::Subnet>> {
        let asking = self.asking(context, Action::SubnetsCreate)?;
        bounded("subnets", writes.len())?;
        let mut tx = self.db().begin().await?;
        let mut made = Vec::with_capacity(writes.len());
        for write in writes {
            made.push(self.make_subnet(&mut tx, &asking, write).await?);
        }
        tx.commit().await?;
        Ok(made)
    }

    async fn make_subnet(&self, tx: &mut Conn, asking: &Asking<'_>, write: wit::SubnetWrite) -> Result<wit::Subnet> {
        let network_id =
            write.network_id.clone().ok_or_else(|| Error::invalid("network-id", "A subnet needs a network."))?;
        let cidr = rules::cidr(write.cidr.as_deref().unwrap_or_default())?;
        if write.ip_version.is_some_and(|version| version != cidr.ip_version()) {
            return Err(Error::invalid(
                "ip-version",
                format!("The cidr {cidr} is of IP version {}.", cidr.ip_version()),
            ));
        }
        let gateway = match &write.gateway {
            Some(gateway) => gateway.as_deref().map(|text| rules::address("gateway", text)).transpose()?,
            None => rules::first_gateway(&cidr),
        };
        let now = Timestamp::now();
        // Holds the network, so that no overlapping subnet comes meanwhile.
        store::touch_network(tx, &network_id, now).await?;
        let network = self.owned_network(tx, &network_id, asking).await?;
        let project_id = match write.project_id.clone() {
            None => network.project_id.clone(),
            wanted => self.project_for(tx, asking, wanted).await?,
        };
        let mut subnet = Subnet {
            id: new_id(),
            network_id,
            project_id,
            external: network.external,
            name: String::new(),
            description: String::new(),
            cidr,
            gateway,
            dhcp: true,
            dns: Vec::new(),
            pools: cidr.default_pools(gateway),
            host_routes: Vec::new(),
            created_at: now,
            updated_at: now,
            revision: 0,
            attributes: attributes::NONE.to_owned(),
        };
        apply(asking.context, &mut subnet, write)?;
        rules::check_subnet(&self.settings, &subnet)?;
        check_apart(tx, &subnet).await?;
        self.check_room(tx, asking, &subnet.project_id, &[(Quota::Subnets, 1)]).await?;
        events::changed(
            tx,
            asking.context,
            Action::SubnetsCreate,
            ("subnet", &subnet.id),
            Owner::Project(&subnet.project_id),
        )
        .await?;
        store::insert_subnet(tx, &subnet).await?;
        convert::subnet(asking.context, subnet)
    }

    pub(super) async fn subnets_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::SubnetWrite,
    ) -> Result<wit::Subnet> {
        let asking = self.asking(context, Action::SubnetsUpdate)?;
        let mut tx = self.db().begin().await?;
        let old = self.owned_subnet(&mut tx, id, &asking).await?;
        // Held before it is read for the change.
        store::touch_network(&mut tx, &old.network_id, Timestamp::now()).await?;
        let mut subnet = self.owned_subnet(&mut tx, id, &asking).await?;
        for (field, other) in [
            ("network-id", write.network_id.as_ref().is_some_and(|network| *network != subnet.network_id)),
            ("cidr", write.cidr.as_deref().is_some_and(|cidr| rules::cidr(cidr) != Ok(subnet.cidr))),
            ("ip-version", write.ip_version.is_some_and(|version| version != subnet.cidr.ip_version())),
            ("project-id", write.project_id.as_ref().is_some_and(|project| *project != subnet.project_id)),
        ] {
            if other {
                return Err(read_only(field));
            }
        }
        let gateway = subnet.gateway;
        apply(context, &mut subnet, write)?;
        rules::check_subnet(&self.settings, &subnet)?;
        if let Some(new) = subnet.gateway.filter(|new| gateway != Some(*new))
            && store::address_taken(&mut tx, id, Some(new)).await?
        {
            let message = format!("Gateway IP {new} of subnet {id} is in use by a port; it cannot be the gateway.");
            return Err(Error::new(ErrorCode::InUse, message).with_resource("subnet", id).with_field("gateway"));
        }
        subnet.updated_at = Timestamp::now();
        events::changed(&mut tx, context, Action::SubnetsUpdate, ("subnet", id), Owner::Project(&subnet.project_id))
            .await?;
        store::update_subnet(&mut tx, &subnet).await?;
        subnet.revision += 1;
        tx.commit().await?;
        convert::subnet(context, subnet)
    }

    pub(super) async fn subnets_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::SubnetsDelete)?;
        let mut tx = self.db().begin().await?;
        let subnet = self.owned_subnet(&mut tx, id, &asking).await?;
        if store::address_taken(&mut tx, id, None).await? {
            let message = format!(
                "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
            );
            return Err(Error::new(ErrorCode::InUse, message).with_resource("subnet", id));
        }
        store::touch_network(&mut tx, &subnet.network_id, Timestamp::now()).await?;
        events::changed(&mut tx, context, Action::SubnetsDelete, ("subnet", id), Owner::Project(&subnet.project_id))
            .await?;
        store::delete_subnet(&mut tx, id).await?;
        tx.commit().await
    }

    /// A subnet that the caller may change: its own, or one of its networks.
    async fn owned_subnet(&self, conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Subnet> {
        let subnet = seen(conn, id, asking).await?;
        if Some(subnet.project_id.as_str()) != asking.project {
            let network = store::get_network(conn, &subnet.network_id, &Reach::All).await?;
            let owner = network.map_or_else(String::new, |network| network.project_id);
            self.as_owner(conn, asking, &owner).await?;
        }
        Ok(subnet)
    }
}

/// A subnet that the caller sees.
async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Subnet> {
    store::get_subnet(conn, id, &asking.reach).await?.ok_or_else(|| Error::not_found("subnet", id))
}

/// That no other subnet of its network has some of a new one's addresses.
async fn check_apart(conn: &mut Conn, subnet: &Subnet) -> Result<()> {
    let Subnet { network_id, cidr, .. } = subnet;
    let others = store::subnets_of_network(conn, network_id).await?;
    let Some(other) = others.iter().find(|other| other.cidr.overlaps(cidr)) else { return Ok(()) };
    let message = format!(
        "Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet: {}.",
        other.id
    );
    Err(Error::invalid("cidr", message))
}

/// Takes over what is set.
fn apply(context: &CallContext, subnet: &mut Subnet, write: wit::SubnetWrite) -> Result<()> {
    if let Some(name) = text("name", write.name)? {
        subnet.name = name;
    }
    if let Some(description) = text("description", write.description)? {
        subnet.description = description;
    }
    attributes::put(context, &mut subnet.attributes, write.attributes.as_deref())?;
    if let Some(gateway) = write.gateway {
        subnet.gateway = gateway.as_deref().map(|text| rules::address("gateway", text)).transpose()?;
    }
    subnet.dhcp = write.dhcp.unwrap_or(subnet.dhcp);
    if let Some(servers) = write.dns {
        let parse = |text: &String| Ok(rules::address("dns", text)?.to_string());
        subnet.dns = servers.iter().map(parse).collect::<Result<_>>()?;
    }
    if let Some(pools) = write.pools {
        let parse = |range: &wit::AddressRange| {
            Ok(Range { start: rules::address("pools", &range.start)?, end: rules::address("pools", &range.end)? })
        };
        subnet.pools = pools.iter().map(parse).collect::<Result<_>>()?;
    }
    if let Some(routes) = write.host_routes {
        subnet.host_routes = routes.into_iter().map(|route| (route.destination, route.next_hop)).collect();
    }
    Ok(())
}
