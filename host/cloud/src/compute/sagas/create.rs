//! The creation of a server: place, disks, definition, start.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::{Event, OnFailure, Outcome, Retry, Run, Saga, Step};
use skyloom_model::{Error, PowerState, Result, TaskState, Timestamp, VmState};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::DomainSpec;
use skyloom_store::servers::{self, Brief, Change, ForPlatform};
use skyloom_store::volumes::{self, Volume, VolumeState};
use skyloom_store::{Conn, metering, networks, public_addresses};
use tokio::sync::OnceCell;

use super::context::{Context, Platform, key, outcome};
use super::{place, release, settle, spec};
use crate::compute::Node;

pub(super) const KIND: &str = "server.create";

const PLACE: usize = 0;
const DISKS: usize = 1;
const DEFINE: usize = 2;
const START: usize = 3;

pub(super) struct Create {
    context: Context,
    steps: Vec<Step>,
}

/// What the request said beside the server's own record.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    /// Only this node.
    node: Option<String>,
}

/// Loaded once a run, after the server was placed.
struct Plan {
    platform: Platform,
    node: Option<Node>,
    /// The server's place is on a node that another process drives.
    elsewhere: bool,
    volumes: Vec<Volume>,
    /// None: the server's record is gone.
    made_of: Option<ForPlatform>,
    spec: OnceCell<(DomainSpec, SecretVault)>,
}

impl Create {
    pub fn new(context: Context) -> Self {
        let times = &context.times;
        let step = |name, retry, deadline| Step { name, retry, deadline, no_return: false };
        let steps = vec![
            step("place", Retry::Never, times.records),
            step("disks", Retry::Passing, times.disks),
            step("define", Retry::Passing, times.define),
            step("start", Retry::Passing, times.power),
        ];
        Self { context, steps }
    }

    async fn plan(&self, run: &Run) -> Result<Arc<Plan>> {
        run.keep(Box::pin(async {
            let id = &run.operation.resource_id;
            let mut conn = self.context.compute.db().read().await?;
            let volumes = volumes::of_server(&mut conn, id).await?;
            let made_of = servers::for_platform(&mut conn, id).await?;
            let place = made_of.as_ref().and_then(|made_of| made_of.node.clone());
            let node = match &place {
                // Without another process there is nobody to wait for.
                Some(name) if conn.is_postgres() => self.context.compute.node(name).ok(),
                Some(name) => Some(self.context.compute.node(name)?),
                None => None,
            };
            let elsewhere = place.is_some() && node.is_none();
            let driver = match &node {
                Some(node) => Some(self.context.driver(&node.settings.name, KIND)?),
                None => None,
            };
            let platform = Platform::new(driver, id.clone());
            Ok(Plan { platform, node, elsewhere, volumes, made_of, spec: OnceCell::new() })
        }))
        .await
    }

