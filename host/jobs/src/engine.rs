//! Leases operations and lets workers walk them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use skyloom_model::{Error, Result, Timestamp, new_id};
use skyloom_store::operations::{Operation, Phase, State};
use skyloom_store::operations_log as log;
use skyloom_store::{Db, events};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::drive::{Drive, Lost, Worker};
use crate::faults::{self, Faults, Moment};
use crate::log::Writer;
use crate::metrics::Metrics;
use crate::saga::{Event, Run, Saga};
use crate::settings::Settings;

/// Runs durable operations. Clones share it.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) db: Db,
    settings: Settings,
    faults: Arc<Faults>,
    metrics: Arc<Metrics>,
    /// Names this process in leases; new at each start.
    owner: String,
    /// The nodes that this process drives.
    nodes: OnceLock<Box<NodeNames>>,
    wake: Notify,
    in_hand: Mutex<HashMap<String, Arc<Run>>>,
    /// Runs of which this process no longer knows how they stand; their leases are given back.
    dropped: Mutex<Vec<Arc<Run>>>,
    draining: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

type NodeNames = dyn Fn() -> Vec<String> + Send + Sync;
type Sagas = HashMap<&'static str, Arc<dyn Saga>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    #[must_use]
    pub fn new(db: Db, settings: Settings, faults: Arc<Faults>) -> Self {
        let shared = Shared {
            db,
            settings,
            faults,
            metrics: Arc::default(),
            owner: new_id(),
            nodes: OnceLock::new(),
            wake: Notify::new(),
            in_hand: Mutex::default(),
            dropped: Mutex::default(),
            draining: watch::Sender::new(false),
            tasks: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Says which compute nodes this process drives: where several processes share a database, it then leaves the servers on
    /// other nodes to the others. The first one stays.
    pub fn set_nodes(&self, names: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        if self.shared.nodes.set(Box::new(names)).is_err() {
            tracing::warn!("the engine has its nodes already");
        }
    }

    /// Begins to work. On SQLite, where this process is the only one, everything that an earlier process left is taken back at
    /// once. Does nothing where the settings say that this process is no worker.
    pub async fn start(&self, sagas: Vec<Arc<dyn Saga>>) -> Result<()> {
        let shared = &self.shared;
        if !shared.settings.worker {
            return Ok(());
        }
        if !shared.db.is_postgres() {
            let mut tx = shared.db.begin().await?;
            let taken = log::reclaim_all(&mut tx, Timestamp::now()).await?;
            tx.commit().await?;
            if taken > 0 {
                tracing::info!(operations = taken, "took back the operations that the last process left");
            }
        }
        let sagas: Sagas = sagas.into_iter().map(|saga| (saga.kind(), saga)).collect();
        let (writes, receiver) = mpsc::channel(shared.settings.in_hand.max(1));
        let writer = Writer {
            db: shared.db.clone(),
            faults: shared.faults.clone(),
            metrics: shared.metrics.clone(),
            batch: shared.settings.write_batch.max(1),
        };
        let worker = Arc::new(Worker {
            settings: shared.settings.clone(),
            calls: Semaphore::new(shared.settings.driver_calls.max(1)),
            writes,
            draining: shared.draining.subscribe(),
        });
        let mut tasks = locked(&shared.tasks);
        tasks.push(tokio::spawn(writer.run(receiver)));
        tasks.push(tokio::spawn(dispatch(shared.clone(), worker, sagas)));
        if shared.db.is_postgres() {
            tasks.push(tokio::spawn(heartbeat(shared.clone())));
        }
        Ok(())
    }

    /// Says that there may be work: after each commit that enqueued something. Cheap.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Leases no more, lets the calls that have begun end, gives the leases back. After the settings' drain time it goes without
    /// waiting: the step log knows where to go on.
    pub async fn drain(&self) {
        let shared = &self.shared;
        shared.draining.send_replace(true);
        shared.wake.notify_one();
        let ended = async {
            while !locked(&shared.in_hand).is_empty() {
                shared.wake.notified().await;
            }
        };
        if tokio::time::timeout(shared.settings.drain, ended).await.is_err() {
            tracing::warn!(operations = locked(&shared.in_hand).len(), "stopped with driver calls under way");
        }
        self.abort();
    }

    /// Stops at once, wherever everything stands.
    pub fn abort(&self) {
        for task in locked(&self.shared.tasks).drain(..) {
            task.abort();
        }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Operations in hand now.
    pub fn in_hand(&self) -> usize {
        locked(&self.shared.in_hand).len()
    }

    pub fn faults(&self) -> &Arc<Faults> {
        &self.shared.faults
    }

    pub(crate) fn db(&self) -> &Db {
        &self.shared.db
    }
}

impl Shared {
    /// The nodes whose servers are this process's work. None: all are, because it is the only one, or nothing was said.
    fn reach(&self) -> Option<Vec<String>> {
        if self.db.is_postgres() { self.nodes.get().map(|names| names()) } else { None }
    }
}

/// Leases what is due, as long as there is room.
async fn dispatch(shared: Arc<Shared>, worker: Arc<Worker>, sagas: Sagas) {
    // Dropping the set stops the operations in hand together with this task.
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.try_join_next().is_some() {}
        if shared.faults.is_dead() || *shared.draining.borrow() {
            break;
        }
        let pause = match round(&shared, &worker, &sagas, &mut running).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(error = error.for_log(), "operations can't be leased at the moment");
                shared.settings.poll
            }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = shared.wake.notified() => tokio::time::sleep(shared.settings.gather).await,
            () = tokio::time::sleep(pause) => {}
            () = shared.faults.death() => break,
        }
    }
    if !shared.faults.is_dead() {
        while running.join_next().await.is_some() {}
        shared.wake.notify_one();
    }
}

