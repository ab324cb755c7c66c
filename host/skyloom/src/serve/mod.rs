//! `skyloom serve`: everything wired together, run and drained.

mod client_files;
mod core;
mod disks;
mod mounts;
mod nodes;
mod plugins;
mod sources;

use std::sync::Arc;
use std::time::{Duration, Instant};

use skyloom_cloud::Cloud;
use skyloom_cloud::compute::NodeSettings;
use skyloom_cloud::reconcile::Reconciler;
use skyloom_gateway::{Gateway, Metrics, Server, Shared};
use skyloom_jobs::{Engine, Faults};
use skyloom_store::Db;
use skyloom_store::documents::Documents;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

pub use core::{connect, rehearse};
pub use mounts::{check_mounts, merged};
use plugins::Plugins;
pub use plugins::load_options;

use crate::cli::DeploymentArgs;
use crate::config::{Deployment, Loaded, Node};
use crate::failure::Failure;
use crate::state::{AdminPassword, StateDir};
use client_files::Reached;
use mounts::{Bound, Place};

/// Runs a deployment until it is told to stop.
pub fn run(args: &DeploymentArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let loaded = Loaded::read(&args.config, args.state_dir.as_deref()).map_err(Failure::config)?;
    let state = StateDir::open(&loaded.state_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        let running = tokio::select! {
            running = start(&loaded, &state) => running?,
            () = stop.asked() => return Ok(()),
        };
        running.announce(&loaded, &state, started.elapsed())?;
        running.serve(stop).await
    })
}

/// SIGTERM and SIGINT. The first drains, the second ends at once.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

struct Running {
    server: Server,
    engine: Engine,
    background: Vec<JoinHandle<()>>,
    db: Db,
    documents: Documents,
    places: Vec<Place>,
    bound: Vec<Bound>,
    operator: Option<std::net::SocketAddr>,
    admin: Option<AdminPassword>,
}

async fn start(loaded: &Loaded, state: &StateDir) -> Result<Running, Failure> {
    let deployment = &loaded.deployment;
    // Sockets first: the likeliest thing to be taken is told before any work.
    let (bound, sockets) = bind(deployment).await?;
    let operator = match &deployment.operator {
        Some(operator) => Some(listen(operator.address, "operator").await?),
        None => None,
    };
    let images = state.path().join(&deployment.images.folder);
    let disks = Arc::new(disks::Disks::new(state.path().to_owned(), images.clone(), deployment.state.min_free_mib));
    let documents = core::open_documents(deployment, state.path()).await?;
    let plugins = {
        let (loaded, state, documents) = (loaded.clone(), state.path().to_owned(), documents.clone());
        let load = move || Plugins::load(&loaded, &state, images, documents);
        tokio::task::spawn_blocking(load).await.map_err(|_| Failure::new("loading the plugins panicked"))??
    };
    let db = core::open_database(deployment, state.path()).await?;
    let (cloud, admin) = core::start(loaded, state, &db).await?;
    cloud.sweep_images(!db.is_postgres()).await?;
    let engine = engine(deployment, &db, &cloud, &plugins).await?;
    let reconciler = Reconciler::new(cloud.clone(), engine.clone(), deployment.reconcile.clone());
    let mut background = vec![reconciler.start(), cloud.start_attaching()];
    if deployment.jobs.worker {
        background.push(cloud.start_beating());
    }
    if let Some(tariff) = &deployment.tariff {
        cloud.set_tariff(plugins.tariff(&tariff.plugin)?);
        background.push(cloud.start_rating());
    }
    let metrics = Arc::new(Metrics::default());
    metrics.add(Arc::new(sources::PluginSource(plugins.all())));
    metrics.add(Arc::new(sources::NodesSource(cloud.clone())));
    metrics.add(Arc::new(sources::JobsSource { engine: engine.clone(), reconciler }));
    metrics.add(Arc::new(sources::RatingSource(db.clone())));
    metrics.add(disks.clone());
    let shared = Shared::new(Arc::new(cloud.clone()), deployment.limits.clone(), metrics);
    let places = mounts::places(deployment, &bound, &plugins)?;
    cloud.set_catalog(mounts::catalog(&places));
    let server = Server::new(shared.clone());
    for (listener, socket) in deployment.listeners.iter().zip(sockets) {
        let mounts = mounts::compile(&places, &listener.name, &plugins, &cloud)?;
        let gateway = Gateway::new(shared.clone(), mounts).map_err(Failure::config)?;
        let tls = listener
            .tls
            .as_ref()
            .map(|tls| skyloom_gateway::tls(&loaded.path(&tls.certificate), &loaded.path(&tls.key)))
            .transpose()
            .map_err(|error| Failure::config(vec![format!("listener `{}`: {error}", listener.name)]))?;
        server.listen(socket, tls, &gateway);
    }
    let operator = match operator {
        Some(socket) => {
            let address = socket.local_addr()?;
            let nodes = nodes::Nodes::new(deployment, &plugins, cloud.clone())?;
            server.listen_operator(socket, vec![disks], Arc::new(nodes));
            Some(address)
        }
        None => None,
    };
    Ok(Running { server, engine, background, db, documents, places, bound, operator, admin })
}

