//! `skyloom serve`: everything wired together, run and drained.

mod announce;
mod client_files;
mod core;
mod disks;
mod internal;
mod mounts;
mod nodes;
mod plugins;
mod recorded;
mod signals;
mod sources;

use std::sync::Arc;
use std::time::Instant;

use skyloom_cloud::Cloud;
use skyloom_cloud::compute::NodeSettings;
use skyloom_cloud::reconcile::Reconciler;
use skyloom_gateway::{Gateway, Metrics, Server, Shared, Tls};
use skyloom_jobs::{Engine, Faults};
use skyloom_store::Db;
use skyloom_store::documents::Documents;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use core::{connect, rehearse};
pub use mounts::{check_mounts, merged};
use plugins::Plugins;
pub use plugins::{load_options, tariff_alone, too_little_memory};
use recorded::Recorded;

use crate::cli::DeploymentArgs;
use crate::config::{Address, Deployment, Listener, Loaded, Node};
use crate::failure::Failure;
use crate::state::{self, AdminPassword, StateDir};
use mounts::{Bound, Place};
use signals::Signals;

/// Runs a deployment until it is told to stop. `json`: what a start says is one line of JSON.
pub fn run(args: &DeploymentArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    state::close_to_others();
    let loaded = Loaded::read(&args.config, args.state_dir.as_deref()).map_err(Failure::config)?;
    let state = StateDir::open(&loaded.state_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let running = tokio::select! {
            running = start(&loaded, &state) => running?,
            signal = signals.end(|| tracing::info!("SIGHUP: everything is being read just now")) => {
                tracing::info!(signal, "stopped before the start was done");
                return Ok(());
            }
        };
        running.announce(&loaded, &state, started.elapsed(), json)?;
        running.serve(signals).await
    });
    // A start that was stopped may still compile a plugin on a thread of its own: nobody waits for that.
    runtime.shutdown_background();
    ended
}

struct Running {
    server: Server,
    engine: Engine,
    background: Vec<JoinHandle<()>>,
    db: Db,
    documents: Documents,
    places: Vec<Place>,
    bound: Vec<Bound>,
    /// With the port that it has got.
    operator: Option<Address>,
    admin: Option<AdminPassword>,
    /// By the name of their listener.
    certificates: Vec<(String, Tls)>,
    /// None: this process takes no recorded nodes.
    recorded: Option<Arc<Recorded>>,
}

async fn start(loaded: &Loaded, state: &StateDir) -> Result<Running, Failure> {
    let deployment = &loaded.deployment;
    // Sockets first: the likeliest thing to be taken is told before any work.
    let (bound, sockets) = bind(deployment).await?;
    let operator = match &deployment.operator {
        Some(operator) => Some(listen(&operator.address, "operator").await?),
        None => None,
    };
    let internal = internal::bind(deployment).await?;
    let images = state.path().join(&deployment.images.folder);
    let disks = Arc::new(disks::Disks::new(state.path().to_owned(), images.clone(), deployment.state.min_free_mib));
    let documents = core::open_documents(deployment, state.path()).await?;
    let plugins = {
        let (loaded, compiled, documents) = (loaded.clone(), state.compiled()?, documents.clone());
        let load = move || Plugins::load(&loaded, compiled, images, documents);
        tokio::task::spawn_blocking(load).await.map_err(|_| Failure::new("loading the plugins panicked"))??
    };
    let db = core::open_database(deployment, state.path()).await?;
    let (cloud, admin) = core::start(loaded, state, &db, plugins.vocabulary()).await?;
    for plugin in plugins.all() {
        cloud.collections.settle(plugin.id(), plugin.collections()).await?;
    }
    cloud.images.sweep_images(!db.is_postgres()).await?;
    internal::reach_others(deployment, &cloud, internal.as_ref());
    let nodes = Arc::new(nodes::Nodes::new(deployment, &plugins, cloud.clone())?);
    let recorded = Recorded::of(deployment, &plugins, cloud.clone(), nodes.clone());
    let engine = engine(deployment, &db, &cloud, &plugins, recorded.as_ref()).await?;
    let reconciler = Reconciler::new(cloud.clone(), engine.clone(), deployment.reconcile.clone());
    let mut background =
        vec![reconciler.start(), cloud.compute.start_attaching(), cloud.start_schedules(deployment.schedules.clone())];
    if deployment.jobs.worker {
        background.push(cloud.compute.start_beating());
    }
    background.extend(recorded.iter().map(Recorded::start));
    if let Some(tariff) = &deployment.tariff {
        cloud.billing.set_tariff(plugins.tariff(&tariff.plugin)?);
        background.push(cloud.billing.start_rating());
    }
    let metrics = Arc::new(Metrics::default());
    metrics.add(Arc::new(sources::PluginSource(plugins.all())));
    metrics.add(Arc::new(sources::NodesSource(cloud.clone())));
    metrics.add(Arc::new(sources::JobsSource { engine: engine.clone(), reconciler }));
    metrics.add(Arc::new(sources::RatingSource(db.clone())));
    metrics.add(disks.clone());
    let shared = Shared::new(Arc::new(cloud.clone()), deployment.limits.clone(), metrics);
    let places = mounts::places(deployment, &bound, &plugins)?;
    cloud.identity.set_catalog(mounts::catalog(&places));
    let server = Server::new(shared.clone())?;
    let mut certificates = Vec::new();
    for (listener, socket) in deployment.listeners.iter().zip(sockets) {
        let mounts = mounts::compile(&places, &listener.name, &plugins, &cloud)?;
        let gateway = Gateway::new(shared.clone(), mounts, listener.access_log).map_err(Failure::config)?;
        let tls = read_tls(loaded, listener).map_err(|defect| Failure::config(vec![defect]))?;
        server.listen(socket, tls.as_ref(), &gateway)?;
        certificates.extend(tls.map(|tls| (listener.name.clone(), tls)));
    }
    if let Some(internal) = internal {
        internal.answer(deployment, &cloud, &server)?;
    }
    let operator = match operator {
        Some(socket) => {
            let port = socket.local_addr()?.port();
            let turns_clock = deployment.operator.as_ref().is_some_and(|operator| operator.turns_clock);
            server.listen_operator(socket, vec![disks], nodes, turns_clock)?;
            deployment.operator.as_ref().map(|operator| operator.address.with_port(port))
        }
        None => None,
    };
    Ok(Running { server, engine, background, db, documents, places, bound, operator, admin, certificates, recorded })
}

