//! Routers, to read: each project has its default one.

use serde_json::json;
use skyloom_sdk::cloud::networks::Router;
use skyloom_sdk::{Networks, PageRequest, Request, respond, time};

use crate::lists::{NoPage, Wanted, shown};
use crate::networks::object;
use crate::{Answer, Object, one};

pub fn view(router: Router) -> Object {
    object(json!({
        "id": router.id,
        "name": router.name,
        "description": router.description,
        "project_id": router.project_id,
        "tenant_id": router.project_id,
        "admin_state_up": router.enabled,
        "status": "ACTIVE",
        "external_gateway_info": null,
        "routes": [],
        "availability_zones": [],
        "availability_zone_hints": [],
        "tags": [],
        "created_at": time::seconds_z(router.created_at),
        "updated_at": time::seconds_z(router.updated_at),
        "revision_number": 0,
    }))
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let mut wanted = Wanted::new(request);
    let (ids, names) = (wanted.any("id"), wanted.any("name"));
    let enabled = wanted.flag("admin_state_up")?;
    let project = wanted.project()?;
    let fits = |router: &Router| {
        (ids.is_empty() || ids.contains(&router.id))
            && (names.is_empty() || names.contains(&router.name))
            && enabled.is_none_or(|enabled| enabled == router.enabled)
    };
    // The core gives a project's few routers at once: the page is cut here.
    let fetch = |page: &PageRequest| {
        let mut routers: Vec<Router> = cloud.list_routers(project.as_deref())?.into_iter().filter(&fits).collect();
        sort(&mut routers, page);
        match (&page.marker, page.sort.as_slice()) {
            (Some(marker), [key]) if key.field == "id" => {
                routers.retain(|router| if key.descending { router.id < *marker } else { router.id > *marker });
            }
            (Some(marker), _) => {
                let at = routers.iter().position(|router| router.id == *marker).ok_or(NoPage::Marker)?;
                routers.drain(..=at);
            }
            (None, _) => {}
        }
        let limit = page.limit as usize;
        let next = if routers.len() > limit { routers.get(limit - 1).map(|router| router.id.clone()) } else { None };
        routers.truncate(limit);
        Ok((routers, next))
    };
    wanted.answer(request, "routers", fetch, view)
}

fn sort(routers: &mut [Router], page: &PageRequest) {
    routers.sort_by(|one, other| {
        for key in &page.sort {
            let order = match key.field.as_str() {
                "name" => one.name.cmp(&other.name),
                "project-id" => one.project_id.cmp(&other.project_id),
                "created-at" => one.created_at.cmp(&other.created_at),
                "updated-at" => one.updated_at.cmp(&other.updated_at),
                _ => one.id.cmp(&other.id),
            };
            let order = if key.descending { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let router = cloud.get_router(respond::param(request, "router_id"))?;
    Ok(one(200, "router", shown(request, view(router))))
}
