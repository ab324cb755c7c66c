//! What a worker writes about operations: leases and the step log. Every write of a worker names the fence of its lease and
//! changes nothing when another worker has leased the operation since.

use skyloom_model::{Error, Result, Timestamp};

use crate::Conn;
use crate::args;
use crate::events;
use crate::operations::{self, Operation, Phase, State, StepState, error_text};
use crate::statement::{delete_from, insert_into, reading, update};

/// Lease of a single owner: it needs no end, because the owner's next start takes everything back.
pub const FOREVER: Timestamp = Timestamp(i64::MAX);

/// The runnable operations that are due, the longest waiting first. On PostgreSQL their rows are held by this transaction, and
/// rows that another process holds are left out. `nodes`: only those that a process with these nodes can do; none: all.
pub async fn due(tx: &mut Conn, now: Timestamp, limit: u32, nodes: Option<&[String]>) -> Result<Vec<Operation>> {
    let lock = if tx.is_postgres() { " FOR UPDATE OF o SKIP LOCKED" } else { "" };
    let within = within_reach(3, nodes);
    let sql = Operation::select(&format!(
        "WHERE o.runnable = 1 AND o.next_run_at <= $1{within} ORDER BY o.next_run_at LIMIT $2{lock}"
    ));
    let mut values: Vec<crate::Value<'_>> = vec![now.into(), limit.into()];
    values.extend(nodes.unwrap_or_default().iter().map(crate::Value::from));
    tx.all(sql, &values, Operation::of_row).await
}

/// When the next operation is due that nobody holds; `FOREVER` when there is none. `nodes` as for [`due`].
pub async fn next_due(conn: &mut Conn, nodes: Option<&[String]>) -> Result<Timestamp> {
    let within = within_reach(1, nodes);
    let sql =
        format!("SELECT o.next_run_at FROM operations o WHERE o.runnable = 1{within} ORDER BY o.next_run_at LIMIT 1");
    let values: Vec<crate::Value<'_>> = nodes.unwrap_or_default().iter().map(crate::Value::from).collect();
    Ok(conn.optional(sql, &values, |row| row.time(0)).await?.unwrap_or(FOREVER))
}

/// The end of a condition on operations `o`: one whose next step is for another node is another process's. The nodes are the
/// parameters from `first` on.
fn within_reach(first: usize, nodes: Option<&[String]>) -> String {
    let Some(nodes) = nodes else { return String::new() };
    format!(" AND o.node IN ('', {})", crate::dialect::placeholders(first, nodes.len()))
}

/// Leases an operation that `due` gave in this transaction, which holds it; changes it to what is then stored.
pub async fn lease(
    tx: &mut Conn,
    operation: &mut Operation,
    owner: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let state = if operation.state == State::Queued { State::Running } else { operation.state };
    tx.defer(
        update(
            "operations",
            "SET lease_owner = $2, lease_until = $3, next_run_at = $3, fence = fence + 1, state = $4, \
             started_at = coalesce(started_at, $5), updated_at = $5 WHERE id = $1",
        ),
        args![&operation.id, owner, until, state.as_str(), now],
    )
    .await?;
    owner.clone_into(&mut operation.lease_owner);
    operation.lease_until = until;
    operation.fence += 1;
    operation.state = state;
    operation.started_at.get_or_insert(now);
    Ok(())
}

/// Prolongs the owner's leases of these operations, which it has in hand; gives their number. Another one that the database
/// holds in its name, as after a lease whose answer was lost, runs out. A row that is being written is left for the next time:
/// waiting for it, this and the log's writer could wait for each other.
pub async fn heartbeat(tx: &mut Conn, owner: &str, ids: &[String], until: Timestamp) -> Result<u64> {
    let list = crate::dialect::placeholders(3, ids.len());
    let free = crate::dialect::for_update_skip_locked(tx.is_postgres());
    let mut values: Vec<crate::Value<'_>> = vec![owner.into(), until.into()];
    values.extend(ids.iter().map(crate::Value::from));
    let sql = update(
        "operations",
        &format!(
            "SET lease_until = $2, next_run_at = $2 WHERE id IN (SELECT o.id FROM operations o \
             WHERE o.lease_owner = $1 AND o.runnable = 1 AND o.id IN ({list}){free})"
        ),
    );
    tx.execute(sql, &values).await
}

/// Takes back every lease at once: only for the single owner of a database, at its start. Gives their number.
pub async fn reclaim_all(tx: &mut Conn, now: Timestamp) -> Result<u64> {
    tx.execute(
        update(
            "operations",
            "SET lease_owner = '', lease_until = 0, next_run_at = $1 WHERE runnable = 1 AND lease_owner <> ''",
        ),
        args![now],
    )
    .await
}

