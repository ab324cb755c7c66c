use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Domain, DomainWrite};
use skyloom_sdk::respond::{empty, param};
use skyloom_sdk::{ErrorCode, Identity, PageRequest, Request};

use crate::bodies::{Body, IMMUTABLE};
use crate::{Answer, Fault, extra, lists};

pub fn view(request: &Request, domain: &Domain) -> Value {
    let known = json!({
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "options": {},
        "links": {"self": format!("{}/v3/domains/{}", request.base_url, domain.id)},
    });
    let mut view = extra::beside(&domain.extra, known);
    if view.get("tags").is_none() {
        view["tags"] = json!([]);
    }
    view
}

/// Tags of a domain are kept as what upstream doesn't know: only projects are listed by them.
const KNOWN: &[&str] = &["name", "description", "enabled", "explicit_domain_id"];
/// What the project that upstream makes of a domain has, and a domain has not.
const OF_A_PROJECT: &[&str] = &["domain_id", "parent_id", "is_domain"];

fn write(body: &Body) -> Result<DomainWrite, Fault> {
    body.no_options(IMMUTABLE)?;
    body.texts("tags")?;
    Ok(DomainWrite {
        id: None,
        name: body.name()?,
        description: body.nullable("description")?,
        enabled: body.flag("enabled")?,
        extra: body.extra(&[KNOWN, OF_A_PROJECT]),
    })
}

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let wanted = lists::conditions(request, &["name", "enabled"]);
    let page = lists::fetch(
        request,
        |domain: &Domain| &domain.id,
        |domain| lists::name_matches(request, &domain.name),
        |page| cloud.list_domains(&wanted, page).map(|page| (page.domains, page.next)),
    )?;
    let views = page.items.iter().map(|domain| view(request, domain)).collect();
    Ok(lists::answer(request, "domains", views, page.next.as_deref()))
}

pub fn own<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let own = |page: &PageRequest| cloud.list_own_domains(page).map(|page| (page.domains, page.next));
    let page = lists::whole(request, |_: &Domain| true, own)?;
    let views = page.items.iter().map(|domain| view(request, domain)).collect();
    Ok(lists::answer(request, "domains", views, page.next.as_deref()))
}

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let body = Body::read_new(request, "domain")?;
    let write = DomainWrite { id: body.text("explicit_domain_id")?, ..write(&body)? };
    let domain = cloud.create_domain(&write).map_err(|error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::Invalid, Some("id")) => Fault::bad_request(
            "Invalid input for field 'explicit_domain_id': it does not conform to required UUID format.",
        ),
        _ => error.into(),
    })?;
    Ok(lists::one(201, "domain", &view(request, &domain)))
}

pub fn show<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(200, "domain", &view(request, &cloud.get_domain(param(request, "domain_id"))?)))
}

pub fn update<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let domain = cloud.update_domain(param(request, "domain_id"), &write(&Body::read(request, "domain")?)?)?;
    Ok(lists::one(200, "domain", &view(request, &domain)))
}

pub fn delete<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_domain(param(request, "domain_id"))?;
    Ok(empty(204))
}
