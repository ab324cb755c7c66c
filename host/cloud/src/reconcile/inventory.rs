//! One node: its platform's inventory beside the records.

use std::collections::{BTreeMap, HashSet};
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
        let mut after: Option<String> = None;
        let mut orphans = Vec::new();
        loop {
            let domains = node.driver.list(after.as_deref(), PAGE).await?;
            let last = domains.last().map(|domain| domain.server_id.clone());
            let full = domains.len() >= PAGE as usize;
            let until = if full { last.clone() } else { None };
            orphans.extend(self.compare(node, after.as_deref(), until.as_deref(), domains).await?);
            if !full {
                break;
            }
            after = last;
        }
        self.judge_orphans(node, orphans).await
    }

    /// One page; gives the domains that no record of this node knows.
    async fn compare(
        &self,
        node: &Node,
        after: Option<&str>,
        until: Option<&str>,
        domains: Vec<Domain>,
    ) -> Result<Vec<Domain>> {
        let name = &node.settings.name;
        let mut conn = self.cloud.db().read().await?;
        let records = store::servers_between(&mut conn, name, after, until).await?;
        drop(conn);
        let mut found: BTreeMap<String, Domain> =
            domains.into_iter().map(|domain| (domain.server_id.clone(), domain)).collect();
        for record in records {
            let power = found.remove(&record.id).as_ref().and_then(Domain::defined);
            if differs(&record, power) {
                self.mend(node, &record).await?;
            }
        }
        Ok(found.into_values().collect())
    }

    /// The inventory may be older than the record: looks again, and changes nothing if the record has moved since.
    async fn mend(&self, node: &Node, record: &OnNode) -> Result<()> {
        let power = node.driver.inspect(&record.id).await?.as_ref().and_then(Domain::defined);
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

    /// Domains without a record here: those that an operation holds are being made or removed.
    async fn judge_orphans(&self, node: &Node, domains: Vec<Domain>) -> Result<()> {
        let name = &node.settings.name;
        let ids: Vec<String> = domains.iter().map(|domain| domain.server_id.clone()).collect();
        let disks: Vec<String> = domains.iter().flat_map(|domain| domain.disks.iter().cloned()).collect();
        let mut conn = self.cloud.db().read().await?;
        let expected = store::expected_on(&mut conn, name, &ids).await?;
        let mut kept = volumes::known(&mut conn, &disks).await?;
        let discarded = volumes::discarded(&mut conn, &disks).await?;
        drop(conn);
        for domain in &domains {
            remove_discarded(node, domain, &discarded).await;
        }
        // Whether they are gone already the next look will tell.
        kept.extend(discarded);
        let orphans: Vec<&Domain> = domains
            .iter()
            .filter(|domain| !expected.contains(&domain.server_id) && !only_kept(domain, &kept))
            .collect();
        add(&self.counters.orphans, orphans.len());
        let before = self.suspect(name, orphans.iter().map(|domain| domain.server_id.clone()).collect());
        for domain in orphans {
            let remove = self.settings.remove_orphans && before.contains(&domain.server_id);
            tracing::warn!(node = name, server = domain.server_id, removed = remove, "a domain that no record knows");
            if remove {
                remove_orphan(node, domain, &kept).await?;
            }
        }
        Ok(())
    }

    /// Remembers the node's orphans until the next look; gives those of the last one.
    fn suspect(&self, node: &str, orphans: HashSet<String>) -> HashSet<String> {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.insert(node.to_owned(), orphans).unwrap_or_default()
    }
}

/// Whether all that is there are disks of volumes that outlived their server.
fn only_kept(domain: &Domain, kept: &HashSet<String>) -> bool {
    domain.defined().is_none() && !domain.disks.is_empty() && domain.disks.iter().all(|disk| kept.contains(disk))
}

/// Disks of volumes that an operator has removed. What fails or is pending is asked for again at the next look.
async fn remove_discarded(node: &Node, domain: &Domain, discarded: &HashSet<String>) {
    let disks: Vec<String> = domain.disks.iter().filter(|disk| discarded.contains(*disk)).cloned().collect();
    if disks.is_empty() {
        return;
    }
    let (node_name, key) = (&node.settings.name, format!("discard-{}", domain.server_id));
    let key = StepKey { operation: key, step: "delete-disks".to_owned() };
    match node.driver.delete_disks(&key, &domain.server_id, &disks).await {
        Ok(_) => tracing::info!(node = node_name, ?disks, "disks of removed volumes are taken away"),
        Err(error) => {
            let error = error.for_log();
            tracing::warn!(node = node_name, ?disks, error, "disks of removed volumes cannot be taken away yet");
        }
    }
}

/// A pending removal is asked for again at the next look: the calls may be repeated. Disks of volumes stay.
async fn remove_orphan(node: &Node, domain: &Domain, kept: &HashSet<String>) -> Result<()> {
    let key = |step: &str| StepKey { operation: format!("reconcile-{}", domain.server_id), step: step.to_owned() };
    if matches!(node.driver.undefine(&key("undefine"), &domain.server_id).await?, Progress::Done) {
        let disks: Vec<String> = domain.disks.iter().filter(|disk| !kept.contains(*disk)).cloned().collect();
        node.driver.delete_disks(&key("delete-disks"), &domain.server_id, &disks).await?;
    }
    Ok(())
}

/// Only servers at rest can differ: one that is being built, failed, or is held by an operation says nothing yet. One whose
/// domain was gone is at rest too: it comes back with its domain.
fn differs(record: &OnNode, power: Option<Power>) -> bool {
    let state = VmState::parse(&record.vm_state);
    let gone = state == Some(VmState::Error) && record.power_state == PowerState::NoState.as_str();
    let resized = state == Some(VmState::Resized);
    let settled = gone || resized || matches!(state, Some(VmState::Active | VmState::Stopped | VmState::Paused));
    if !settled || record.busy || power == Some(Power::Unknown) {
        return false;
    }
    let (vm_state, power_state) = settle::judge(power);
    // One between two flavors stays there, on or off.
    let same = state == Some(vm_state) || (resized && vm_state != VmState::Error);
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
    }
}
