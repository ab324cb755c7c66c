//! One node: its platform's inventory beside the records.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::PoisonError;

use skyloom_model::{PowerState, Result, Timestamp, VmState};
use skyloom_runtime::driver::{Domain, Power, Progress, StepKey};
use skyloom_store::placements::{self as store, OnNode};
use skyloom_store::{servers, volumes};

use super::{Inner, add};
use crate::compute::Node;
use crate::compute::sagas::settle;

/// Domains a page.
const PAGE: u32 = 500;

impl Inner {
    pub(super) async fn look_at(&self, node: &Node) -> Result<()> {
        let mut orphans = self.compare_servers(node).await?;
        orphans.extend(self.compare_disks(node).await?);
        self.judge(node, orphans).await
    }

    /// Gives the domains that no record of this node knows.
    async fn compare_servers(&self, node: &Node) -> Result<Vec<Orphan>> {
        let mut after: Option<String> = None;
        let mut unknown = Vec::new();
        loop {
            let domains = node.driver.servers(after.as_deref(), PAGE).await?;
            let last = domains.last().map(|domain| domain.server_id.clone());
            let full = domains.len() >= PAGE as usize;
            let until = if full { last.clone() } else { None };
            unknown.extend(self.compare(node, after.as_deref(), until.as_deref(), domains).await?);
            if !full {
                break;
            }
            after = last;
        }
        // Those that an operation holds are being made or removed.
        let mut conn = self.cloud.db().read().await?;
        let expected = store::expected_on(&mut conn, &node.settings.name, &unknown).await?;
        unknown.retain(|id| !expected.contains(id));
        Ok(unknown.into_iter().map(Orphan::Domain).collect())
    }

    /// Gives the disks that no record knows; those of volumes that an operator has removed are taken away.
    async fn compare_disks(&self, node: &Node) -> Result<Vec<Orphan>> {
        let mut orphans = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let disks = node.driver.disks(after.as_deref(), PAGE).await?;
            let mut conn = self.cloud.db().read().await?;
            let known = volumes::disks_known(&mut conn, &disks).await?;
            let discarded = volumes::discarded(&mut conn, &disks).await?;
            drop(conn);
            for disk in disks.iter().filter(|disk| discarded.contains(*disk)) {
                remove_discarded(node, disk).await;
            }
            let unknown = disks.iter().filter(|disk| !known.contains(*disk) && !discarded.contains(*disk));
            orphans.extend(unknown.cloned().map(Orphan::Disk));
            if disks.len() < PAGE as usize {
                return Ok(orphans);
            }
            after = disks.into_iter().next_back();
        }
    }

    /// One page; gives the servers that no record of this node knows.
    async fn compare(
        &self,
        node: &Node,
        after: Option<&str>,
        until: Option<&str>,
        domains: Vec<Domain>,
    ) -> Result<Vec<String>> {
        let name = &node.settings.name;
        let mut conn = self.cloud.db().read().await?;
        let records = store::servers_between(&mut conn, name, after, until).await?;
        drop(conn);
        let mut found: BTreeMap<String, Power> =
            domains.into_iter().map(|domain| (domain.server_id, domain.power)).collect();
        for record in records {
            if differs(&record, found.remove(&record.id)) {
                self.mend(node, &record).await?;
            }
        }
        Ok(found.into_keys().collect())
    }

    /// The inventory may be older than the record: looks again, and changes nothing if the record has moved since.
    async fn mend(&self, node: &Node, record: &OnNode) -> Result<()> {
        let power = node.driver.inspect(&record.id).await?.map(|domain| domain.power);
        if !differs(record, power) {
            return Ok(());
        }
        let counter = if power.is_none() { &self.counters.missing } else { &self.counters.followed };
        let allowed = if power.is_none() { self.settings.mend_missing } else { self.settings.follow_power };
        if allowed {
            let mut tx = self.cloud.db().begin().await?;
            let Some(server) = servers::lock(&mut tx, &record.id).await? else { return Ok(()) };
            let now = store::server_now(&mut tx, &record.id).await?;
            if now.as_ref() != Some(record) {
                return Ok(());
            }
            settle::settle(&mut tx, &server, power, Timestamp::now()).await?;
            tx.commit().await?;
        }
        add(counter, 1);
        tracing::warn!(
            node = node.settings.name,
            server = record.id,
            recorded = record.vm_state,
            found = ?power,
            mended = allowed,
            "a server is not as its record says"
        );
        Ok(())
    }

    async fn judge(&self, node: &Node, orphans: Vec<Orphan>) -> Result<()> {
        let name = &node.settings.name;
        add(&self.counters.orphans, orphans.len());
        let before = self.suspect(name, orphans.iter().cloned().collect());
        for orphan in orphans {
            let remove = self.settings.remove_orphans && before.contains(&orphan);
            tracing::warn!(node = name, orphan = %orphan, removed = remove, "the platform has what no record knows");
            if remove {
                orphan.remove(node).await?;
            }
        }
        Ok(())
    }

    /// Remembers the node's orphans until the next look; gives those of the last one.
    fn suspect(&self, node: &str, orphans: HashSet<Orphan>) -> HashSet<Orphan> {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.insert(node.to_owned(), orphans).unwrap_or_default()
    }
}

