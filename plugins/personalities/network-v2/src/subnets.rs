//! Subnets.

use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{AddressRange, HostRoute, Subnet, SubnetFilter, SubnetWrite};
use skyloom_sdk::{Networks, Request, respond, time};

use crate::body::{self, Attributes, Creation, Given, Use};
use crate::lists::{Wanted, shown};
use crate::networks::object;
use crate::unset::Form;
use crate::{Answer, Fault, Object, created, one};

const IPV6_MODES: &[&str] = &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"];

const ATTRIBUTES: Attributes = &[
    ("name", Use::Write),
    ("description", Use::Write),
    ("gateway_ip", Use::Write),
    ("enable_dhcp", Use::Write),
    ("dns_nameservers", Use::Write),
    ("allocation_pools", Use::Write),
    ("host_routes", Use::Write),
    ("network_id", Use::Create),
    ("ip_version", Use::Create),
    ("cidr", Use::Create),
    ("project_id", Use::Create),
    ("tenant_id", Use::Create),
    ("subnetpool_id", Use::Unset(Form::Uuid)),
    ("use_default_subnetpool", Use::Unset(Form::Flag)),
    ("prefixlen", Use::Unset(Form::Number)),
    ("ipv6_ra_mode", Use::Unset(Form::Choice(IPV6_MODES))),
    ("ipv6_address_mode", Use::Unset(Form::Choice(IPV6_MODES))),
    ("service_types", Use::Unset(Form::List)),
    ("segment_id", Use::Unset(Form::Uuid)),
    ("dns_publish_fixed_ip", Use::Unset(Form::Flag)),
    ("tags", Use::Unset(Form::List)),
    ("router:external", Use::Read),
    ("id", Use::Read),
    ("created_at", Use::Read),
    ("updated_at", Use::Read),
    ("revision_number", Use::Read),
];

pub fn view(subnet: Subnet) -> Object {
    let pools: Vec<Value> = subnet.pools.iter().map(|pool| json!({"start": pool.start, "end": pool.end})).collect();
    let routes: Vec<Value> = subnet
        .host_routes
        .iter()
        .map(|route| json!({"destination": route.destination, "nexthop": route.next_hop}))
        .collect();
    object(json!({
        "id": subnet.id,
        "name": subnet.name,
        "description": subnet.description,
        "project_id": subnet.project_id,
        "tenant_id": subnet.project_id,
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway,
        "enable_dhcp": subnet.dhcp,
        "dns_nameservers": subnet.dns,
        "allocation_pools": pools,
        "host_routes": routes,
        "subnetpool_id": null,
        "ipv6_ra_mode": null,
        "ipv6_address_mode": null,
        "service_types": [],
        "router:external": subnet.external,
        "tags": subnet.tags,
        "created_at": time::seconds_z(subnet.created_at),
        "updated_at": time::seconds_z(subnet.updated_at),
        "revision_number": subnet.revision,
    }))
}

fn id(request: &Request) -> &str {
    respond::param(request, "subnet_id")
}

fn version(number: i64) -> Result<u8, Fault> {
    match number {
        4 => Ok(4),
        6 => Ok(6),
        other => Err(Fault::invalid("ip_version", &format!("'{other}' is not in [4, 6]"))),
    }
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let mut wanted = Wanted::new(request);
    let ip_version = match wanted.one("ip_version")? {
        None => None,
        Some(text) => match text.parse() {
            Ok(number) => Some(version(number)?),
            Err(_) => return Err(Fault::invalid("ip_version", &format!("'{text}' is not an integer"))),
        },
    };
    let filter = SubnetFilter {
        ids: wanted.any("id"),
        names: wanted.any("name"),
        project_id: wanted.project()?,
        network_ids: wanted.any("network_id"),
        cidr: wanted.one("cidr")?,
        ip_version,
        gateway: wanted.one("gateway_ip")?,
        dhcp: wanted.flag("enable_dhcp")?,
        external: wanted.flag("router:external")?,
        tags: wanted.any("tags"),
    };
    let fetch = |page: &skyloom_sdk::PageRequest| {
        let page = cloud.list_subnets(&filter, page)?;
        Ok((page.subnets, page.next))
    };
    wanted.answer(request, "subnets", fetch, view)
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, "subnet", shown(request, view(cloud.get_subnet(id(request))?))))
}

fn write(given: &Given) -> Result<SubnetWrite, Fault> {
    let gateway = match given.value("gateway_ip") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(_) => Some(given.text("gateway_ip")?),
    };
    let pools = given.objects("allocation_pools", &["start", "end"])?;
    let routes = given.objects("host_routes", &["destination", "nexthop"])?;
    let pair = |item: Vec<Option<String>>| {
        let mut parts = item.into_iter().map(Option::unwrap_or_default);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    };
    Ok(SubnetWrite {
        name: given.name()?,
        description: given.text("description")?,
        project_id: given.project()?,
        network_id: given.text("network_id")?,
        ip_version: given.integer("ip_version")?.map(version).transpose()?,
        cidr: given.text_or_null("cidr")?,
        gateway,
        dhcp: given.flag("enable_dhcp")?,
        dns: given.texts("dns_nameservers")?,
        pools: pools.map(|pools| pools.into_iter().map(pair).map(|(start, end)| AddressRange { start, end }).collect()),
        host_routes: routes.map(|routes| {
            routes.into_iter().map(pair).map(|(destination, next_hop)| HostRoute { destination, next_hop }).collect()
        }),
    })
}

fn new(given: &Given) -> Result<SubnetWrite, Fault> {
    given.required("network_id")?;
    if given.integer("ip_version")?.is_none() {
        return Err(Fault::bad_request("Failed to parse request. Required attribute 'ip_version' not specified"));
    }
    let mut write = write(given)?;
    if write.cidr.is_none() {
        let message = "Bad subnets request: a subnetpool must be specified in the absence of a cidr.";
        return Err(Fault::new(400, "BadRequest", message));
    }
    // An empty list of pools at creation means the default ones.
    write.pools = write.pools.filter(|pools| !pools.is_empty());
    Ok(write)
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, "subnet", ATTRIBUTES)?;
    let writes = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    created("subnet", bulk, cloud.create_subnets(&writes)?.into_iter().map(view).collect())
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, "subnet", ATTRIBUTES)?;
    Ok(one(200, "subnet", view(cloud.update_subnet(id(request), &write(&given)?)?)))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_subnet(id(request))?;
    Ok(respond::empty(204))
}
