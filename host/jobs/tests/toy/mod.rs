//! A toy saga for tests of the engine: three steps that leave marks in a world of the test's own.

// Each test binary uses its part of it.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use skyloom_jobs::{
    Engine, Event, Faults, NewOperation, Outcome, Retry, Run, Saga, Settings, State, Step, Superseded, enqueue,
    enqueue_superseding, faults, lock_resource,
};
use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_store::statement::insert_into;
use skyloom_store::{Conn, Db, args, operations};
use tokio::sync::Notify;

/// What the steps did and how they are to go; survives the engines.
#[derive(Default)]
pub struct World {
    marks: Mutex<BTreeSet<String>>,
    failing: Mutex<Vec<(String, ErrorCode)>>,
    calls: Mutex<Vec<String>>,
    pub pending: Mutex<BTreeSet<String>>,
    /// Calls that don't end until they are let go, by their mark.
    blocked: Mutex<BTreeSet<String>>,
    released: Notify,
}

impl World {
    fn call(&self, name: &str) -> Result<Outcome> {
        self.calls.lock().unwrap().push(name.to_owned());
        let mut failing = self.failing.lock().unwrap();
        if let Some(index) = failing.iter().position(|(step, _)| step == name) {
            let (step, code) = failing.remove(index);
            return Err(Error::new(code, format!("{step} fails as told")));
        }
        if self.pending.lock().unwrap().contains(name) {
            return Ok(Outcome::Pending(String::new()));
        }
        Ok(Outcome::Done)
    }

    /// The step of this resource (`a/two`) doesn't end before [`World::release`].
    pub fn block(&self, mark: &str) {
        self.blocked.lock().unwrap().insert(mark.to_owned());
    }

    pub fn release(&self, mark: &str) {
        self.blocked.lock().unwrap().remove(mark);
        self.released.notify_waiters();
    }

    /// Waits where the step is blocked; its end is then a call of its own, `<mark>/ended`.
    async fn blocked(&self, mark: &str) {
        let mut waited = false;
        loop {
            let released = self.released.notified();
            if !self.blocked.lock().unwrap().contains(mark) {
                break;
            }
            waited = true;
            released.await;
        }
        if waited {
            self.calls.lock().unwrap().push(format!("{mark}/ended"));
        }
    }

    pub fn fail(&self, step: &str, code: ErrorCode, times: usize) {
        self.failing.lock().unwrap().extend((0..times).map(|_| (step.to_owned(), code)));
    }

    pub fn calls_of(&self, name: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| *call == name).count()
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub fn marks(&self) -> Vec<String> {
        self.marks.lock().unwrap().iter().cloned().collect()
    }
}

pub struct Toy {
    kind: &'static str,
    world: Arc<World>,
    steps: Vec<Step>,
}

impl Toy {
    pub fn saga(kind: &'static str, world: &Arc<World>, no_return: bool) -> Arc<dyn Saga> {
        let step = |name, no_return| Step { name, retry: Retry::Passing, deadline: Duration::from_secs(20), no_return };
        let steps = vec![step("one", false), step("two", no_return), step("three", false)];
        Arc::new(Self { kind, world: world.clone(), steps })
    }

    fn mark(&self, run: &Run, step: usize) -> String {
        format!("{}/{}", run.operation.resource_id, self.steps[step].name)
    }
}

#[async_trait]
impl Saga for Toy {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn act(&self, run: &Run, step: usize, _token: Option<&str>) -> Result<Outcome> {
        let done = self.world.call(self.steps[step].name)?;
        self.world.blocked(&self.mark(run, step)).await;
        self.world.marks.lock().unwrap().insert(self.mark(run, step));
        Ok(done)
    }

    async fn undo(&self, run: &Run, step: usize, _token: Option<&str>) -> Result<Outcome> {
        let done = self.world.call(&format!("{}/undo", self.steps[step].name))?;
        self.world.marks.lock().unwrap().remove(&self.mark(run, step));
        Ok(done)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, _now: Timestamp) -> Result<()> {
        // The resource's record: which event was last, in the same transaction as the log.
        let word = match event {
            Event::Succeeded => "succeeded",
            Event::Failed(_) => "failed",
            Event::Cancelled => "cancelled",
            Event::Done(2) if run.operation.resource_id == "refused" => {
                return Err(Error::new(ErrorCode::NoCapacity, "the record refuses"));
            }
            // The database refuses, after this has returned.
            Event::Done(2) if run.operation.resource_id == "taken" => {
                return tx.defer(insert_into("seeded", "(area, seeded_at) VALUES ('taken', 0)"), &[]).await;
            }
            _ => return Ok(()),
        };
        let id = format!("{}:{}", run.operation.resource_id, run.operation.kind);
        tx.execute("DELETE FROM seeded WHERE area = $1", args![&id]).await?;
        tx.execute("INSERT INTO seeded (area, seeded_at) VALUES ($1, 0)", args![&id]).await?;
        let id = format!("{id}:{word}");
        tx.execute("INSERT INTO seeded (area, seeded_at) VALUES ($1, 0)", args![&id]).await?;
        Ok(())
    }
}

pub async fn start(db: &Db, world: &Arc<World>, faults: faults::Settings) -> Engine {
    start_with(db, world, Settings::quick(), faults).await
}

pub async fn start_with(db: &Db, world: &Arc<World>, settings: Settings, faults: faults::Settings) -> Engine {
    let engine = Engine::new(db.clone(), settings, Arc::new(Faults::in_process(faults)));
    engine.start(sagas(world)).await.expect("the engine starts");
    engine
}

pub fn sagas(world: &Arc<World>) -> Vec<Arc<dyn Saga>> {
    vec![Toy::saga("toy.make", world, false), Toy::saga("toy.drop", world, true)]
}

pub async fn make(db: &Db, engine: &Engine, resource: &str) -> String {
    let mut tx = db.begin().await.unwrap();
    let operation = NewOperation::new("toy.make", "toy", resource);
    lock_resource(&mut tx, "toy", resource, &operation.id).await.unwrap();
    let id = enqueue(&mut tx, operation).await.unwrap();
    tx.commit().await.unwrap();
    engine.wake();
    id
}

pub async fn supersede(db: &Db, engine: &Engine, resource: &str) -> Superseded {
    let mut tx = db.begin().await.unwrap();
    let done = enqueue_superseding(&mut tx, NewOperation::new("toy.drop", "toy", resource)).await.unwrap();
    tx.commit().await.unwrap();
    engine.wake();
    done
}

/// Waits until the operation stands in one of the states.
pub async fn wait(db: &Db, id: &str, states: &[State]) -> operations::Operation {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let operation = operations::get(&mut db.read().await.unwrap(), id).await.unwrap().expect("the operation");
        if states.contains(&operation.state) {
            return operation;
        }
        assert!(Instant::now() < end, "operation stays {:?}, wanted {states:?}", operation.state);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn locks(db: &Db) -> i64 {
    let mut conn = db.read().await.unwrap();
    conn.one("SELECT count(*) FROM operation_locks", &[], |row| row.int(0)).await.unwrap()
}

pub async fn recorded(db: &Db, what: &str) -> bool {
    let mut conn = db.read().await.unwrap();
    let found = conn.one("SELECT count(*) FROM seeded WHERE area = $1", args![what], |row| row.int(0)).await.unwrap();
    found == 1
}

/// Waits until it is so.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the engine has counted.
pub fn counted(engine: &Engine, counter: &str) -> u64 {
    engine.metrics().snapshot().into_iter().find(|(name, ..)| *name == counter).expect("a counter").2
}