/// One look at the database; gives how long nothing is due.
async fn round(
    shared: &Arc<Shared>,
    worker: &Arc<Worker>,
    sagas: &Sagas,
    running: &mut tokio::task::JoinSet<()>,
) -> Result<Duration> {
    let settings = &shared.settings;
    give_back(shared).await?;
    let mut conn = shared.db.read().await?;
    for id in log::cancelled(&mut conn, &shared.owner).await? {
        if let Some(run) = locked(&shared.in_hand).get(&id) {
            run.cancel();
        }
    }
    let free = settings.in_hand.saturating_sub(locked(&shared.in_hand).len());
    if free == 0 {
        return Ok(settings.poll);
    }
    let nodes = shared.reach();
    let due = log::next_due(&mut conn, nodes.as_deref()).await?;
    drop(conn);
    let now = Timestamp::now();
    if due > now {
        let pause = u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0);
        return Ok(Duration::from_micros(pause).clamp(Duration::from_millis(1), settings.poll));
    }
    let limit = settings.claim_batch.min(u32::try_from(free).unwrap_or(u32::MAX)).max(1);
    let claimed = claim(shared, sagas, limit, nodes.as_deref()).await?;
    let pause = if claimed.is_empty() { settings.poll } else { Duration::ZERO };
    for (run, saga) in claimed {
        locked(&shared.in_hand).insert(run.operation.id.clone(), run.clone());
        let hold = Hold { shared: shared.clone(), run: run.clone(), lost: true };
        let drive = Drive { worker: worker.clone(), run, saga };
        running.spawn(work(hold, drive));
    }
    Ok(pause)
}

async fn work(mut hold: Hold, drive: Drive) {
    let shared = hold.shared.clone();
    tokio::select! {
        walked = drive.walk() => match walked {
            Ok(()) => hold.lost = false,
            Err(Lost(why)) => {
                Metrics::add(&shared.metrics.leases_lost, 1);
                tracing::warn!(operation = hold.run.operation.id, why, "an operation is let go");
            }
        },
        () = shared.faults.death() => {}
    }
}

/// Takes the operation out of hand when its task ends, however it ends.
struct Hold {
    shared: Arc<Shared>,
    run: Arc<Run>,
    lost: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.lost {
            locked(&self.shared.dropped).push(self.run.clone());
        }
        locked(&self.shared.in_hand).remove(&self.run.operation.id);
        self.shared.wake.notify_one();
    }
}

