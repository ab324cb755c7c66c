//! Networks and routers.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::{Filter, Page};
use skyloom_store::networks::{self as store, Network};
use skyloom_store::quotas::Quota;

use super::Networks;
use super::{Asking, MIN_MTU, bounded, convert, not_theirs, read_only, text};
use crate::attributes;
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

impl Networks {
    pub(super) async fn networks_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::NetworkPage> {
        let asking = self.asking(context, Action::NetworksRead)?;
        let filter = Filter::new(&asking.reach, conditions(wanted)?);
        let mut conn = self.db().read().await?;
        let listed = store::list_networks(&mut conn, &filter, &page(request)).await?;
        let networks = listed.items.into_iter().map(|network| convert::network(context, network));
        Ok(wit::NetworkPage { networks: networks.collect::<Result<_>>()?, next: listed.next })
    }

    pub(super) async fn networks_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::Network> {
        let asking = self.asking(context, Action::NetworksRead)?;
        let mut conn = self.db().read().await?;
        convert::network(context, seen(&mut conn, id, &asking).await?)
    }

    pub(super) async fn networks_create(
        &self,
        context: &Arc<CallContext>,
        writes: Vec<wit::NetworkWrite>,
    ) -> Result<Vec<wit::Network>> {
        let asking = self.asking(context, Action::NetworksCreate)?;
        bounded("networks", writes.len())?;
        let mut tx = self.db().begin().await?;
        let mut made = Vec::with_capacity(writes.len());
        for write in writes {
            made.push(self.make_network(&mut tx, &asking, write).await?);
        }
        tx.commit().await?;
        Ok(made)
    }

    async fn make_network(&self, tx: &mut Conn, asking: &Asking<'_>, write: wit::NetworkWrite) -> Result<wit::Network> {
        let project_id = self.project_for(tx, asking, write.project_id.clone()).await?;
        let mut network = self.new_network(project_id, Timestamp::now());
        self.write_network(asking, &mut network, write)?;
        self.check_room(tx, asking, &network.project_id, &[(Quota::Networks, 1)]).await?;
        events::changed(
            tx,
            asking.context,
            Action::NetworksCreate,
            ("network", &network.id),
            Owner::Project(&network.project_id),
        )
        .await?;
        store::insert_network(tx, &network).await?;
        convert::network(asking.context, network)
    }

    /// As networks are of which nothing is said.
    pub(super) fn new_network(&self, project_id: String, now: Timestamp) -> Network {
        Network {
            id: new_id(),
            project_id,
            name: String::new(),
            description: String::new(),
            shared: false,
            external: false,
            enabled: true,
            is_default: false,
            port_security: true,
            mtu: self.settings.mtu,
            zone: None,
            created_at: now,
            updated_at: now,
            revision: 1,
            attributes: attributes::NONE.to_owned(),
            subnet_ids: Vec::new(),
        }
    }

