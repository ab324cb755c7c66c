//! Who has which role where.

use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Assignment, AssignmentFilter, Named, Role, Target};
use skyloom_sdk::respond::{empty, param};
use skyloom_sdk::{Identity, Request, paging};

use crate::{Answer, Fault, lists, roles};

const INHERITED: &str = "scope.OS-INHERIT:inherited_to";

fn target(request: &Request) -> Target {
    match (param(request, "project_id"), param(request, "domain_id")) {
        ("", "") => Target::System,
        ("", domain) => Target::Domain(domain.to_owned()),
        (project, _) => Target::Project(project.to_owned()),
    }
}

pub fn grant<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.grant_role(param(request, "role_id"), param(request, "user_id"), &target(request))?;
    Ok(empty(204))
}

pub fn revoke<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.revoke_role(param(request, "role_id"), param(request, "user_id"), &target(request))?;
    Ok(empty(204))
}

pub fn check<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (role, user) = (param(request, "role_id"), param(request, "user_id"));
    if cloud.has_role(role, user, &target(request))? {
        return Ok(empty(204));
    }
    Err(Fault::new(404, format!("Could not find role assignment with role: {role}, user or group: {user}.")))
}

/// The roles of a user in one target, whole.
pub fn roles<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let user = param(request, "user_id");
    cloud.get_user(user)?;
    let mut filter = AssignmentFilter {
        user_id: Some(user.to_owned()),
        role_id: None,
        project_id: None,
        domain_id: None,
        effective: false,
    };
    let target = target(request);
    match &target {
        Target::Project(id) => {
            cloud.get_project(id)?;
            filter.project_id = Some(id.clone());
        }
        Target::Domain(id) => {
            cloud.get_domain(id)?;
            filter.domain_id = Some(id.clone());
        }
        Target::System => {}
    }
    // Of one user in one place, or of one user.
    let granted =
        paging::every_page(|page| cloud.list_assignments(&filter, &page).map(|page| (page.assignments, page.next)))?;
    let has = |role: &Role| granted.iter().any(|one| one.target == target && one.role.id == role.id);
    let page = lists::fetch(
        request,
        |role: &Role| &role.id,
        has,
        |page| cloud.list_roles(&[], page).map(|page| (page.roles, page.next)),
    )?;
    let views = page.items.iter().map(|role| roles::view(request, role)).collect();
    Ok(lists::answer(request, "roles", views, page.next.as_deref()))
}

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let query = lists::query(request);
    let text = |name: &str| query.last(name).map(str::to_owned);
    let filter = AssignmentFilter {
        user_id: text("user.id"),
        role_id: text("role.id"),
        project_id: text("scope.project.id"),
        domain_id: text("scope.domain.id"),
        effective: lists::asks(request, "effective"),
    };
    let system = query.has("scope.system");
    if [filter.project_id.is_some(), filter.domain_id.is_some(), system].iter().filter(|there| **there).count() > 1 {
        return Err(Fault::bad_request("Specify a domain, a project or the system, not more than one of them."));
    }
    if [filter.user_id.as_deref(), query.last("group.id")].iter().flatten().filter(|id| !id.is_empty()).count() > 1 {
        return Err(Fault::bad_request("Specify a user or group, not both"));
    }
    if query.has("group.id") && filter.effective {
        return Err(Fault::bad_request("Combining effective and group filter will always result in an empty list."));
    }
    if lists::asks(request, "include_subtree") {
        return Err(Fault::not_implemented("role assignments with include_subtree"));
    }
    // There are no groups, and nothing is inherited.
    if query.has("group.id") || query.has(INHERITED) {
        return Ok(lists::answer(request, "role_assignments", Vec::new(), None));
    }
    let names = lists::asks(request, "include_names");
    let page = lists::whole(
        request,
        |one: &Assignment| !system || one.target == Target::System,
        |page| cloud.list_assignments(&filter, page).map(|page| (page.assignments, page.next)),
    )?;
    let views = page.items.iter().map(|one| view(request, one, names)).collect();
    Ok(lists::answer(request, "role_assignments", views, page.next.as_deref()))
}

fn named(id: &str, name: &str, domain: Option<&Named>, names: bool) -> Value {
    if !names {
        return json!({"id": id});
    }
    let mut view = json!({"id": id, "name": name});
    if let Some(domain) = domain {
        view["domain"] = json!({"id": domain.id, "name": domain.name});
    }
    view
}

fn view(request: &Request, one: &Assignment, names: bool) -> Value {
    let (scope, place) = match &one.target {
        Target::Project(id) => (
            json!({"project": named(id, &one.target_name, one.target_domain.as_ref(), names)}),
            format!("projects/{id}"),
        ),
        Target::Domain(id) => (json!({"domain": named(id, &one.target_name, None, names)}), format!("domains/{id}")),
        Target::System => (json!({"system": {"all": true}}), "system".to_owned()),
    };
    let (user, role) = (&one.user, &one.role);
    let link = format!("{}/v3/{place}/users/{}/roles/{}", request.base_url, user.id, role.id);
    json!({
        "scope": scope,
        "user": named(&user.id, &user.name, Some(&user.domain), names),
        "role": named(&role.id, &role.name, None, names),
        "links": {"assignment": link},
    })
}
