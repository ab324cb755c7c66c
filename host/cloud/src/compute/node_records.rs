//! Compute nodes by records, which operators make with the program: what may stand in one, and who drives it.

use serde_json::{Map, Value};
use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_store::node_records::{self as store, NodeRecord, Taker};
use skyloom_store::{Conn, Db, nodes, placements};

use super::common::check_name;
use super::{AttachTimes, Compute, NodeSettings};
use crate::events::{self, Owner};
use crate::secrets::Sealer;

/// A node as a record has it.
#[derive(Clone, Debug)]
pub struct RecordedNode {
    pub settings: NodeSettings,
    /// The driver's config for this node.
    pub config: Map<String, Value>,
    /// The process that takes it; empty: any.
    pub process: String,
    /// One more with each change.
    pub revision: i64,
    /// The process that drives it; empty: none does.
    pub driven_by: String,
}

/// What the sealed config is bound to.
fn owner(name: &str) -> String {
    format!("node {name}")
}

impl RecordedNode {
    /// A record of its own name that says nothing else yet.
    #[must_use]
    pub fn new(settings: NodeSettings) -> Self {
        Self { settings, config: Map::new(), process: String::new(), revision: 1, driven_by: String::new() }
    }

    fn check(&self) -> Result<()> {
        let NodeSettings { name, zone, vcpus, memory_mib, .. } = &self.settings;
        for (field, text) in [("name", name), ("zone", zone)] {
            check_name(field, text)?;
            if text.trim() != text || text.contains(':') {
                let message = format!("{field}: `{text}` has blanks at its ends, or a colon.");
                return Err(Error::invalid(field, message));
            }
        }
        if *vcpus == Some(0) || *memory_mib == Some(0) {
            let field = if *vcpus == Some(0) { "vcpus" } else { "memory-mib" };
            return Err(Error::invalid(field, format!("{field} is at least 1.")));
        }
        Ok(())
    }

    fn sealed(&self, sealer: &Sealer) -> Result<NodeRecord> {
        let settings = &self.settings;
        let gib = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Ok(NodeRecord {
            name: settings.name.clone(),
            driver: settings.driver.clone(),
            zone: settings.zone.clone(),
            vcpus: settings.vcpus.map(i64::from),
            memory_mib: settings.memory_mib.map(gib),
            disk_gib: settings.disk_gib.map(gib),
            enabled: settings.enabled,
            platform_networks: settings.platform_networks.clone(),
            config: sealer.seal(&owner(&settings.name), &Value::Object(self.config.clone()).to_string())?,
            process: self.process.clone(),
            revision: self.revision,
            driven_by: String::new(),
            driven_until: Timestamp(0),
        })
    }

    fn opened(record: NodeRecord, sealer: &Sealer) -> Result<Self> {
        let config = sealer.open(&owner(&record.name), &record.config)?;
        let settings = NodeSettings {
            name: record.name,
            driver: record.driver,
            zone: record.zone,
            vcpus: record.vcpus.and_then(|value| u32::try_from(value).ok()),
            memory_mib: record.memory_mib.and_then(|value| u64::try_from(value).ok()),
            disk_gib: record.disk_gib.and_then(|value| u64::try_from(value).ok()),
            platform_networks: record.platform_networks,
            enabled: record.enabled,
        };
        Ok(Self {
            settings,
            config: serde_json::from_str(&config).map_err(Error::internal)?,
            process: record.process,
            revision: record.revision,
            driven_by: record.driven_by,
        })
    }
}

/// Writes a new record. `already-exists`: there is one of this name, or a deployment file's node that a process drives.
pub async fn add(db: &Db, sealer: &Sealer, times: &AttachTimes, node: &RecordedNode) -> Result<()> {
    node.check()?;
    let name = &node.settings.name;
    let taken = |message: String| Error::new(ErrorCode::AlreadyExists, message).with_resource("node", name);
    let mut tx = db.begin().await?;
    sealer.agree(&mut tx).await?;
    if store::get(&mut tx, name).await?.is_some() {
        return Err(taken(format!("There is a record of node {name} already.")));
    }
    let since = Timestamp::now().minus(times.away);
    let told = nodes::get(&mut tx, name).await?.filter(|there| there.enabled && there.updated_at >= since);
    if told.is_some() && tx.is_postgres() {
        return Err(taken(format!("A process drives the node {name}, which its deployment file names.")));
    }
    store::insert(&mut tx, &node.sealed(sealer)?).await?;
    told_of(&mut tx, name).await?;
    tx.commit().await
}

