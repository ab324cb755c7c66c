//! Projects as Keystone shows them, and a caller's own.

use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::Project;
use skyloom_sdk::{Identity, PageRequest, Request};

use crate::{Answer, extra, lists};

pub fn view(request: &Request, project: &Project) -> Value {
    let known = json!({
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description,
        "enabled": project.enabled,
        // Upstream's words for "directly below the domain".
        "parent_id": project.parent_id.as_ref().unwrap_or(&project.domain_id),
        "is_domain": project.is_domain,
        "tags": project.tags,
        "options": {},
        "links": {"self": format!("{}/v3/projects/{}", request.base_url, project.id)},
    });
    extra::beside(&project.extra, known)
}

/// Whether a project is what the query's plain filters ask for.
pub fn is_asked_for(request: &Request, project: &Project) -> bool {
    let query = lists::query(request);
    query.last("name").is_none_or(|name| *name == project.name)
        && query.last("domain_id").is_none_or(|id| *id == project.domain_id)
        && query.last("enabled").is_none_or(|enabled| lists::flag(enabled) == project.enabled)
}

/// The caller's own: those that a token or key could be for.
pub fn own<C: Identity>(cloud: &C, request: &Request, keep: impl Fn(&Project) -> bool) -> Answer {
    let own = |page: &PageRequest| cloud.list_own_projects(page).map(|page| (page.projects, page.next));
    let page = lists::whole(request, keep, own)?;
    let views = page.items.iter().map(|project| view(request, project)).collect();
    Ok(lists::answer(request, "projects", views, page.next.as_deref()))
}
