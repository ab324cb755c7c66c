//! Floating IPs: the core's public addresses. They are recorded and shown; no driver translates them yet.

use skyloom_sdk::cloud::networks::{PublicAddress, PublicAddressWrite};
use skyloom_sdk::conditions::{all_of, any_of, none_of, not_all_of};
use skyloom_sdk::{Error, ErrorCode, Networks, Request, respond};

use crate::attributes::{NUMBER, Picked, Reads, attributes, write_time};
use crate::body::{self, Creation, Given};
use crate::unset::Form;
use crate::{Answer, Fault, lists};

attributes! {
    FLOATING_IPS of "floatingip" in "floatingips": PublicAddress as address;
    "id" Read { finds sorts "id" } => string(&address.id);
    "description" Write { finds "description" } => string(&address.description);
    "project_id" Create { finds sorts "project-id" } => string(&address.project_id);
    "tenant_id" Create { finds sorts "project-id" } => string(&address.project_id);
    "floating_network_id" Create { finds sorts "network-id" } => string(&address.network_id);
    "floating_ip_address" Create { finds sorts "address" } => string(&address.address);
    "subnet_id" Create;
    "port_id" Write { finds sorts "port-id" } => optional_string(address.port_id.as_deref());
    "fixed_ip_address" Write { finds sorts "fixed-address" } => optional_string(address.fixed_address.as_deref());
    "router_id" Read { finds sorts "" as Reads::Constant(None) } => null();
    "status" Read { finds sorts "bound" as Reads::Words(&[("ACTIVE", "true"), ("DOWN", "false")]) } => string(status(address));
    "dns_domain" Unset(Form::Text);
    "dns_name" Unset(Form::Text);
    "qos_policy_id" Unset(Form::Uuid);
    "tags" Unset(Form::List) { finds "tags" as Reads::List(all_of) } => strings(&address.tags);
    "tags-any" Query { finds "tags" as Reads::List(any_of) };
    "not-tags" Query { finds "tags" as Reads::List(not_all_of) };
    "not-tags-any" Query { finds "tags" as Reads::List(none_of) };
    "created_at" Read { sorts "created-at" } by |writer, address| write_time(writer, address.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, address| write_time(writer, address.updated_at);
    "revision_number" Read { finds "revision" as NUMBER } => unsigned(address.revision);
}

fn status(address: &PublicAddress) -> &'static str {
    if address.port_id.is_some() { "ACTIVE" } else { "DOWN" }
}

fn id(request: &Request) -> &str {
    respond::param(request, "floatingip_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    lists::list(request, &FLOATING_IPS, |conditions, page| {
        cloud.list_public_addresses(conditions, page).map(|page| (page.addresses, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let address = cloud.get_public_address(id(request)).map_err(refused)?;
    Ok(lists::one(request, &FLOATING_IPS, &address))
}

/// An id; null is none.
fn uuid(given: &Given, name: &str) -> Result<Option<String>, Fault> {
    match given.value(name).and_then(|value| Form::Uuid.refusal(value)) {
        Some(reason) => Err(Fault::invalid(name, &reason)),
        None => given.text_or_null(name),
    }
}

/// What a creation and a change have in common.
fn write(given: &Given) -> Result<PublicAddressWrite, Fault> {
    let port_id = given.value("port_id").map(|_| uuid(given, "port_id")).transpose()?;
    let fixed_address = given.text_or_null("fixed_ip_address")?;
    if fixed_address.is_some() && port_id.as_ref().is_none_or(Option::is_none) {
        return Err(bad("fixed_ip_address cannot be specified without a port_id"));
    }
    Ok(PublicAddressWrite {
        project_id: given.project()?,
        network_id: uuid(given, "floating_network_id")?,
        subnet_id: uuid(given, "subnet_id")?,
        address: given.text_or_null("floating_ip_address")?,
        description: given.text("description")?,
        port_id,
        fixed_address,
        attributes: None,
    })
}

fn new(given: &Given) -> Result<PublicAddressWrite, Fault> {
    given.required("floating_network_id")?;
    write(given)
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, &FLOATING_IPS)?;
    let writes = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    lists::created(&FLOATING_IPS, bulk, &cloud.create_public_addresses(&writes).map_err(refused)?)
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, &FLOATING_IPS)?;
    let mut write = write(&given)?;
    // To upstream's clients of old a change that says nothing says that there is no port.
    if given.is_empty() {
        write.port_id = Some(None);
    }
    let address = cloud.update_public_address(id(request), &write).map_err(refused)?;
    Ok(lists::answer(200, &FLOATING_IPS, &address, &Picked::default()))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_public_address(id(request)).map_err(refused)?;
    Ok(respond::empty(204))
}

/// The core's reasons to refuse what upstream calls a bad request.
const BAD: &[&str] =
    &["other-project", "external", "not-of-port", "no-address", "ambiguous", "not-external", "no-subnet"];

/// In upstream's words.
fn refused(mut error: Error) -> Fault {
    let field = error.field.take().map(|field| match field.as_str() {
        "network-id" => "floating_network_id".to_owned(),
        "address" => "floating_ip_address".to_owned(),
        "fixed-address" => "fixed_ip_address".to_owned(),
        "public-addresses" => "floatingips".to_owned(),
        _ => field,
    });
    match (&error.code, error.reason.as_deref()) {
        (ErrorCode::Invalid, Some(reason)) if BAD.contains(&reason) => bad(&error.message),
        (ErrorCode::InUse, _) => Fault::new(409, "FloatingIPPortAlreadyAssociated", error.message),
        _ => Error { field, ..error }.into(),
    }
}

fn bad(message: &str) -> Fault {
    Fault::new(400, "BadRequest", format!("Bad floatingip request: {}.", message.trim_end_matches('.')))
}
