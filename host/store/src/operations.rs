//! Durable operations: rows, and the reads that follow them. What a worker writes stands in `operations_log`.

mod list;
mod locks;

use skyloom_model::{Error, Result, Timestamp};

use crate::rows::{Word as _, rows, words};
use crate::statement::{delete_from, update};
use crate::{Conn, args, events};

pub use list::{Filter, list, seen};
pub use locks::{Holder, holder, lock, lock_new, release_locks_beside, take_over};

words! {
    State {
        Queued "queued",
        Running "running",
        Unwinding "unwinding",
        Succeeded "succeeded",
        Failed "failed",
        Cancelled "cancelled",
        Stuck "stuck",
    }
}

words! {
    /// The direction in which the steps are walked.
    Phase {
        Do "do",
        Undo "undo",
    }
}

words! {
    StepState {
        Begun "begun",
        Done "done",
        Failed "failed",
        Undone "undone",
    }
}

words! {
    /// What becomes of the resource when its creation fails.
    OnFailure {
        Keep "keep",
        Remove "remove",
    }
}

impl State {
    /// Nothing will happen to it any more.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

rows! {
    /// One operation as stored.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Operation in "operations" as "o" {
        id: String [sorts],
        kind: String [finds],
        /// The neutral action that was asked for.
        action: String,
        state: State,
        project_id: String [finds, owner],
        user_id: String [finds],
        request_id: String [finds],
        personality: String,
        resource_kind: String [finds],
        /// Empty for a parent.
        resource_id: String [finds],
        parent_id: Option<String> [finds],
        position: i64,
        /// JSON; its form is the saga's own.
        params: String,
        on_failure: OnFailure,
        /// The node whose platform the next step is for; empty: any process can do it.
        node: String,
        step: i64,
        phase: Phase,
        attempt: i64,
        runnable: bool,
        next_run_at: Timestamp,
        waits_for: Option<String>,
        lease_owner: String,
        lease_until: Timestamp,
        fence: i64,
        cancel: bool,
        progress: i64,
        /// The failure that ended it, or that makes it unwind, or that it is stuck with.
        error: Option<Error> as JsonOrNull,
        created_at: Timestamp [sorts, finds],
        started_at: Option<Timestamp>,
        ended_at: Option<Timestamp> [finds],
        updated_at: Timestamp [finds],
    }
}

rows! {
    /// One step as stored.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Step in "operation_steps" as "s" {
        operation_id: String,
        number: i64,
        name: String,
        state: StepState,
        error: Option<Error> as JsonOrNull,
        plugin_digest: Option<String>,
        started_at: Timestamp,
        ended_at: Option<Timestamp>,
    }
}

pub(crate) fn error_text(error: Option<&Error>) -> Result<Option<String>> {
    error.map(serde_json::to_string).transpose().map_err(Error::internal)
}

/// Writes a new operation, and the event that tells of it.
pub async fn insert(tx: &mut Conn, operation: &Operation) -> Result<()> {
    operation.insert()?.defer(tx).await?;
    events::of_operation(tx, operation, operation.state, operation.created_at).await
}

/// An operation of this kind that waits for the holder.
pub async fn waiting_for(conn: &mut Conn, holder_id: &str, kind: &str) -> Result<Option<String>> {
    conn.optional(
        "SELECT id FROM operations WHERE waits_for = $1 AND kind = $2 LIMIT 1",
        args![holder_id, kind],
        |row| row.text(0),
    )
    .await
}

