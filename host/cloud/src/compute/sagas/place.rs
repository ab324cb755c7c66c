//! The choice of a compute node.

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_store::Conn;
use skyloom_store::operations_nodes::{self as store, Amount, Candidate, Need};

/// Reserves a place for the server and gives the node's name; a server that has one keeps it. `no-capacity` when no node of
/// its zone fits. `wanted`: only this node. `usable`: whether the node's platform can be reached, as far as this process knows.
pub(super) async fn place(
    tx: &mut Conn,
    server_id: &str,
    wanted: Option<&str>,
    vcpus_per_core: u32,
    usable: impl Fn(&str) -> bool,
) -> Result<String> {
    let Need { zone, amount: need, node } =
        store::need(tx, server_id).await?.ok_or_else(|| Error::not_found("server", server_id))?;
    if let Some(node) = node {
        return Ok(node);
    }
    let reached: Vec<Candidate> = store::candidates(tx, &zone)
        .await?
        .into_iter()
        .filter(|candidate| wanted.is_none_or(|name| candidate.name == name) && usable(&candidate.name))
        .collect();
    let message = if reached.is_empty() {
        "No compute node is available for the server at the moment."
    } else {
        "No compute node has room for the server."
    };
    let mut candidates: Vec<(Amount, Candidate)> = reached
        .into_iter()
        .map(|candidate| (limit(&candidate, vcpus_per_core), candidate))
        .filter(|(limit, candidate)| fits(candidate.used, need, *limit))
        .collect();
    // The emptiest first: servers spread. Equal nodes go by name, so that the choice can be foretold.
    candidates.sort_by(|one, other| room(other).cmp(&room(one)).then_with(|| one.1.name.cmp(&other.1.name)));
    for (limit, candidate) in candidates {
        if store::reserve(tx, server_id, &candidate.name, need, limit).await? {
            return Ok(candidate.name);
        }
    }
    Err(Error::new(ErrorCode::NoCapacity, message)
        .with_resource("server", server_id)
        .with_internal(format!("need {need:?} in zone {zone}, wanted node {wanted:?}")))
}

fn limit(candidate: &Candidate, vcpus_per_core: u32) -> Amount {
    let vcpus = candidate.capacity.vcpus.saturating_mul(i64::from(vcpus_per_core));
    Amount { vcpus, ..candidate.capacity }
}

fn fits(used: Amount, need: Amount, limit: Amount) -> bool {
    used.vcpus + need.vcpus <= limit.vcpus
        && used.memory_mib + need.memory_mib <= limit.memory_mib
        && used.disk_gib + need.disk_gib <= limit.disk_gib
}

/// Free memory in thousandths.
fn room((limit, candidate): &(Amount, Candidate)) -> i128 {
    i128::from(limit.memory_mib - candidate.used.memory_mib) * 1000 / i128::from(limit.memory_mib.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(memory_mib: i64, used: i64) -> (Amount, Candidate) {
        let capacity = Amount { vcpus: 4, memory_mib, disk_gib: 100 };
        let used = Amount { vcpus: 1, memory_mib: used, disk_gib: 1 };
        let candidate = Candidate { name: "n".to_owned(), capacity, used };
        (limit(&candidate, 16), candidate)
    }

    #[test]
    fn processors_may_be_given_out_several_times_memory_and_disk_not() {
        let (limit, candidate) = candidate(1000, 500);
        let need = |vcpus, memory_mib, disk_gib| Amount { vcpus, memory_mib, disk_gib };
        assert!(fits(candidate.used, need(63, 500, 99), limit));
        assert!(!fits(candidate.used, need(64, 500, 99), limit));
        assert!(!fits(candidate.used, need(63, 501, 99), limit));
        assert!(!fits(candidate.used, need(63, 500, 100), limit));
    }

    #[test]
    fn the_emptier_node_has_more_room() {
        assert!(room(&candidate(1000, 100)) > room(&candidate(10_000, 5000)));
        assert_eq!(room(&candidate(0, 0)), 0);
    }
}
