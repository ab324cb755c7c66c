//! Operations in lists.

use skyloom_model::{Error, Result, Timestamp};

use super::{COLUMNS, Operation, State, of_row};
use crate::Conn;
use crate::args;

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
    pub changed_since: Option<Timestamp>,
    pub changed_before: Option<Timestamp>,
}

/// Newest first, those after the operation `marker`, at most `limit`. A marker that isn't there is `invalid`.
pub async fn list(conn: &mut Conn, filter: &Filter, marker: Option<&str>, limit: u32) -> Result<Vec<Operation>> {
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Vec<crate::Value<'_>> = Vec::new();
    let texts = [
        ("project_id", &filter.project_id),
        ("resource_id", &filter.resource_id),
        ("request_id", &filter.request_id),
        ("parent_id", &filter.parent_id),
    ];
    for (column, value) in texts {
        if let Some(value) = value {
            values.push(value.into());
            conditions.push(format!("o.{column} = ${}", values.len()));
        }
    }
    for (comparison, time) in [(">=", filter.changed_since), ("<", filter.changed_before)] {
        if let Some(time) = time {
            values.push(time.into());
            conditions.push(format!("o.updated_at {comparison} ${}", values.len()));
        }
    }
    let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let kinds: Vec<&str> = filter.kinds.iter().map(String::as_str).collect();
    for (column, words) in [("state", states), ("kind", kinds)] {
        if !words.is_empty() {
            let from = values.len() + 1;
            values.extend(words.into_iter().map(crate::Value::from));
            let places: Vec<String> = (from..=values.len()).map(|place| format!("${place}")).collect();
            conditions.push(format!("o.{column} IN ({})", places.join(", ")));
        }
    }
    if !filter.states.is_empty() && !filter.states.iter().any(|state| state.ended()) {
        // Few are open: they have an index of their own.
        conditions.push("o.ended_at IS NULL".to_owned());
    }
    let after = match marker {
        Some(id) => Some((created_at(conn, id).await?, id)),
        None => None,
    };
    if let Some((created_at, id)) = after {
        values.push(created_at.into());
        values.push(id.into());
        let (time, id) = (values.len() - 1, values.len());
        conditions.push(format!("(o.created_at < ${time} OR (o.created_at = ${time} AND o.id < ${id}))"));
    }
    let condition = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    values.push(limit.into());
    let place = values.len();
    let sql =
        format!("SELECT {COLUMNS} FROM operations o {condition} ORDER BY o.created_at DESC, o.id DESC LIMIT ${place}");
    conn.all(sql, &values, of_row).await
}

async fn created_at(conn: &mut Conn, id: &str) -> Result<Timestamp> {
    conn.optional("SELECT created_at FROM operations WHERE id = $1", args![id], |row| row.time(0))
        .await?
        .ok_or_else(|| Error::invalid("marker", format!("There is no operation {id} to begin after.")))
}