/// Changes a record. What holds something keeps its driver and its zone. `not-found`, `in-use`.
pub async fn change(
    db: &Db,
    sealer: &Sealer,
    name: &str,
    change: impl FnOnce(&mut RecordedNode) -> Result<()>,
) -> Result<()> {
    let mut tx = db.begin().await?;
    sealer.agree(&mut tx).await?;
    let record = store::lock(&mut tx, name).await?.ok_or_else(|| Error::not_found("node", name))?;
    let before = RecordedNode::opened(record, sealer)?;
    let mut after = before.clone();
    change(&mut after)?;
    after.check()?;
    for (field, old, new) in [
        ("driver", &before.settings.driver, &after.settings.driver),
        ("zone", &before.settings.zone, &after.settings.zone),
    ] {
        if old != new {
            let kept = format!("its {field} stays");
            free(&mut tx, name, &kept).await.map_err(|error| error.with_field(field))?;
        }
    }
    store::update_record(&mut tx, &after.sealed(sealer)?).await?;
    told_of(&mut tx, name).await?;
    tx.commit().await
}

/// Removes a record, and what was known of the node. `not-found`; `in-use` names what the node holds.
pub async fn remove(db: &Db, name: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    store::lock(&mut tx, name).await?.ok_or_else(|| Error::not_found("node", name))?;
    free(&mut tx, name, "remove or move that first").await?;
    store::remove(&mut tx, name).await?;
    nodes::forget(&mut tx, name).await?;
    told_of(&mut tx, name).await?;
    tx.commit().await
}

/// By name.
pub async fn all(db: &Db) -> Result<Vec<NodeRecord>> {
    store::all(&mut db.read().await?).await
}

/// `not-found`.
pub async fn get(db: &Db, sealer: &Sealer, name: &str) -> Result<RecordedNode> {
    let record = store::get(&mut db.read().await?, name).await?.ok_or_else(|| Error::not_found("node", name))?;
    RecordedNode::opened(record, sealer)
}

async fn told_of(tx: &mut Conn, name: &str) -> Result<()> {
    events::by_operator(tx, Action::NodesConfigure, ("node", name), Owner::Cloud).await
}

/// `in-use` where the node holds something. Nothing is placed on it until the commit.
async fn free(tx: &mut Conn, name: &str, so: &str) -> Result<()> {
    nodes::locked(tx, &[name.to_owned()]).await?;
    let held = placements::holders(tx, name).await?;
    if held.is_empty() {
        return Ok(());
    }
    let what = held.into_iter().map(|(kind, count, first)| match count {
        1 => format!("the {kind} {first}"),
        _ => format!("{count} {kind}s ({first} and others)"),
    });
    let what = what.collect::<Vec<_>>().join(", ");
    Err(Error::new(ErrorCode::InUse, format!("The node {name} holds {what}: {so}.")).with_resource("node", name))
}

impl Compute {
    /// The recorded nodes that this process drives from now on until `[compute.attach] away-ms` have passed. `alone`: whoever
    /// drove them before is gone. One that can't be opened is told of and left out.
    pub async fn take_recorded(&self, taker: Taker<'_>, alone: bool) -> Result<Vec<RecordedNode>> {
        let mut tx = self.db().begin().await?;
        let now = Timestamp::now();
        let alone = alone && !tx.is_postgres();
        let records = store::take(&mut tx, taker, (now, now.plus(self.settings.attach.away)), alone).await?;
        tx.commit().await?;
        let open = |record: NodeRecord| {
            let name = record.name.clone();
            let opened = RecordedNode::opened(record, self.sealer());
            opened.inspect_err(|error| tracing::error!(node = name, error = error.for_log(), "a node's record")).ok()
        };
        Ok(records.into_iter().filter_map(open).collect())
    }

    /// Nobody drives them any more.
    pub async fn give_recorded_back(&self, owner: &str) -> Result<()> {
        let mut tx = self.db().begin().await?;
        store::give_back(&mut tx, owner).await?;
        tx.commit().await
    }

