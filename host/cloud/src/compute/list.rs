//! Lists of servers and one server.

use skyloom_model::{Action, Caller, Error, Result, Timestamp};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::servers::{self as store, Filter, Full, Life};

use super::Compute;
use super::common::{page, reach};
use super::patterns::Patterns;
use super::update::canonical_ipv6;
use super::view;

impl Compute {
    /// A living server that the caller reaches; one of another project is not found.
    pub(super) async fn reached_server(&self, conn: &mut Conn, caller: &Caller, id: &str) -> Result<Full> {
        let found = store::get(conn, id, reach(caller)?).await?;
        found.filter(|full| !full.server.deleted).ok_or_else(|| Error::not_found("server", id))
    }

    pub(super) fn sees_nodes(&self, context: &CallContext) -> bool {
        self.permit(context.caller.as_deref(), Action::ZonesReadNodes).is_ok()
    }

    pub(super) async fn show_server(&self, context: &CallContext, id: &str) -> Result<wit::Server> {
        self.permit(context.caller.as_deref(), Action::ServersRead)?;
        let mut conn = self.db().read().await?;
        let full = self.reached_server(&mut conn, context.caller()?, id).await?;
        view::server(context, full, self.sees_nodes(context))
    }

    pub(super) async fn server_page(
        &self,
        context: &CallContext,
        mut filter: wit::ServerFilter,
        request: PageRequest,
    ) -> Result<wit::ServerPage> {
        self.permit(context.caller.as_deref(), Action::ServersRead)?;
        let (name, name_is_pattern) = (filter.name.take(), filter.name_is_pattern);
        let addresses = std::mem::take(&mut filter.addresses);
        let mut wanted = self.wanted(context, filter)?;
        let patterns = Patterns::of(&mut wanted, name, name_is_pattern, addresses)?;
        let page = page(request);
        let mut conn = self.db().read().await?;
        let listed = match patterns {
            Some(patterns) => patterns.page(&mut conn, wanted, &page).await?,
            None => store::list(&mut conn, &wanted, &page).await?,
        };
        drop(conn);
        let sees_nodes = self.sees_nodes(context);
        let servers = listed.items.into_iter().map(|full| view::server(context, full, sees_nodes));
        Ok(wit::ServerPage { servers: servers.collect::<Result<_>>()?, next: listed.next })
    }

    /// The filter in the store's words, its scope decided by the policy; without its patterns.
    fn wanted(&self, context: &CallContext, filter: wit::ServerFilter) -> Result<Filter> {
        let caller = context.caller()?;
        let own = caller.project_id();
        let foreign = filter.project_id.as_deref().is_some_and(|project| own != Some(project));
        if filter.all_projects || foreign || filter.deleted {
            self.permit(context.caller.as_deref(), Action::ServersReadAll)?;
        }
        if filter.node.is_some() {
            self.permit(context.caller.as_deref(), Action::ZonesReadNodes)?;
        }
        let project_id = match filter.project_id {
            Some(project) => Some(project),
            None if filter.all_projects => None,
            None => Some(caller.project()?.to_owned()),
        };
        let changed = filter.changed_since.is_some() || filter.changed_before.is_some();
        Ok(Filter {
            project_id,
            life: match (filter.deleted, changed) {
                (true, _) => Life::Deleted,
                // Who follows changes wants to hear of the end too.
                (false, true) => Life::Both,
                (false, false) => Life::Living,
            },
            ids: (!filter.ids.is_empty()).then_some(filter.ids),
            name: None,
            name_ignoring_case: None,
            vm_states: filter.vm_states.into_iter().map(view::of_vm_state).collect(),
            task_states: filter.task_states.into_iter().map(view::of_task_state).collect(),
            has_task: filter.has_task,
            flavor_id_part: filter
                .flavor_id
                .clone()
                .filter(|_| filter.flavor_id_is_part)
                .map(|part| part.to_ascii_lowercase()),
            flavor_id: filter.flavor_id.filter(|_| !filter.flavor_id_is_part),
            image_id: filter.image_id,
            zone: filter.zone,
            node: filter.node,
            key_name: filter.key_name,
            user_id: filter.user_id,
            reservation_id: filter.reservation_id,
            addresses: Vec::new(),
            hostname: filter.hostname,
            locked: filter.locked,
            description: filter.description,
            config_drive: filter.config_drive,
            launch_index: filter.launch_index,
            progress: filter.progress,
            access_ipv4: filter.access_ipv4,
            access_ipv6: filter.access_ipv6.as_deref().map(canonical_ipv6),
            power_states: filter.power_states.into_iter().map(view::of_power_state).collect(),
            created: filter.created.map(range),
            launched: filter.launched.map(range),
            terminated: filter.terminated.map(range),
            changed_since: filter.changed_since.map(Timestamp),
            changed_before: filter.changed_before.map(Timestamp),
            tags_all: filter.tags_all,
            tags_any: filter.tags_any,
            not_tags_all: filter.not_tags_all,
            not_tags_any: filter.not_tags_any,
            metadata: filter.metadata,
        })
    }
}

fn range(range: wit::TimeRange) -> (Timestamp, Timestamp) {
    (Timestamp(range.since), Timestamp(range.before))
}