/// Asks the operation to unwind. Gives false when it has ended meanwhile. One that a worker holds stays leased: its worker
/// looks for this by itself, and unwinds when the call that is under way has ended.
pub async fn cancel(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            update(
                "operations",
                "SET cancel = 1, updated_at = $2, next_run_at = CASE WHEN lease_owner = '' AND next_run_at > $2 \
                 THEN $2 ELSE next_run_at END WHERE id = $1 AND ended_at IS NULL",
            ),
            args![id, now],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Operation>> {
    conn.optional(Operation::select("WHERE o.id = $1"), args![id], Operation::of_row).await
}

/// The children of a parent, in the order in which they were asked for.
pub async fn children(conn: &mut Conn, parent_id: &str) -> Result<Vec<Operation>> {
    let sql = Operation::select("WHERE o.parent_id = $1 ORDER BY o.position, o.id");
    conn.all(sql, args![parent_id], Operation::of_row).await
}

/// The steps of one operation in order.
pub async fn steps(conn: &mut Conn, operation_id: &str) -> Result<Vec<Step>> {
    let sql = Step::select("WHERE s.operation_id = $1 ORDER BY s.number");
    conn.all(sql, args![operation_id], Step::of_row).await
}

/// The steps of a parent's children, by child, then in order.
pub async fn steps_of_children(conn: &mut Conn, parent_id: &str) -> Result<Vec<Step>> {
    let sql = Step::select(
        "JOIN operations o ON o.id = s.operation_id WHERE o.parent_id = $1 ORDER BY o.position, o.id, s.number",
    );
    conn.all(sql, args![parent_id], Step::of_row).await
}

/// Brings a parent up to its children: running once one of them began, ended when all ended. Several workers may end the last
/// children at once; the parent's row is taken first, so that one of them sees all.
pub async fn settle_parent(tx: &mut Conn, parent_id: &str, now: Timestamp) -> Result<()> {
    tx.execute(update("operations", "SET updated_at = $2 WHERE id = $1"), args![parent_id, now]).await?;
    let counts = tx
        .all(
            "SELECT state, count(*), CAST(coalesce(sum(progress), 0) AS BIGINT) FROM operations WHERE parent_id = $1 GROUP BY state",
            args![parent_id],
            |row| Ok((State::of_row(row.text_ref(0)?)?, row.int(1)?, row.int(2)?)),
        )
        .await?;
    let of = |wanted: &[State]| -> i64 {
        counts.iter().filter(|(state, ..)| wanted.contains(state)).map(|(_, count, _)| count).sum()
    };
    let all: i64 = counts.iter().map(|(_, count, _)| count).sum();
    let ended = of(&[State::Succeeded, State::Failed, State::Cancelled]);
    let progress = counts.iter().map(|(state, count, sum)| if state.ended() { count * 100 } else { *sum }).sum::<i64>();
    let state = match () {
        () if ended < all && of(&[State::Queued]) == all => State::Queued,
        () if ended < all => State::Running,
        () if of(&[State::Failed]) > 0 => State::Failed,
        () if of(&[State::Cancelled]) > 0 => State::Cancelled,
        () => State::Succeeded,
    };
    let error = if state == State::Failed { first_error(tx, parent_id).await? } else { None };
    let began = (state != State::Queued).then_some(now);
    tx.execute(
        update(
            "operations",
            "SET state = $2, progress = $3, error = $4, started_at = coalesce(started_at, $5), ended_at = $6 \
             WHERE id = $1",
        ),
        args![parent_id, state.as_str(), progress / all.max(1), &error, began, state.ended().then_some(now),],
    )
    .await?;
    Ok(())
}

async fn first_error(tx: &mut Conn, parent_id: &str) -> Result<Option<String>> {
    let found = tx
        .optional(
            "SELECT error FROM operations WHERE parent_id = $1 AND state = 'failed' ORDER BY position, id LIMIT 1",
            args![parent_id],
            |row| row.opt_text(0),
        )
        .await?;
    Ok(found.flatten())
}

/// How many of the operations that haven't ended stand in each state.
pub async fn count_open(conn: &mut Conn) -> Result<Vec<(State, i64)>> {
    conn.all("SELECT state, count(*) FROM operations WHERE ended_at IS NULL GROUP BY state", &[], |row| {
        Ok((State::of_row(row.text_ref(0)?)?, row.int(1)?))
    })
    .await
}

/// Removes operations that ended before the time, at most `limit` with their steps; a parent goes after its children. Gives the
/// number removed.
pub async fn remove_ended(tx: &mut Conn, before: Timestamp, limit: u32) -> Result<usize> {
    let ids = tx
        .all(
            "SELECT o.id FROM operations o WHERE o.ended_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM operations c WHERE c.parent_id = o.id) ORDER BY o.ended_at LIMIT $2",
            args![before, limit],
            |row| row.text(0),
        )
        .await?;
    for id in &ids {
        tx.execute(delete_from("operation_steps", "WHERE operation_id = $1"), args![id]).await?;
        tx.execute(delete_from("operations", "WHERE id = $1"), args![id]).await?;
    }
    Ok(ids.len())
}
