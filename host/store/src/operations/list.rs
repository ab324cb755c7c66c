//! Operations in lists.

use skyloom_model::Result;

use super::{Operation, State};
use crate::Conn;
use crate::listing::{Condition, Listed, Page};

/// Which operations to list; all must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// None: of every project.
    pub project_id: Option<String>,
    /// Empty: any.
    pub states: Vec<State>,
    pub conditions: Vec<Condition>,
}

/// Newest first.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Operation>> {
    let mut query = Operation::query();
    if let Some(project) = &filter.project_id {
        let project = query.text(project);
        query.scope(format!("o.project_id = {project}"));
    }
    query.meet(conn.is_postgres(), Operation::FIELDS, &filter.conditions)?;
    let states: Vec<String> = filter.states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("o.state", &states);
    if !filter.states.is_empty() && !filter.states.iter().any(|state| state.ended()) {
        // Few are open: they have an index of their own.
        query.and("o.ended_at IS NULL");
    }
    query.page(conn, Operation::FIELDS, &[("created-at", true)], page, Operation::of_row).await
}
