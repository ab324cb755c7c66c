//! Start, stop, reboot, delete: of one server, or of many as one operation with a part for each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skyloom_jobs::{NewOperation, Superseded};
use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::collisions::again;
use skyloom_store::servers::{self as store, Brief, Change};

use super::Compute;
use super::rules::{self, Verb};

/// The most servers of one call.
const MAX_SERVERS: usize = 1000;

/// What is asked of each server of a call.
struct Wish {
    verb: Verb,
    /// The operation's kind.
    kind: &'static str,
    params: Value,
}

impl Wish {
    fn of_power(change: wit::PowerChange) -> Self {
        match change {
            wit::PowerChange::Start => Self { verb: Verb::Start, kind: "server.start", params: json!({}) },
            wit::PowerChange::Stop(hard) => {
                Self { verb: Verb::Stop, kind: "server.stop", params: json!({ "hard": hard }) }
            }
            wit::PowerChange::Reboot(hard) => Self {
                verb: if hard { Verb::HardReboot } else { Verb::SoftReboot },
                kind: "server.reboot",
                params: json!({ "hard": hard }),
            },
        }
    }

    fn of_delete(options: wit::DeleteOptions) -> Self {
        let params = json!({
            "delete-volumes": options.delete_volumes,
            "delete-public-addresses": options.delete_public_addresses,
        });
        Self { verb: Verb::Delete, kind: "server.delete", params }
    }

    fn operation(
        &self,
        context: &CallContext,
        server_id: &str,
        project_id: &str,
        now: Timestamp,
    ) -> Result<NewOperation> {
        Ok(NewOperation {
            params: self.params.clone(),
            ..new_operation(context, NewOperation::new(self.kind, "server", server_id), project_id, now)?
        })
    }
}

/// Fills in who asks.
pub(super) fn new_operation(
    context: &CallContext,
    operation: NewOperation,
    project_id: &str,
    now: Timestamp,
) -> Result<NewOperation> {
    Ok(NewOperation {
        project_id: project_id.to_owned(),
        user_id: context.caller()?.user.id.clone(),
        request_id: context.request_id.to_string(),
        personality: context.personality.to_string(),
        now,
        ..operation
    })
}

impl Compute {
    pub(super) async fn change_power_of(
        &self,
        context: &CallContext,
        ids: Vec<String>,
        change: wit::PowerChange,
        as_batch: bool,
        strict: bool,
    ) -> Result<String> {
        let action = match change {
            wit::PowerChange::Start => Action::ServersStart,
            wit::PowerChange::Stop(_) => Action::ServersStop,
            wit::PowerChange::Reboot(_) => Action::ServersReboot,
        };
        let reach = self.permit(context.caller.as_deref(), action)?;
        self.ask(context, &reach, ids, &Wish::of_power(change), as_batch, strict).await
    }