/// Gives back the lease of an operation of which its worker no longer knows how it stands. A later lease stays.
pub async fn give_back(tx: &mut Conn, lease: Lease<'_>, now: Timestamp) -> Result<()> {
    tx.execute(
        update(
            "operations",
            "SET lease_owner = '', lease_until = 0, next_run_at = $3 WHERE id = $1 AND fence = $2 \
             AND lease_owner <> '' AND runnable = 1",
        ),
        args![lease.id, lease.fence, now],
    )
    .await?;
    Ok(())
}

/// Those of the owner's operations that are asked to unwind.
pub async fn cancelled(conn: &mut Conn, owner: &str) -> Result<Vec<String>> {
    conn.all("SELECT id FROM operations WHERE lease_owner = $1 AND cancel = 1 AND runnable = 1", args![owner], |row| {
        row.text(0)
    })
    .await
}

/// Where an operation stands after a write.
#[derive(Clone, Copy, Debug)]
pub struct Position<'a> {
    pub state: State,
    pub phase: Phase,
    pub step: i64,
    /// Failed attempts of this step in this phase.
    pub attempt: i64,
    /// 0 to 100.
    pub progress: i64,
    pub error: Option<&'a Error>,
}

/// A lease: the operation and the fence that the worker got with it.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    pub id: &'a str,
    pub fence: i64,
}

/// Moves the operation on. None: the lease is lost; else whether it is asked to unwind.
pub async fn advance(tx: &mut Conn, lease: Lease<'_>, position: Position<'_>, now: Timestamp) -> Result<Option<bool>> {
    let error = error_text(position.error)?;
    let change = "SET state = $3, phase = $4, step = $5, attempt = $6, progress = $7, error = $8, updated_at = $9 \
                  WHERE id = $1 AND fence = $2 AND runnable = 1 RETURNING cancel";
    tx.optional(
        update("operations", change),
        args![
            lease.id,
            lease.fence,
            position.state.as_str(),
            position.phase.as_str(),
            position.step,
            position.attempt,
            position.progress,
            &error,
            now,
        ],
        |row| row.flag(0),
    )
    .await
}

/// Gives the operation back until `at`, where the worker stands in it now. False: the lease is lost.
pub async fn pause(tx: &mut Conn, lease: Lease<'_>, attempt: i64, at: Timestamp, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            update(
                "operations",
                "SET lease_owner = '', lease_until = 0, next_run_at = $4, attempt = $3, updated_at = $5 \
                 WHERE id = $1 AND fence = $2 AND runnable = 1",
            ),
            args![lease.id, lease.fence, attempt, at, now],
        )
        .await?;
    Ok(changed == 1)
}

/// Gives the operation to the processes that drive the node. False: the lease is lost.
pub async fn pass_on(tx: &mut Conn, lease: Lease<'_>, node: &str, now: Timestamp) -> Result<bool> {
    let to = "SET lease_owner = '', lease_until = 0, next_run_at = $4, node = $3, updated_at = $4 \
              WHERE id = $1 AND fence = $2 AND runnable = 1";
    Ok(tx.execute(update("operations", to), args![lease.id, lease.fence, node, now]).await? == 1)
}

/// Takes the operation out of the workers' hands: it needs the operator. Its locks stay. The error stands in its step; what
/// made it unwind, if it was unwinding, is kept.
pub async fn stick(tx: &mut Conn, lease: Lease<'_>, step: i64, error: &Error, now: Timestamp) -> Result<bool> {
    let text = error_text(Some(error))?;
    let change = "SET state = 'stuck', runnable = 0, lease_owner = '', lease_until = 0, \
                  error = CASE WHEN phase = 'do' THEN $3 ELSE error END, updated_at = $4 \
                  WHERE id = $1 AND fence = $2 AND runnable = 1";
    let changed = tx.execute(update("operations", change), args![lease.id, lease.fence, &text, now]).await?;
    if changed == 0 {
        return Ok(false);
    }
    note_error(tx, lease.id, step, error).await?;
    Ok(true)
}

/// The operator's word: a stuck operation goes on where it stood, with all its attempts. False: it isn't stuck.
pub async fn retry(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            update(
                "operations",
                "SET state = CASE WHEN phase = 'undo' THEN 'unwinding' ELSE 'running' END, runnable = 1, \
                 attempt = 0, error = CASE WHEN phase = 'undo' THEN error END, next_run_at = $2, updated_at = $2 \
                 WHERE id = $1 AND state = 'stuck'",
            ),
            args![id, now],
        )
        .await?;
    Ok(changed == 1)
}

