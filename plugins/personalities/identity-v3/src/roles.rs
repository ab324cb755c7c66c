use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Role, RoleWrite};
use skyloom_sdk::respond::{empty, param};
use skyloom_sdk::{Identity, Request};

use crate::bodies::{Body, IMMUTABLE};
use crate::{Answer, Fault, extra, lists};

pub fn view(request: &Request, role: &Role) -> Value {
    let known = json!({
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": role.description,
        "options": if role.immutable { json!({"immutable": true}) } else { json!({}) },
        "links": {"self": format!("{}/v3/roles/{}", request.base_url, role.id)},
    });
    extra::beside(&role.extra, known)
}

const KNOWN: &[&str] = &["name", "domain_id", "description"];

fn write(body: &Body) -> Result<RoleWrite, Fault> {
    body.no_options(IMMUTABLE)?;
    if body.text("domain_id")?.is_some() {
        // Roles of one domain: not here.
        return Err(Fault::not_implemented("a role with domain_id"));
    }
    Ok(RoleWrite { name: body.text("name")?, description: body.nullable("description")?, extra: body.extra(&[KNOWN]) })
}

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let wanted = lists::conditions(request, &["name", "domain_id"]);
    let page = lists::fetch(
        request,
        |role: &Role| &role.id,
        |role| lists::name_matches(request, &role.name),
        |page| cloud.list_roles(&wanted, page).map(|page| (page.roles, page.next)),
    )?;
    let views = page.items.iter().map(|role| view(request, role)).collect();
    Ok(lists::answer(request, "roles", views, page.next.as_deref()))
}

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(201, "role", &view(request, &cloud.create_role(&write(&Body::read_new(request, "role")?)?)?)))
}

pub fn show<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(200, "role", &view(request, &cloud.get_role(param(request, "role_id"))?)))
}

pub fn update<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (id, body) = (param(request, "role_id"), Body::read(request, "role")?);
    body.same_id(id)?;
    let role = cloud.update_role(id, &write(&body)?)?;
    Ok(lists::one(200, "role", &view(request, &role)))
}

pub fn delete<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_role(param(request, "role_id"))?;
    Ok(empty(204))
}
