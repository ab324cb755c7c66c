//! What a server group asks of the place of one of its servers.

use std::collections::BTreeMap;

use skyloom_model::Result;
use skyloom_store::Conn;
use skyloom_store::server_groups::{self as store, Policy, Terms};

/// The other servers of a server's group, and the policy that places them.
pub(super) struct Company {
    terms: Terms,
    /// How many of them each compute node has.
    others: BTreeMap<String, i64>,
}

impl Company {
    /// Holds the group until the commit, so that two of its servers are placed one after the other. None: the server is in none.
    pub async fn of(tx: &mut Conn, server_id: &str, group_id: Option<&str>) -> Result<Option<Self>> {
        let Some(group_id) = group_id else { return Ok(None) };
        let Some(terms) = store::terms_locked(tx, group_id).await? else { return Ok(None) };
        Ok(Some(Self { terms, others: store::others_by_node(tx, group_id, server_id).await? }))
    }

    pub fn policy(&self) -> Policy {
        self.terms.policy
    }

    fn on(&self, node: &str) -> i64 {
        self.others.get(node).copied().unwrap_or(0)
    }

    /// Whether the policy lets the server be on the node.
    pub fn allows(&self, node: &str) -> bool {
        match self.terms.policy {
            Policy::Affinity => self.others.is_empty() || self.on(node) > 0,
            Policy::AntiAffinity => self.on(node) < self.terms.max_servers_per_node.unwrap_or(1),
            Policy::SoftAffinity | Policy::SoftAntiAffinity => true,
        }
    }

    /// Of the nodes that it may be on those with the lowest rank come first.
    pub fn rank(&self, node: &str) -> i64 {
        match self.terms.policy {
            Policy::SoftAffinity => -self.on(node),
            Policy::SoftAntiAffinity => self.on(node),
            Policy::Affinity | Policy::AntiAffinity => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(policy: Policy, max_servers_per_node: Option<i64>, others: &[(&str, i64)]) -> Company {
        let others = others.iter().map(|(node, count)| ((*node).to_owned(), *count)).collect();
        Company { terms: Terms { policy, max_servers_per_node }, others }
    }

    #[test]
    fn a_hard_policy_allows_some_nodes_only() {
        let affinity = company(Policy::Affinity, None, &[("a", 1)]);
        assert!(affinity.allows("a") && !affinity.allows("b"));
        assert!(company(Policy::Affinity, None, &[]).allows("b"), "the first one goes anywhere");
        let apart = company(Policy::AntiAffinity, None, &[("a", 1)]);
        assert!(!apart.allows("a") && apart.allows("b"));
        let two = company(Policy::AntiAffinity, Some(2), &[("a", 1), ("b", 2)]);
        assert!(two.allows("a") && !two.allows("b"), "as many as the rule says");
    }

    #[test]
    fn a_soft_policy_allows_all_nodes_and_ranks_them() {
        let together = company(Policy::SoftAffinity, None, &[("a", 1), ("b", 2)]);
        assert!(together.rank("b") < together.rank("a") && together.rank("a") < together.rank("c"));
        let apart = company(Policy::SoftAntiAffinity, None, &[("a", 1), ("b", 2)]);
        assert!(apart.rank("c") < apart.rank("a") && apart.rank("a") < apart.rank("b"));
        assert!(["a", "b", "c"].iter().all(|node| together.allows(node) && apart.allows(node)));
    }
}
