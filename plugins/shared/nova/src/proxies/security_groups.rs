//! Security groups, with those of their rules that let something in.

use serde_json::{Map, Value};
use skyloom_sdk::cloud::networks::{GroupWrite, SecurityGroup};
use skyloom_sdk::conditions::is;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::{Cloud, Error, ErrorCode, key, respond};

use super::{Rows, text};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::groups::{remote, write};

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let all = context.query().last("all_tenants").is_some_and(|text| boolean_text(text).unwrap_or(true));
    let every = (all && context.admin()) || context.sees_projects();
    let conditions = if every { vec![] } else { vec![is("project-id", context.project())] };
    let fetch = |page| {
        let found = context.cloud.list_security_groups(&conditions, &page)?;
        Ok((found.groups, found.next))
    };
    let rows = if context.rules.groups_without_pages { Rows::ALL } else { Rows::asked(context) };
    super::list(rows, key!("security_groups"), fetch, |writer, groups| {
        let others = remote(context, groups)?;
        for group in groups {
            write(writer, group, &[groups, &others]);
        }
        Ok(())
    })
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("security_group_id");
    let group = context.cloud.get_security_group(id).map_err(|error| refused(id, error))?;
    one(context, group)
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let write = written(&context.body_member("security_group")?);
    let mut made = context.cloud.create_security_groups(&[write]).map_err(|error| refused("", error))?;
    // The core gives each new group the rules that let everything out; none lets anything in.
    made.pop().map_or_else(|| Err(Fault::new(500, "The group was not made.")), |group| one(context, group))
}

pub fn update<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("security_group_id");
    let write = written(&context.body_member("security_group")?);
    let group = context.cloud.update_security_group(id, &write).map_err(|error| refused(id, error))?;
    one(context, group)
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("security_group_id");
    context.cloud.delete_security_group(id).map_err(|error| refused(id, error))?;
    Ok(respond::empty(202))
}

fn written(body: &Map<String, Value>) -> GroupWrite {
    GroupWrite {
        name: text(body, "name"),
        description: text(body, "description"),
        project_id: None,
        stateful: None,
        attributes: None,
    }
}

fn one<C: Cloud>(context: &Context<'_, C>, group: SecurityGroup) -> Answer {
    let groups = [group];
    let others = remote(context, &groups)?;
    Ok(super::one(key!("security_group"), |writer| write(writer, &groups[0], &[&groups, &others])))
}

/// In Nova's words; what neutron says 409 to is 400 here, as upstream has it.
pub(super) fn refused(id: &str, error: Error) -> Fault {
    match error.code {
        ErrorCode::NotFound if error.resource.as_ref().is_none_or(|(kind, _)| kind == "security-group") => {
            Fault::not_found(format!("Security group {id} not found."))
        }
        ErrorCode::InUse | ErrorCode::WrongState | ErrorCode::AlreadyExists => Fault::bad_request(error.message),
        _ => error.into(),
    }
}
