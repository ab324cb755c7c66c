//! What was changed, by whom, and how it ended. A row is written in the transaction of its change.

use skyloom_model::{Result, Timestamp, new_id};

use crate::listing::{Listed, Page};
use crate::operations::{Operation, State};
use crate::rows::{rows, words};
use crate::statement::{delete_from, insert_into};
use crate::{Conn, args};

words! {
    /// How the operation stands that makes the change.
    Outcome {
        /// The call alone made the change.
        Call "",
        Accepted "accepted",
        Succeeded "succeeded",
        Failed "failed",
        Cancelled "cancelled",
        Stuck "stuck",
    }
}

impl Outcome {
    /// Of an operation in this state.
    fn of(state: State) -> Self {
        match state {
            State::Queued | State::Running | State::Unwinding => Self::Accepted,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
            State::Stuck => Self::Stuck,
        }
    }
}

rows! {
    /// One event as stored.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Event in "events" as "e" {
        id: String [sorts],
        at: Timestamp [sorts],
        /// Empty: the resource belongs to no project.
        project_id: String,
        /// Empty: it belongs to the whole cloud.
        domain_id: String,
        /// Who asked; empty: nobody, it was due.
        user_id: String,
        resource_kind: String,
        resource_id: String,
        /// The neutral action, or a plugin's own.
        action: String,
        request_id: String,
        /// Empty: the call alone made the change.
        operation_id: String,
        outcome: Outcome,
    }
}

impl Event {
    /// Of the operation as it stands in this state.
    fn of_operation(operation: &Operation, state: State, at: Timestamp) -> Self {
        Self {
            id: new_id(),
            at,
            project_id: operation.project_id.clone(),
            domain_id: String::new(),
            user_id: operation.user_id.clone(),
            resource_kind: operation.resource_kind.clone(),
            resource_id: operation.resource_id.clone(),
            action: operation.action.clone(),
            request_id: operation.request_id.clone(),
            operation_id: operation.id.clone(),
            outcome: Outcome::of(state),
        }
    }
}

const COLUMNS: &str = "(id, at, project_id, domain_id, user_id, resource_kind, resource_id, action, request_id, \
                       operation_id, outcome)";

/// Writes the event together with the next statement. The domain is that of the project; what belongs to none, or to one that goes,
/// says its domain.
pub async fn insert(tx: &mut Conn, event: &Event) -> Result<()> {
    let row = format!(
        "{COLUMNS} VALUES ($1, $2, $3, coalesce((SELECT domain_id FROM projects WHERE id = $3), $4), $5, $6, $7, $8, $9, $10, $11)"
    );
    let values = args![
        &event.id,
        event.at,
        &event.project_id,
        &event.domain_id,
        &event.user_id,
        &event.resource_kind,
        &event.resource_id,
        &event.action,
        &event.request_id,
        &event.operation_id,
        event.outcome.as_str(),
    ];
    tx.defer(insert_into("events", &row).looking_up(&["projects"]), values).await
}

/// Tells that the operation is in this state now. A parent has no resource: its children tell.
pub async fn of_operation(tx: &mut Conn, operation: &Operation, state: State, at: Timestamp) -> Result<()> {
    if operation.resource_id.is_empty() {
        return Ok(());
    }
    insert(tx, &Event::of_operation(operation, state, at)).await
}

/// As [`of_operation`], of one that isn't in hand.
pub(crate) async fn of_stored(tx: &mut Conn, operation_id: &str, state: State, at: Timestamp) -> Result<()> {
    let rows = format!(
        "{COLUMNS} SELECT $2, $3, project_id, domain_id, user_id, resource_kind, resource_id, action, request_id, id, $4 \
         FROM operations WHERE id = $1"
    );
    let id = new_id();
    let values = args![operation_id, &id, at, Outcome::of(state).as_str()];
    tx.defer(insert_into("events", &rows).reading(&["operations"]), values).await
}

/// Which events to list; all must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub project_id: Option<String>,
    pub resource_id: Option<String>,
    /// From this time on.
    pub since: Option<Timestamp>,
}

