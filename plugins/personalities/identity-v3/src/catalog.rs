//! The catalogue, and its services, endpoints and regions one by one. They are what the deployment mounts, so they are read
//! here and changed there.

use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Endpoint, Service};
use skyloom_sdk::{Identity, Request, respond};

use crate::{Answer, Fault, lists};

/// What stands in an endpoint's URL for the project, in upstream's words.
const PROJECT: &str = "%(project_id)s";

pub fn own<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let project = request.caller.as_ref().and_then(|caller| caller.project_id.as_deref());
    let project =
        project.ok_or_else(|| Fault::new(403, "A project-scoped token is required to produce a service catalog."))?;
    let services = cloud.catalog(Some(project))?;
    Ok(lists::answer(request, "catalog", services.iter().map(keystone::tokens::service).collect(), None))
}

fn service_view(request: &Request, service: &Service) -> Value {
    json!({
        "id": service.id,
        "type": service.kind,
        "name": service.name,
        "enabled": true,
        "links": {"self": format!("{}/v3/services/{}", request.base_url, service.id)},
    })
}

fn endpoint_view(request: &Request, service: &Service, endpoint: &Endpoint) -> Value {
    json!({
        "id": endpoint.id,
        "interface": endpoint.interface,
        "region": endpoint.region,
        "region_id": endpoint.region,
        "service_id": service.id,
        "url": endpoint.url,
        "enabled": true,
        "links": {"self": format!("{}/v3/endpoints/{}", request.base_url, endpoint.id)},
    })
}

fn region_view(request: &Request, id: &str) -> Value {
    json!({
        "id": id,
        "description": "",
        "parent_region_id": null,
        "links": {"self": format!("{}/v3/regions/{id}", request.base_url)},
    })
}

/// Whether the query asks for this value, or for none.
fn wanted(request: &Request, name: &str, value: &str) -> bool {
    lists::query(request).last(name).is_none_or(|wanted| wanted == value)
}

pub fn services<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let services = cloud.catalog(Some(PROJECT))?;
    let views = services
        .iter()
        .filter(|service| wanted(request, "type", &service.kind) && wanted(request, "name", &service.name))
        .map(|service| service_view(request, service))
        .collect();
    Ok(lists::answer(request, "services", views, None))
}

pub fn service<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let id = respond::param(request, "service_id");
    let services = cloud.catalog(Some(PROJECT))?;
    let service = services.iter().find(|service| service.id == id).ok_or_else(|| Fault::not_found("service", id))?;
    Ok(lists::one(200, "service", &service_view(request, service)))
}

pub fn endpoints<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let services = cloud.catalog(Some(PROJECT))?;
    let views = services
        .iter()
        .flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)))
        .filter(|(service, endpoint)| {
            wanted(request, "service_id", &service.id)
                && wanted(request, "interface", &endpoint.interface)
                && wanted(request, "region_id", &endpoint.region)
                && wanted(request, "region", &endpoint.region)
        })
        .map(|(service, endpoint)| endpoint_view(request, service, endpoint))
        .collect();
    Ok(lists::answer(request, "endpoints", views, None))
}

pub fn endpoint<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let id = respond::param(request, "endpoint_id");
    let services = cloud.catalog(Some(PROJECT))?;
    let found = services.iter().find_map(|service| {
        let endpoint = service.endpoints.iter().find(|endpoint| endpoint.id == id)?;
        Some(endpoint_view(request, service, endpoint))
    });
    Ok(lists::one(200, "endpoint", &found.ok_or_else(|| Fault::not_found("endpoint", id))?))
}

fn region_ids<C: Identity>(cloud: &C) -> Result<Vec<String>, Fault> {
    let services = cloud.catalog(Some(PROJECT))?;
    let mut ids: Vec<String> =
        services.into_iter().flat_map(|service| service.endpoints).map(|endpoint| endpoint.region).collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

pub fn regions<C: Identity>(cloud: &C, request: &Request) -> Answer {
    // No region has a parent.
    let ids = if lists::query(request).has("parent_region_id") { Vec::new() } else { region_ids(cloud)? };
    Ok(lists::answer(request, "regions", ids.iter().map(|id| region_view(request, id)).collect(), None))
}

pub fn region<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let id = respond::param(request, "region_id");
    if region_ids(cloud)?.iter().any(|known| known == id) {
        Ok(lists::one(200, "region", &region_view(request, id)))
    } else {
        Err(Fault::not_found("region", id))
    }
}