/// Ends the operation: gives its locks to the operation that waits for it, or frees them. None: the lease is lost; else
/// whether another operation was waiting.
pub async fn end(
    tx: &mut Conn,
    lease: Lease<'_>,
    state: State,
    error: Option<&Error>,
    now: Timestamp,
) -> Result<Option<bool>> {
    let error = error_text(error)?;
    let change = "SET state = $3, runnable = 0, lease_owner = '', lease_until = 0, progress = 100, error = $4, ended_at = $5, \
                  updated_at = $5 WHERE id = $1 AND fence = $2 AND runnable = 1 RETURNING cancel";
    let cancel = tx
        .optional(update("operations", change), args![lease.id, lease.fence, state.as_str(), &error, now], |row| {
            row.flag(0)
        })
        .await?;
    let Some(cancel) = cancel else { return Ok(None) };
    // Who waits has set `cancel` in the same transaction.
    if cancel && hand_over(tx, lease.id, now).await? {
        return Ok(Some(true));
    }
    tx.defer(delete_from("operation_locks", "WHERE operation_id = $1"), args![lease.id]).await?;
    Ok(Some(false))
}

/// Ends a stuck operation over which another one goes, which then has the resource: whoever takes a resource away needs nobody to
/// mend it first. False: it isn't stuck, or nobody waits.
pub async fn give_way(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let ends = "SET state = 'failed', ended_at = $2, updated_at = $2 WHERE id = $1 AND state = 'stuck' \
                AND EXISTS (SELECT 1 FROM operations w WHERE w.waits_for = $1) RETURNING parent_id";
    let Some(parent) = tx.optional(update("operations", ends), args![id, now], |row| row.opt_text(0)).await? else {
        return Ok(false);
    };
    if let Some(parent) = parent {
        operations::settle_parent(tx, &parent, now).await?;
    }
    events::of_stored(tx, id, State::Failed, now).await?;
    hand_over(tx, id, now).await
}

async fn hand_over(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let waiting = tx
        .optional(
            reading(&["operations"], "SELECT id FROM operations WHERE waits_for = $1 ORDER BY created_at, id LIMIT 1"),
            args![id],
            |row| row.text(0),
        )
        .await?;
    let Some(waiting) = waiting else { return Ok(false) };
    tx.defer(update("operation_locks", "SET operation_id = $2 WHERE operation_id = $1"), args![id, &waiting]).await?;
    tx.defer(
        update("operations", "SET waits_for = NULL, runnable = 1, next_run_at = $2 WHERE id = $1"),
        args![&waiting, now],
    )
    .await?;
    tx.defer(update("operations", "SET waits_for = $2 WHERE waits_for = $1"), args![id, &waiting]).await?;
    Ok(true)
}

/// Begins a step; one that is begun already stays as it is.
pub async fn begin_step(tx: &mut Conn, operation_id: &str, number: i64, name: &str, now: Timestamp) -> Result<()> {
    tx.defer_apart(
        insert_into(
            "operation_steps",
            "(operation_id, number, name, state, started_at) VALUES ($1, $2, $3, 'begun', $4)",
        )
        .on_conflict("(operation_id, number) DO NOTHING"),
        args![operation_id, number, name, now],
    )
    .await
}

/// What became of a step.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    pub state: StepState,
    /// Kept where it is none.
    pub error: Option<&'a Error>,
    /// Of the driver component that did it.
    pub digest: Option<&'a str>,
}

pub async fn end_step(
    tx: &mut Conn,
    operation_id: &str,
    number: i64,
    ending: Ending<'_>,
    now: Timestamp,
) -> Result<()> {
    let error = error_text(ending.error)?;
    tx.defer(
        update(
            "operation_steps",
            "SET state = $3, error = CASE WHEN $3 = 'done' THEN NULL ELSE \
             coalesce($4, error) END, plugin_digest = coalesce($5, plugin_digest), \
             ended_at = coalesce(ended_at, $6) WHERE operation_id = $1 AND number = $2",
        ),
        args![operation_id, number, ending.state.as_str(), &error, ending.digest, now],
    )
    .await?;
    Ok(())
}

/// Keeps the last failure of a step that is tried again.
pub async fn note_error(tx: &mut Conn, operation_id: &str, number: i64, error: &Error) -> Result<()> {
    let error = error_text(Some(error))?;
    tx.defer(
        update("operation_steps", "SET error = $3 WHERE operation_id = $1 AND number = $2"),
        args![operation_id, number, &error],
    )
    .await?;
    Ok(())
}

/// When the step was begun.
pub async fn step_began(conn: &mut Conn, operation_id: &str, number: i64) -> Result<Option<Timestamp>> {
    conn.optional(
        reading(&["operation_steps"], "SELECT started_at FROM operation_steps WHERE operation_id = $1 AND number = $2"),
        args![operation_id, number],
        |row| row.time(0),
    )
    .await
}
