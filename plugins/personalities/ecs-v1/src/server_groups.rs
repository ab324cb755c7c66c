//! Server groups, which keep their servers apart.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::{ServerGroup, ServerGroupCreate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::is_uuid;
use skyloom_sdk::paging::{Paging, by_id};
use skyloom_sdk::query::Query;
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, key, respond};

use crate::body;
use crate::errors::Failure;

/// The only one that the vendor has; other APIs make groups with others.
const POLICY: &str = "anti-affinity";
/// In bytes.
const LONGEST_NAME: usize = 255;
const LARGEST_PAGE: u32 = 1000;
/// Extra spec of a flavor: the platform of its servers. The other one is KVM's.
const PLATFORM: (&str, &str) = ("ecs:virtualization_env_types", "FusionCompute");

#[derive(Deserialize)]
struct CreateBody {
    server_group: NewGroup,
}

#[derive(Deserialize)]
struct NewGroup {
    name: String,
}

#[derive(Deserialize)]
struct MemberBody {
    #[serde(rename = "add_member", alias = "remove_member")]
    member: Member,
}

#[derive(Deserialize)]
struct Member {
    instance_uuid: String,
}

pub fn create<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let CreateBody { server_group: NewGroup { name } } = body(request)?;
    if name.len() > LONGEST_NAME {
        let message = format!(
            "The value of the parameter server_group.name is not valid: it must be at most {LONGEST_NAME} bytes long."
        );
        return Err(Failure::invalid(message));
    }
    let create = ServerGroupCreate { name, policy: POLICY.to_owned(), max_servers_per_node: None };
    Ok(one(&cloud.create_server_group(&create)?))
}

pub fn get<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    Ok(one(&cloud.get_server_group(id(request))?))
}

pub fn delete<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    cloud.delete_server_group(id(request))?;
    Ok(respond::empty(204))
}

pub fn add_member<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let MemberBody { member } = body(request)?;
    check_policy(cloud, id(request))?;
    let server = cloud.get_server(&member.instance_uuid, &[])?;
    let (spec, other) = PLATFORM;
    if server.flavor.extra_specs.iter().any(|(name, value)| name == spec && value == other) {
        let server = &member.instance_uuid;
        return Err(Failure::invalid(format!(
            "The value of the parameter add_member.instance_uuid is not valid: the ECS {server} is none of KVM."
        )));
    }
    cloud.add_server_group_member(id(request), &member.instance_uuid)?;
    Ok(respond::empty(200))
}

pub fn remove_member<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let MemberBody { member } = body(request)?;
    check_policy(cloud, id(request))?;
    cloud.remove_server_group_member(id(request), &member.instance_uuid).map_err(not_in_group)?;
    Ok(respond::empty(200))
}

/// The server is there, but not in the group.
fn not_in_group(error: Error) -> Failure {
    match (&error.code, error.field.as_deref()) {
        (ErrorCode::NotFound, Some("server-id")) => Failure::invalid(format!(
            "The value of the parameter remove_member.instance_uuid is not valid. {}",
            error.message
        )),
        _ => error.into(),
    }
}

/// A group's policy never changes.
fn check_policy<C: Cloud>(cloud: &C, id: &str) -> Result<(), Failure> {
    let policy = cloud.get_server_group(id)?.policy;
    if policy == POLICY {
        return Ok(());
    }
    Err(Failure::invalid(format!("The server group {id} has the policy {policy}: only {POLICY} is supported.")))
}

pub fn list<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let query = Query(&request.query);
    let bounds = || Failure::invalid(format!("The parameter limit must be a whole number from 1 to {LARGEST_PAGE}."));
    let paging = Paging::from_query(&query).map_err(|_| bounds())?;
    if paging.limit.is_some_and(|limit| !(1..=LARGEST_PAGE).contains(&limit)) {
        return Err(bounds());
    }
    if let Some(marker) = &paging.marker {
        if paging.limit.is_none() {
            return Err(Failure::invalid("The parameter marker is allowed together with limit only."));
        }
        if !is_uuid(marker) {
            return Err(Failure::invalid(
                "The value of the parameter marker is not valid: it is no id of a server group.",
            ));
        }
    }
    let paged = paging.limit.is_some();
    let groups = cloud.list_server_groups(&[], &paging.request(LARGEST_PAGE, LARGEST_PAGE, by_id()))?.groups;
    let mut out = Writer::with_capacity(64 + groups.len() * 256);
    out.begin_object().key(key!("server_groups")).begin_array();
    for group in &groups {
        write(&mut out, group);
    }
    out.end_array();
    // The document says it of every page, the last one too.
    if let Some(last) = groups.last().filter(|_| paged) {
        out.key(key!("page_info")).begin_object().key(key!("next_marker")).string(&last.id).end_object();
    }
    out.end_object();
    Ok(respond::json(200, out.finish()))
}

fn id(request: &Request) -> &str {
    respond::param(request, "server_group_id")
}

fn one(group: &ServerGroup) -> Response {
    let mut out = Writer::with_capacity(256 + group.members.len() * 40);
    out.begin_object().key(key!("server_group"));
    write(&mut out, group);
    out.end_object();
    respond::json(200, out.finish())
}

fn write(out: &mut Writer, group: &ServerGroup) {
    out.begin_object();
    out.key(key!("id")).string(&group.id);
    out.key(key!("name")).string(&group.name);
    out.key(key!("policies")).begin_array().string(&group.policy).end_array();
    out.key(key!("members")).strings(&group.members);
    // Nobody can give a group any.
    out.key(key!("metadata")).begin_object().end_object();
    out.end_object();
}