async fn give_back(shared: &Shared) -> Result<()> {
    let dropped = std::mem::take(&mut *locked(&shared.dropped));
    if dropped.is_empty() {
        return Ok(());
    }
    let given = async {
        let mut tx = shared.db.begin().await?;
        for run in &dropped {
            log::give_back(&mut tx, run.lease(), Timestamp::now()).await?;
        }
        tx.commit().await
    };
    let result = given.await;
    if result.is_err() {
        locked(&shared.dropped).extend(dropped);
    }
    result
}

/// Leases up to `limit` operations in one write, and begins the first step of those that are new. What is in hand here is
/// never leased a second time: two runs of one operation would do and undo its steps side by side.
async fn claim(
    shared: &Shared,
    sagas: &Sagas,
    limit: u32,
    nodes: Option<&[String]>,
) -> Result<Vec<(Arc<Run>, Arc<dyn Saga>)>> {
    let mut tx = shared.db.begin().await?;
    let now = Timestamp::now();
    let until = if tx.is_postgres() { now.plus(shared.settings.lease) } else { log::FOREVER };
    let mut claimed: Vec<(Arc<Run>, Arc<dyn Saga>)> = Vec::new();
    for mut operation in log::due(&mut tx, now, limit, nodes).await? {
        if locked(&shared.in_hand).contains_key(&operation.id) {
            log::heartbeat(&mut tx, &shared.owner, &[operation.id], until).await?;
            continue;
        }
        let fresh = operation.fence == 0;
        log::lease(&mut tx, &mut operation, &shared.owner, until, now).await?;
        let Some(saga) = sagas.get(operation.kind.as_str()) else {
            stick_unknown(&mut tx, &operation, now).await?;
            continue;
        };
        let mut began = now;
        if fresh {
            log::begin_step(&mut tx, &operation.id, 0, saga.steps()[0].name, now).await?;
        } else {
            began = log::step_began(&mut tx, &operation.id, operation.step).await?.unwrap_or(now);
        }
        let run = Arc::new(Run::new(operation, began));
        if fresh {
            saga.record(&mut tx, &run, Event::Begun(0), now).await?;
        }
        claimed.push((run, saga.clone()));
    }
    if crash(shared, &claimed, Moment::Before) {
        return Err(Error::unavailable("the engine is dead"));
    }
    let lost = claimed.iter().any(|(run, _)| shared.faults.loses_commit(&run.operation.kind, &run.operation.id));
    let committed = faults::commit(tx, lost).await;
    if crash(shared, &claimed, Moment::After) {
        return Err(Error::unavailable("the engine is dead"));
    }
    if let Err(error) = committed {
        // They may be leased all the same, by a run that nobody has.
        locked(&shared.dropped).extend(claimed.into_iter().map(|(run, _)| run));
        return Err(error);
    }
    Metrics::add(&shared.metrics.leased, claimed.len());
    Ok(claimed)
}

fn crash(shared: &Shared, claimed: &[(Arc<Run>, Arc<dyn Saga>)], moment: Moment) -> bool {
    claimed.iter().any(|(run, _)| shared.faults.crash(&run.operation.kind, &run.operation.id, moment))
}

async fn stick_unknown(tx: &mut skyloom_store::Conn, operation: &Operation, now: Timestamp) -> Result<()> {
    let phase = if operation.phase == Phase::Undo { "undo" } else { "do" };
    tracing::error!(
        alarm = "operation-stuck",
        operation = operation.id,
        kind = operation.kind,
        phase,
        "this program has no saga of this kind"
    );
    let error = Error::internal(format!("no saga of kind {}", operation.kind));
    let lease = log::Lease { id: &operation.id, fence: operation.fence };
    log::stick(tx, lease, operation.step, &error, now).await?;
    events::of_operation(tx, operation, State::Stuck, now).await
}

/// Prolongs the leases of what is in hand, all in one statement.
async fn heartbeat(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.settings.lease / 3).await;
        if shared.faults.is_dead() {
            return;
        }
        let ids: Vec<String> = locked(&shared.in_hand).keys().cloned().collect();
        if ids.is_empty() {
            continue;
        }
        let beat = async {
            let mut tx = shared.db.begin().await?;
            log::heartbeat(&mut tx, &shared.owner, &ids, Timestamp::now().plus(shared.settings.lease)).await?;
            tx.commit().await
        };
        if let Err(error) = beat.await {
            tracing::warn!(error = error.for_log(), "the leases could not be prolonged");
        }
    }
}
