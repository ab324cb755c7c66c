//! Host aggregates, by which operators group compute nodes. One that names a zone puts its nodes into it. What a node holds was placed
//! there by the node's zone, so a node that holds anything keeps it.

use std::collections::BTreeMap;

use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::aggregates::{self as store, Aggregate};
use skyloom_store::collisions::again;
use skyloom_store::nodes::{self, Node};
use skyloom_store::{Conn, placements};

use super::Compute;
use super::common::{check_name, items, page, pairs};
use crate::bounds;
use crate::events::{self, Owner};
use crate::lists::conditions;

fn view(aggregate: Aggregate) -> wit::Aggregate {
    wit::Aggregate {
        metadata: pairs(&aggregate.metadata),
        id: aggregate.id,
        uuid: aggregate.uuid,
        name: aggregate.name,
        zone: aggregate.zone,
        nodes: aggregate.nodes,
        created_at: aggregate.created_at.0,
        updated_at: aggregate.updated_at.map(|time| time.0),
    }
}

fn missing(id: &str) -> Error {
    Error::not_found("aggregate", id)
}

fn refused(id: &str, reason: &str, message: String) -> Error {
    Error::new(ErrorCode::WrongState, message).with_resource("aggregate", id).with_reason(reason)
}

/// Held until the commit.
async fn locked(tx: &mut Conn, id: &str) -> Result<Aggregate> {
    store::lock(tx, id).await?.ok_or_else(|| missing(id))
}

/// A creation names a node behind its zone and a colon.
fn check_zone(zone: &str) -> Result<()> {
    check_name("zone", zone)?;
    if zone.contains(':') {
        return Err(Error::invalid("zone", "The name of a zone has no colon.").with_reason("malformed"));
    }
    Ok(())
}

fn change_metadata(metadata: &mut BTreeMap<String, String>, changes: Vec<wit::MetadataChange>) -> Result<()> {
    let (mut put, mut gone) = (Vec::new(), Vec::new());
    for change in changes {
        match change.value {
            Some(value) => put.push((change.key, value)),
            None => gone.push(change.key),
        }
    }
    metadata.extend(items("metadata", put)?);
    metadata.retain(|key, _| !gone.contains(key));
    bounds::pairs("metadata", bounds::PAIRS, &*metadata)
}

/// Refuses nodes that another aggregate puts into another zone than `zone`.
async fn check_other_zones(tx: &mut Conn, id: &str, zone: &str, nodes: &[String]) -> Result<()> {
    let mut others = store::other_zones(tx, id, nodes).await?;
    others.retain(|other| other != zone);
    if others.is_empty() {
        return Ok(());
    }
    let message = format!("One or more nodes are already in the zones of other aggregates: {}.", others.join(", "));
    Err(refused(id, "other-zone", message))
}

/// Puts nodes, as they were when they were locked, into the zones that the aggregates say by now. Refuses to move one that holds
/// anything.
async fn settle(tx: &mut Conn, id: &str, before: &[Node]) -> Result<()> {
    let names: Vec<String> = before.iter().map(|node| node.name.clone()).collect();
    nodes::settle_zones(tx, &names).await?;
    let after = nodes::locked(tx, &names).await?;
    let moved = before.iter().zip(&after).filter(|(old, new)| old.zone != new.zone);
    let moved: Vec<&str> = moved.map(|(old, _)| old.name.as_str()).collect();
    match placements::first_in_use(tx, &moved).await? {
        None => Ok(()),
        Some(node) => {
            let message = format!("The node {node} would change its zone, but it holds servers or volumes.");
            Err(refused(id, "in-use", message))
        }
    }
}

impl Compute {
    pub(super) async fn aggregate_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::AggregatePage> {
        self.permit(context.caller.as_deref(), Action::AggregatesRead)?;
        let wanted = conditions(asked)?;
        let listed = store::list(&mut self.db().read().await?, &wanted, &page(request)).await?;
        Ok(wit::AggregatePage { aggregates: listed.items.into_iter().map(view).collect(), next: listed.next })
    }

    pub(super) async fn show_aggregate(&self, context: &CallContext, id: &str) -> Result<wit::Aggregate> {
        self.permit(context.caller.as_deref(), Action::AggregatesRead)?;
        let found = store::get(&mut self.db().read().await?, id).await?;
        found.map(view).ok_or_else(|| missing(id))
    }

    pub(super) async fn make_aggregate(
        &self,
        context: &CallContext,
        name: String,
        zone: Option<String>,
    ) -> Result<wit::Aggregate> {
        self.permit(context.caller.as_deref(), Action::AggregatesCreate)?;
        check_name("name", &name)?;
        zone.as_deref().map_or(Ok(()), check_zone)?;
        let mut tx = self.db().begin().await?;
        let aggregate = Aggregate {
            id: store::next_id(&mut tx).await?,
            uuid: new_id(),
            name,
            zone,
            metadata: BTreeMap::new(),
            created_at: Timestamp::now(),
            updated_at: None,
            nodes: Vec::new(),
        };
        events::changed(&mut tx, context, Action::AggregatesCreate, ("aggregate", &aggregate.id), Owner::Cloud).await?;
        store::insert(&mut tx, &aggregate).await?;
        tx.commit().await?;
        Ok(view(aggregate))
    }

