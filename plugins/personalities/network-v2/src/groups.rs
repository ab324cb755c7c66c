//! Security groups.

use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{GroupFilter, GroupWrite, SecurityGroup};
use skyloom_sdk::{Networks, Request, respond, time};

use crate::body::{self, Attributes, Creation, Given, Use};
use crate::lists::{Wanted, shown};
use crate::networks::object;
use crate::unset::Form;
use crate::{Answer, Fault, Object, created, one, rules};

const ATTRIBUTES: Attributes = &[
    ("name", Use::Write),
    ("description", Use::Write),
    ("stateful", Use::Write),
    ("project_id", Use::Create),
    ("tenant_id", Use::Create),
    ("tags", Use::Unset(Form::List)),
    ("id", Use::Read),
    ("security_group_rules", Use::Read),
    ("shared", Use::Read),
    ("created_at", Use::Read),
    ("updated_at", Use::Read),
    ("revision_number", Use::Read),
];

pub fn view(group: SecurityGroup) -> Object {
    let rules: Vec<Value> = group.rules.into_iter().map(|rule| Value::Object(rules::view(rule))).collect();
    object(json!({
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "project_id": group.project_id,
        "tenant_id": group.project_id,
        "stateful": group.stateful,
        "shared": false,
        "security_group_rules": rules,
        "tags": group.tags,
        "created_at": time::seconds_z(group.created_at),
        "updated_at": time::seconds_z(group.updated_at),
        "revision_number": group.revision,
    }))
}

fn id(request: &Request) -> &str {
    respond::param(request, "security_group_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let mut wanted = Wanted::new(request);
    // Upstream's client asks for those that aren't shared by another project; none is here.
    let nothing = wanted.flag("shared")? == Some(true);
    let filter = GroupFilter {
        ids: wanted.any("id"),
        names: wanted.any("name"),
        project_id: wanted.project()?,
        tags: wanted.any("tags"),
    };
    let fetch = |page: &skyloom_sdk::PageRequest| {
        if nothing {
            return Ok((Vec::new(), None));
        }
        let page = cloud.list_security_groups(&filter, page)?;
        Ok((page.groups, page.next))
    };
    wanted.answer(request, "security-groups", fetch, view)
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, "security_group", shown(request, view(cloud.get_security_group(id(request))?))))
}

fn write(given: &Given) -> Result<GroupWrite, Fault> {
    Ok(GroupWrite {
        name: given.text("name")?,
        description: given.text("description")?,
        project_id: given.project()?,
        stateful: given.flag("stateful")?,
    })
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, "security_group", ATTRIBUTES)?;
    let writes = items.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    created("security_group", bulk, cloud.create_security_groups(&writes)?.into_iter().map(view).collect())
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, "security_group", ATTRIBUTES)?;
    Ok(one(200, "security_group", view(cloud.update_security_group(id(request), &write(&given)?)?)))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_security_group(id(request))?;
    Ok(respond::empty(204))
}