    /// The first of these nodes of a deployment file of which there is a record, too.
    pub async fn recorded_among(&self, names: &[String]) -> Result<Option<String>> {
        store::first_of(&mut self.db().read().await?, names).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use skyloom_runtime::api::ComputeApi as _;

    use super::*;
    use crate::Settings;
    use crate::compute::testing::{FakeDriver, World, member, worlds};

    fn settings(name: &str) -> NodeSettings {
        NodeSettings {
            name: name.to_owned(),
            driver: "fake".to_owned(),
            zone: "zone-2".to_owned(),
            vcpus: Some(2),
            memory_mib: None,
            disk_gib: None,
            platform_networks: BTreeMap::new(),
            enabled: true,
        }
    }

    fn node(name: &str) -> RecordedNode {
        let config = serde_json::json!({ "login": "hidden" });
        RecordedNode { config: config.as_object().cloned().unwrap(), ..RecordedNode::new(settings(name)) }
    }

    async fn added(world: &World, name: &str) {
        let (db, compute) = (&world.database.db, &world.cloud.compute);
        add(db, compute.sealer(), &compute.settings.attach, &node(name)).await.expect(name);
    }

    async fn driven(world: &World) -> Vec<RecordedNode> {
        let taker = Taker { owner: "me", process: "", drivers: &["fake".to_owned()] };
        world.cloud.compute.take_recorded(taker, true).await.expect("records")
    }

    #[tokio::test]
    async fn a_record_is_sealed_taken_and_changed() {
        for world in worlds(Settings::default()).await {
            let (db, compute, name) = (&world.database.db, &world.cloud.compute, world.database.name);
            added(&world, "n").await;
            let stored = all(db).await.expect("records").remove(0);
            assert!(!format!("{stored:?}").contains("hidden"), "{name}: {stored:?}");
            let [taken] = driven(&world).await.try_into().expect("one");
            assert_eq!(
                (&taken.config, taken.settings.vcpus, taken.revision),
                (&node("n").config, Some(2), 1),
                "{name}"
            );
            change(db, compute.sealer(), "n", |node| {
                node.settings.vcpus = None;
                Ok(())
            })
            .await
            .expect("a change");
            let [taken] = driven(&world).await.try_into().expect("one");
            assert_eq!((taken.settings.vcpus, taken.revision, taken.driven_by.as_str()), (None, 2, "me"), "{name}");
            compute.give_recorded_back("me").await.expect("given back");
            assert_eq!(get(db, compute.sealer(), "n").await.expect("the record").driven_by, "", "{name}");
            let twice = add(db, compute.sealer(), &compute.settings.attach, &node("n")).await.expect_err("twice");
            assert_eq!(twice.code, ErrorCode::AlreadyExists, "{name}");
            let among = ["n".to_owned(), "node-1".to_owned()];
            assert_eq!(compute.recorded_among(&among).await.expect("names").as_deref(), Some("n"), "{name}");
            let other = Sealer::default();
            assert!(get(db, &other, "n").await.is_err(), "{name}: with another key");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_record_is_named() {
        for world in worlds(Settings::default()).await {
            let (db, compute) = (&world.database.db, &world.cloud.compute);
            let refused = async |settings: NodeSettings| {
                let node = RecordedNode::new(settings);
                let error = add(db, compute.sealer(), &compute.settings.attach, &node).await.expect_err("wrong");
                (error.code, error.field.unwrap_or_default())
            };
            for (wrong, field) in [
                (NodeSettings { name: " n".to_owned(), ..settings("n") }, "name"),
                (NodeSettings { zone: String::new(), ..settings("n") }, "zone"),
                (NodeSettings { zone: "a:b".to_owned(), ..settings("n") }, "zone"),
                (NodeSettings { vcpus: Some(0), ..settings("n") }, "vcpus"),
                (NodeSettings { memory_mib: Some(0), ..settings("n") }, "memory-mib"),
            ] {
                assert_eq!(refused(wrong).await, (ErrorCode::Invalid, field.to_owned()), "{}", world.database.name);
            }
            if world.database.db.is_postgres() {
                let (code, _) = refused(settings("node-1")).await;
                assert_eq!(code, ErrorCode::AlreadyExists, "a process drives it, which isn't asked for its file");
            }
            let missing = remove(db, "node-1").await.expect_err("no record");
            assert_eq!(missing.code, ErrorCode::NotFound, "{}", world.database.name);
        }
    }

    #[tokio::test]
    async fn a_node_that_holds_something_stays_and_says_what() {
        for world in worlds(Settings::default()).await {
            let (db, compute, name) = (&world.database.db, &world.cloud.compute, world.database.name);
            added(&world, "n").await;
            compute.attach_recorded(settings("n"), Arc::new(FakeDriver)).await.expect("its platform answers");
            let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
            let server = &made.server_ids[0];
            let mut tx = db.begin().await.expect("begin");
            let holder = (placements::HolderKind::Server, server.as_str());
            let amount = placements::Amount { vcpus: 1, memory_mib: 1, disk_gib: 0 };
            placements::hold(&mut tx, holder, placements::Purpose::Home, "n", amount).await.expect("a place");
            tx.commit().await.expect("commit");
            let error = remove(db, "n").await.expect_err("in use");
            assert_eq!(error.code, ErrorCode::InUse, "{name}");
            assert!(error.message.contains(&format!("the server {server}")), "{}", error.message);
            let moved = change(db, compute.sealer(), "n", |node| {
                node.settings.zone = "zone-3".to_owned();
                Ok(())
            });
            let moved = moved.await.expect_err("in use");
            assert_eq!((moved.code, moved.field.as_deref()), (ErrorCode::InUse, Some("zone")), "{name}");
            let mut tx = db.begin().await.expect("begin");
            placements::release(&mut tx, server).await.expect("released");
            tx.commit().await.expect("commit");
            remove(db, "n").await.expect("it holds nothing");
            let mut conn = db.read().await.expect("a connection");
            assert!(nodes::get(&mut conn, "n").await.expect("nodes").is_none(), "{name}: nothing is placed there");
            drop(conn);
            let late = compute.attach_recorded(settings("n"), Arc::new(FakeDriver)).await.expect_err("it is gone");
            assert_eq!(late.code, ErrorCode::NotFound, "{name}: a process that was asking its platform meanwhile");
        }
    }
}
