//! The choice of a compute node.

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_store::placements::{self as store, Amount, Candidate, HolderKind, Need, Purpose};
use skyloom_store::{Conn, nodes, volumes};

use super::company::Company;
use crate::compute::Compute;

/// Reserves the server's home and gives the node's name; a server that has one keeps it. `no-capacity` when no node of its zone
/// fits, with the reason `group-policy` where the policy of its server group kept it from some. `wanted`: only this node.
pub(super) async fn home(tx: &mut Conn, compute: &Compute, server_id: &str, wanted: Option<&str>) -> Result<String> {
    let need = needed(tx, server_id).await?;
    if let Some(node) = need.node {
        return Ok(node);
    }
    let mut candidates = candidates(tx, compute, &need.zone).await?;
    candidates.retain(|(_, candidate)| wanted.is_none_or(|name| candidate.name == name));
    if let Some((first, last)) = &need.volumes_on {
        candidates.retain(|(_, candidate)| candidate.name == *first && first == last);
    }
    let company = Company::of(tx, server_id, need.group_id.as_deref()).await?;
    let all = candidates.len();
    candidates.retain(|(_, candidate)| company.as_ref().is_none_or(|company| company.allows(&candidate.name)));
    let Some(node) = choose_beside(tx, &need.zone, need.amount, &candidates, company.as_ref()).await? else {
        let why = format!("need {need:?}, wanted node {wanted:?}");
        return Err(match company {
            Some(company) if candidates.len() < all => kept_away(server_id, &company, why),
            _ => full(server_id, candidates.is_empty(), why),
        });
    };
    let own = Amount { disk_gib: 0, ..need.amount };
    store::hold(tx, (HolderKind::Server, server_id), Purpose::Home, &node, own).await?;
    store::hold_volumes_of(tx, server_id, &node).await?;
    Ok(node)
}

/// Reserves the place of a volume or a snapshot and gives the node's name; one that has its place keeps it. `beside`: on the node of
/// this volume or snapshot.
pub(super) async fn disk(
    tx: &mut Conn,
    compute: &Compute,
    holder: (HolderKind, &str),
    (zone, disk_gib): (&str, u32),
    beside: Option<&str>,
) -> Result<String> {
    if let Some(node) = store::place_of(tx, holder.1, Purpose::Home).await? {
        return Ok(node);
    }
    let mut candidates = candidates(tx, compute, zone).await?;
    if let Some(other) = beside {
        let node = store::place_of(tx, other, Purpose::Home).await?;
        candidates.retain(|(_, candidate)| Some(&candidate.name) == node.as_ref());
    }
    let need = Amount { disk_gib: disk_gib.into(), ..Amount::default() };
    let Some(node) = choose(tx, zone, need, &candidates).await? else {
        return Err(no_room(holder.1, candidates.is_empty(), disk_gib));
    };
    store::hold(tx, holder, Purpose::Home, &node, need).await?;
    Ok(node)
}

/// Takes more room on the node where the volume lies; its place has to be told.
pub(super) async fn more_disk(tx: &mut Conn, compute: &Compute, id: &str, zone: &str, gib: u32) -> Result<()> {
    let node = store::place_of(tx, id, Purpose::Home).await?;
    let mut candidates = candidates(tx, compute, zone).await?;
    candidates.retain(|(_, candidate)| Some(&candidate.name) == node.as_ref());
    let need = Amount { disk_gib: gib.into(), ..Amount::default() };
    match choose(tx, zone, need, &candidates).await? {
        Some(_) => store::grow(tx, id, gib.into()).await,
        None => Err(no_room(id, candidates.is_empty(), gib)),
    }
}

fn no_room(id: &str, unreachable: bool, gib: u32) -> Error {
    let message = if unreachable {
        "No compute node is available for the volume at the moment."
    } else {
        "No compute node has room for the volume."
    };
    Error::new(ErrorCode::NoCapacity, message).with_resource("volume", id).with_internal(format!("{gib} GiB"))
}

/// Reserves the server's other place for a resize to this size and gives the node's name; one that has it keeps it. That is beside its
/// home, where the disks stay, or else on another node, where they need their room. Errors as those of [`home`].
pub(super) async fn other(tx: &mut Conn, compute: &Compute, server_id: &str, mut size: Amount) -> Result<String> {
    if let Some(node) = store::place_of(tx, server_id, Purpose::Resize).await? {
        return Ok(node);
    }
    let need = needed(tx, server_id).await?;
    let candidates = candidates(tx, compute, &need.zone).await?;
    let is_home = |(_, candidate): &(Amount, Candidate)| need.node.as_ref() == Some(&candidate.name);
    let (own, mut others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_home);
    let mut found = choose(tx, &need.zone, size, &own).await?;
    // The company whose policy rules nodes out.
    let mut keeper = None;
    if found.is_none() {
        let disks = volumes::of_server(tx, server_id).await?;
        size.disk_gib += disks.iter().map(|volume| i64::from(volume.size_gib)).sum::<i64>();
        let company = Company::of(tx, server_id, need.group_id.as_deref()).await?;
        let all = others.len();
        others.retain(|(_, candidate)| company.as_ref().is_none_or(|company| company.allows(&candidate.name)));
        found = choose_beside(tx, &need.zone, size, &others, company.as_ref()).await?;
        keeper = company.filter(|_| others.len() < all);
    }
    let Some(node) = found else {
        let why = format!("size {size:?}, at home {need:?}");
        return Err(match keeper {
            Some(company) => kept_away(server_id, &company, why),
            None => full(server_id, own.is_empty() && others.is_empty(), why),
        });
    };
    store::hold(tx, (HolderKind::Server, server_id), Purpose::Resize, &node, size).await?;
    Ok(node)
}

