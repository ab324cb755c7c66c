//! ECS v1: servers made, removed and powered, disks and network cards attached and detached, as jobs.
//!
//! Ids of jobs cross the wire as 32 hexadecimal digits, as the vendor's do; the core's are dashed.

mod attachments;
mod batch;
mod block_devices;
mod create;
mod create_body;
mod create_checks;
mod errors;
mod flavors;
mod jobs;
mod limits;
mod nics;
mod projects;
mod rebuild;
mod resize;
mod server_groups;
mod tag_changes;
mod tag_queries;
mod tags;
mod unsupported;

use skyloom_sdk::{Cloud, Imports, Personality, Request, Response, respond};

use errors::Failure;

/// The component.
pub struct Component;

impl Personality for Component {
    fn handle(request: Request) -> Response {
        handle(&Imports, &request)
    }
}

skyloom_sdk::personality!(Component);

/// Answers one request.
pub fn handle<C: Cloud>(cloud: &C, request: &Request) -> Response {
    if let Some(violation) = request.violations.first() {
        return errors::of_violation(violation).response();
    }
    let answer = match request.operation.as_str() {
        "servers.create" => create::create(cloud, request),
        "servers.delete" => batch::delete(cloud, request),
        "servers.start" => batch::start(cloud, request),
        "servers.stop" => batch::stop(cloud, request),
        "servers.reboot" => batch::reboot(cloud, request),
        "servers.resize" => resize::resize(cloud, request),
        "servers.reinstall_os" => rebuild::reinstall(cloud, request),
        "servers.change_os" => rebuild::change(cloud, request),
        "server_volumes.attach" => attachments::attach(cloud, request),
        "server_volumes.detach" => attachments::detach(cloud, request),
        "server_nics.batch_add" => nics::add(cloud, request),
        "server_nics.batch_delete" => nics::remove(cloud, request),
        "server_block_devices.list" => block_devices::list(cloud, request),
        "server_block_devices.get" => block_devices::get(cloud, request),
        "server_groups.create" => server_groups::create(cloud, request),
        "server_groups.delete" => server_groups::delete(cloud, request),
        "server_groups.add_member" => server_groups::add_member(cloud, request),
        "server_groups.remove_member" => server_groups::remove_member(cloud, request),
        "server_groups.list" => server_groups::list(cloud, request),
        "server_groups.get" => server_groups::get(cloud, request),
        "jobs.get" => return jobs::get(cloud, respond::param(request, "job_id")),
        "server_tags.list" => tags::of_server(cloud, request),
        "project_tags.list" => tags::of_project(cloud),
        "server_tags.change" => tag_changes::change(cloud, request),
        "tags.query_servers" => tag_queries::servers(cloud, request),
        "flavors.list" => flavors::list(cloud, request),
        "limits.get" => limits::get(cloud),
        "projects.list" => projects::list(cloud, request),
        other => Err(Failure::new(500, "Common.0001", format!("The operation {other} has no handler."))),
    };
    answer.unwrap_or_else(|failure| failure.response())
}

/// The body as a type; its shape was checked by the schema, so what still fails is a defect of the request.
fn body<'a, T: serde::Deserialize<'a>>(request: &'a Request) -> Result<T, Failure> {
    if request.body.is_empty() {
        return Err(Failure::new(400, "Common.0002", "The request body cannot be left blank."));
    }
    serde_json::from_slice(&request.body).map_err(|_| Failure::invalid("request body is illegal."))
}

/// `{"job_id": ...}` for an accepted operation.
fn job_answer(operation_id: &str) -> Response {
    let mut out = skyloom_sdk::json::Writer::with_capacity(64);
    out.begin_object().key(skyloom_sdk::key!("job_id")).string(&jobs::wire_id(operation_id)).end_object();
    respond::json(200, out.finish())
}

#[cfg(test)]
mod tests;
