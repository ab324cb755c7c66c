//! Lists of servers and one server.

use regex::{Regex, RegexBuilder};
use skyloom_model::{Action, Caller, Error, Result, Timestamp};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::{Listed, MAX_PAGE, Page};
use skyloom_store::servers::{self as store, Filter, Full, Life};

use super::common::{page, reach};
use super::view;
use crate::Cloud;

impl Cloud {
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
        filter: wit::ServerFilter,
        request: PageRequest,
    ) -> Result<wit::ServerPage> {
        self.permit(context.caller.as_deref(), Action::ServersRead)?;
        let name = NameTest::of(&filter)?;
        let mut wanted = self.wanted(context, filter)?;
        let page = page(request);
        let mut conn = self.db().read().await?;
        let listed = match name {
            NameTest::Pattern(pattern) => by_pattern(&mut conn, wanted, &page, &pattern).await?,
            NameTest::Part(part) => {
                wanted.name = part;
                store::list(&mut conn, &wanted, &page).await?
            }
            NameTest::PartIgnoringCase(part) => {
                wanted.name_ignoring_case = Some(part);
                store::list(&mut conn, &wanted, &page).await?
            }
        };
        drop(conn);
        let sees_nodes = self.sees_nodes(context);
        let servers = listed.items.into_iter().map(|full| view::server(context, full, sees_nodes));
        Ok(wit::ServerPage { servers: servers.collect::<Result<_>>()?, next: listed.next })
    }

    /// The filter in the store's words, its scope decided by the policy.
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
            address_part: filter.address.clone().filter(|_| filter.address_is_part),
            address: filter.address.filter(|_| !filter.address_is_part),
            address_version: filter.address_version,
            hostname: filter.hostname,
            locked: filter.locked,
            description: filter.description,
            config_drive: filter.config_drive,
            launch_index: filter.launch_index,
            progress: filter.progress,
            access_ipv4: filter.access_ipv4,
            access_ipv6: filter.access_ipv6,
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

/// How names are compared.
enum NameTest {
    Part(Option<String>),
    /// Lower-case ASCII.
    PartIgnoringCase(String),
    Pattern(Regex),
}

impl NameTest {
    /// A pattern without any special character is a part of the name, which the database can look for.
    fn of(filter: &wit::ServerFilter) -> Result<Self> {
        const MAX_COMPILED_BYTES: usize = 256 * 1024;
        let Some(name) = &filter.name else { return Ok(Self::Part(None)) };
        if !filter.name_is_pattern {
            return Ok(Self::Part(Some(name.clone())));
        }
        // `-` is special within brackets only, and brackets are special themselves.
        if name.is_ascii() && regex::escape(name).replace("\\-", "-") == *name {
            return Ok(Self::PartIgnoringCase(name.to_ascii_lowercase()));
        }
        let pattern = RegexBuilder::new(name).case_insensitive(true).size_limit(MAX_COMPILED_BYTES).build();
        let wrong = |_| Error::invalid("name", "The name is not a regular expression that is understood.");
        pattern.map(Self::Pattern).map_err(wrong)
    }
}

/// Walks names in the order asked for until the page is full, then reads its servers.
async fn by_pattern(conn: &mut Conn, wanted: Filter, page: &Page, pattern: &Regex) -> Result<Listed<Full>> {
    let limit = if page.limit == 0 { MAX_PAGE } else { page.limit.min(MAX_PAGE) } as usize;
    let mut ids: Vec<String> = Vec::new();
    let mut next = Page { limit: MAX_PAGE, ..page.clone() };
    while ids.len() <= limit {
        let names = store::names(conn, &wanted, &next).await?;
        let matching = names.items.into_iter().filter(|(_, name)| pattern.is_match(name)).map(|(id, _)| id);
        ids.extend(matching.take(limit + 1 - ids.len()));
        match names.next {
            Some(marker) => next.marker = Some(marker),
            None => break,
        }
    }
    let more = ids.len() > limit;
    ids.truncate(limit);
    let marker = if more { ids.last().cloned() } else { None };
    let these = Filter { ids: Some(ids), project_id: wanted.project_id, life: wanted.life, ..Filter::default() };
    let listed = store::list(conn, &these, &Page { marker: None, limit: 0, sort: page.sort.clone() }).await?;
    Ok(Listed { items: listed.items, next: marker })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::testing::any_server;

    fn test(name: &str, name_is_pattern: bool) -> Result<&'static str> {
        let filter = wit::ServerFilter { name: Some(name.to_owned()), name_is_pattern, ..any_server() };
        NameTest::of(&filter).map(|test| match test {
            NameTest::Part(_) => "part",
            NameTest::PartIgnoringCase(_) => "part ignoring case",
            NameTest::Pattern(_) => "pattern",
        })
    }

    #[test]
    fn only_real_patterns_are_walked() {
        assert_eq!(test("^web", false).expect("text"), "part");
        assert_eq!(test("web-1_b", true).expect("text"), "part ignoring case");
        assert_eq!(test("^web", true).expect("pattern"), "pattern");
        assert_eq!(test("wéb", true).expect("pattern"), "pattern");
        assert_eq!(test("(", true).expect_err("broken").field.as_deref(), Some("name"));
        assert_eq!(test("(a{1000}){1000}", true).expect_err("too large").field.as_deref(), Some("name"));
    }
}