/// Newest first.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Event>> {
    let mut query = Event::query();
    query.and_text("e.project_id", filter.project_id.as_deref());
    query.and_text("e.resource_id", filter.resource_id.as_deref());
    query.and_int("e.at", ">=", filter.since.map(|since| since.0));
    query.page(conn, Event::FIELDS, &[("at", true)], page, Event::of_row).await
}

/// Forgets events that are older than this, at most `limit`; gives how many.
pub async fn sweep(tx: &mut Conn, before: Timestamp, limit: u32) -> Result<u64> {
    let old = "WHERE id IN (SELECT e.id FROM events e WHERE e.at < $1 ORDER BY e.at, e.id LIMIT $2)";
    tx.execute(delete_from("events", old), args![before, limit]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::a_project;
    use crate::testing::databases;

    fn event(id: &str, at: i64, project: &str, resource: &str) -> Event {
        Event {
            id: id.to_owned(),
            at: Timestamp(at),
            project_id: project.to_owned(),
            domain_id: String::new(),
            user_id: "u".to_owned(),
            resource_kind: "server".to_owned(),
            resource_id: resource.to_owned(),
            action: "servers:start".to_owned(),
            request_id: "req-1".to_owned(),
            operation_id: "o".to_owned(),
            outcome: Outcome::Accepted,
        }
    }

    async fn listed(conn: &mut Conn, filter: &Filter, page: &Page) -> (Vec<String>, Option<String>) {
        let listed = list(conn, filter, page).await.unwrap();
        (listed.items.into_iter().map(|event| event.id).collect(), listed.next)
    }

    #[tokio::test]
    async fn events_are_listed_newest_first_page_by_page_and_forgotten_oldest_first() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            for (id, at, project, resource) in
                [("a", 1, "p", "s"), ("b", 2, "q", "s"), ("c", 3, "p", "t"), ("d", 3, "p", "s")]
            {
                insert(&mut tx, &event(id, at, project, resource)).await.unwrap();
            }
            let all = Filter::default();
            let first = Page { limit: 3, ..Page::default() };
            let (ids, next) = listed(&mut tx, &all, &first).await;
            assert_eq!((ids.join(" "), next.as_deref()), ("d c b".to_owned(), Some("b")), "{}", database.name);
            let (ids, next) = listed(&mut tx, &all, &Page { marker: next, ..first }).await;
            assert_eq!((ids.join(" "), next), ("a".to_owned(), None), "{}", database.name);
            let of_project = Filter { project_id: Some("p".to_owned()), since: Some(Timestamp(2)), ..all.clone() };
            assert_eq!(listed(&mut tx, &of_project, &Page::default()).await.0, ["d", "c"], "{}", database.name);
            let of_resource = Filter { resource_id: Some("t".to_owned()), ..all.clone() };
            assert_eq!(listed(&mut tx, &of_resource, &Page::default()).await.0, ["c"], "{}", database.name);
            assert_eq!(sweep(&mut tx, Timestamp(3), 1).await.unwrap(), 1, "{}", database.name);
            assert_eq!(listed(&mut tx, &all, &Page::default()).await.0, ["d", "c", "b"], "{}", database.name);
            assert_eq!(sweep(&mut tx, Timestamp(3), 9).await.unwrap(), 1, "{}", database.name);
            assert_eq!(listed(&mut tx, &all, &Page::default()).await.0, ["d", "c"], "{}", database.name);
        }
    }

    #[tokio::test]
    async fn the_domain_of_an_event_is_its_projects_or_the_one_that_it_says() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            a_project(&mut tx, "d", "p").await;
            insert(&mut tx, &event("a", 1, "p", "s")).await.unwrap();
            let gone = Event { domain_id: "of-old".to_owned(), ..event("b", 2, "gone", "s") };
            insert(&mut tx, &gone).await.unwrap();
            let found = list(&mut tx, &Filter::default(), &Page::default()).await.unwrap().items;
            let expected = Event { domain_id: "d".to_owned(), ..event("a", 1, "p", "s") };
            assert_eq!(found, [gone, expected], "{}", database.name);
        }
    }
}
