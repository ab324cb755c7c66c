//! A core and a personality that a test scripts.

pub mod sockets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::Request as HttpRequest;
use axum::response::Response as HttpResponse;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use skyloom_gateway::{
    BlobSink, Body, Core, Gateway, Handler, Metrics, Mount, MountSpec, Nodes, Request, Response, Settings, Shared,
    SigningKey,
};
use skyloom_model::{Caller, Error, ErrorCode, Least, Named, Permission, Placed, Result, Scope};
use skyloom_runtime::collections::Collections;
use skyloom_runtime::context::CallContext;
use skyloom_runtime::manifest::Manifest;
use skyloom_runtime::{RunError, SchemaSet};

pub const MANIFEST: &str = r#"
manifest = 1
id = "things-v1"
version = "0.1.0"
kind = "personality"
contract = "0.1"
description = "For tests."
license = "Apache-2.0"

[api]
token-header = "X-Token"
request-id-headers = ["X-Request-Id"]
max-body-kib = 1
project-param = "project_id"
project-header = "X-Project"

[api.versioning]
headers = [{ name = "Api-Version", prefix = "things" }]
default = "2.1"
min = "2.1"
max = "2.30"
echo = true

[api.rules]
"things:look" = "servers:read"
"flavors:make" = "flavors:create"

[api.errors]
content-type = "application/json"
body = '{"fault":{"code":{status},"why":"{code}","message":"{message}","id":"{request_id}"}}'
forbidden = "Not \"{rule}\", says the policy."

[api.errors.overrides.rate-limited]
status = 413

[[operation]]
id = "versions"
method = "GET"
paths = ["/"]
action = "public"
success = [200]

[[operation]]
id = "things.list"
method = "GET"
paths = ["/things", "/{project_id}/things"]
action = "servers:read"
success = [200]

[[operation]]
id = "things.detail"
method = "GET"
paths = ["/things/detail"]
action = "servers:read"
success = [200]

[[operation]]
id = "things.show"
method = "GET"
paths = ["/things/{id}"]
action = "servers:read"
success = [200]

[[operation]]
id = "things.delete"
method = "DELETE"
paths = ["/things/{id}"]
action = "servers:delete"
rule = "things:delete"
success = [204]

[[operation]]
id = "things.create"
method = "POST"
paths = ["/things"]
action = "servers:create"
success = [202]
schema = "thing.json"
secrets = ["/thing/password"]
secret-headers = ["X-Secret"]
answer-secrets = ["/thing/password"]
answer-secret-headers = ["X-Answer"]

[[operation]]
id = "things.bless"
method = "POST"
paths = ["/things/{id}/bless"]
action = "servers:start"
rule = "things:bless"
requires = ["things:look", "flavors:make"]
success = [202]

[[operation]]
id = "things.start"
method = "POST"
paths = ["/things/{id}/action"]
action = "servers:start"
success = [202]
body-key = "start"

[[operation]]
id = "things.stop"
method = "POST"
paths = ["/things/{id}/action"]
action = "servers:start"
success = [202]
body-key = "stop"
min-version = "2.9"

[[operation]]
id = "things.upload"
method = "PUT"
paths = ["/things/{id}/file"]
action = "images:update"
success = [204]
body = "stream"

[[operation]]
id = "things.download"
method = "GET"
paths = ["/things/{id}/file"]
action = "images:read"
success = [200]

[[operation]]
id = "things.wipe"
method = "POST"
paths = ["/wipe"]
action = "roles:create"
success = [204]
"#;

pub const SCHEMA: &str = r#"{
  "type": "object", "required": ["thing"],
  "properties": { "thing": { "type": "object", "required": ["name"],
    "properties": { "name": { "type": "string", "maxLength": 5 }, "password": { "type": "string", "maxLength": 8 } } } }
}"#;

/// An access key of a member of p1. The key `broken-key` cannot be looked up.
pub const KEY: &str = "members-key";
pub const SECRET: &str = "a member's secret";

/// What a test's personality does with a request.
pub type Script = Box<dyn Fn(&CallContext, &Request) -> std::result::Result<Response, RunError> + Send + Sync>;

