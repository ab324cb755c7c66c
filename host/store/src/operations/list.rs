//! Operations in lists.

use skyloom_model::{Result, Timestamp};

use super::{Operation, State};
use crate::Conn;
use crate::listing::{Listed, Page};

/// Which operations to list; all that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// None: of every project.
    pub project_id: Option<String>,
    pub resource_id: Option<String>,
    pub request_id: Option<String>,
    pub parent_id: Option<String>,
    /// Empty: any.
    pub kinds: Vec<String>,
    /// Empty: any.
    pub states: Vec<State>,
    /// The last change was at this time or later; at this time or earlier.
    pub changed_since: Option<Timestamp>,
    pub changed_before: Option<Timestamp>,
}

/// Newest first.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Operation>> {
    let mut query = Operation::query();
    if let Some(project) = &filter.project_id {
        let project = query.text(project);
        query.scope(format!("o.project_id = {project}"));
    }
    query.and_text("o.resource_id", filter.resource_id.as_deref());
    query.and_text("o.request_id", filter.request_id.as_deref());
    query.and_text("o.parent_id", filter.parent_id.as_deref());
    query.and_int("o.updated_at", ">=", filter.changed_since.map(|time| time.0));
    query.and_int("o.updated_at", "<=", filter.changed_before.map(|time| time.0));
    query.and_any("o.kind", &filter.kinds);
    let states: Vec<String> = filter.states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("o.state", &states);
    if !filter.states.is_empty() && !filter.states.iter().any(|state| state.ended()) {
        // Few are open: they have an index of their own.
        query.and("o.ended_at IS NULL");
    }
    query.page(conn, Operation::FIELDS, &[("created-at", true)], page, Operation::of_row).await
}
