//! EasyStack's compute API: Nova's paths and bodies with a few fields of the vendor's own, on a mount that gives out its tokens too.
//! Where the vendor's document is silent, Nova's behaviour holds.

mod boot;
mod settings;
mod tokens;

pub use settings::Settings;

use nova::{Answer, Context, Rules, UPSTREAM, aggregates, keypairs, server_groups, servers, zones};
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
    shows_deletion: true,
    // Nova has `host` too, for operators alone; of whom it is for, the document says nothing. By `deleted` everybody sees the bin.
    filters_for_all: &[
        "access_ip_v4",
        "access_ip_v6",
        "availability_zone",
        "changes-before",
        "created_at",
        "deleted",
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
    group_policies: &["soft-anti-affinity", "soft-affinity"],
    soft_policies_always: true,
    all_groups_are_refused: true,
    aggregate_uuid_always: true,
    ..UPSTREAM
};

/// Answers one request with the settings of the mount (in a sandbox) or the default ones (natively).
pub fn handle<C: Cloud>(cloud: &C, request: &Request) -> Response {
    match nova::settings::of_the_mount() {
        Ok(settings) => handle_with(cloud, settings, request),
        Err(fault) => (RULES.envelope)(&fault),
    }
}

/// Answers one request.
pub fn handle_with<C: Cloud>(cloud: &C, settings: Settings, request: &Request) -> Response {
    if request.operation == "tokens.create" {
        return tokens::create(cloud, request).unwrap_or_else(|fault| fault.response(request));
    }
    nova::answer(&Context::new(cloud, &RULES, request), |context, operation| serve(context, settings, operation))
}

/// The table of operations.
fn serve<C: Cloud>(context: &Context<'_, C>, settings: Settings, operation: &str) -> Answer {
    match operation {
        "servers.create" => servers::create::create(context),
        "servers.list" => servers::list::index(context),
        "servers.list_detail" => servers::list::detail(context),
        "servers.show" => servers::show(context),
        "servers.start" => servers::actions::plain(context, "start"),
        "servers.stop" => servers::actions::stop(context),
        "servers.reboot" => servers::actions::reboot(context),
        "servers.pause" => servers::actions::plain(context, "pause"),
        "servers.unpause" => servers::actions::plain(context, "unpause"),
        "servers.suspend" => servers::actions::plain(context, "suspend"),
        "servers.resume" => servers::actions::plain(context, "resume"),
        "servers.resize" => servers::sizes::resize(context),
        "servers.rebuild" => servers::rebuild::rebuild(context),
        "servers.delete" if settings.recycle_bin => servers::recycle(context),
        "servers.delete" => servers::delete(context),
        "servers.restore" => servers::actions::plain(context, "restore"),
        "servers.force_delete" => servers::force_delete(context),
        "servers.metadata.list" => servers::metadata::list(context),
        "servers.metadata.replace" => boot::replace_metadata(context),
        "server_volumes.list" => servers::parts::volumes(context),
        "server_volumes.show" => servers::parts::volume(context),
        "server_volumes.attach" => servers::attachments::attach(context),
        "server_volumes.detach" => servers::attachments::detach(context),
        "server_interfaces.list" => servers::parts::interfaces(context),
        "server_interfaces.show" => servers::parts::interface(context),
        "server_interfaces.attach" => servers::interfaces::attach(context),
        "server_interfaces.detach" => servers::interfaces::detach(context),
        "availability_zones.list_detail" => zones::list_detail(context),
        "server_groups.list" => server_groups::list(context),
        "server_groups.create" => server_groups::create(context),
        "server_groups.delete" => server_groups::delete(context),
        "aggregates.list" => aggregates::list(context),
        "aggregates.create" => aggregates::create(context),
        "aggregates.update" => aggregates::update(context),
        "aggregates.delete" => aggregates::delete(context),
        "aggregates.add_host" => aggregates::add_host(context),
        "aggregates.remove_host" => aggregates::remove_host(context),
        "keypairs.list" => keypairs::list(context),
        "keypairs.create" => keypairs::create(context),
        "keypairs.delete" => keypairs::delete(context),
        other => nova::unknown(other),
    }
}