    pub(super) async fn change_aggregate(
        &self,
        context: &CallContext,
        id: &str,
        update: wit::AggregateUpdate,
    ) -> Result<wit::Aggregate> {
        self.permit(context.caller.as_deref(), Action::AggregatesUpdate)?;
        update.name.as_deref().map_or(Ok(()), |name| check_name("name", name))?;
        update.zone.as_deref().map_or(Ok(()), check_zone)?;
        // It holds several nodes, and so does a placement that finds one too full.
        again(|| self.write_aggregate(context, id, update.clone())).await
    }

    /// One transaction.
    async fn write_aggregate(
        &self,
        context: &CallContext,
        id: &str,
        update: wit::AggregateUpdate,
    ) -> Result<wit::Aggregate> {
        let mut tx = self.db().begin().await?;
        let mut aggregate = locked(&mut tx, id).await?;
        change_metadata(&mut aggregate.metadata, update.metadata)?;
        aggregate.name = update.name.unwrap_or(aggregate.name);
        aggregate.updated_at = Some(Timestamp::now());
        events::changed(&mut tx, context, Action::AggregatesUpdate, ("aggregate", id), Owner::Cloud).await?;
        if let Some(zone) = update.zone {
            let before = nodes::locked(&mut tx, &aggregate.nodes).await?;
            check_other_zones(&mut tx, id, &zone, &aggregate.nodes).await?;
            aggregate.zone = Some(zone);
            store::update(&mut tx, &aggregate).await?;
            settle(&mut tx, id, &before).await?;
        } else {
            store::update(&mut tx, &aggregate).await?;
        }
        tx.commit().await?;
        Ok(view(aggregate))
    }

    pub(super) async fn drop_aggregate(&self, context: &CallContext, id: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::AggregatesDelete)?;
        let mut tx = self.db().begin().await?;
        if !locked(&mut tx, id).await?.nodes.is_empty() {
            return Err(refused(id, "has-nodes", "The aggregate is not empty: remove its nodes first.".to_owned()));
        }
        events::changed(&mut tx, context, Action::AggregatesDelete, ("aggregate", id), Owner::Cloud).await?;
        store::delete(&mut tx, id).await?;
        tx.commit().await
    }

    pub(super) async fn put_node_in(&self, context: &CallContext, id: &str, node: &str) -> Result<wit::Aggregate> {
        self.permit(context.caller.as_deref(), Action::AggregatesAddNode)?;
        let mut tx = self.db().begin().await?;
        let aggregate = locked(&mut tx, id).await?;
        let names = [node.to_owned()];
        let before = nodes::locked(&mut tx, &names).await?;
        if before.is_empty() {
            return Err(Error::not_found("node", node));
        }
        if let Some(zone) = &aggregate.zone {
            check_other_zones(&mut tx, id, zone, &names).await?;
        }
        events::changed(&mut tx, context, Action::AggregatesAddNode, ("aggregate", id), Owner::Cloud).await?;
        if !store::add_node(&mut tx, id, node).await? {
            let message = format!("Aggregate {id} already has the node {node}.");
            return Err(Error::new(ErrorCode::AlreadyExists, message)
                .with_resource("aggregate", id)
                .with_field("node"));
        }
        finished(tx, id, &before).await
    }

    pub(super) async fn take_node_out(&self, context: &CallContext, id: &str, node: &str) -> Result<wit::Aggregate> {
        self.permit(context.caller.as_deref(), Action::AggregatesRemoveNode)?;
        let mut tx = self.db().begin().await?;
        locked(&mut tx, id).await?;
        let before = nodes::locked(&mut tx, &[node.to_owned()]).await?;
        if before.is_empty() {
            return Err(Error::not_found("node", node));
        }
        events::changed(&mut tx, context, Action::AggregatesRemoveNode, ("aggregate", id), Owner::Cloud).await?;
        if !store::remove_node(&mut tx, id, node).await? {
            let message = format!("Aggregate {id} has no node {node}.");
            return Err(Error::new(ErrorCode::NotFound, message).with_resource("aggregate", id).with_field("node"));
        }
        finished(tx, id, &before).await
    }
}

/// The aggregate once its nodes have changed.
async fn finished(mut tx: Conn, id: &str, before: &[Node]) -> Result<wit::Aggregate> {
    settle(&mut tx, id, before).await?;
    let aggregate = store::get(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    tx.commit().await?;
    Ok(view(aggregate))
}
