//! Operations in lists.

use skyloom_model::{Reach, Result};

use super::{Operation, State};
use crate::Conn;
use crate::listing::{Condition, Listed, Page};

/// Which operations to list; all must hold.
#[derive(Clone, Debug)]
pub struct Filter {
    pub reach: Reach,
    /// Empty: any.
    pub states: Vec<State>,
    pub conditions: Vec<Condition>,
}

impl Filter {
    /// Those of every project.
    #[must_use]
    pub fn all() -> Self {
        Self { reach: Reach::All, states: Vec::new(), conditions: Vec::new() }
    }
}

/// One that a caller of this reach sees.
pub async fn seen(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Operation>> {
    let mut query = Operation::query();
    query.within(conn.is_postgres(), &[Operation::OWNER], reach, None);
    query.of_id(conn, id, Operation::of_row).await
}

/// Newest first.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Operation>> {
    let mut query = Operation::query();
    query.within(conn.is_postgres(), &[Operation::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Operation::FIELDS, &filter.conditions)?;
    let states: Vec<String> = filter.states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("o.state", &states);
    if !filter.states.is_empty() && !filter.states.iter().any(|state| state.ended()) {
        // Few are open: they have an index of their own.
        query.and("o.ended_at IS NULL");
    }
    query.page(conn, Operation::FIELDS, &[("created-at", true)], page, Operation::of_row).await
}
