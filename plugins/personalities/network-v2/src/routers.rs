//! Routers, to read: each project has its default one.

use serde_json::json;
use skyloom_sdk::cloud::networks::{Router, RouterFilter};
use skyloom_sdk::{Networks, PageRequest, Request, respond, time};

use crate::lists::{Wanted, shown};
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
    let project_id = wanted.project()?;
    let filter = RouterFilter { ids, names, project_id, enabled };
    let fetch = |page: &PageRequest| {
        let page = cloud.list_routers(&filter, page)?;
        Ok((page.routers, page.next))
    };
    wanted.answer(request, "routers", fetch, view)
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let router = cloud.get_router(respond::param(request, "router_id"))?;
    Ok(one(200, "router", shown(request, view(router))))
}
