//! Durable operations: rows, and the reads that follow them. What a worker writes stands in `operations_log`.

mod list;
mod locks;

use skyloom_model::{Error, Result, Timestamp};

use crate::args;
use crate::{Conn, Row};

pub use list::{Filter, list};
pub use locks::{Holder, holder, lock, lock_new, take_over};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// The word that the store holds.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            fn of_row(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err(Error::internal(format!("{text:?} is no {}", stringify!($name)))),
                }
            }
        }
    };
}

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

/// One operation as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub id: String,
    pub kind: String,
    pub state: State,
    pub project_id: String,
    pub user_id: String,
    pub request_id: String,
    pub personality: String,
    pub resource_kind: String,
    /// Empty for a parent.
    pub resource_id: String,
    pub parent_id: Option<String>,
    pub position: i64,
    /// JSON; its form is the saga's own.
    pub params: String,
    pub on_failure: OnFailure,
    pub step: i64,
    pub phase: Phase,
    pub attempt: i64,
    pub runnable: bool,
    pub next_run_at: Timestamp,
    pub waits_for: Option<String>,
    pub lease_owner: String,
    pub lease_until: Timestamp,
    pub fence: i64,
    pub cancel: bool,
    pub progress: i64,
    /// The failure that ended it, or that makes it unwind, or that it is stuck with.
    pub error: Option<Error>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// One step as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub operation_id: String,
    pub number: i64,
    pub name: String,
    pub state: StepState,
    pub error: Option<Error>,
    pub plugin_digest: Option<String>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

pub(crate) const COLUMNS: &str = "o.id, o.kind, o.state, o.project_id, o.user_id, o.request_id, o.personality, o.resource_kind, \
    o.resource_id, o.parent_id, o.position, o.params, o.on_failure, o.step, o.phase, o.attempt, o.runnable, o.next_run_at, \
    o.waits_for, o.lease_owner, o.lease_until, o.fence, o.cancel, o.progress, o.error, o.created_at, o.started_at, \
    o.ended_at, o.updated_at";

fn error_of(text: Option<String>) -> Result<Option<Error>> {
    text.map(|text| serde_json::from_str(&text).map_err(|error| Error::internal(format!("a stored error: {error}"))))
        .transpose()
}

pub(crate) fn error_text(error: Option<&Error>) -> Result<Option<String>> {
    error.map(serde_json::to_string).transpose().map_err(Error::internal)
}

pub(crate) fn of_row(row: Row<'_>) -> Result<Operation> {
    Ok(Operation {
        id: row.text(0)?,
        kind: row.text(1)?,
        state: State::of_row(row.text_ref(2)?)?,
        project_id: row.text(3)?,
        user_id: row.text(4)?,
        request_id: row.text(5)?,
        personality: row.text(6)?,
        resource_kind: row.text(7)?,
        resource_id: row.text(8)?,
        parent_id: row.opt_text(9)?,
        position: row.int(10)?,
        params: row.text(11)?,
        on_failure: OnFailure::of_row(row.text_ref(12)?)?,
        step: row.int(13)?,
        phase: Phase::of_row(row.text_ref(14)?)?,
        attempt: row.int(15)?,
        runnable: row.flag(16)?,
        next_run_at: row.time(17)?,
        waits_for: row.opt_text(18)?,
        lease_owner: row.text(19)?,
        lease_until: row.time(20)?,
        fence: row.int(21)?,
        cancel: row.flag(22)?,
        progress: row.int(23)?,
        error: error_of(row.opt_text(24)?)?,
        created_at: row.time(25)?,
        started_at: row.opt_time(26)?,
        ended_at: row.opt_time(27)?,
        updated_at: row.time(28)?,
    })
}

