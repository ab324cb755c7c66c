//! One server for `boundary`: the gateway, one mount, and behind it the component or its native twin.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use skyloom_cloud::Cloud;
use skyloom_gateway::{BlobSink, Core, Gateway, Handler, Metrics, Mount, MountSpec, Server, Settings, Shared};
use skyloom_model::{Caller, Error, Named, Permission, Placed, Scope};
use skyloom_runtime::api::CloudApi;
use skyloom_runtime::context::CallContext;
use skyloom_runtime::{Compiled, Grant, KEY_BYTES, LoadOptions, Options, Runtime};
use skyloom_store::Db;
use tokio::net::TcpListener;

use crate::canned::Canned;
use crate::native::Native;

/// Everybody is the same operator: what is measured lies behind the authentication.
struct OneCaller(Arc<Caller>);

#[async_trait]
impl Core for OneCaller {
    async fn caller_of_token(&self, _token: &str) -> skyloom_model::Result<Arc<Caller>> {
        Ok(self.0.clone())
    }

    fn permit(&self, _caller: Option<&Caller>, _asked: &Permission) -> skyloom_model::Result<()> {
        Ok(())
    }

    async fn act_in(&self, _caller: &Caller, _project_id: &str) -> skyloom_model::Result<Option<Arc<Caller>>> {
        Ok(None)
    }

    async fn create_blob(&self, _context: &Arc<CallContext>) -> skyloom_model::Result<Box<dyn BlobSink>> {
        Err(Error::internal("no uploads here"))
    }

    async fn open_blob(&self, name: &str) -> skyloom_model::Result<(tokio::fs::File, u64)> {
        Err(Error::not_found("blob", name))
    }

    async fn abort_upload(&self, _context: &Arc<CallContext>) {}

    async fn ready(&self) -> skyloom_model::Result<()> {
        Ok(())
    }
}

pub async fn run(plugins: &Path, native: bool, database: Option<&Path>, project: Option<String>) -> Result<()> {
    let cloud: Arc<dyn CloudApi> = match database {
        Some(path) => {
            let db = Db::sqlite(path, skyloom_store::db::Options::default()).await.map_err(shown)?;
            Arc::new(Cloud::new(db, skyloom_cloud::Settings::default()).map_err(shown)?)
        }
        None => Arc::new(Canned),
    };
    let cache = tempfile::tempdir()?;
    let compiled = Compiled { folder: cache.path().join("compiled"), key: [0; KEY_BYTES] };
    let runtime = Runtime::new(Options { cache: Some(compiled), ..Options::default() })?;
    let file = plugins.join("compute-v2.wasm");
    let plugin = runtime.load(&file, LoadOptions { grants: grants(&file)?, ..LoadOptions::default() })?;
    let handler: Arc<dyn Handler> = if native {
        Arc::new(Native { cloud, waits: database.is_some() })
    } else {
        Arc::new(plugin.personality(cloud, &serde_json::Map::new())?)
    };
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let mount = Mount::compile(&MountSpec {
        dependent_actions: false,
        manifest: plugin.manifest(),
        signature: plugin.manifest().signature(),
        schemas: &|operation| plugin.body_schemas(operation),
        collections: plugin.collections().clone(),
        handler,
        prefix: "/compute".to_owned(),
        base_url: format!("http://{address}/compute"),
    });
    let settings = Settings { project_rate: 0, ..Settings::default() };
    let shared = Shared::new(Arc::new(OneCaller(caller(project))), settings, Arc::new(Metrics::default()));
    let mounts = vec![mount.map_err(|defects| anyhow!(defects.join("; ")))?];
    let gateway = Gateway::new(shared.clone(), mounts, false).map_err(|defects| anyhow!(defects.join("; ")))?;
    let server = Server::new(shared)?;
    server.listen(socket, None, &gateway)?;
    println!("listening {address}");
    server.run(stdin_closed()).await;
    Ok(())
}

/// Everything that the plugin asks for: what it may do is not what is measured.
fn grants(file: &Path) -> Result<Vec<Grant>> {
    let package = skyloom_runtime::Package::read(file)?;
    let names = package.manifest.capabilities.iter().map(|capability| capability.name.as_str());
    Ok(serde_json::from_value(names.collect())?)
}

async fn stdin_closed() {
    // Whatever ends it, the parent is gone.
    let _ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await;
}

fn caller(project: Option<String>) -> Arc<Caller> {
    let domain = Named { id: "default".to_owned(), name: "Default".to_owned() };
    let placed = |id: String| Placed { id, name: "admin".to_owned(), domain: domain.clone() };
    Arc::new(Caller {
        user: placed("load".to_owned()),
        scope: Scope::Project(placed(project.unwrap_or_else(|| "load".to_owned()))),
        roles: vec![Named { id: "admin".to_owned(), name: "admin".to_owned() }],
        admin: true,
    })
}

fn shown(error: Error) -> anyhow::Error {
    anyhow!(error.for_log())
}
