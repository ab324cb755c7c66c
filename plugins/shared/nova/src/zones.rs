//! What a project finds: availability zones and its limits.

use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::json::{Key, Writer};
use skyloom_sdk::{Cloud, key, respond};

use crate::context::{Answer, Context};
use crate::dialect::Dialect;
use crate::errors::Fault;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    zones(context, false)
}

/// With the zones' hosts; for operators, which the core decides.
pub fn list_detail<C: Cloud>(context: &Context<'_, C>) -> Answer {
    zones(context, true)
}

fn zones<C: Cloud>(context: &Context<'_, C>, with_hosts: bool) -> Answer {
    let zones = context.cloud.list_zones()?;
    let mut writer = Writer::with_capacity(256);
    writer.begin_object().key(key!("availabilityZoneInfo")).begin_array();
    for zone in &zones {
        writer.begin_object().key(key!("zoneName")).string(&zone.name);
        writer.key(key!("zoneState")).begin_object().key(key!("available")).boolean(zone.available).end_object();
        writer.key(key!("hosts"));
        if with_hosts {
            writer.begin_object();
            for node in &zone.nodes {
                writer.dynamic_key(node).begin_object().key(key!("nova-compute")).begin_object();
                writer.key(key!("active")).boolean(true).key(key!("available")).boolean(zone.available);
                // The core doesn't tell when it last heard from a node.
                writer.key(key!("updated_at")).null().end_object().end_object();
            }
            writer.end_object();
        } else {
            writer.null();
        }
        writer.end_object();
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

/// Which quota a limit shows, and the versions that show it.
struct Limit {
    key: Key,
    quota: &'static str,
    /// How much is used instead of how much there may be.
    used: bool,
    /// Upstream shows it up to here; none: at every version.
    last: Option<u32>,
}

const fn limit(key: Key, quota: &'static str, used: bool, last: Option<u32>) -> Limit {
    Limit { key, quota, used, last }
}

static LIMITS: &[Limit] = &[
    limit(key!("maxTotalInstances"), "servers", false, None),
    limit(key!("maxTotalCores"), "vcpus", false, None),
    limit(key!("maxTotalRAMSize"), "memory-mib", false, None),
    limit(key!("maxTotalKeypairs"), "keypairs", false, None),
    limit(key!("maxServerMeta"), "metadata-items", false, None),
    limit(key!("maxImageMeta"), "metadata-items", false, Some(38)),
    limit(key!("maxServerGroups"), "server-groups", false, None),
    limit(key!("maxServerGroupMembers"), "server-group-members", false, None),
    limit(key!("maxTotalFloatingIps"), "public-addresses", false, Some(35)),
    limit(key!("maxSecurityGroups"), "security-groups", false, Some(35)),
    limit(key!("maxSecurityGroupRules"), "security-group-rules", false, Some(35)),
    limit(key!("totalInstancesUsed"), "servers", true, None),
    limit(key!("totalCoresUsed"), "vcpus", true, None),
    limit(key!("totalRAMUsed"), "memory-mib", true, None),
    limit(key!("totalServerGroupsUsed"), "server-groups", true, None),
    limit(key!("totalFloatingIpsUsed"), "public-addresses", true, Some(35)),
    limit(key!("totalSecurityGroupsUsed"), "security-groups", true, Some(35)),
];

/// Last version of a limit. The vendor's document ends only the rules of security groups, one version earlier.
fn last(context_dialect: Dialect, limit: &Limit) -> Option<u32> {
    match (context_dialect, limit.quota) {
        (Dialect::Ecs, "security-group-rules") => Some(34),
        (Dialect::Ecs, _) => None,
        (Dialect::Upstream, _) => limit.last,
    }
}

pub fn limits<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let query = context.query();
    let wanted = query.last("tenant_id").or(query.last("project_id")).filter(|project| *project != context.project());
    // Operators may ask for another project, but not in the vendor's document.
    if wanted.is_some() && (context.dialect == Dialect::Ecs || !context.admin()) {
        return Err(Fault::new(403, "Policy doesn't allow os_compute_api:limits:other_project to be performed."));
    }
    let quotas = context.cloud.get_quotas(wanted)?;
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("limits")).begin_object();
    writer.key(key!("rate")).begin_array().end_array();
    writer.key(key!("absolute")).begin_object();
    for limit in LIMITS {
        if last(context.dialect, limit).is_none_or(|last| context.minor <= last) {
            write_limit(&mut writer, limit, &quotas);
        }
    }
    if !context.since(57) || context.dialect == Dialect::Ecs {
        // Files are not injected, so there may be none.
        writer.key(key!("maxPersonality")).unsigned(0).key(key!("maxPersonalitySize")).unsigned(0);
    }
    writer.end_object().end_object().end_object();
    Ok(respond::json(200, writer.finish()))
}

fn write_limit(writer: &mut Writer, limit: &Limit, quotas: &[Quota]) {
    let Some(quota) = quotas.iter().find(|quota| quota.name == limit.quota) else { return };
    writer.key(limit.key);
    if limit.used {
        writer.unsigned(quota.used);
    } else {
        // -1 is Nova's word for no limit, too.
        writer.integer(quota.limit);
    }
}
