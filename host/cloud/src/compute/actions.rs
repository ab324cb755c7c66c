//! What is done to servers by a word: to one, or to many as one operation with a part for each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skyloom_jobs::{NewOperation, Superseded};
use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, VmState};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::Pair;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::collisions::again;
use skyloom_store::quotas::Quota;
use skyloom_store::resizes;
use skyloom_store::schedules::Schedule;
use skyloom_store::servers::{self as store, Brief, Change};

use super::Compute;
use super::attachments::{self, Comer};
use super::locks;
use super::nics::{self, Card};
use super::rebuild::Anew;
use super::rules::{self, Verb};
use super::taken::With;
use crate::events;
use crate::schedules::Came;

const DELETE: &str = "server.delete";
/// The most servers of one call.
const MAX_SERVERS: usize = 1000;

/// What is asked of each server of a call.
pub(super) struct Wish {
    verb: Verb,
    action: Action,
    /// The operation's kind.
    kind: &'static str,
    params: Value,
    with: With,
    /// Nothing stays of it.
    dry_run: bool,
}

/// The options of a verb; each is taken once, and none may be left.
struct Options<'v> {
    verb: &'v str,
    given: BTreeMap<String, String>,
}

impl<'v> Options<'v> {
    fn new(verb: &'v str, pairs: Vec<Pair>) -> Result<Self> {
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if given.insert(name.clone(), value).is_some() {
                return Err(Error::invalid(&name, format!("The option {name} is given twice.")));
            }
        }
        Ok(Self { verb, given })
    }

    /// `true` or `false`; missing is false.
    fn flag(&mut self, name: &str) -> Result<bool> {
        match self.given.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Error::invalid(name, format!("{other} is neither true nor false."))),
        }
    }

    fn text(&mut self, name: &str) -> Result<String> {
        let missing = || Error::invalid(name, format!("To {} needs the option {name}.", self.verb));
        self.given.remove(name).ok_or_else(missing)
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        self.given.remove(name)
    }

    fn none_left(self) -> Result<()> {
        match self.given.into_keys().next() {
            Some(name) => Err(Error::invalid(&name, format!("To {} has no option {name}.", self.verb))),
            None => Ok(()),
        }
    }
}

impl Wish {
    /// The contract's verbs.
    fn of(verb: &str, options: Vec<Pair>) -> Result<Self> {
        let mut options = Options::new(verb, options)?;
        let wish =
            |verb, action, kind| Self { verb, action, kind, params: json!({}), with: With::Nothing, dry_run: false };
        let wish = match verb {
            "start" => wish(Verb::Start, Action::ServersStart, "server.start"),
            "stop" => {
                let params = json!({ "hard": options.flag("hard")? });
                Self { params, ..wish(Verb::Stop, Action::ServersStop, "server.stop") }
            }
            "reboot" => {
                let hard = options.flag("hard")?;
                let verb = if hard { Verb::HardReboot } else { Verb::SoftReboot };
                Self { params: json!({ "hard": hard }), ..wish(verb, Action::ServersReboot, "server.reboot") }
            }
            "pause" => wish(Verb::Pause, Action::ServersPause, "server.pause"),
            "unpause" => wish(Verb::Unpause, Action::ServersUnpause, "server.unpause"),
            "suspend" => wish(Verb::Suspend, Action::ServersSuspend, "server.suspend"),
            "resume" => wish(Verb::Resume, Action::ServersResume, "server.resume"),
            "resize" => {
                let with = With::Flavor(options.text("flavor-id")?);
                let params = json!({ "confirmed": options.flag("confirmed")? });
                let dry_run = options.flag("dry-run")?;
                let wish = wish(Verb::Resize, Action::ServersResize, "server.resize");
                Self { params, with, dry_run, ..wish }
            }
            "confirm-resize" => wish(Verb::ConfirmResize, Action::ServersConfirmResize, "server.confirm-resize"),
            "revert-resize" => wish(Verb::RevertResize, Action::ServersRevertResize, "server.revert-resize"),
            "attach-volume" => {
                let comer = Comer {
                    id: options.text("volume-id")?,
                    device: options.optional("device"),
                    delete_on_termination: options.flag("delete-on-termination")?,
                };
                let (params, dry_run) = (json!({ "volume-id": comer.id }), options.flag("dry-run")?);
                let wish = wish(Verb::AttachVolume, Action::VolumesAttach, "server.attach-volume");
                Self { params, with: With::Volume(comer), dry_run, ..wish }
            }
            "detach-volume" => {
                let id = options.text("volume-id")?;
                let params = json!({ "volume-id": id });
                let wish = wish(Verb::DetachVolume, Action::VolumesDetach, "server.detach-volume");
                Self { params, with: With::OwnVolume(id), ..wish }
            }
            "lock" => {
                let with = With::Lock(locks::checked(options.optional("reason"))?);
                Self { with, ..wish(Verb::Lock, Action::ServersLock, "server.lock") }
            }
            "unlock" => Self { with: With::NoLock, ..wish(Verb::Unlock, Action::ServersUnlock, "server.unlock") },
            "recycle" => wish(Verb::Recycle, Action::ServersDelete, "server.recycle"),
            "restore" => wish(Verb::Restore, Action::ServersRestore, "server.restore"),
            "purge" => wish(Verb::Purge, Action::ServersDelete, DELETE),
            _ => return Err(Error::invalid("verb", format!("{verb} is nothing that is done to servers."))),
        };
        options.none_left()?;
        Ok(wish)
    }