    /// What to make, and the values of the handles in it.
    async fn spec<'p>(&self, plan: &'p Plan) -> Result<&'p (DomainSpec, SecretVault)> {
        plan.spec
            .get_or_try_init(|| async {
                let node = plan.node.as_ref().ok_or_else(|| Error::internal("a step before the server is placed"))?;
                let id = &plan.platform.server_id;
                let made_of = plan.made_of.as_ref().ok_or_else(|| Error::not_found("server", id))?;
                let mut conn = self.context.compute.db().read().await?;
                let mut spec = spec::build(&mut conn, made_of, node, &plan.volumes).await?;
                let secrets = SecretVault::new();
                if !made_of.admin_password.is_empty() {
                    let password = self.context.compute.sealer().open(id, &made_of.admin_password)?;
                    spec.admin_password = Some(secrets.put(password));
                }
                Ok((spec, secrets))
            })
            .await
    }

    async fn place(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        let params: Params = run.params()?;
        let compute = &self.context.compute;
        let ratio = compute.settings.vcpus_per_core;
        let shared = tx.is_postgres();
        // A node of another process is that one's to vouch for.
        let usable = |name: &str| compute.node(name).map_or(shared, |node| node.answered);
        let node = place::place(tx, id, params.node.as_deref(), ratio, usable).await?;
        let task = Some(Some(TaskState::BlockDeviceMapping));
        let change = Change { node: Some(&node), task_state: task, ..Change::default() };
        servers::change(tx, id, &change, now).await?;
        networks::bind_ports_of_device(tx, id, &node).await
    }

    async fn disks_made(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        volumes::set_state_of_server(tx, id, VolumeState::InUse, now).await?;
        let volumes = match run.kept::<Plan>() {
            Some(plan) => plan.volumes.clone(),
            None => volumes::of_server(tx, id).await?,
        };
        for volume in volumes {
            let (project, kind) = (&volume.project_id, &volume.volume_type);
            metering::open_volume(tx, project, &volume.id, kind, volume.size_gib, now).await?;
        }
        Ok(())
    }

    async fn launched(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let server = locked(tx, run).await?;
        let change = Change {
            vm_state: Some(VmState::Active),
            task_state: Some(None),
            power_state: Some(PowerState::Running),
            launched_at: Some(now),
            progress: Some(100),
            fault: Some(None),
            forget_password: true,
            ..Change::default()
        };
        servers::change(tx, &server.id, &change, now).await?;
        settle::spans(tx, &server, true, now).await
    }

    async fn release(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        public_addresses::mark_made_for(tx, id, run.operation.created_at).await?;
        release::all_of_server(tx, id, release::Volumes::All, None, now).await
    }

    /// Everything outside is undone: frees what the records hold. The server stays, in error, or goes.
    async fn failed(&self, tx: &mut Conn, run: &Run, error: &Error, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        self.release(tx, run, now).await?;
        if run.operation.on_failure == OnFailure::Remove {
            servers::remove(tx, id).await?;
            return Ok(());
        }
        let change = Change {
            vm_state: Some(VmState::Error),
            task_state: Some(None),
            power_state: Some(PowerState::NoState),
            node: Some(""),
            fault: Some(Some(settle::fault(error, now))),
            forget_password: true,
            ..Change::default()
        };
        servers::change(tx, id, &change, now).await
    }

    /// A delete waits: it finds the server as one that was never placed.
    async fn cancelled(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        self.release(tx, run, now).await?;
        let change = Change {
            power_state: Some(PowerState::NoState),
            node: Some(""),
            forget_password: true,
            ..Change::default()
        };
        servers::change(tx, id, &change, now).await
    }
}

async fn locked(tx: &mut Conn, run: &Run) -> Result<Brief> {
    let id = &run.operation.resource_id;
    servers::lock(tx, id).await?.ok_or_else(|| Error::not_found("server", id))
}

#[async_trait]
impl Saga for Create {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn act(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        if step == PLACE {
            // Done in the write that ends the step.
            return Ok(Outcome::Done);
        }
        let plan = self.plan(run).await?;
        if plan.elsewhere {
            return Ok(Outcome::Elsewhere);
        }
        let (driver, server) = (plan.platform.driver()?, &plan.platform.server_id);
        let key = key(run, self.steps[step].name);
        if let Some(token) = token {
            return driver.poll(&key, server, token).await.map(outcome);
        }
        match step {
            DISKS => {
                let (spec, secrets) = self.spec(&plan).await?;
                driver.create_disks(&key, spec, secrets).await
            }
            DEFINE => {
                let (spec, secrets) = self.spec(&plan).await?;
                driver.define(&key, spec, secrets).await
            }
            _ => driver.start(&key, server).await,
        }
        .map(outcome)
    }

    async fn undo(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        let plan = self.plan(run).await?;
        if plan.elsewhere {
            return Ok(Outcome::Elsewhere);
        }
        let platform = &plan.platform;
        match step {
            START => platform.hard_stop(run, "start/undo", token).await,
            DEFINE => platform.undefine(run, "define/undo", token).await,
            DISKS => {
                let disks: Vec<String> = plan.volumes.iter().map(|volume| volume.id.clone()).collect();
                platform.delete_disks(run, "disks/undo", &disks, token).await
            }
            _ => Ok(Outcome::Done),
        }
    }

    async fn hold(&self, tx: &mut Conn, resources: &[String]) -> Result<()> {
        servers::lock_many(tx, resources).await.map(drop)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Done(PLACE) => self.place(tx, run, now).await,
            Event::Done(DISKS) => self.disks_made(tx, run, now).await,
            Event::Begun(DEFINE) => settle::task(tx, id, Some(TaskState::Spawning), now).await,
            Event::Succeeded => self.launched(tx, run, now).await,
            Event::Failed(error) => self.failed(tx, run, error, now).await,
            Event::Cancelled => self.cancelled(tx, run, now).await,
            Event::HandedOver => settle::task(tx, id, Some(TaskState::Deleting), now).await,
            Event::Stuck(error) => settle::stuck(tx, id, error, now).await,
            Event::Begun(_) | Event::Done(_) | Event::Unwinding(..) | Event::Undone(_) => Ok(()),
        }
    }

    fn digest(&self, run: &Run) -> Option<String> {
        Some(run.kept::<Plan>()?.platform.driver.as_ref()?.digest().to_owned())
    }
}