pub struct Scripted {
    script: Script,
    pub seen: Mutex<Vec<Request>>,
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, context: Arc<CallContext>, request: Request) -> std::result::Result<Response, RunError> {
        let response = (self.script)(&context, &request);
        self.seen.lock().unwrap().push(request);
        response
    }
}

/// Tokens are `<role>` or `<role>@<project>`. The blob `short` holds one byte less than promised.
#[derive(Default)]
pub struct FakeCore {
    pub blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub aborted: Mutex<Vec<String>>,
    pub folder: Option<PathBuf>,
    pub down: std::sync::atomic::AtomicBool,
}

pub fn caller(role: &str, project: &str) -> Caller {
    let named = |text: &str| Named { id: text.to_owned(), name: text.to_owned() };
    let placed = |text: &str| Placed { id: text.to_owned(), name: text.to_owned(), domain: named("default") };
    Caller {
        user: placed("user"),
        scope: Scope::Project(placed(project)),
        roles: vec![named(role)],
        admin: role == "admin",
    }
}

#[async_trait]
impl Core for FakeCore {
    async fn caller_of_token(&self, token: &str) -> Result<Arc<Caller>> {
        let (role, project) = token.split_once('@').unwrap_or((token, "p1"));
        match role {
            "admin" | "manager" | "member" | "reader" => Ok(Arc::new(caller(role, project))),
            "broken" => Err(Error::unavailable("the database sleeps")),
            _ => Err(Error::new(ErrorCode::Unauthenticated, "no")),
        }
    }

    async fn signing_key(&self, id: &str) -> Result<Arc<SigningKey>> {
        match id {
            KEY => Ok(Arc::new(SigningKey::new(Arc::new(caller("member", "p1")), SECRET))),
            "broken-key" => Err(Error::unavailable("the database sleeps")),
            _ => Err(Error::new(ErrorCode::Unauthenticated, "no")),
        }
    }

    fn permit(&self, caller: Option<&Caller>, asked: &Permission) -> Result<()> {
        let rank = match caller {
            None => Least::Anyone,
            Some(caller) if caller.admin => Least::Operator,
            Some(caller) if caller.has_role("member") => Least::Member,
            Some(_) => Least::Reader,
        };
        if rank >= asked.least { Ok(()) } else { Err(Error::new(ErrorCode::Forbidden, "no")) }
    }

    /// A manager may act in every project.
    async fn act_in(&self, known: &Caller, project: &str) -> Result<Option<Arc<Caller>>> {
        Ok(known.has_role("manager").then(|| Arc::new(caller("manager", project))))
    }

    async fn create_blob(&self, _: &Arc<CallContext>) -> Result<Box<dyn BlobSink>> {
        Ok(Box::new(Sink { bytes: Vec::new(), blobs: self.blobs.clone() }))
    }

    async fn open_blob(&self, name: &str) -> Result<(tokio::fs::File, u64)> {
        let bytes = self.blobs.lock().unwrap().get(name).cloned().ok_or_else(|| Error::not_found("blob", name))?;
        let path = self.folder.clone().unwrap().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let promised = if name == "short" { bytes.len() + 1 } else { bytes.len() };
        Ok((tokio::fs::File::open(&path).await.unwrap(), promised as u64))
    }

    async fn abort_upload(&self, context: &Arc<CallContext>) {
        self.aborted.lock().unwrap().push(context.request_id.to_string());
    }

    async fn ready(&self) -> Result<()> {
        if self.down.load(std::sync::atomic::Ordering::Relaxed) { Err(Error::unavailable("down")) } else { Ok(()) }
    }
}

/// One node, `node-1`. Its driver's schema wants `delay` to be a number.
#[derive(Default)]
pub struct FakeNodes(Mutex<Map<String, Value>>);

#[async_trait]
impl Nodes for FakeNodes {
    async fn config(&self, node: &str) -> Result<Map<String, Value>> {
        if node == "node-1" { Ok(self.0.lock().unwrap().clone()) } else { Err(Error::not_found("node", node)) }
    }

    async fn change_config(&self, node: &str, changes: Map<String, Value>) -> Result<Map<String, Value>> {
        self.config(node).await?;
        if !changes.get("delay").is_none_or(Value::is_number) {
            return Err(Error::invalid("config", "config/delay: no number"));
        }
        self.0.lock().unwrap().extend(changes);
        self.config(node).await
    }
}

