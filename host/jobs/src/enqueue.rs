//! What a request's transaction writes.

use skyloom_model::{Error, Result, Timestamp, new_id};
use skyloom_store::Conn;
use skyloom_store::operations::{self as store, OnFailure, Operation, Phase, State};
use skyloom_store::operations_log as log;

/// An operation to be written together with the change that it begins.
#[derive(Clone, Debug)]
pub struct NewOperation {
    /// Minted by the caller, so that it can lock the resource first; see [`NewOperation::new`].
    pub id: String,
    /// The saga's kind, e.g. `server.create`; for a parent `batch.` before it.
    pub kind: String,
    /// The neutral action that was asked for, e.g. `servers:create`.
    pub action: String,
    pub project_id: String,
    pub user_id: String,
    pub request_id: String,
    /// Id of the personality through which it was asked for.
    pub personality: String,
    pub resource_kind: String,
    /// Empty for a parent.
    pub resource_id: String,
    pub parent_id: Option<String>,
    /// Place among the parent's children.
    pub position: u32,
    /// What the saga needs to know beside the resource's own record.
    pub params: serde_json::Value,
    pub on_failure: OnFailure,
    /// The node whose platform the first step is for; empty: none, or it isn't known yet.
    pub node: String,
    pub now: Timestamp,
}

impl NewOperation {
    /// An operation on one resource, with an id of its own; the other fields are filled in by the caller.
    #[must_use]
    pub fn new(kind: impl Into<String>, resource_kind: impl Into<String>, resource_id: impl Into<String>) -> Self {
        Self {
            id: new_id(),
            kind: kind.into(),
            action: String::new(),
            project_id: String::new(),
            user_id: String::new(),
            request_id: String::new(),
            personality: String::new(),
            resource_kind: resource_kind.into(),
            resource_id: resource_id.into(),
            parent_id: None,
            position: 0,
            params: serde_json::Value::Object(serde_json::Map::new()),
            on_failure: OnFailure::Keep,
            node: String::new(),
            now: Timestamp::now(),
        }
    }

    /// A parent: it has no work of its own and ends when its children have ended.
    #[must_use]
    pub fn parent(kind: impl Into<String>, resource_kind: impl Into<String>) -> Self {
        Self::new(kind, resource_kind, "")
    }

    fn is_parent(&self) -> bool {
        self.resource_id.is_empty()
    }

    fn into_row(self) -> Operation {
        let runnable = !self.is_parent();
        Operation {
            id: self.id,
            kind: self.kind,
            action: self.action,
            state: State::Queued,
            project_id: self.project_id,
            user_id: self.user_id,
            request_id: self.request_id,
            personality: self.personality,
            resource_kind: self.resource_kind,
            resource_id: self.resource_id,
            parent_id: self.parent_id,
            position: i64::from(self.position),
            params: self.params.to_string(),
            on_failure: self.on_failure,
            node: self.node,
            step: 0,
            phase: Phase::Do,
            attempt: 0,
            runnable,
            next_run_at: self.now,
            waits_for: None,
            lease_owner: String::new(),
            lease_until: Timestamp(0),
            fence: 0,
            cancel: false,
            progress: 0,
            error: None,
            created_at: self.now,
            started_at: None,
            ended_at: None,
            updated_at: self.now,
        }
    }
}

/// Writes an operation; gives its id. Locks nothing, see [`lock_resource`]. After the commit call `Engine::wake`.
pub async fn enqueue(tx: &mut Conn, operation: NewOperation) -> Result<String> {
    let row = operation.into_row();
    store::insert(tx, &row).await?;
    Ok(row.id)
}

/// Writes an operation that has failed already: the part of a batch whose resource isn't there or doesn't allow it.
pub async fn enqueue_failed(tx: &mut Conn, operation: NewOperation, error: Error) -> Result<String> {
    insert_ended(tx, operation, |row| Operation { state: State::Failed, error: Some(error), ..row }).await
}

/// Writes an operation that is done already: all of it is a change that this transaction makes. It holds no resource.
pub async fn enqueue_done(tx: &mut Conn, operation: NewOperation) -> Result<String> {
    insert_ended(tx, operation, |row| Operation { state: State::Succeeded, progress: 100, ..row }).await
}

async fn insert_ended(
    tx: &mut Conn,
    operation: NewOperation,
    end: impl FnOnce(Operation) -> Operation,
) -> Result<String> {
    let now = Some(operation.now);
    let row = Operation { runnable: false, started_at: now, ended_at: now, ..operation.into_row() };
    let row = end(row);
    store::insert(tx, &row).await?;
    Ok(row.id)
}

/// Takes the resource for the operation until it ends. `busy` when another one holds it.
pub async fn lock_resource(tx: &mut Conn, resource_kind: &str, resource_id: &str, operation_id: &str) -> Result<()> {
    store::lock(tx, resource_kind, resource_id, operation_id).await
}

/// [`lock_resource`] for a resource that this transaction makes.
pub async fn lock_new_resource(
    tx: &mut Conn,
    resource_kind: &str,
    resource_id: &str,
    operation_id: &str,
) -> Result<()> {
    store::lock_new(tx, resource_kind, resource_id, operation_id).await
}

/// What became of an operation that goes before others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Superseded {
    /// Written, and it holds the resource, if it has anything left to do.
    Locked(String),
    /// Written; it begins when the one that holds the resource, now cancelled, has unwound.
    Waiting(String),
    /// Nothing written: one of this kind holds the resource or waits for it already; its id.
    Joined(String),
}

impl Superseded {
    /// The operation to follow.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Locked(id) | Self::Waiting(id) | Self::Joined(id) => id,
        }
    }
}

/// Writes an operation that cancels the one that holds the resource and goes after it (delete). After the commit call
/// `Engine::wake`.
pub async fn enqueue_superseding(tx: &mut Conn, operation: NewOperation) -> Result<Superseded> {
    let (kind, id) = (operation.resource_kind.clone(), operation.resource_id.clone());
    let Some(holder) = store::take_over(tx, &kind, &id, &operation.id).await? else {
        return Ok(Superseded::Locked(enqueue(tx, operation).await?));
    };
    if holder.kind == operation.kind {
        return Ok(Superseded::Joined(holder.id));
    }
    if let Some(waiting) = store::waiting_for(tx, &holder.id, &operation.kind).await? {
        return Ok(Superseded::Joined(waiting));
    }
    let now = operation.now;
    store::cancel(tx, &holder.id, now).await?;
    let row = Operation { waits_for: Some(holder.id.clone()), runnable: false, ..operation.into_row() };
    store::insert(tx, &row).await?;
    if log::give_way(tx, &holder.id, now).await? {
        return Ok(Superseded::Locked(row.id));
    }
    Ok(Superseded::Waiting(row.id))
}

/// Brings a parent up to its children; to be called once all of them are written, because some may have failed already.
pub async fn settle_parent(tx: &mut Conn, parent_id: &str) -> Result<()> {
    store::settle_parent(tx, parent_id, Timestamp::now()).await
}
