use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{User, UserWrite};
use skyloom_sdk::respond::{empty, param};
use skyloom_sdk::{Identity, Request, time};

use crate::bodies::Body;
use crate::{Answer, Fault, extra, lists};

fn view(request: &Request, user: &User) -> Value {
    let known = json!({
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.enabled,
        // Passwords don't expire here.
        "password_expires_at": null,
        "options": {},
        "links": {"self": format!("{}/v3/users/{}", request.base_url, user.id)},
    });
    let mut view = extra::beside(&user.extra, known);
    if let Some(project) = &user.default_project_id {
        view["default_project_id"] = json!(project);
    }
    view
}

const KNOWN: &[&str] = &["name", "domain_id", "enabled", "password", "default_project_id", "federated"];
const OPTIONS: &[&str] = &[
    "ignore_change_password_upon_first_use",
    "ignore_lockout_failure_attempts",
    "ignore_password_expiry",
    "ignore_user_inactivity",
    "lock_password",
    "multi_factor_auth_enabled",
    "multi_factor_auth_rules",
];
/// What upstream doesn't show, and a password that only its own operation takes.
const NOT_SHOWN: &[&str] = &["password_expires_at", "tenants", "groups", "domains", "original_password"];

fn write(body: &Body) -> Result<UserWrite, Fault> {
    body.no_options(OPTIONS)?;
    // Nobody comes from elsewhere.
    if body.fields().optional_array("federated")?.is_some_and(|list| !list.is_empty()) {
        return Err(Fault::not_implemented("a federated user"));
    }
    // Kept like what upstream doesn't know, but for its type.
    body.text("description")?;
    Ok(UserWrite {
        name: body.name()?,
        domain_id: body.text("domain_id")?,
        enabled: body.flag("enabled")?,
        password: body.nullable("password")?,
        default_project_id: body.clearable("default_project_id")?,
        extra: body.extra(&[KNOWN, NOT_SHOWN]),
    })
}

/// `password_expires_at` is a time, or one of these, a colon and a time.
fn check_expiry(request: &Request) -> Result<(), Fault> {
    for text in lists::query(request).all("password_expires_at") {
        let (operator, stamp) = match text.split_once(':') {
            Some((operator, stamp)) if matches!(operator.len(), 2 | 3) => (operator, stamp),
            _ => ("eq", text),
        };
        if time::parse(stamp).is_none() {
            return Err(Fault::bad_request(
                "Timestamp not in expected format. The server could not comply with the request since it is either \
                 malformed or otherwise incorrect. The client is assumed to be in error.",
            ));
        }
        if !matches!(operator, "lt" | "gt" | "eq" | "lte" | "gte" | "neq") {
            return Err(Fault::bad_request(format!(
                "The given operator {operator} is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', \
                 'gt', or 'gte'."
            )));
        }
    }
    Ok(())
}

/// Filters that no user here can match: nobody comes from elsewhere, no password expires.
const NEVER: &[&str] = &["idp_id", "protocol_id", "unique_id", "password_expires_at"];

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let wanted = lists::conditions(request, &["name", "domain_id", "enabled"]);
    check_expiry(request)?;
    let never = NEVER.iter().any(|name| lists::query(request).has(name));
    let page = lists::fetch(
        request,
        |user: &User| &user.id,
        |user| !never && lists::name_matches(request, &user.name),
        |page| cloud.list_users(&wanted, page).map(|page| (page.users, page.next)),
    )?;
    let views = page.items.iter().map(|user| view(request, user)).collect();
    Ok(lists::answer(request, "users", views, page.next.as_deref()))
}

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(201, "user", &view(request, &cloud.create_user(&write(&Body::read_new(request, "user")?)?)?)))
}

pub fn show<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(200, "user", &view(request, &cloud.get_user(param(request, "user_id"))?)))
}

pub fn update<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (id, body) = (param(request, "user_id"), Body::read(request, "user")?);
    body.same_id(id)?;
    let user = cloud.update_user(id, &write(&body)?)?;
    Ok(lists::one(200, "user", &extra::twice(&user.extra, view(request, &user))))
}

pub fn delete<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_user(param(request, "user_id"))?;
    Ok(empty(204))
}

pub fn password<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let body = Body::read(request, "user")?;
    let (original, password) = (body.fields().str("original_password")?, body.fields().str("password")?);
    cloud.change_password(param(request, "user_id"), original, password)?;
    Ok(empty(204))
}
