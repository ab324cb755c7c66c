//! EasyStack's compute API: Nova's paths and bodies with a few fields of the vendor's own, on a mount that gives out its tokens too.
//! Where the vendor's document is silent, Nova's behaviour holds.

mod boot;
mod tokens;

use nova::{Answer, Context, Fault, Rules, UPSTREAM, keypairs, servers};
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::{Cloud, Imports, Personality, Request, Response};

/// The component.
pub struct EasyStack;

impl Personality for EasyStack {
    fn handle(request: Request) -> Response {
        handle(&Imports, &request)
    }
}

skyloom_sdk::personality!(EasyStack);

/// What the document has beside Nova, or otherwise. It names no version with which a field or a parameter came, so each is known at
/// every version.
static RULES: Rules = Rules {
    // The document has no confirmation.
    resizes_are_final: true,
    envelope: |fault| keystone::error_response(fault.status, &fault.message),
    // Nova has `host` too, for operators alone; of whom it is for, the document says nothing.
    filters_for_all: &[
        "access_ip_v4",
        "access_ip_v6",
        "availability_zone",
        "changes-before",
        "created_at",
        "description",
        "flavor",
        "hostname",
        "key_name",
        "launched_at",
        "power_state",
        "progress",
        "status",
        "task_state",
        "vm_state",
    ],
    nic_subnets: true,
    volume_type_always: true,
    unversioned_keypairs: true,
    unversioned_members: &[("/keypair", "type"), ("/keypair", "user_id")],
    keypair_deleted: 200,
    ..UPSTREAM
};

/// Answers one request.
pub fn handle<C: Cloud>(cloud: &C, request: &Request) -> Response {
    if request.operation == "tokens.create" {
        return tokens::create(cloud, request).unwrap_or_else(|fault| fault.response(request));
    }
    nova::answer(&Context::new(cloud, &RULES, request), serve)
}

/// The table of operations.
fn serve<C: Cloud>(context: &Context<'_, C>, operation: &str) -> Answer {
    match operation {
        "servers.create" => servers::create::create(context),
        "servers.list" => no_recycle_bin(context).and_then(|()| servers::list::index(context)),
        "servers.list_detail" => no_recycle_bin(context).and_then(|()| servers::list::detail(context)),
        "servers.show" => servers::show(context),
        "servers.start" => servers::actions::start(context),
        "servers.stop" => servers::actions::stop(context),
        "servers.reboot" => servers::actions::reboot(context),
        "servers.resize" => servers::sizes::resize(context),
        "servers.force_delete" => servers::force_delete(context),
        "servers.metadata.list" => servers::metadata::list(context),
        "servers.metadata.replace" => boot::replace_metadata(context),
        "keypairs.list" => keypairs::list(context),
        "keypairs.create" => keypairs::create(context),
        "keypairs.delete" => keypairs::delete(context),
        other => nova::unknown(other),
    }
}

/// The document lists the recycle bin by a filter that Nova overlooks: who purges what it finds must not find what lives.
fn no_recycle_bin<C: Cloud>(context: &Context<'_, C>) -> Result<(), Fault> {
    match context.query().last("deleted").map(boolean_text) {
        Some(Some(true)) => {
            Err(Fault::bad_request("The filter deleted is not supported: there is no recycle bin here."))
        }
        _ => Ok(()),
    }
}