    pub(super) fn of_nics(cards: Vec<Card>, dry_run: bool) -> Self {
        let ports: Vec<&String> = cards.iter().map(|card| &card.port_id).collect();
        Self {
            verb: Verb::AttachNics,
            action: Action::PortsAttach,
            kind: "server.attach-nic",
            params: json!({ "port-ids": ports }),
            with: With::Nics(cards),
            dry_run,
        }
    }

    /// Of one kind, with what is taken for it.
    fn new(verb: Verb, action: Action, kind: &'static str, (params, with): (Value, With)) -> Self {
        Self { verb, action, kind, params, with, dry_run: false }
    }

    pub(super) fn of_own_nics(ports: Vec<String>) -> Self {
        let params = json!({ "port-ids": ports });
        Self::new(Verb::DetachNics, Action::PortsDetach, "server.detach-nic", (params, With::OwnNics(ports)))
    }

    pub(super) fn of_rebuild(anew: Anew) -> Self {
        let params = json!({ "image-id": anew.image_id });
        Self::new(Verb::Rebuild, Action::ServersRebuild, "server.rebuild", (params, With::Anew(Box::new(anew))))
    }

    fn of_delete(options: wit::DeleteOptions) -> Self {
        let params = json!({
            "delete-volumes": options.delete_volumes,
            "delete-public-addresses": options.delete_public_addresses,
        });
        Self::new(Verb::Delete, Action::ServersDelete, DELETE, (params, With::Nothing))
    }

    fn operation(
        &self,
        context: &CallContext,
        server_id: &str,
        project_id: &str,
        node: &str,
        now: Timestamp,
    ) -> Result<NewOperation> {
        Ok(NewOperation {
            params: self.params.clone(),
            node: node.to_owned(),
            ..new_operation(context, self.action, NewOperation::new(self.kind, "server", server_id), project_id, now)?
        })
    }
}

/// Fills in who asks.
pub(super) fn new_operation(
    context: &CallContext,
    action: Action,
    operation: NewOperation,
    project_id: &str,
    now: Timestamp,
) -> Result<NewOperation> {
    Ok(NewOperation {
        action: action.as_str().to_owned(),
        project_id: project_id.to_owned(),
        user_id: context.caller()?.user.id.clone(),
        request_id: context.request_id.to_string(),
        personality: context.personality.to_string(),
        now,
        ..operation
    })
}

impl Compute {
    pub(super) async fn act_on(
        &self,
        context: &CallContext,
        ids: Vec<String>,
        (verb, options): (&str, Vec<Pair>),
        as_batch: bool,
        strict: bool,
    ) -> Result<String> {
        self.ask(context, ids, &Wish::of(verb, options)?, as_batch, strict).await
    }

