//! Server groups.

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{ServerGroup, ServerGroupCreate};
use skyloom_sdk::conditions::is;
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::lenient::{boolean_text, count};
use skyloom_sdk::{Cloud, key, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::proxies::{Rows, each, list as list_rows, one};
use crate::servers::names::check_printable;
use crate::violations::{of_field, python};

const RULE: &str = "max_server_per_host";

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let asked = context.query().last("all_projects").is_some_and(|text| boolean_text(text).unwrap_or(true));
    let all = asked && (context.admin() || context.rules.all_groups_are_refused);
    let conditions = if all { vec![is("all-projects", true)] } else { Vec::new() };
    let fetch = |page| {
        let found = context.cloud.list_server_groups(&conditions, &page)?;
        Ok((found.groups, found.next))
    };
    let row = |writer: &mut Writer, group: &ServerGroup| write(context, writer, group);
    list_rows(Rows::asked(context), key!("server_groups"), fetch, each(row))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let group = context.cloud.get_server_group(context.param("server_group_id"))?;
    Ok(one(key!("server_group"), |writer| write(context, writer, &group)))
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("server_group")?;
    let fields = Fields::new(&body, &["server_group"]);
    let name = name(context, fields.str("name")?)?.to_owned();
    let (policy, max_servers_per_node) = if context.since(64) {
        let policy = policy(context, "policy", &Value::from(fields.str("policy")?))?;
        let most = rule(&policy, &fields)?;
        (policy, most)
    } else {
        // A list of one, for historical reasons.
        match fields.array("policies")? {
            [one] => (policy(context, "0", one)?, None),
            several => {
                let given = Value::from(several.to_vec());
                let says = format!("{} is not a list of one policy", python(&given));
                return Err(Fault::bad_request(of_field("policies", &given, &says)));
            }
        }
    };
    let group = context.cloud.create_server_group(&ServerGroupCreate { name, policy, max_servers_per_node })?;
    Ok(one(key!("server_group"), |writer| write(context, writer, &group)))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    context.cloud.delete_server_group(context.param("server_group_id"))?;
    Ok(respond::empty(204))
}

fn name<'n, C>(context: &Context<'_, C>, name: &'n str) -> Result<&'n str, Fault> {
    let name = if context.legacy { name.trim() } else { name };
    check_printable(name)?;
    match context.rules.group_name_bytes {
        Some(most) if name.len() > most => {
            let value = Value::from(name);
            Err(Fault::bad_request(of_field("name", &value, &format!("{} is too long", python(&value)))))
        }
        _ => Ok(name),
    }
}

/// The policies of the face that the request's version knows; the soft ones came with 2.15.
fn policies<C>(context: &Context<'_, C>) -> Vec<&'static str> {
    let soft = context.since(15) || context.rules.soft_policies_always;
    context.rules.group_policies.iter().copied().filter(|policy| soft || !policy.starts_with("soft-")).collect()
}

fn policy<C>(context: &Context<'_, C>, field: &str, value: &Value) -> Result<String, Fault> {
    let known = policies(context);
    let refused = || {
        let says = format!("{} is not one of {}", python(value), python(&json!(known)));
        Fault::bad_request(of_field(field, value, &says))
    };
    value.as_str().filter(|policy| known.contains(policy)).map(str::to_owned).ok_or_else(refused)
}

/// How many servers of the group one host takes.
fn rule(policy: &str, fields: &Fields<'_>) -> Result<Option<u32>, Fault> {
    let Some(rules) = fields.optional_object("rules")?.filter(|rules| !rules.is_empty()) else { return Ok(None) };
    if policy != "anti-affinity" {
        return Err(Fault::bad_request("Only anti-affinity policy supports rules."));
    }
    let Some(value) = rules.get(RULE) else { return Ok(None) };
    let most = count(value).filter(|most| *most > 0);
    let wrong =
        || Fault::bad_request(of_field(RULE, value, &format!("{} is less than the minimum of 1", python(value))));
    most.map(Some).ok_or_else(wrong)
}

fn write<C>(context: &Context<'_, C>, writer: &mut Writer, group: &ServerGroup) {
    writer.begin_object();
    writer.key(key!("id")).string(&group.id);
    writer.key(key!("name")).string(&group.name);
    if context.since(64) {
        writer.key(key!("policy")).string(&group.policy);
        writer.key(key!("rules")).begin_object();
        if let Some(most) = group.max_servers_per_node {
            writer.key(key!("max_server_per_host")).unsigned(u64::from(most));
        }
        writer.end_object();
    } else {
        writer.key(key!("policies")).begin_array().string(&group.policy).end_array();
        // Nobody can give a group any.
        writer.key(key!("metadata")).begin_object().end_object();
    }
    writer.key(key!("members")).strings(&group.members);
    if context.since(13) {
        writer.key(key!("project_id")).string(&group.project_id);
        writer.key(key!("user_id")).string(&group.user_id);
    }
    writer.end_object();
}
