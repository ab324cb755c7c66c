//! Subnets.

use serde_json::Value;
use skyloom_sdk::cloud::networks::{AddressRange, HostRoute, Subnet, SubnetWrite};
use skyloom_sdk::conditions::{all_of, any_of, none_of, not_all_of};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Networks, Request, key, respond};

use crate::attributes::{FLAG, NUMBER, Picked, Reads, attributes, write_time};
use crate::body::{self, Creation, Given};
use crate::unset::Form;
use crate::{Answer, Fault, lists};

const IPV6_MODES: &[&str] = &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"];

attributes! {
    SUBNETS of "subnet" in "subnets": Subnet as subnet;
    "id" Read { finds sorts "id" } => string(&subnet.id);
    "name" Write { finds sorts "name" } => string(&subnet.name);
    "description" Write { finds "description" } => string(&subnet.description);
    "project_id" Create { finds sorts "project-id" } => string(&subnet.project_id);
    "tenant_id" Create { finds sorts "project-id" } => string(&subnet.project_id);
    "network_id" Create { finds sorts "network-id" } => string(&subnet.network_id);
    "ip_version" Create { finds sorts "ip-version" as Reads::By(version_text) } => unsigned(subnet.ip_version.into());
    "cidr" Create { finds sorts "cidr" } => string(&subnet.cidr);
    "gateway_ip" Write { finds sorts "gateway" } => optional_string(subnet.gateway.as_deref());
    "enable_dhcp" Write { finds sorts "dhcp" as FLAG } => boolean(subnet.dhcp);
    "dns_nameservers" Write => strings(&subnet.dns);
    "allocation_pools" Write by write_pools;
    "host_routes" Write by write_routes;
    "subnetpool_id" Unset(Form::Uuid) { finds sorts "" as Reads::Constant(None) } => null();
    "ipv6_ra_mode" Unset(Form::Choice(IPV6_MODES)) { finds sorts "" as Reads::Constant(None) } => null();
    "ipv6_address_mode" Unset(Form::Choice(IPV6_MODES)) { finds sorts "" as Reads::Constant(None) } => null();
    "segment_id" Unset(Form::Uuid) { finds "" as Reads::Constant(None) };
    "service_types" Unset(Form::List) => raw("[]");
    "use_default_subnetpool" Unset(Form::Flag);
    "prefixlen" Unset(Form::Number);
    "dns_publish_fixed_ip" Unset(Form::Flag);
    "router:external" Read { finds "external" as FLAG } => boolean(subnet.external);
    "tags" Unset(Form::List) { finds "tags" as Reads::List(all_of) } => strings(&subnet.tags);
    "tags-any" Query { finds "tags" as Reads::List(any_of) };
    "not-tags" Query { finds "tags" as Reads::List(not_all_of) };
    "not-tags-any" Query { finds "tags" as Reads::List(none_of) };
    "created_at" Read { sorts "created-at" } by |writer, subnet| write_time(writer, subnet.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, subnet| write_time(writer, subnet.updated_at);
    "revision_number" Read { finds "revision" as NUMBER } => unsigned(subnet.revision);
}

fn write_pools(writer: &mut Writer, subnet: &Subnet) {
    writer.begin_array();
    for pool in &subnet.pools {
        writer.begin_object().key(key!("start")).string(&pool.start).key(key!("end")).string(&pool.end).end_object();
    }
    writer.end_array();
}

fn write_routes(writer: &mut Writer, subnet: &Subnet) {
    writer.begin_array();
    for route in &subnet.host_routes {
        writer.begin_object().key(key!("destination")).string(&route.destination);
        writer.key(key!("nexthop")).string(&route.next_hop).end_object();
    }
    writer.end_array();
}

fn version_text(name: &str, text: &str) -> Result<Option<String>, Fault> {
    let number = text.parse().map_err(|_| Fault::invalid(name, &format!("'{text}' is not an integer")))?;
    version(number).map(|version| Some(version.to_string()))
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
    lists::list(request, &SUBNETS, |conditions, page| {
        cloud.list_subnets(conditions, page).map(|page| (page.subnets, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(request, &SUBNETS, &cloud.get_subnet(id(request))?))
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
        attributes: None,
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
    let Creation { items, bulk } = body::creation(request, &SUBNETS)?;
    let writes = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    lists::created(&SUBNETS, bulk, &cloud.create_subnets(&writes)?)
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, &SUBNETS)?;
    Ok(lists::answer(200, &SUBNETS, &cloud.update_subnet(id(request), &write(&given)?)?, &Picked::default()))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_subnet(id(request))?;
    Ok(respond::empty(204))
}
