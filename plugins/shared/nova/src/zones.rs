//! What a project finds: availability zones and its limits.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, key, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::words::QUOTAS;

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

/// Files are not injected, so there may be none.
const FILES: &[&str] = &["maxPersonality", "maxPersonalitySize"];

pub fn limits<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let query = context.query();
    let wanted = query.last("tenant_id").or(query.last("project_id")).filter(|project| *project != context.project());
    if wanted.is_some() && !(context.rules.limits_of_others && context.admin()) {
        return Err(Fault::new(403, "Policy doesn't allow os_compute_api:limits:other_project to be performed."));
    }
    let quotas = context.cloud.get_quotas(wanted)?;
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("limits")).begin_object();
    writer.key(key!("rate")).begin_array().end_array();
    writer.key(key!("absolute")).begin_object();
    let shown = |name: &str| {
        let end = context.rules.limits_end.iter().find(|(ends, _)| *ends == name);
        end.is_none_or(|(_, last)| context.minor <= *last)
    };
    for quota in &quotas {
        let words = QUOTAS.iter().find(|words| words.core == quota.name);
        // An image may have as many items of metadata as a server.
        let image = (quota.name == "metadata-items").then_some("maxImageMeta");
        // -1 is Nova's word for no limit, too.
        for name in words.map(|words| words.most).into_iter().chain(image).filter(|name| shown(name)) {
            writer.dynamic_key(name).integer(quota.limit);
        }
        if let Some(name) = words.and_then(|words| words.used).filter(|name| shown(name)) {
            writer.dynamic_key(name).unsigned(quota.used);
        }
    }
    for name in FILES.iter().filter(|name| shown(name)) {
        writer.dynamic_key(name).unsigned(0);
    }
    writer.end_object().end_object().end_object();
    Ok(respond::json(200, writer.finish()))
}
