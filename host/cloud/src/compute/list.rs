//! Lists of servers and one server.

use skyloom_model::{Action, Error, Reach, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::{Condition, taken_flag, taken_values};
use skyloom_store::servers::{self as store, Filter, Full, Life, Parts};

use super::Compute;
use super::common::page;
use super::patterns::Patterns;
use super::view;
use crate::lists::{conditions, names, spell, spelled_address};

/// Where a server runs is for those to see, to look for and to order by whom the policy lets see nodes.
const NODE: &str = "node";

impl Compute {
    /// A living server that the caller reaches; one of another project is not found.
    pub(super) async fn reached_server(&self, conn: &mut Conn, reach: &Reach, id: &str, parts: Parts) -> Result<Full> {
        let found = store::get(conn, id, reach, parts).await?;
        found.filter(|full| !full.server.deleted).ok_or_else(|| Error::not_found("server", id))
    }

    pub(super) fn sees_nodes(&self, context: &CallContext) -> bool {
        self.permit(context.caller.as_deref(), Action::ZonesReadNodes).is_ok()
    }

    pub(super) async fn show_server(&self, context: &CallContext, id: &str, parts: &[String]) -> Result<wit::Server> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersRead)?;
        let parts = Parts::of_words(parts)?;
        let mut conn = self.db().read().await?;
        let full = self.reached_server(&mut conn, &reach, id, parts).await?;
        view::server(context, full, self.sees_nodes(context))
    }

    pub(super) async fn server_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        parts: &[String],
        request: PageRequest,
    ) -> Result<wit::ServerPage> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersRead)?;
        let mut wanted = self.wanted(context, reach, conditions(asked)?)?;
        if request.sort.iter().any(|key| key.field == NODE) {
            self.permit(context.caller.as_deref(), Action::ZonesReadNodes)?;
        }
        let patterns = Patterns::of(&mut wanted.conditions)?;
        let parts = Parts::of_words(parts)?;
        let page = page(request);
        let mut conn = self.db().read().await?;
        let listed = match patterns {
            Some(patterns) => patterns.page(&mut conn, wanted, parts, &page).await?,
            None => store::list(&mut conn, &wanted, parts, &page).await?,
        };
        drop(conn);
        let sees_nodes = self.sees_nodes(context);
        let servers = listed.items.into_iter().map(|full| view::server(context, full, sees_nodes));
        Ok(wit::ServerPage { servers: servers.collect::<Result<_>>()?, next: listed.next })
    }

    /// Where to look is decided by the policy.
    fn wanted(&self, context: &CallContext, reach: Reach, mut conditions: Vec<Condition>) -> Result<Filter> {
        let own = context.caller()?.project_id();
        let all = taken_flag(&mut conditions, "all-projects")? == Some(true);
        let words = taken_values(&mut conditions, "life")?;
        let named = words.is_some();
        let life = match words {
            Some(words) => Life::of_words(&words)?,
            // Who follows changes wants to hear of the end too.
            None if names(&conditions, "updated-at") => Life::ALL,
            None => Life::LIVING,
        };
        let foreign = |condition: &Condition| condition.values.iter().any(|project| own != Some(project));
        let foreign = conditions.iter().any(|condition| condition.field == "project-id" && foreign(condition));
        if named && life.deleted {
            self.permit(context.caller.as_deref(), Action::ServersReadDeleted)?;
        }
        if names(&conditions, NODE) {
            self.permit(context.caller.as_deref(), Action::ZonesReadNodes)?;
        }
        let reach = if all || foreign {
            self.permit(context.caller.as_deref(), Action::ServersReadAll)?
        } else {
            reach.narrowed(own)
        };
        spell(&mut conditions, "access-ipv6", spelled_address);
        Ok(Filter { reach, life, conditions })
    }
}
