use keystone::projects::{is_asked_for, view};
use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Domain, Project, ProjectWrite};
use skyloom_sdk::respond::{empty, param, with_header};
use skyloom_sdk::{ErrorCode, Identity, Request, Response};

use crate::bodies::{self, Body, IMMUTABLE};
use crate::{Answer, Fault, extra, hierarchy, lists};

/// A domain is a project of its own kind to upstream.
fn domain_view(request: &Request, domain: &Domain) -> Value {
    let mut view = crate::domains::view(request, domain);
    view["is_domain"] = json!(true);
    view["domain_id"] = Value::Null;
    view["parent_id"] = Value::Null;
    view["links"] = json!({"self": format!("{}/v3/projects/{}", request.base_url, domain.id)});
    view
}

const KNOWN: &[&str] = &["name", "domain_id", "description", "enabled", "parent_id", "is_domain", "tags"];

fn write(body: &Body) -> Result<ProjectWrite, Fault> {
    body.no_options(IMMUTABLE)?;
    Ok(ProjectWrite {
        name: body.name()?,
        domain_id: body.text("domain_id")?,
        description: body.nullable("description")?,
        enabled: body.flag("enabled")?,
        parent_id: body.text("parent_id")?,
        tags: body.texts("tags")?,
        extra: body.extra(&[KNOWN]),
    })
}

/// The filters by tags, each a list with commas: all of them, any of them, not all of them, none of them.
fn tags_match(request: &Request, tags: &[String]) -> bool {
    let query = lists::query(request);
    let mut wanted = ["tags", "tags-any", "not-tags", "not-tags-any"].into_iter();
    wanted.all(|name| {
        let Some(list) = query.last(name) else { return true };
        let has = |tag: &str| tags.iter().any(|own| own == tag);
        match name {
            "tags" => list.split(',').all(has),
            "tags-any" => list.split(',').any(has),
            "not-tags" => !list.split(',').all(has),
            _ => !list.split(',').any(has),
        }
    })
}

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    if lists::asks(request, "is_domain") {
        let wanted = lists::conditions(request, &["name", "enabled"]);
        let page = lists::fetch(
            request,
            |domain: &Domain| &domain.id,
            |domain| lists::name_matches(request, &domain.name),
            |page| cloud.list_domains(&wanted, page).map(|page| (page.domains, page.next)),
        )?;
        let views = page.items.iter().map(|domain| domain_view(request, domain)).collect();
        return Ok(lists::answer(request, "projects", views, page.next.as_deref()));
    }
    let wanted = lists::conditions(request, &["name", "domain_id", "enabled", "parent_id"]);
    let page = lists::fetch(
        request,
        |project: &Project| &project.id,
        |project| lists::name_matches(request, &project.name) && tags_match(request, &project.tags),
        |page| cloud.list_projects(&wanted, page).map(|page| (page.projects, page.next)),
    )?;
    let views = page.items.iter().map(|project| view(request, project)).collect();
    Ok(lists::answer(request, "projects", views, page.next.as_deref()))
}

pub fn of_user<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let user = param(request, "user_id");
    let page = lists::whole(
        request,
        |project: &Project| is_asked_for(request, project) && lists::name_matches(request, &project.name),
        |page| cloud.list_user_projects(user, page).map(|page| (page.projects, page.next)),
    )?;
    let views = page.items.iter().map(|project| view(request, project)).collect();
    Ok(lists::answer(request, "projects", views, page.next.as_deref()))
}

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let body = Body::read_new(request, "project")?;
    if body.flag("is_domain")? == Some(true) {
        return Err(Fault::not_implemented("a project with is_domain"));
    }
    // A place that the body names and that isn't there is a fault of the body.
    let project = cloud.create_project(&write(&body)?).map_err(|error| match error.code {
        ErrorCode::NotFound => Fault::bad_request(Fault::from(error).message),
        _ => error.into(),
    })?;
    Ok(lists::one(201, "project", &view(request, &project)))
}

pub fn show<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let project = cloud.get_project(param(request, "project_id"))?;
    let mut shown = view(request, &project);
    hierarchy::add(cloud, request, &project, |project| view(request, project), &mut shown)?;
    Ok(lists::one(200, "project", &shown))
}

pub fn update<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (id, body) = (param(request, "project_id"), Body::read(request, "project")?);
    body.same_id(id)?;
    if body.flag("is_domain")? == Some(true) {
        return Err(Fault::bad_request("Update of `is_domain` is not allowed."));
    }
    let project = cloud.update_project(id, &write(&body)?)?;
    Ok(lists::one(200, "project", &extra::twice(&project.extra, view(request, &project))))
}

pub fn delete<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_project(param(request, "project_id"))?;
    Ok(empty(204))
}

fn set_tags<C: Identity>(cloud: &C, request: &Request, tags: Vec<String>) -> Result<Project, Fault> {
    let write = ProjectWrite {
        name: None,
        domain_id: None,
        description: None,
        enabled: None,
        parent_id: None,
        tags: Some(tags),
        extra: None,
    };
    Ok(cloud.update_project(param(request, "project_id"), &write)?)
}

fn tags_answer(request: &Request, tags: &[String]) -> Response {
    let own = format!("{}{}", request.base_url, request.path);
    crate::json(200, &json!({"tags": tags, "links": {"self": own, "previous": null, "next": null}}))
}

pub fn tags<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(tags_answer(request, &cloud.get_project(param(request, "project_id"))?.tags))
}

pub fn replace_tags<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let tags = bodies::texts(request, "tags")?.iter().map(|tag| tag.trim().to_owned()).collect();
    Ok(tags_answer(request, &set_tags(cloud, request, tags)?.tags))
}

pub fn clear_tags<C: Identity>(cloud: &C, request: &Request) -> Answer {
    set_tags(cloud, request, Vec::new())?;
    Ok(empty(204))
}

/// The project's tags, and where among them the one of the path stands.
fn tag_of<C: Identity>(cloud: &C, request: &Request) -> Result<(Vec<String>, Option<usize>), Fault> {
    let tags = cloud.get_project(param(request, "project_id"))?.tags;
    let at = tags.iter().position(|tag| tag == param(request, "tag"));
    Ok((tags, at))
}

fn no_such_tag(request: &Request) -> Fault {
    Fault::not_found("project tag", param(request, "tag"))
}

pub fn check_tag<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (_, at) = tag_of(cloud, request)?;
    at.map(|_| empty(204)).ok_or_else(|| no_such_tag(request))
}

pub fn add_tag<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (mut tags, _) = tag_of(cloud, request)?;
    let tag = param(request, "tag").trim();
    if !tags.iter().any(|own| own == tag) {
        tags.push(tag.to_owned());
        set_tags(cloud, request, tags)?;
    }
    Ok(with_header(empty(201), "Location", format!("{}{}", request.base_url, request.path)))
}

pub fn remove_tag<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let (mut tags, at) = tag_of(cloud, request)?;
    tags.remove(at.ok_or_else(|| no_such_tag(request))?);
    set_tags(cloud, request, tags)?;
    Ok(empty(204))
}
