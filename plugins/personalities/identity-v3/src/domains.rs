use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Domain, DomainWrite};
use skyloom_sdk::respond::{empty, param};
use skyloom_sdk::{Identity, Request};

use crate::bodies::Body;
use crate::{Answer, Fault, lists};

pub fn view(request: &Request, domain: &Domain) -> Value {
    json!({
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": [],
        "options": {},
        "links": {"self": format!("{}/v3/domains/{}", request.base_url, domain.id)},
    })
}

fn write(request: &Request) -> Result<DomainWrite, Fault> {
    let body = Body::read(request, "domain")?;
    body.no_options()?;
    Ok(DomainWrite {
        name: body.text("name")?,
        description: body.clearable("description")?,
        enabled: body.flag("enabled")?,
    })
}

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let filter = lists::filter(request);
    let page = lists::fetch(
        request,
        |domain: &Domain| &domain.id,
        |domain| lists::name_matches(request, &domain.name),
        |page| cloud.list_domains(&filter, page),
    )?;
    let views = page.items.iter().map(|domain| view(request, domain)).collect();
    Ok(lists::answer(request, "domains", views, page.next.as_deref()))
}

pub fn own<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let views = cloud.list_own_domains()?.iter().map(|domain| view(request, domain)).collect();
    Ok(lists::answer(request, "domains", views, None))
}

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(201, "domain", &view(request, &cloud.create_domain(&write(request)?)?)))
}

pub fn show<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(200, "domain", &view(request, &cloud.get_domain(param(request, "domain_id"))?)))
}

pub fn update<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let domain = cloud.update_domain(param(request, "domain_id"), &write(request)?)?;
    Ok(lists::one(200, "domain", &view(request, &domain)))
}

pub fn delete<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_domain(param(request, "domain_id"))?;
    Ok(empty(204))
}
