//! Security groups.

use skyloom_sdk::cloud::networks::{GroupWrite, SecurityGroup};
use skyloom_sdk::conditions::{all_of, any_of, none_of, not_all_of};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Networks, Request, respond};

use crate::attributes::{FLAG, NUMBER, Picked, Reads, attributes, write_time};
use crate::body::{self, Creation, Given};
use crate::rules::RULES;
use crate::unset::Form;
use crate::{Answer, Fault, lists};

attributes! {
    GROUPS of "security_group" in "security-groups": SecurityGroup as group;
    "id" Read { finds sorts "id" } => string(&group.id);
    "name" Write { finds sorts "name" } => string(&group.name);
    "description" Write { finds "description" } => string(&group.description);
    "project_id" Create { finds sorts "project-id" } => string(&group.project_id);
    "tenant_id" Create { finds sorts "project-id" } => string(&group.project_id);
    "stateful" Write { finds "stateful" as FLAG } => boolean(group.stateful);
    "shared" Read { finds "" as Reads::ConstantFlag(false) } => boolean(false);
    "security_group_rules" Read by write_rules;
    "tags" Unset(Form::List) { finds "tags" as Reads::List(all_of) } => strings(&group.tags);
    "tags-any" Query { finds "tags" as Reads::List(any_of) };
    "not-tags" Query { finds "tags" as Reads::List(not_all_of) };
    "not-tags-any" Query { finds "tags" as Reads::List(none_of) };
    "created_at" Read { sorts "created-at" } by |writer, group| write_time(writer, group.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, group| write_time(writer, group.updated_at);
    "revision_number" Read { finds "revision" as NUMBER } => unsigned(group.revision);
}

fn write_rules(writer: &mut Writer, group: &SecurityGroup) {
    writer.begin_array();
    for rule in &group.rules {
        RULES.write(writer, rule, &Picked::default());
    }
    writer.end_array();
}

fn id(request: &Request) -> &str {
    respond::param(request, "security_group_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    lists::list(request, &GROUPS, |conditions, page| {
        cloud.list_security_groups(conditions, page).map(|page| (page.groups, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(request, &GROUPS, &cloud.get_security_group(id(request))?))
}

fn write(given: &Given) -> Result<GroupWrite, Fault> {
    Ok(GroupWrite {
        name: given.text("name")?,
        description: given.text("description")?,
        project_id: given.project()?,
        stateful: given.flag("stateful")?,
        attributes: None,
    })
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, &GROUPS)?;
    let writes = items.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    lists::created(&GROUPS, bulk, &cloud.create_security_groups(&writes)?)
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, &GROUPS)?;
    Ok(lists::answer(200, &GROUPS, &cloud.update_security_group(id(request), &write(&given)?)?, &Picked::default()))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_security_group(id(request))?;
    Ok(respond::empty(204))
}