async fn needed(tx: &mut Conn, server_id: &str) -> Result<Need> {
    store::need(tx, server_id).await?.ok_or_else(|| Error::not_found("server", server_id))
}

/// The nodes of the zone that can be reached, as far as this process knows, each with what may be given out of it.
async fn candidates(tx: &mut Conn, compute: &Compute, zone: &str) -> Result<Vec<(Amount, Candidate)>> {
    let shared = tx.is_postgres();
    // A node of another process is that one's to vouch for.
    let usable = |name: &str| compute.node(name).map_or(shared, |node| node.answered);
    let ratio = compute.settings.vcpus_per_core;
    let found = store::candidates(tx, zone).await?.into_iter().filter(|candidate| usable(&candidate.name));
    Ok(found.map(|candidate| (limit(&candidate, ratio), candidate)).collect())
}

async fn choose(tx: &mut Conn, zone: &str, need: Amount, candidates: &[(Amount, Candidate)]) -> Result<Option<String>> {
    choose_beside(tx, zone, need, candidates, None).await
}

/// Takes from the emptiest node that fits: servers spread, unless their group wants them elsewhere. Equal nodes go by name, so that
/// the choice can be foretold.
async fn choose_beside(
    tx: &mut Conn,
    zone: &str,
    need: Amount,
    candidates: &[(Amount, Candidate)],
    company: Option<&Company>,
) -> Result<Option<String>> {
    let rank = |(_, candidate): &(Amount, Candidate)| company.map_or(0, |company| company.rank(&candidate.name));
    let mut fitting: Vec<&(Amount, Candidate)> =
        candidates.iter().filter(|(limit, candidate)| fits(candidate.used, need, *limit)).collect();
    fitting.sort_by(|one, other| {
        let by_room = || room(other).cmp(&room(one)).then_with(|| one.1.name.cmp(&other.1.name));
        rank(one).cmp(&rank(other)).then_with(by_room)
    });
    for (limit, candidate) in fitting {
        // An operator may have moved it to another zone since it was read.
        let stays = nodes::stays_in(tx, &candidate.name, zone).await?;
        if stays && store::take(tx, &candidate.name, need, *limit).await? {
            return Ok(Some(candidate.name.clone()));
        }
    }
    Ok(None)
}

fn full(server_id: &str, unreachable: bool, why: String) -> Error {
    let message = if unreachable {
        "No compute node is available for the server at the moment."
    } else {
        "No compute node has room for the server."
    };
    Error::new(ErrorCode::NoCapacity, message).with_resource("server", server_id).with_internal(why)
}

fn kept_away(server_id: &str, company: &Company, why: String) -> Error {
    let policy = company.policy().as_str();
    let message =
        format!("No compute node that the {policy} policy of the server's group allows has room for the server.");
    let error = Error::new(ErrorCode::NoCapacity, message).with_resource("server", server_id);
    error.with_reason("group-policy").with_internal(why)
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
    use skyloom_runtime::api::ComputeApi as _;
    use skyloom_runtime::bindings::cloud::compute::ServerCreate;

    use super::*;
    use crate::Settings;
    use crate::compute::testing::{World, member, operator, worlds};

    async fn server_in(world: &World, zone: &str) -> String {
        let create = ServerCreate { zone: Some(zone.to_owned()), ..world.create(&["a"]) };
        world.cloud.create_servers(&member("p"), create).await.expect("creation").server_ids.remove(0)
    }

    #[tokio::test]
    async fn a_server_goes_to_a_node_of_its_aggregates_zone() {
        for world in worlds(Settings::default()).await {
            let (cloud, admin, compute) = (&world.cloud, operator("op"), &world.cloud.compute);
            for name in ["node-2", "node-3"] {
                world.attach(name, "zone-1").await;
            }
            let east = cloud.create_aggregate(&admin, "fast".to_owned(), Some("east".to_owned())).await.expect("one");
            cloud.add_aggregate_node(&admin, east.id.clone(), "node-2".to_owned()).await.expect("node-2");
            let (here, there) = (server_in(&world, "zone-1").await, server_in(&world, "east").await);
            let mut tx = world.database.db.begin().await.expect("begin");
            assert_eq!(home(&mut tx, compute, &there, None).await.expect("a place"), "node-2");
            let wrong = home(&mut tx, compute, &here, Some("node-2")).await.expect_err("of another zone");
            assert_eq!(wrong.code, ErrorCode::NoCapacity, "{}", world.database.name);
            assert_ne!(home(&mut tx, compute, &here, None).await.expect("a place"), "node-2");
            tx.commit().await.expect("commit");
            // What a placement read before an operator moved the node holds no more.
            let mut tx = world.database.db.begin().await.expect("begin");
            let stale = super::candidates(&mut tx, compute, "zone-1").await.expect("candidates");
            let need = Amount { vcpus: 1, memory_mib: 1, disk_gib: 0 };
            assert_eq!(choose(&mut tx, "east", need, &stale).await.expect("none"), None, "{}", world.database.name);
        }
    }

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