    pub(super) async fn networks_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::NetworkWrite,
    ) -> Result<wit::Network> {
        let asking = self.asking(context, Action::NetworksUpdate)?;
        let mut tx = self.db().begin().await?;
        let now = Timestamp::now();
        store::lock_network(&mut tx, id).await?;
        let mut network = self.owned_network(&mut tx, id, &asking).await?;
        if write.project_id.as_ref().is_some_and(|project| *project != network.project_id) {
            return Err(read_only("project-id"));
        }
        let (was_shared, was_external) = (network.shared, network.external);
        self.write_network(&asking, &mut network, write)?;
        if was_shared && !network.shared && store::network_in_use(&mut tx, id, Some(&network.project_id)).await? {
            let message =
                format!("Unable to reconfigure sharing settings for network {id}. Multiple tenants are using it.");
            return Err(Error::new(ErrorCode::InUse, message).with_resource("network", id).with_field("shared"));
        }
        if was_external && !network.external && store::network_gives_addresses(&mut tx, id).await? {
            let message = format!("Network {id} has to stay external: public addresses are from it.");
            return Err(Error::new(ErrorCode::InUse, message).with_resource("network", id).with_field("external"));
        }
        network.updated_at = now;
        events::changed(&mut tx, context, Action::NetworksUpdate, ("network", id), Owner::Project(&network.project_id))
            .await?;
        store::update_network(&mut tx, &network).await?;
        let network = seen(&mut tx, id, &asking).await?;
        tx.commit().await?;
        convert::network(context, network)
    }

    /// Applies what is set, as far as the caller may.
    fn write_network(&self, asking: &Asking<'_>, network: &mut Network, write: wit::NetworkWrite) -> Result<()> {
        let settings = &self.settings;
        let for_operators = [
            ("shared", write.shared, network.shared),
            ("external", write.external, network.external),
            ("is-default", write.is_default, network.is_default),
        ];
        for (field, new, old) in for_operators {
            if new.is_some_and(|new| new != old) {
                self.permit(Some(asking.caller), Action::NetworksShare).map_err(not_theirs(field))?;
            }
        }
        if let Some(mtu) = write.mtu {
            if mtu < MIN_MTU || mtu > settings.max_mtu {
                let message = format!("The MTU {mtu} is out of range; it is {MIN_MTU} to {}.", settings.max_mtu);
                return Err(Error::invalid("mtu", message));
            }
            network.mtu = mtu;
        }
        if let Some(name) = text("name", write.name)? {
            // Compute nodes' settings go by it.
            if (network.shared || network.external) && name != network.name {
                self.permit(Some(asking.caller), Action::NetworksShare).map_err(not_theirs("name"))?;
            }
            network.name = name;
        }
        if let Some(description) = text("description", write.description)? {
            network.description = description;
        }
        attributes::put(asking.context, &mut network.attributes, write.attributes.as_deref())?;
        network.shared = write.shared.unwrap_or(network.shared);
        network.external = write.external.unwrap_or(network.external);
        network.enabled = write.enabled.unwrap_or(network.enabled);
        network.is_default = write.is_default.unwrap_or(network.is_default);
        network.port_security = write.port_security.unwrap_or(network.port_security);
        Ok(())
    }

    pub(super) async fn networks_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::NetworksDelete)?;
        let mut tx = self.db().begin().await?;
        store::lock_network(&mut tx, id).await?;
        let network = self.owned_network(&mut tx, id, &asking).await?;
        if store::network_in_use(&mut tx, id, None).await? {
            let message = format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the network."
            );
            return Err(Error::new(ErrorCode::InUse, message).with_resource("network", id));
        }
        events::changed(&mut tx, context, Action::NetworksDelete, ("network", id), Owner::Project(&network.project_id))
            .await?;
        store::delete_network(&mut tx, id).await?;
        tx.commit().await
    }

    /// A network that the caller may change: seen but another project's is forbidden.
    pub(super) async fn owned_network(&self, conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Network> {
        let network = seen(conn, id, asking).await?;
        self.as_owner(conn, asking, &network.project_id).await?;
        Ok(network)
    }

    pub(super) async fn routers_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::RouterPage> {
        let asking = self.asking(context, Action::RoutersRead)?;
        self.make_default_router(&asking).await?;
        let filter = Filter::new(&asking.reach, conditions(wanted)?);
        let mut conn = self.db().read().await?;
        let listed = store::list_routers(&mut conn, &filter, &page(request)).await?;
        Ok(wit::RouterPage { routers: listed.items.into_iter().map(convert::router).collect(), next: listed.next })
    }

    /// The project's default router is made when somebody first looks.
    async fn make_default_router(&self, asking: &Asking<'_>) -> Result<()> {
        let Some(project) = asking.project else { return Ok(()) };
        let own = Filter::within(&Reach::project(project));
        let mut conn = self.db().read().await?;
        let known = store::list_routers(&mut conn, &own, &Page { limit: 1, ..Page::default() }).await?;
        drop(conn);
        if known.items.is_empty() {
            let mut tx = self.db().begin().await?;
            store::default_router(&mut tx, project, Timestamp::now()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    pub(super) async fn routers_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::Router> {
        let asking = self.asking(context, Action::RoutersRead)?;
        let mut conn = self.db().read().await?;
        let router = store::get_router(&mut conn, id, &asking.reach).await?;
        router.map(convert::router).ok_or_else(|| Error::not_found("router", id))
    }
}

/// A network that the caller sees.
pub(super) async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Network> {
    store::get_network(conn, id, &asking.reach).await?.ok_or_else(|| Error::not_found("network", id))
}