/// Writes a new operation.
pub async fn insert(tx: &mut Conn, operation: &Operation) -> Result<()> {
    let error = error_text(operation.error.as_ref())?;
    tx.defer(
        "INSERT INTO operations (id, kind, state, project_id, user_id, request_id, personality, resource_kind, resource_id, \
         parent_id, position, params, on_failure, step, phase, attempt, runnable, next_run_at, waits_for, lease_owner, \
         lease_until, fence, cancel, progress, error, created_at, started_at, ended_at, updated_at) VALUES ($1, $2, $3, $4, \
         $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, \
         $29)",
        args![
            &operation.id,
            &operation.kind,
            operation.state.as_str(),
            &operation.project_id,
            &operation.user_id,
            &operation.request_id,
            &operation.personality,
            &operation.resource_kind,
            &operation.resource_id,
            &operation.parent_id,
            operation.position,
            &operation.params,
            operation.on_failure.as_str(),
            operation.step,
            operation.phase.as_str(),
            operation.attempt,
            operation.runnable,
            operation.next_run_at,
            &operation.waits_for,
            &operation.lease_owner,
            operation.lease_until,
            operation.fence,
            operation.cancel,
            operation.progress,
            &error,
            operation.created_at,
            operation.started_at,
            operation.ended_at,
            operation.updated_at,
        ],
    )
    .await
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
            "UPDATE operations SET cancel = 1, updated_at = $2, next_run_at = CASE WHEN lease_owner = '' AND next_run_at > $2 \
             THEN $2 ELSE next_run_at END WHERE id = $1 AND ended_at IS NULL",
            args![id, now],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Operation>> {
    conn.optional(format!("SELECT {COLUMNS} FROM operations o WHERE o.id = $1"), args![id], of_row).await
}

/// The children of a parent, in the order in which they were asked for.
pub async fn children(conn: &mut Conn, parent_id: &str) -> Result<Vec<Operation>> {
    let sql = format!("SELECT {COLUMNS} FROM operations o WHERE o.parent_id = $1 ORDER BY o.position, o.id");
    conn.all(sql, args![parent_id], of_row).await
}

/// The steps of one operation in order.
pub async fn steps(conn: &mut Conn, operation_id: &str) -> Result<Vec<Step>> {
    conn.all(
        "SELECT operation_id, number, name, state, error, plugin_digest, started_at, ended_at FROM operation_steps \
         WHERE operation_id = $1 ORDER BY number",
        args![operation_id],
        step_of_row,
    )
    .await
}

/// The steps of a parent's children, by child, then in order.
pub async fn steps_of_children(conn: &mut Conn, parent_id: &str) -> Result<Vec<Step>> {
    conn.all(
        "SELECT s.operation_id, s.number, s.name, s.state, s.error, s.plugin_digest, s.started_at, s.ended_at \
         FROM operations o JOIN operation_steps s ON s.operation_id = o.id WHERE o.parent_id = $1 \
         ORDER BY o.position, o.id, s.number",
        args![parent_id],
        step_of_row,
    )
    .await
}

fn step_of_row(row: Row<'_>) -> Result<Step> {
    Ok(Step {
        operation_id: row.text(0)?,
        number: row.int(1)?,
        name: row.text(2)?,
        state: StepState::of_row(row.text_ref(3)?)?,
        error: error_of(row.opt_text(4)?)?,
        plugin_digest: row.opt_text(5)?,
        started_at: row.time(6)?,
        ended_at: row.opt_time(7)?,
    })
}

/// Brings a parent up to its children: running once one of them began, ended when all ended. Several workers may end the last
/// children at once; the parent's row is taken first, so that one of them sees all.
pub async fn settle_parent(tx: &mut Conn, parent_id: &str, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE operations SET updated_at = $2 WHERE id = $1", args![parent_id, now]).await?;
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
        "UPDATE operations SET state = $2, progress = $3, error = $4, started_at = coalesce(started_at, $5), ended_at = $6 \
         WHERE id = $1",
        args![
            parent_id,
            state.as_str(),
            progress / all.max(1),
            &error,
            began,
            state.ended().then_some(now),
        ],
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
        tx.execute("DELETE FROM operation_steps WHERE operation_id = $1", args![id]).await?;
        tx.execute("DELETE FROM operations WHERE id = $1", args![id]).await?;
    }
    Ok(ids.len())
}