    pub(super) async fn delete_servers_of(
        &self,
        context: &CallContext,
        ids: Vec<String>,
        options: wit::DeleteOptions,
        as_batch: bool,
        strict: bool,
    ) -> Result<String> {
        self.ask(context, ids, &Wish::of_delete(options), as_batch, strict).await
    }

    /// One transaction for the whole call; gives the operation to follow.
    pub(super) async fn ask(
        &self,
        context: &CallContext,
        ids: Vec<String>,
        wish: &Wish,
        as_batch: bool,
        strict: bool,
    ) -> Result<String> {
        let reach = &self.permit(context.caller.as_deref(), wish.action)?;
        let ids = unique(ids)?;
        if matches!(wish.with, With::Volume(_) | With::OwnVolume(_)) && (as_batch || ids.len() > 1) {
            return Err(Error::invalid("ids", "A volume is one server's: name one, and no batch."));
        }
        let operation = again(|| async {
            let mut tx = self.db().begin().await?;
            let operation = match ids.as_slice() {
                [id] if !as_batch => self.ask_one(&mut tx, context, reach, id, wish).await?,
                _ => self.ask_many(&mut tx, context, reach, &ids, wish, strict).await?,
            };
            if wish.dry_run {
                return Ok(String::new());
            }
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
        let operation = wish.operation(context, id, &server.project_id, &server.node, now)?;
        self.begin_asked(tx, context, &server, wish, operation).await.map(|begun| begun.id().to_owned())
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
        let parent =
            NewOperation { params: wish.params.clone(), ..new_operation(context, wish.action, parent, project, now)? };
        let parent_id = skyloom_jobs::enqueue(tx, parent).await?;
        for (position, id) in ids.iter().enumerate() {
            let server = find(&servers, id, reach);
            let (owner, node) =
                server.as_ref().map_or((project, ""), |server| (server.project_id.as_str(), server.node.as_str()));
            let operation = NewOperation {
                parent_id: Some(parent_id.clone()),
                position: u32::try_from(position).unwrap_or(u32::MAX),
                ..wish.operation(context, id, owner, node, now)?
            };
            let checked = server.and_then(|server| rules::check(wish.verb, server, caller).map(|()| server));
            let begun = match checked {
                Ok(server) => self.begin_asked(tx, context, server, wish, operation.clone()).await,
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

    /// [`begin`], with what only a caller can ask for.
    async fn begin_asked(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        server: &Brief,
        wish: &Wish,
        operation: NewOperation,
    ) -> Result<Superseded> {
        // What may refuse comes before anything is written of the operation.
        if wish.verb.needs_node() {
            self.require_nodes(tx, server, wish.verb, operation.now).await?;
        }
        match &wish.with {
            With::Volume(comer) => attachments::begin(tx, &operation.id, server, comer).await?,
            With::OwnVolume(id) => attachments::end(tx, &operation.id, server, id).await?,
            With::Lock(reason) => {
                locks::lock(tx, context.caller()?, server, reason.as_deref(), operation.now).await?;
            }
            With::NoLock => self.unlock(tx, context, server, operation.now).await?,
            With::Nics(cards) => self.begin_nics(tx, context.caller()?, server, cards, operation.now).await?,
            With::OwnNics(ports) => nics::require_own(tx, server, ports).await?,
            With::Anew(anew) => self.begin_rebuild(tx, context, server, anew).await?,
            With::Nothing | With::Flavor(_) => {}
        }
        for named in wish.with.named() {
            events::accepted(tx, &operation, named).await?;
        }
        let begun = begin(tx, server, wish, operation).await?;
        if let With::Flavor(id) = &wish.with {
            self.begin_resize(tx, context, server, id).await?;
        }
        // In the recycle bin it took no quota.
        if wish.verb == Verb::Restore {
            let made = [
                (Quota::Servers, 1),
                (Quota::Vcpus, server.vcpus.into()),
                (Quota::MemoryMib, server.memory_mib.into()),
            ];
            self.quotas.check_quota_made(tx, &server.project_id, &made).await?;
        }
        Ok(begun)
    }

    /// The node of the server, and the one that it goes back to, must be driven by a process. A server between two nodes takes and gives
    /// up no volumes: its disks are the same on both.
    async fn require_nodes(&self, tx: &mut Conn, server: &Brief, verb: Verb, now: Timestamp) -> Result<()> {
        let id = &server.id;
        let refused = |message: String| Error::new(ErrorCode::WrongState, message).with_resource("server", id);
        let away = || refused(format!("The compute node of server {id} is not up.")).with_reason("node-away");
        if !self.is_driven(tx, &server.node, now).await? {
            let nowhere = || refused(format!("The server {id} is on no compute node."));
            return Err(if server.node.is_empty() { nowhere() } else { away() });
        }
        if server.vm_state != VmState::Resized {
            return Ok(());
        }
        let Some(moves) = resizes::get(tx, id).await?.and_then(|resize| resize.moves) else { return Ok(()) };
        if matches!(verb, Verb::AttachVolume | Verb::DetachVolume) {
            let message = format!("The server {id} is between two compute nodes: confirm or revert its resize first.");
            return Err(refused(message).with_reason("between-nodes"));
        }
        if self.is_driven(tx, &moves.from, now).await? { Ok(()) } else { Err(away()) }
    }

    /// Whether a verb can be done without a caller and without options.
    pub(crate) fn does(verb: &str) -> bool {
        Wish::of(verb, Vec::new()).is_ok_and(|wish| matches!(wish.with, With::Nothing))
    }

    /// Does what a schedule says; no caller is behind it.
    pub(crate) async fn when_due(&self, tx: &mut Conn, schedule: &Schedule, now: Timestamp) -> Result<Came> {
        let Some(server) = store::lock(tx, &schedule.resource_id).await?.filter(|server| !server.deleted) else {
            return Ok(Came::Void);
        };
        let wish = Wish::of(&schedule.verb, Vec::new())?;
        let operation = NewOperation {
            action: wish.action.as_str().to_owned(),
            project_id: server.project_id.clone(),
            request_id: format!("schedule-{}", schedule.id),
            params: wish.params.clone(),
            node: server.node.clone(),
            now,
            ..NewOperation::new(wish.kind, "server", &server.id)
        };
        let begun = match rules::allows(wish.verb, &server) {
            Ok(()) => begin(tx, &server, &wish, operation).await.map(drop),
            // A stuck operation: the operator brings it back into the bin.
            Err(_) if server.recycled() => return Ok(Came::Busy),
            Err(error) => Err(error),
        };
        match begun {
            Ok(()) => Ok(Came::Begun),
            Err(error) if error.code == ErrorCode::Busy => Ok(Came::Busy),
            Err(error) if error.code == ErrorCode::WrongState => Ok(Came::Void),
            Err(error) => Err(error),
        }
    }
}

/// Takes the server for the operation and says what is being done to it.
async fn begin(tx: &mut Conn, server: &Brief, wish: &Wish, mut operation: NewOperation) -> Result<Superseded> {
    let now = operation.now;
    let verb = wish.verb.on(server);
    if verb.in_records() {
        // It changes nothing of what else is being done to the server.
        return skyloom_jobs::enqueue_done(tx, operation).await.map(Superseded::Locked);
    }
    let begun = if verb == Verb::Delete {
        operation.kind = DELETE.to_owned();
        skyloom_jobs::enqueue_superseding(tx, operation).await?
    } else {
        skyloom_jobs::lock_resource(tx, "server", &server.id, &operation.id).await?;
        Superseded::Locked(skyloom_jobs::enqueue(tx, operation).await?)
    };
    if !matches!(begun, Superseded::Joined(_)) {
        let change = Change { task_state: Some(verb.task()), ..Change::default() };
        store::change(tx, &server.id, &change, now).await?;
    }
    Ok(begun)
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

/// In the order given, each once.
fn unique(ids: Vec<String>) -> Result<Vec<String>> {
    if ids.is_empty() || ids.len() > MAX_SERVERS {
        return Err(Error::invalid("ids", format!("Name 1 to {MAX_SERVERS} servers.")));
    }
    let mut seen = std::collections::HashSet::new();
    Ok(ids.into_iter().filter(|id| seen.insert(id.clone())).collect())
}
