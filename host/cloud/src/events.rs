//! What calls of the core tell of what they changed. What operations do is told where their log is written (`skyloom_jobs`). What the
//! core makes or follows by itself (a project's default group, the power that a platform shows) is nobody's doing and isn't told.

use skyloom_jobs::NewOperation;
use skyloom_model::{Permission, Result, Timestamp, new_id};
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::events::{self as store, Event, Outcome};

/// Whose a resource is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    Project(&'a str),
    Domain(&'a str),
    Cloud,
}

/// Tells that the caller changed a resource, in the transaction of the change. It costs no way to the database where a write follows.
pub(crate) async fn changed(
    tx: &mut Conn,
    context: &CallContext,
    action: impl Into<Permission>,
    resource: (&str, &str),
    owner: Owner<'_>,
) -> Result<()> {
    let user_id = context.caller.as_ref().map(|caller| caller.user.id.as_str()).unwrap_or_default();
    changed_by(tx, (context, user_id), action, resource, owner).await
}

/// As [`changed`], by a user whose call has no token.
pub(crate) async fn changed_by(
    tx: &mut Conn,
    (context, user_id): (&CallContext, &str),
    action: impl Into<Permission>,
    resource: (&str, &str),
    owner: Owner<'_>,
) -> Result<()> {
    let event = Event {
        user_id: user_id.to_owned(),
        request_id: context.request_id.to_string(),
        action: action.into().word.into_owned(),
        ..blank(resource, owner)
    };
    store::insert(tx, &event).await
}

/// Tells that the operation, which is on another resource, is accepted for this one, too.
pub(crate) async fn accepted(tx: &mut Conn, operation: &NewOperation, resource: (&str, &str)) -> Result<()> {
    let event = Event {
        at: operation.now,
        user_id: operation.user_id.clone(),
        request_id: operation.request_id.clone(),
        action: operation.action.clone(),
        operation_id: operation.id.clone(),
        outcome: Outcome::Accepted,
        ..blank(resource, Owner::Project(&operation.project_id))
    };
    store::insert(tx, &event).await
}

/// Tells what the operator did with the program itself; neither a user nor a request is behind it.
pub(crate) async fn by_operator(
    tx: &mut Conn,
    action: impl Into<Permission>,
    resource: (&str, &str),
    owner: Owner<'_>,
) -> Result<()> {
    store::insert(tx, &Event { action: action.into().word.into_owned(), ..blank(resource, owner) }).await
}

fn blank((kind, id): (&str, &str), owner: Owner<'_>) -> Event {
    let (project, domain) = match owner {
        Owner::Project(project) => (project, ""),
        Owner::Domain(domain) => ("", domain),
        Owner::Cloud => ("", ""),
    };
    Event {
        id: new_id(),
        at: Timestamp::now(),
        project_id: project.to_owned(),
        domain_id: domain.to_owned(),
        user_id: String::new(),
        resource_kind: kind.to_owned(),
        resource_id: id.to_owned(),
        action: String::new(),
        request_id: String::new(),
        operation_id: String::new(),
        outcome: Outcome::Call,
    }
}
