//! Limits, quotas and zones.

use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::query::Query;
use skyloom_sdk::{Compute, Quotas, Request, Response, key, respond};

use crate::Answer;

/// Cinder's names and the core's. What isn't here has no limit and no use.
const NAMES: &[(&str, &str)] = &[("volumes", "volumes"), ("snapshots", "snapshots"), ("gigabytes", "volume-gib")];
const OTHERS: &[&str] = &["per_volume_gigabytes", "backups", "backup_gigabytes", "groups"];

fn of(quotas: &[Quota], core: &str) -> (i64, u64) {
    quotas.iter().find(|quota| quota.name == core).map_or((-1, 0), |quota| (quota.limit, quota.used))
}

pub fn limits<C: Quotas>(cloud: &C) -> Answer {
    let quotas = cloud.get_quotas(None)?;
    let mut json = Writer::with_capacity(512);
    json.begin_object().key(key!("limits")).begin_object().key(key!("rate")).begin_array().end_array();
    json.key(key!("absolute")).begin_object();
    for (most, used, core) in [
        ("maxTotalVolumes", "totalVolumesUsed", "volumes"),
        ("maxTotalSnapshots", "totalSnapshotsUsed", "snapshots"),
        ("maxTotalVolumeGigabytes", "totalGigabytesUsed", "volume-gib"),
        ("maxTotalBackups", "totalBackupsUsed", ""),
        ("maxTotalBackupGigabytes", "totalBackupGigabytesUsed", ""),
    ] {
        let (limit, in_use) = of(&quotas, core);
        json.dynamic_key(most).integer(limit).dynamic_key(used).unsigned(in_use);
    }
    json.end_object().end_object().end_object();
    Ok(respond::json(200, json.finish()))
}

pub fn show<C: Quotas>(cloud: &C, request: &Request) -> Answer {
    let target = respond::param(request, "target_id");
    let usage = Query(&request.query).last("usage").is_some_and(|text| boolean_text(text).unwrap_or(false));
    Ok(answer(target, &cloud.get_quotas(Some(target))?, usage))
}

pub fn defaults<C: Quotas>(cloud: &C, request: &Request) -> Answer {
    Ok(answer(respond::param(request, "target_id"), &cloud.default_quotas()?, false))
}

fn answer(project: &str, quotas: &[Quota], usage: bool) -> Response {
    let mut json = Writer::with_capacity(512);
    json.begin_object().key(key!("quota_set")).begin_object().key(key!("id")).string(project);
    for (name, core) in NAMES.iter().copied().chain(OTHERS.iter().map(|name| (*name, ""))) {
        let (limit, used) = of(quotas, core);
        json.dynamic_key(name);
        if usage {
            json.begin_object().key(key!("limit")).integer(limit).key(key!("in_use")).unsigned(used);
            json.key(key!("reserved")).unsigned(0).key(key!("allocated")).unsigned(0).end_object();
        } else {
            json.integer(limit);
        }
    }
    json.end_object().end_object();
    respond::json(200, json.finish())
}

pub fn zones<C: Compute>(cloud: &C) -> Answer {
    let mut json = Writer::with_capacity(256);
    json.begin_object().key(key!("availabilityZoneInfo")).begin_array();
    for zone in &cloud.list_zones()? {
        json.begin_object().key(key!("zoneName")).string(&zone.name);
        json.key(key!("zoneState")).begin_object().key(key!("available")).boolean(zone.available).end_object();
        json.end_object();
    }
    json.end_array().end_object();
    Ok(respond::json(200, json.finish()))
}
