//! Which projects may use a private flavor. Upstream let a public one be given too before 2.7, without any effect; it is a
//! conflict at every version here.

use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::{Cloud, Error, ErrorCode, Response, key, respond};

use super::refusal;
use crate::context::{Answer, Context};
use crate::errors::Fault;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    if context.cloud.get_flavor(id).map_err(refusal(id))?.is_public {
        return Err(Fault::not_found("Access list not available for public flavors."));
    }
    answer(context, id)
}

pub fn add<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    let tenant = tenant(context, "addTenantAccess")?;
    context.cloud.add_flavor_access(id, &tenant).map_err(|error| wrong(id, error))?;
    answer(context, id)
}

pub fn remove<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    let tenant = tenant(context, "removeTenantAccess")?;
    context.cloud.remove_flavor_access(id, &tenant).map_err(|error| wrong(id, error))?;
    answer(context, id)
}

fn tenant<C>(context: &Context<'_, C>, action: &str) -> Result<String, Fault> {
    let body = context.body_member(action)?;
    let at = [action];
    let tenant = Fields::new(&body, &at).str("tenant")?;
    if tenant.is_empty() {
        return Err(Fault::bad_request("Invalid input for field/attribute tenant. Value: ''. '' is too short"));
    }
    Ok(tenant.to_owned())
}

fn wrong(id: &str, error: Error) -> Fault {
    match error.code {
        ErrorCode::WrongState => Fault::new(409, "Can not add access to a public flavor."),
        _ => refusal(id)(error),
    }
}

fn answer<C: Cloud>(context: &Context<'_, C>, id: &str) -> Answer {
    Ok(whole(id, &context.cloud.list_flavor_access(id).map_err(refusal(id))?))
}

fn whole(id: &str, projects: &[String]) -> Response {
    let mut writer = Writer::with_capacity(64 + projects.len() * 128);
    writer.begin_object().key(key!("flavor_access")).begin_array();
    for project in projects {
        writer.begin_object().key(key!("flavor_id")).string(id);
        writer.key(key!("tenant_id")).string(project).end_object();
    }
    writer.end_array().end_object();
    respond::json(200, writer.finish())
}