/// Of a listener that has any. Err: a line for the operator.
pub fn read_tls(loaded: &Loaded, listener: &Listener) -> Result<Option<Tls>, String> {
    let Some(tls) = &listener.tls else { return Ok(None) };
    let read = Tls::read(&loaded.path(&tls.certificate), &loaded.path(&tls.key));
    read.map(Some).map_err(|error| format!("listener `{}`: {error}", listener.name))
}

/// A host name may stand for several addresses: the first that can be had is taken.
async fn listen(address: &Address, name: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address.to_string()).await.map_err(|error| Failure::new(cannot_have(name, address, &error)))
}

pub fn cannot_have(listener: &str, address: &Address, error: &std::io::Error) -> String {
    format!("listener `{listener}` cannot have {address}: {error}")
}

/// Each listener's real address and public base, and the sockets.
async fn bind(deployment: &Deployment) -> Result<(Vec<Bound>, Vec<TcpListener>), Failure> {
    let (mut bound, mut sockets) = (Vec::new(), Vec::new());
    for listener in &deployment.listeners {
        let socket = listen(&listener.address, &listener.name).await?;
        let address = socket.local_addr()?;
        let real = Listener { address: listener.address.with_port(address.port()), ..listener.clone() };
        bound.push(Bound { name: listener.name.clone(), address, base: real.public_url() });
        sockets.push(socket);
    }
    Ok((bound, sockets))
}

async fn engine(
    deployment: &Deployment,
    db: &Db,
    cloud: &Cloud,
    plugins: &Plugins,
    recorded: Option<&Arc<Recorded>>,
) -> Result<Engine, Failure> {
    let faults = Arc::new(Faults::new(deployment.faults.clone().unwrap_or_default()));
    let engine = Engine::new(db.clone(), deployment.jobs.clone(), faults.clone());
    let waking = engine.clone();
    cloud.set_waker(move || waking.wake());
    let names: Vec<String> = deployment.nodes.iter().map(|node| node.name.clone()).collect();
    if let Some(name) = cloud.compute.recorded_among(&names).await? {
        let line =
            format!("node `{name}`: a record has this name, too: `skyloom node remove {name}`, or call it otherwise");
        return Err(Failure::config(vec![line]));
    }
    for node in &deployment.nodes {
        let driver = plugins.driver(&node.driver, &node.name, &node.config)?;
        cloud.compute.attach_node(node_settings(node), driver).await?;
    }
    if let Some(recorded) = recorded {
        recorded.look(true).await?;
    }
    cloud.compute.retire_other_nodes().await?;
    let named = cloud.clone();
    engine.set_nodes(move || named.compute.node_names());
    engine.start(skyloom_cloud::sagas(cloud, faults)).await?;
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
    async fn serve(self, mut signals: Signals) -> Result<(), Failure> {
        let Self { server, engine, background, db, documents, certificates, recorded, .. } = self;
        let (asked, told) = tokio::sync::oneshot::channel::<()>();
        let drained = server.run(async move { drop(told.await) });
        let end = async {
            let signal = signals.end(|| read_again(&certificates)).await;
            tracing::info!(signal, "draining; a second signal ends at once");
            drop(asked);
            signals.end(|| tracing::info!("SIGHUP: draining goes on")).await
        };
        tokio::select! {
            complete = drained => {
                if !complete {
                    tracing::warn!("requests were cut off at the end of the drain time");
                }
            }
            signal = end => return Err(Failure::new(format!("ended at once by {signal}, the second signal"))),
        }
        engine.drain().await;
        for task in background {
            task.abort();
        }
        if let Some(recorded) = recorded {
            recorded.give_back().await;
        }
        db.close().await;
        documents.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// At SIGHUP. What cannot be read stays as it was.
fn read_again(certificates: &[(String, Tls)]) {
    if certificates.is_empty() {
        tracing::info!("SIGHUP: no listener has a certificate that could be read again");
    }
    for (listener, tls) in certificates {
        match tls.read_again() {
            Ok(()) => tracing::info!(listener, "SIGHUP: the certificate was read again"),
            Err(error) => tracing::error!(listener, %error, "SIGHUP: the certificate stays as it was"),
        }
    }
}
