//! Quotas of projects, by Nova's names.

use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, ErrorCode, Response, key, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;

/// What bounds something.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// A quota of the core.
    Core(&'static str),
    /// Nothing.
    Free,
    /// There may be none: files are not injected.
    Zero,
}

/// In the order in which they are shown.
const NAMES: &[(&str, Bound)] = &[
    ("instances", Bound::Core("servers")),
    ("cores", Bound::Core("vcpus")),
    ("ram", Bound::Core("memory-mib")),
    ("fixed_ips", Bound::Free),
    ("floating_ips", Bound::Core("public-addresses")),
    ("metadata_items", Bound::Core("metadata-items")),
    ("injected_files", Bound::Zero),
    ("injected_file_content_bytes", Bound::Zero),
    ("injected_file_path_bytes", Bound::Zero),
    ("security_groups", Bound::Core("security-groups")),
    ("security_group_rules", Bound::Core("security-group-rules")),
    ("key_pairs", Bound::Core("keypairs")),
    ("server_groups", Bound::Core("server-groups")),
    ("server_group_members", Bound::Core("server-group-members")),
];

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(answer(context, &quotas(context)?, false))
}

/// With what is used of each.
pub fn show_detail<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(answer(context, &quotas(context)?, true))
}

pub fn show_defaults<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(answer(context, &context.cloud.default_quotas()?, false))
}

/// Of a project that isn't there: the default ones. Users have none of their own: theirs are the project's.
fn quotas<C: Cloud>(context: &Context<'_, C>) -> Result<Vec<Quota>, Fault> {
    let quotas = match context.cloud.get_quotas(Some(context.param("target_project_id"))) {
        Err(error) if error.code == ErrorCode::NotFound => return Ok(context.cloud.default_quotas()?),
        quotas => quotas?,
    };
    match context.query().last("user_id").filter(|_| context.rules.quotas_look_for_users) {
        Some(user) if !is_user(context, user)? => Ok(context.cloud.default_quotas()?),
        _ => Ok(quotas),
    }
}

/// Whether there is such a user; whoever the caller may not see is not there.
fn is_user<C: Cloud>(context: &Context<'_, C>, id: &str) -> Result<bool, Fault> {
    match context.cloud.get_user(id) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::Forbidden) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Addresses and security groups are the network's own from 2.36 on; files end with 2.56.
fn is_shown<C>(context: &Context<'_, C>, name: &str) -> bool {
    match name {
        "fixed_ips" | "floating_ips" | "security_groups" | "security_group_rules" => !context.since(36),
        "injected_files" | "injected_file_content_bytes" | "injected_file_path_bytes" => !context.since(57),
        _ => true,
    }
}

fn answer<C>(context: &Context<'_, C>, quotas: &[Quota], with_use: bool) -> Response {
    let mut writer = Writer::with_capacity(if with_use { 1024 } else { 512 });
    writer.begin_object().key(key!("quota_set")).begin_object();
    writer.key(key!("id")).string(context.param("target_project_id"));
    for (name, bound) in NAMES.iter().filter(|(name, _)| is_shown(context, name)) {
        // -1 is Nova's word for no limit, too.
        let (limit, used) = match bound {
            Bound::Core(core) => {
                quotas.iter().find(|quota| quota.name == *core).map_or((-1, 0), |quota| (quota.limit, quota.used))
            }
            Bound::Free => (-1, 0),
            Bound::Zero => (0, 0),
        };
        writer.dynamic_key(name);
        if with_use {
            writer.begin_object().key(key!("limit")).integer(limit).key(key!("in_use")).unsigned(used);
            // What is being made counts as used already.
            writer.key(key!("reserved")).unsigned(0).end_object();
        } else {
            writer.integer(limit);
        }
    }
    writer.end_object().end_object();
    respond::json(200, writer.finish())
}