async fn listen(address: std::net::SocketAddr, name: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::new(format!("listener `{name}` cannot have {address}: {error}")))
}

/// Each listener's real address and public base, and the sockets.
async fn bind(deployment: &Deployment) -> Result<(Vec<Bound>, Vec<TcpListener>), Failure> {
    let (mut bound, mut sockets) = (Vec::new(), Vec::new());
    for listener in &deployment.listeners {
        let socket = listen(listener.address, &listener.name).await?;
        let address = socket.local_addr()?;
        let real = crate::config::Listener { address, ..listener.clone() };
        bound.push(Bound { name: listener.name.clone(), address, base: real.public_url() });
        sockets.push(socket);
    }
    Ok((bound, sockets))
}

async fn engine(deployment: &Deployment, db: &Db, cloud: &Cloud, plugins: &Plugins) -> Result<Engine, Failure> {
    let faults = Arc::new(Faults::new(deployment.faults.clone().unwrap_or_default()));
    let engine = Engine::new(db.clone(), deployment.jobs.clone(), faults.clone());
    let waking = engine.clone();
    cloud.set_waker(move || waking.wake());
    for node in &deployment.nodes {
        let driver = plugins.driver(&node.driver, &node.name, &node.config)?;
        cloud.attach_node(node_settings(node), driver).await?;
    }
    cloud.retire_other_nodes().await?;
    let named = cloud.clone();
    engine.set_nodes(move || named.node_names());
    engine.start(skyloom_cloud::compute::sagas::all(cloud, faults)).await?;
    Ok(engine)
}

fn node_settings(node: &Node) -> NodeSettings {
    NodeSettings {
        name: node.name.clone(),
        driver: node.driver.clone(),
        zone: node.zone.clone(),
        vcpus: node.vcpus,
        memory_mib: node.memory_mib,
        disk_gib: node.disk_gib,
        platform_networks: node.platform_networks.clone(),
        enabled: node.enabled,
    }
}

impl Running {
    /// For the person who started it: on standard output, the log goes elsewhere.
    fn announce(&self, loaded: &Loaded, state: &StateDir, took: Duration) -> Result<(), Failure> {
        let deployment = &loaded.deployment;
        say!("Skyloom {} is ready after {:.2} s", env!("CARGO_PKG_VERSION"), took.as_secs_f64());
        say!("\nendpoints");
        for place in &self.places {
            say!("  {:<14} {}", place.plugin, place.endpoint());
        }
        if let Some(operator) = self.operator {
            say!("  {:<14} http://{operator}/healthz /readyz /metrics", "operator");
        }
        let identity = &deployment.seed.identity;
        say!("\nadministrator");
        say!("  user {}, project {}, domain {}", identity.admin_user, identity.admin_project, identity.domain_name);
        match &self.admin {
            Some(admin) => say!("  {}", admin.describe()),
            None => say!("  password: the one that this database was first started with"),
        }
        let reached = Reached { places: &self.places, bound: &self.bound, operator: self.operator };
        for (file, path) in client_files::write(deployment, reached, state, self.admin.as_ref())? {
            say!("\n{}: {}", path.display(), file.purpose);
            if self.admin.as_ref().is_some_and(AdminPassword::is_new) {
                let text = std::fs::read_to_string(&path)?;
                crate::output::write(format_args!("{text}"));
            }
        }
        if let Err(error) = crate::output::finish() {
            tracing::warn!(%error, "the announcement cannot be written to standard output");
        }
        for bound in &self.bound {
            tracing::info!(listener = bound.name, address = %bound.address, "listening");
        }
        Ok(())
    }

    async fn serve(self, mut stop: Stop) -> Result<(), Failure> {
        let Self { server, engine, background, db, documents, .. } = self;
        let (asked, told) = tokio::sync::oneshot::channel::<()>();
        let drained = server.run(async move { drop(told.await) });
        let end = async {
            stop.asked().await;
            tracing::info!("draining; a second signal ends at once");
            drop(asked);
            stop.asked().await;
        };
        tokio::select! {
            complete = drained => {
                if !complete {
                    tracing::warn!("requests were cut off at the end of the drain time");
                }
            }
            () = end => return Err(Failure::new("ended at once by a second signal")),
        }
        engine.drain().await;
        for task in background {
            task.abort();
        }
        db.close().await;
        documents.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
