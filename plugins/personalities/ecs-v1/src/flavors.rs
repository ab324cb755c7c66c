//! Flavors with their sale status by zone.

use ecs_rules::sale;
use skyloom_sdk::cloud::flavors::Flavor;
use skyloom_sdk::conditions::is;
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::query::Query;
use skyloom_sdk::{Cloud, Condition, Request, Response, key, respond};

use crate::errors::Failure;

pub fn list<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let zone = Query(&request.query).last("availability_zone").filter(|zone| !zone.is_empty());
    let of_zone: Vec<Condition> = zone.map(|zone| is("zone", zone)).into_iter().collect();
    // The vendor's list is not paged.
    let flavors = every_page(|page| {
        let found = cloud.list_flavors(&of_zone, &page)?;
        Ok::<_, Failure>((found.flavors, found.next))
    })?;
    let shown: Vec<&Flavor> = flavors.iter().filter(|flavor| is_shown(flavor, zone)).collect();
    let mut out = Writer::with_capacity(64 + shown.len() * 768);
    out.begin_object().key(key!("flavors")).begin_array();
    for flavor in shown {
        write(&mut out, flavor, request);
    }
    out.end_array().end_object();
    Ok(respond::json(200, out.finish()))
}

/// Without a zone all but withdrawn ones; with a zone those that can be used there.
fn is_shown(flavor: &Flavor, zone: Option<&str>) -> bool {
    let status = sale::state(&flavor.extra_specs, zone);
    match zone {
        None => status != "abandon",
        Some(_) => matches!(status, "normal" | "promotion" | "obt" | "obt_sellout_soon"),
    }
}

/// The types are the vendor's: numbers of vCPUs and disk as strings, memory as a number.
fn write(out: &mut Writer, flavor: &Flavor, request: &Request) {
    let base = request.base_url.as_str();
    let project = respond::param(request, "project_id");
    out.begin_object();
    out.key(key!("id")).string(&flavor.id);
    out.key(key!("name")).string(&flavor.name);
    out.key(key!("vcpus")).string(&flavor.vcpus.to_string());
    out.key(key!("ram")).unsigned(u64::from(flavor.memory_mib));
    out.key(key!("disk")).string(&flavor.disk_gib.to_string());
    out.key(key!("swap")).string(&if flavor.swap_mib == 0 { String::new() } else { flavor.swap_mib.to_string() });
    out.key(key!("OS-FLV-EXT-DATA:ephemeral")).unsigned(u64::from(flavor.ephemeral_gib));
    out.key(key!("OS-FLV-DISABLED:disabled")).boolean(flavor.disabled);
    out.key(key!("rxtx_factor")).raw(&factor(flavor.rxtx_factor_milli));
    out.key(key!("rxtx_quota")).null().key(key!("rxtx_cap")).null();
    out.key(key!("os-flavor-access:is_public")).boolean(flavor.is_public);
    out.key(key!("links")).begin_array();
    for (rel, path) in [("self", "/v1.0/"), ("bookmark", "/")] {
        out.begin_object().key(key!("rel")).string(rel);
        out.key(key!("href")).joined(&[base, path, project, "/flavors/", &flavor.id]);
        out.key(key!("type")).null().end_object();
    }
    out.end_array();
    out.key(key!("os_extra_specs")).string_map(&flavor.extra_specs);
    out.end_object();
}

/// Thousandths as a JSON number: `1`, `1.5`.
fn factor(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_factor_is_a_plain_number() {
        assert_eq!(factor(1000), "1");
        assert_eq!(factor(1500), "1.5");
        assert_eq!(factor(125), "0.125");
    }
}
