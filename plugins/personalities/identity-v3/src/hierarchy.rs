//! What stands above and below a project, where `GET /v3/projects/{id}` asks for it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use skyloom_sdk::cloud::identity::Project;
use skyloom_sdk::conditions::is;
use skyloom_sdk::{ErrorCode, Identity, Request, paging};

use crate::{Fault, lists};

/// Adds `parents` and `subtree` to the view of `project`. `view` shows another one.
pub fn add<C: Identity>(
    cloud: &C,
    request: &Request,
    project: &Project,
    view: impl Fn(&Project) -> Value,
    shown: &mut Value,
) -> Result<(), Fault> {
    let list = |projects: Vec<Project>| {
        projects.iter().map(|project| json!({ "project": view(project) })).collect::<Vec<_>>().into()
    };
    match form(request, "parents")? {
        Some(Form::List) => shown["parents"] = list(parents(cloud, project)?.0),
        Some(Form::Ids) => {
            let (_, ids) = parents(cloud, project)?;
            shown["parents"] = ids.iter().rfold(Value::Null, |above, id| json!({ id: above }));
        }
        None => {}
    }
    if let Some(form) = form(request, "subtree")? {
        let below = children(cloud, project)?;
        shown["subtree"] = match form {
            Form::List => list(flat(&below, &project.id)),
            Form::Ids => tree(&below, &project.id),
        };
    }
    Ok(())
}

enum Form {
    List,
    Ids,
}

fn form(request: &Request, what: &str) -> Result<Option<Form>, Fault> {
    let (list, ids) = (format!("{what}_as_list"), format!("{what}_as_ids"));
    match (lists::asks(request, &list), lists::asks(request, &ids)) {
        (true, true) => Err(Fault::bad_request(format!("Use either {list} or {ids}, but not both at the same time."))),
        (true, false) => Ok(Some(Form::List)),
        (false, true) => Ok(Some(Form::Ids)),
        (false, false) => Ok(None),
    }
}

/// From the nearest to the domain: those that the caller may see, and the ids of all.
fn parents<C: Identity>(cloud: &C, project: &Project) -> Result<(Vec<Project>, Vec<String>), Fault> {
    let (mut seen, mut ids) = (Vec::new(), Vec::new());
    let mut next = project.parent_id.clone();
    while let Some(id) = next.take() {
        match cloud.get_project(&id) {
            Ok(above) => {
                next.clone_from(&above.parent_id);
                seen.push(above);
            }
            Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::Forbidden) => {}
            Err(error) => return Err(error.into()),
        }
        ids.push(id);
    }
    ids.push(project.domain_id.clone());
    Ok((seen, ids))
}

/// Of each project of the domain the ones directly below it.
fn children<C: Identity>(cloud: &C, project: &Project) -> Result<BTreeMap<String, Vec<Project>>, Fault> {
    let of_domain = [is("domain-id", &project.domain_id)];
    let all = paging::every_page(|page| cloud.list_projects(&of_domain, &page).map(|page| (page.projects, page.next)))?;
    let mut below: BTreeMap<String, Vec<Project>> = BTreeMap::new();
    for project in all {
        if let Some(parent) = &project.parent_id {
            below.entry(parent.clone()).or_default().push(project);
        }
    }
    Ok(below)
}

fn flat(below: &BTreeMap<String, Vec<Project>>, id: &str) -> Vec<Project> {
    let own = below.get(id).into_iter().flatten();
    own.flat_map(|child| std::iter::once(child.clone()).chain(flat(below, &child.id))).collect()
}

fn tree(below: &BTreeMap<String, Vec<Project>>, id: &str) -> Value {
    let Some(own) = below.get(id) else { return Value::Null };
    own.iter().map(|child| (child.id.clone(), tree(below, &child.id))).collect::<Map<_, _>>().into()
}