struct Sink {
    bytes: Vec<u8>,
    blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

#[async_trait]
impl BlobSink for Sink {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(String, u64)> {
        let size = self.bytes.len() as u64;
        let name = format!("blob-{size}");
        self.blobs.lock().unwrap().insert(name.clone(), self.bytes);
        Ok((name, size))
    }
}

/// A gateway with one mount at `/api`.
pub struct World {
    pub gateway: Arc<Gateway>,
    pub shared: Arc<Shared>,
    pub core: Arc<FakeCore>,
    pub handler: Arc<Scripted>,
    _folder: tempfile::TempDir,
}

pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Reply {
    /// As [`Reply::why`], or `ok`.
    pub fn why_or_ok(&self) -> String {
        if self.status < 400 { "ok".to_owned() } else { self.why() }
    }

    /// The code of a refusal in the manifest's words.
    pub fn why(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body));
        value["fault"]["why"].as_str().unwrap().to_owned()
    }
}

pub fn schemas(manifest: &Manifest) -> SchemaSet {
    let texts = BTreeMap::from([("thing.json".to_owned(), SCHEMA.to_owned())]);
    SchemaSet::compile(manifest, &texts).unwrap()
}

pub fn mount(manifest: &str, prefix: &str, handler: Arc<dyn Handler>) -> std::result::Result<Arc<Mount>, Vec<String>> {
    mount_with(manifest, prefix, handler, false)
}

pub fn mount_with(
    manifest: &str,
    prefix: &str,
    handler: Arc<dyn Handler>,
    dependent_actions: bool,
) -> std::result::Result<Arc<Mount>, Vec<String>> {
    let manifest = Manifest::parse(manifest).unwrap();
    let schemas = schemas(&manifest);
    Mount::compile(&MountSpec {
        manifest: &manifest,
        signature: manifest.signature(),
        dependent_actions,
        schemas: &|operation| schemas.of(operation),
        collections: Collections::default(),
        handler,
        prefix: prefix.to_owned(),
        base_url: format!("http://cloud.test{prefix}"),
    })
}

pub fn ok(body: &str) -> Response {
    Response { status: 200, headers: vec![], body: Body::Bytes(body.as_bytes().to_vec()) }
}

pub fn handler(
    script: impl Fn(&CallContext, &Request) -> std::result::Result<Response, RunError> + Send + Sync + 'static,
) -> Arc<Scripted> {
    Arc::new(Scripted { script: Box::new(script), seen: Mutex::default() })
}

impl World {
    pub fn new(
        script: impl Fn(&CallContext, &Request) -> std::result::Result<Response, RunError> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Settings::default(), script)
    }

    /// Answers every request with its operation's id.
    pub fn echo() -> Self {
        Self::new(|_, request| Ok(ok(&request.operation)))
    }

    pub fn with(
        settings: Settings,
        script: impl Fn(&CallContext, &Request) -> std::result::Result<Response, RunError> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let core = Arc::new(FakeCore { folder: Some(folder.path().to_owned()), ..FakeCore::default() });
        let shared = Shared::new(core.clone(), settings, Arc::new(Metrics::default()));
        let handler = handler(script);
        let mount = mount(MANIFEST, "/api", handler.clone()).unwrap();
        let gateway = Gateway::new(shared.clone(), vec![mount], false).unwrap();
        Self { gateway, shared, core, handler, _folder: folder }
    }

    pub async fn send(&self, request: HttpRequest) -> Reply {
        read(self.gateway.serve(None, request).await).await
    }

    /// As a member of project p1.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        self.call_as("member", method, path, body).await
    }

    pub async fn call_as(&self, token: &str, method: &str, path: &str, body: &str) -> Reply {
        let request = http::Request::builder().method(method).uri(path).header("x-token", token);
        self.send(request.body(body.to_owned().into()).unwrap()).await
    }

    pub fn last(&self) -> Request {
        self.handler.seen.lock().unwrap().last().cloned().unwrap()
    }

    pub fn calls(&self) -> usize {
        self.handler.seen.lock().unwrap().len()
    }
}

pub async fn read(response: HttpResponse) -> Reply {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
}
