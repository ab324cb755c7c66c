//! Identity v3 (Keystone's API) over the core's identity. Host and core authenticate, authorise and keep the secrets; this
//! plugin reads bodies and queries, and writes Keystone's answers.

mod assignments;
mod catalog;
mod credentials;
mod domains;
mod hierarchy;
mod projects;
mod roles;
mod users;
mod versions;

pub use keystone::Fault;
use keystone::{Answer, bodies, extra, json, lists, tokens};
use skyloom_sdk::{Identity, Imports, Personality, Request, Response};

/// The component.
#[derive(Debug)]
pub struct IdentityV3;

impl Personality for IdentityV3 {
    fn handle(request: Request) -> Response {
        handle(&Imports, request)
    }
}

skyloom_sdk::personality!(IdentityV3);

/// Answers one request; natively over any core.
#[allow(clippy::needless_pass_by_value)]
pub fn handle<C: Identity>(cloud: &C, request: Request) -> Response {
    let answer = match keystone::violation(&request) {
        Some(fault) => Err(fault),
        None => dispatch(cloud, &request),
    };
    answer.unwrap_or_else(|fault| fault.of(&request).response(&request))
}

fn dispatch<C: Identity>(cloud: &C, request: &Request) -> Answer {
    match request.operation.as_str() {
        "versions.list" => Ok(versions::list(request)),
        "versions.show" => Ok(versions::show(request)),
        "tokens.issue" => tokens::issue(cloud, request),
        "tokens.validate" => tokens::validate(cloud, request),
        "tokens.revoke" => tokens::revoke(cloud, request),
        "auth.catalog" => catalog::own(cloud, request),
        "auth.projects" => keystone::projects::own(cloud, request, |_| true),
        "auth.domains" => domains::own(cloud, request),
        "services.list" => catalog::services(cloud, request),
        "services.show" => catalog::service(cloud, request),
        "endpoints.list" => catalog::endpoints(cloud, request),
        "endpoints.show" => catalog::endpoint(cloud, request),
        "regions.list" => catalog::regions(cloud, request),
        "regions.show" => catalog::region(cloud, request),
        "domains.list" => domains::list(cloud, request),
        "domains.create" => domains::create(cloud, request),
        "domains.show" => domains::show(cloud, request),
        "domains.update" => domains::update(cloud, request),
        "domains.delete" => domains::delete(cloud, request),
        "projects.list" => projects::list(cloud, request),
        "projects.create" => projects::create(cloud, request),
        "projects.show" => projects::show(cloud, request),
        "projects.update" => projects::update(cloud, request),
        "projects.delete" => projects::delete(cloud, request),
        "projects.tags.list" => projects::tags(cloud, request),
        "projects.tags.replace" => projects::replace_tags(cloud, request),
        "projects.tags.clear" => projects::clear_tags(cloud, request),
        "projects.tags.check" => projects::check_tag(cloud, request),
        "projects.tags.add" => projects::add_tag(cloud, request),
        "projects.tags.remove" => projects::remove_tag(cloud, request),
        "users.list" => users::list(cloud, request),
        "users.create" => users::create(cloud, request),
        "users.show" => users::show(cloud, request),
        "users.update" => users::update(cloud, request),
        "users.delete" => users::delete(cloud, request),
        "users.projects" => projects::of_user(cloud, request),
        "users.password" => users::password(cloud, request),
        "credentials.list" => credentials::list(cloud, request),
        "credentials.create" => credentials::create(cloud, request),
        "credentials.show" => credentials::show(cloud, request),
        "credentials.delete" => credentials::delete(cloud, request),
        "ec2-credentials.list" => credentials::list_ec2(cloud, request),
        "ec2-credentials.create" => credentials::create_ec2(cloud, request),
        "ec2-credentials.show" => credentials::show_ec2(cloud, request),
        "ec2-credentials.delete" => credentials::delete_ec2(cloud, request),
        "roles.list" => roles::list(cloud, request),
        "roles.create" => roles::create(cloud, request),
        "roles.show" => roles::show(cloud, request),
        "roles.update" => roles::update(cloud, request),
        "roles.delete" => roles::delete(cloud, request),
        "assignments.list" => assignments::list(cloud, request),
        "project-roles.list" | "domain-roles.list" | "system-roles.list" => assignments::roles(cloud, request),
        "project-roles.grant" | "domain-roles.grant" | "system-roles.grant" => assignments::grant(cloud, request),
        "project-roles.check" | "domain-roles.check" | "system-roles.check" => assignments::check(cloud, request),
        "project-roles.revoke" | "domain-roles.revoke" | "system-roles.revoke" => assignments::revoke(cloud, request),
        operation if operation.starts_with("unsupported.") => {
            Err(Fault::not_implemented(&format!("{} {}", request.method, request.path)))
        }
        // The manifest names an operation that the code doesn't: a defect that a test catches.
        _ => Err(Fault::new(500, "An unexpected error prevented the server from fulfilling your request.")),
    }
}