    pub(super) async fn delete_servers_of(
        &self,
        context: &CallContext,
        ids: Vec<String>,
        options: wit::DeleteOptions,
        as_batch: bool,
        strict: bool,
    ) -> Result<String> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersDelete)?;
        self.ask(context, &reach, ids, &Wish::of_delete(options), as_batch, strict).await
    }

    /// One transaction for the whole call; gives the operation to follow.
    async fn ask(
        &self,
        context: &CallContext,
        reach: &Reach,
        ids: Vec<String>,
        wish: &Wish,
        as_batch: bool,
        strict: bool,
    ) -> Result<String> {
        let ids = unique(ids)?;
        let operation = again(|| async {
            let mut tx = self.db().begin().await?;
            let operation = match ids.as_slice() {
                [id] if !as_batch => self.ask_one(&mut tx, context, reach, id, wish).await?,
                _ => self.ask_many(&mut tx, context, reach, &ids, wish, strict).await?,
            };
            tx.commit().await?;
            Ok(operation)
        })
        .await?;
        self.wake();
        Ok(operation)
    }

    async fn ask_one(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        reach: &Reach,
        id: &str,
        wish: &Wish,
    ) -> Result<String> {
        let server = self.locked_server(tx, reach, id).await?;
        rules::check(wish.verb, &server, context.caller()?)?;
        let now = Timestamp::now();
        let operation = wish.operation(context, id, &server.project_id, now)?;
        begin(tx, &server, wish, operation).await.map(|begun| begun.id().to_owned())
    }

    async fn ask_many(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        reach: &Reach,
        ids: &[String],
        wish: &Wish,
        strict: bool,
    ) -> Result<String> {
        let caller = context.caller()?;
        let project = caller.project()?;
        let now = Timestamp::now();
        let servers = store::lock_many(tx, ids).await?;
        let parent = NewOperation::parent(format!("batch.{}", wish.kind), "server");
        let parent = NewOperation { params: wish.params.clone(), ..new_operation(context, parent, project, now)? };
        let parent_id = skyloom_jobs::enqueue(tx, parent).await?;
        for (position, id) in ids.iter().enumerate() {
            let server = find(&servers, id, reach);
            let owner = server.as_ref().map_or(project, |server| server.project_id.as_str());
            let operation = NewOperation {
                parent_id: Some(parent_id.clone()),
                position: u32::try_from(position).unwrap_or(u32::MAX),
                ..wish.operation(context, id, owner, now)?
            };
            let checked = server.and_then(|server| rules::check(wish.verb, server, caller).map(|()| server));
            let begun = match checked {
                Ok(server) => begin(tx, server, wish, operation.clone()).await,
                Err(error) => Err(error),
            };
            let refused = match begun {
                Ok(Superseded::Joined(_)) => Some(under_way(id)),
                Ok(_) => None,
                Err(error) if !strict && is_of_one(&error) => Some(error),
                Err(error) => return Err(error),
            };
            if let Some(error) = refused {
                skyloom_jobs::enqueue_failed(tx, operation, error).await?;
            }
        }
        skyloom_jobs::settle_parent(tx, &parent_id).await?;
        Ok(parent_id)
    }
}

fn under_way(id: &str) -> Error {
    Error::new(ErrorCode::Busy, format!("Server {id} is being deleted already.")).with_resource("server", id)
}

/// Errors that are about one server; any other one ends the whole call.
fn is_of_one(error: &Error) -> bool {
    matches!(error.code, ErrorCode::WrongState | ErrorCode::Locked | ErrorCode::Busy)
}

fn find<'a>(servers: &'a BTreeMap<String, Brief>, id: &str, reach: &Reach) -> Result<&'a Brief> {
    servers
        .get(id)
        .filter(|server| !server.deleted && server.is_within(reach))
        .ok_or_else(|| Error::not_found("server", id))
}

/// Takes the server for the operation and says what is being done to it.
async fn begin(tx: &mut Conn, server: &Brief, wish: &Wish, operation: NewOperation) -> Result<Superseded> {
    let now = operation.now;
    let begun = if wish.verb == Verb::Delete {
        skyloom_jobs::enqueue_superseding(tx, operation).await?
    } else {
        skyloom_jobs::lock_resource(tx, "server", &server.id, &operation.id).await?;
        Superseded::Locked(skyloom_jobs::enqueue(tx, operation).await?)
    };
    if !matches!(begun, Superseded::Joined(_)) {
        let change = Change { task_state: Some(wish.verb.task()), ..Change::default() };
        store::change(tx, &server.id, &change, now).await?;
    }
    Ok(begun)
}

/// In the order given, each once.
fn unique(ids: Vec<String>) -> Result<Vec<String>> {
    if ids.is_empty() || ids.len() > MAX_SERVERS {
        return Err(Error::invalid("ids", format!("Name 1 to {MAX_SERVERS} servers.")));
    }
    let mut seen = std::collections::HashSet::new();
    Ok(ids.into_iter().filter(|id| seen.insert(id.clone())).collect())
}