/// What a platform has and no record knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Orphan {
    Domain(String),
    Disk(String),
}

impl fmt::Display for Orphan {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(id) => write!(to, "domain {id}"),
            Self::Disk(id) => write!(to, "disk {id}"),
        }
    }
}

impl Orphan {
    /// A removal that is pending is asked for again at the next look: the calls may be repeated.
    async fn remove(&self, node: &Node) -> Result<Progress> {
        let key = |id: &str| StepKey { operation: format!("reconcile-{id}"), step: "remove".to_owned() };
        match self {
            Self::Domain(id) => node.driver.undefine(&key(id), id).await,
            Self::Disk(id) => node.driver.remove_disk(&key(id), id).await,
        }
    }
}

/// What fails or is pending is asked for again at the next look.
async fn remove_discarded(node: &Node, disk: &str) {
    let node_name = &node.settings.name;
    let key = StepKey { operation: format!("discard-{disk}"), step: "remove".to_owned() };
    match node.driver.remove_disk(&key, disk).await {
        Ok(_) => tracing::info!(node = node_name, disk, "the disk of a removed volume is taken away"),
        Err(error) => {
            let error = error.for_log();
            tracing::warn!(node = node_name, disk, error, "the disk of a removed volume cannot be taken away yet");
        }
    }
}

/// Only servers at rest can differ: one that is being built, failed, or is held by an operation says nothing yet. One whose
/// domain was gone is at rest too: it comes back with its domain.
fn differs(record: &OnNode, power: Option<Power>) -> bool {
    let state = VmState::parse(&record.vm_state);
    let gone = state == Some(VmState::Error) && record.power_state == PowerState::NoState.as_str();
    let resized = state == Some(VmState::Resized);
    let recycled = state == Some(VmState::SoftDeleted);
    let rests = matches!(state, Some(VmState::Active | VmState::Stopped | VmState::Paused | VmState::Suspended));
    let settled = gone || resized || recycled || rests;
    if !settled || record.busy || power == Some(Power::Unknown) {
        return false;
    }
    let (vm_state, power_state) = settle::judge(power);
    // One between two flavors stays there, on or off, and one in the recycle bin.
    let same = state == Some(vm_state) || recycled || (resized && vm_state != VmState::Error);
    !same || record.power_state != power_state.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(vm_state: &str, power_state: &str, busy: bool) -> OnNode {
        OnNode {
            id: "s".to_owned(),
            vm_state: vm_state.to_owned(),
            power_state: power_state.to_owned(),
            updated_at: Timestamp(0),
            busy,
        }
    }

    #[test]
    fn only_a_server_at_rest_differs() {
        assert!(differs(&record("active", "running", false), Some(Power::Stopped)));
        assert!(differs(&record("stopped", "shut-down", false), Some(Power::Running)));
        assert!(differs(&record("active", "running", false), None));
        assert!(!differs(&record("active", "running", false), Some(Power::Running)));
        assert!(!differs(&record("active", "running", true), Some(Power::Stopped)));
        assert!(!differs(&record("active", "running", false), Some(Power::Unknown)));
        for (state, power) in [("building", "no-state"), ("error", "running"), ("deleted", "no-state")] {
            assert!(!differs(&record(state, power, false), Some(Power::Running)), "{state}");
        }
        assert!(differs(&record("error", "no-state", false), Some(Power::Running)), "its domain is back");
        assert!(!differs(&record("error", "no-state", false), None));
        assert!(!differs(&record("resized", "running", false), Some(Power::Running)));
        assert!(differs(&record("resized", "running", false), Some(Power::Stopped)));
        assert!(differs(&record("resized", "running", false), None));
        for (state, power) in [("paused", Power::Paused), ("suspended", Power::Suspended)] {
            assert!(!differs(&record(state, state, false), Some(power)), "{state}");
            assert!(differs(&record("active", "running", false), Some(power)), "{state}");
            assert!(differs(&record(state, state, false), Some(Power::Running)), "{state}");
            assert!(differs(&record(state, state, false), None), "{state}");
        }
        assert!(!differs(&record("soft-deleted", "shut-down", false), Some(Power::Stopped)));
        assert!(differs(&record("soft-deleted", "shut-down", false), Some(Power::Running)), "it is to be off");
        assert!(differs(&record("soft-deleted", "shut-down", false), None));
    }
}
