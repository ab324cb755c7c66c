//! Limits: the project's quotas and what is in use.

use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, Response, respond};

use crate::errors::Failure;

/// Limits of requests, not of projects; the vendor's own defaults.
const FIXED: &[(&str, i64)] = &[("maxPersonality", 5), ("maxPersonalitySize", 10_240), ("maxImageMeta", 128)];

/// The vendor's words for the core's quotas: the limit, and what is in use where the vendor shows it.
const QUOTAS: &[(&str, &str, Option<&str>)] = &[
    ("servers", "maxTotalInstances", Some("totalInstancesUsed")),
    ("vcpus", "maxTotalCores", Some("totalCoresUsed")),
    ("memory-mib", "maxTotalRAMSize", Some("totalRAMUsed")),
    ("keypairs", "maxTotalKeypairs", None),
    ("metadata-items", "maxServerMeta", None),
    ("server-groups", "maxServerGroups", Some("totalServerGroupsUsed")),
    ("server-group-members", "maxServerGroupMembers", None),
    ("security-groups", "maxSecurityGroups", Some("totalSecurityGroupsUsed")),
    ("security-group-rules", "maxSecurityGroupRules", None),
    ("public-addresses", "maxTotalFloatingIps", Some("totalFloatingIpsUsed")),
];

pub fn get<C: Cloud>(cloud: &C) -> Result<Response, Failure> {
    let quotas = cloud.get_quotas(None)?;
    let find = |name: &str| quotas.iter().find(|quota: &&Quota| quota.name == name);
    let mut out = Writer::with_capacity(768);
    out.begin_object().dynamic_key("absolute").begin_object();
    for (name, limit, used) in QUOTAS {
        // -1, the core's word for no limit, is the vendor's too.
        out.dynamic_key(limit).integer(find(name).map_or(-1, |quota| quota.limit));
        if let Some(used) = used {
            out.dynamic_key(used).unsigned(find(name).map_or(0, |quota| quota.used));
        }
    }
    for (name, value) in FIXED {
        out.dynamic_key(name).integer(*value);
    }
    out.end_object().end_object();
    Ok(respond::json(200, out.finish()))
}
