//! Routers, to read: each project has its default one.

use skyloom_sdk::cloud::networks::Router;
use skyloom_sdk::{Networks, Request, respond};

use crate::attributes::{FLAG, Reads, attributes, write_time};
use crate::{Answer, lists};

attributes! {
    ROUTERS of "router" in "routers": Router as router;
    "id" Read { finds sorts "id" } => string(&router.id);
    "name" Read { finds sorts "name" } => string(&router.name);
    "description" Read { finds "description" } => string(&router.description);
    "project_id" Read { finds sorts "project-id" } => string(&router.project_id);
    "tenant_id" Read { finds sorts "project-id" } => string(&router.project_id);
    "admin_state_up" Read { finds sorts "enabled" as FLAG } => boolean(router.enabled);
    "status" Read { finds sorts "" as Reads::Constant(Some("ACTIVE")) } => string("ACTIVE");
    "external_gateway_info" Read => null();
    "routes" Read => raw("[]");
    "tags" Read => raw("[]");
    "created_at" Read { sorts "created-at" } by |writer, router| write_time(writer, router.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, router| write_time(writer, router.updated_at);
    "revision_number" Read { finds "" as Reads::Constant(Some("0")) } => unsigned(0);
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    lists::list(request, &ROUTERS, |conditions, page| {
        cloud.list_routers(conditions, page).map(|page| (page.routers, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(request, &ROUTERS, &cloud.get_router(respond::param(request, "router_id"))?))
}
