//! Nova's API, version 2.1 with its microversions, over the neutral core. One mount serves the list of versions, `/v2.1` and
//! `/v2`. The mount's setting `dialect` chooses between upstream's rules and those of a vendor's document (`ecs`).

pub mod dialects;
mod kinds;
mod settings;

pub use settings::Settings;

use dialects::Dialect;
use nova::{Answer, Context, aggregates, flavors, keypairs, quotas, server_groups, servers, versions, zones};
use skyloom_sdk::{Cloud, Personality, Request, Response};

#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
struct ComputeV2;

impl Personality for ComputeV2 {
    fn handle(request: Request) -> Response {
        handle(&skyloom_sdk::Imports, request)
    }
}

skyloom_sdk::personality!(ComputeV2);

/// Answers a request with the settings of the mount (in a sandbox) or the default ones (natively).
pub fn handle<C: Cloud>(cloud: &C, request: Request) -> Response {
    match nova::settings::of_the_mount() {
        Ok(settings) => handle_with(cloud, settings, &request),
        Err(fault) => (nova::UPSTREAM.envelope)(&fault),
    }
}

/// Answers a request.
pub fn handle_with<C: Cloud>(cloud: &C, settings: Settings, request: &Request) -> Response {
    nova::answer(&Context::new(cloud, settings.dialect.rules(), request), |context, operation| {
        serve(context, settings, operation)
    })
}

/// The table of operations.
fn serve<C: Cloud>(context: &Context<'_, C>, settings: Settings, operation: &str) -> Answer {
    let Settings { dialect, recycle_bin } = settings;
    match operation {
        "versions.list" => Ok(versions::list(context)),
        "versions.show" => Ok(versions::show(context)),
        "servers.create" => servers::create::create_after(context, |create| match dialect {
            Dialect::Upstream => Ok(()),
            Dialect::Ecs => dialects::check(context.cloud, create),
        }),
        "servers.list" => servers::list::index(context),
        "servers.list_detail" => servers::list::detail(context),
        "servers.show" => servers::show(context),
        "servers.update" => servers::update(context),
        "servers.delete" if recycle_bin => servers::recycle(context),
        "servers.delete" => servers::delete(context),
        "servers.start" => servers::actions::plain(context, "start"),
        "servers.stop" => servers::actions::stop(context),
        "servers.force_delete" => servers::force_delete(context),
        "servers.restore" => servers::actions::plain(context, "restore"),
        "servers.reboot" => servers::actions::reboot(context),
        "servers.pause" => servers::actions::plain(context, "pause"),
        "servers.unpause" => servers::actions::plain(context, "unpause"),
        "servers.suspend" => servers::actions::plain(context, "suspend"),
        "servers.resume" => servers::actions::plain(context, "resume"),
        "servers.lock" => servers::actions::lock(context),
        "servers.unlock" => servers::actions::plain(context, "unlock"),
        "servers.resize" => match dialect {
            Dialect::Upstream => servers::sizes::resize(context),
            Dialect::Ecs => kinds::resize(context),
        },
        "servers.rebuild" => servers::rebuild::rebuild(context),
        "servers.confirm_resize" => servers::sizes::confirm(context),
        "servers.revert_resize" => servers::sizes::revert(context),
        "servers.get_console_output" => servers::actions::console_output(context),
        "server_metadata.list" => servers::metadata::list(context),
        "server_metadata.update" => servers::metadata::update(context),
        "server_metadata.replace" => servers::metadata::replace(context),
        "server_metadata.show_item" => servers::metadata::show_item(context),
        "server_metadata.update_item" => servers::metadata::update_item(context),
        "server_metadata.delete_item" => servers::metadata::delete_item(context),
        "server_tags.list" => servers::tags::list(context),
        "server_tags.check" => servers::tags::check(context),
        "server_tags.add" => servers::tags::add(context),
        "server_tags.replace" => servers::tags::replace(context),
        "server_tags.delete" => servers::tags::delete(context),
        "server_tags.delete_all" => servers::tags::delete_all(context),
        "server_password.show" => servers::password::show(context),
        "server_password.clear" => servers::password::clear(context),
        "server_ips.list" => servers::parts::ips(context),
        "server_ips.show" => servers::parts::ips_of_network(context),
        "server_interfaces.list" => servers::parts::interfaces(context),
        "server_interfaces.show" => servers::parts::interface(context),
        "server_interfaces.create" => servers::interfaces::attach(context),
        "server_interfaces.delete" => servers::interfaces::detach(context),
        "server_volumes.list" => servers::parts::volumes(context),
        "server_volumes.show" => servers::parts::volume(context),
        "server_volumes.attach" => servers::attachments::attach(context),
        "server_volumes.detach" => servers::attachments::detach(context),
        "server_security_groups.list" => servers::groups::list(context),
        "server_security_groups.add" => servers::groups::add(context),
        "server_security_groups.remove" => servers::groups::remove(context),
        "instance_actions.list" => servers::history::list(context),
        "instance_actions.show" => servers::history::show(context),
        "flavors.list" => flavors::list::index(context),
        "flavors.list_detail" => flavors::list::detail(context),
        "flavors.show" => flavors::show(context),
        "flavors.create" => flavors::create(context),
        "flavors.update" => flavors::update(context),
        "flavors.delete" => flavors::delete(context),
        "flavors.list_extra_specs" => flavors::extra_specs::list(context),
        "flavors.create_extra_specs" => flavors::extra_specs::create(context),
        "flavors.show_extra_spec" => flavors::extra_specs::show_item(context),
        "flavors.update_extra_spec" => flavors::extra_specs::update_item(context),
        "flavors.delete_extra_spec" => flavors::extra_specs::delete_item(context),
        "flavors.list_access" => flavors::access::list(context),
        "flavors.add_access" => flavors::access::add(context),
        "flavors.remove_access" => flavors::access::remove(context),
        "keypairs.list" => keypairs::list(context),
        "keypairs.show" => keypairs::show(context),
        "keypairs.create" => keypairs::create(context),
        "keypairs.delete" => keypairs::delete(context),
        "server_groups.list" => server_groups::list(context),
        "server_groups.show" => server_groups::show(context),
        "server_groups.create" => server_groups::create(context),
        "server_groups.delete" => server_groups::delete(context),
        "limits.show" => zones::limits(context),
        "quota_sets.show" => quotas::show(context),
        "quota_sets.show_detail" => quotas::show_detail(context),
        "quota_sets.show_defaults" => quotas::show_defaults(context),
        "availability_zones.list" => zones::list(context),
        "availability_zones.list_detail" => zones::list_detail(context),
        "aggregates.list" => aggregates::list(context),
        "aggregates.create" => aggregates::create(context),
        "aggregates.show" => aggregates::show(context),
        "aggregates.update" => aggregates::update(context),
        "aggregates.delete" => aggregates::delete(context),
        "aggregates.add_host" => aggregates::add_host(context),
        "aggregates.remove_host" => aggregates::remove_host(context),
        "aggregates.set_metadata" => aggregates::set_metadata(context),
        other => nova::proxies::serve(context, other).unwrap_or_else(|| nova::unknown(other)),
    }
}
