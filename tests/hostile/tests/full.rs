//! The memory of all sandboxes is taken: what a client hears of that over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hostile_tests::{FACE_CAPABILITIES, StubCloud, grants, load, manifest, packed, runtime};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use skyloom_gateway::{BlobSink, Core, Gateway, Metrics, Mount, MountSpec, Settings, Shared};
use skyloom_model::{Caller, Error, ErrorCode, Permission, Result};
use skyloom_runtime::context::CallContext;
use skyloom_runtime::manifest::LimitsTable;
use tokio::task::JoinHandle;

const API: &str = r#"
[api]
[api.errors]
content-type = "application/json"
body = '{"fault":{"code":{status},"why":"{code}"}}'
"#;

const OPERATIONS: &[&str] = &["ok", "hold", "allocate", "write-then-allocate"];

/// Everybody may do everything.
struct Open;

#[async_trait]
impl Core for Open {
    async fn caller_of_token(&self, _: &str) -> Result<Arc<Caller>> {
        Err(Error::new(ErrorCode::Unauthenticated, "no"))
    }
    fn permit(&self, _: Option<&Caller>, _: &Permission) -> Result<()> {
        Ok(())
    }
    async fn act_in(&self, _: &Caller, _: &str) -> Result<Option<Arc<Caller>>> {
        Ok(None)
    }
    async fn create_blob(&self, _: &Arc<CallContext>) -> Result<Box<dyn BlobSink>> {
        Err(Error::unavailable("no blobs"))
    }
    async fn open_blob(&self, name: &str) -> Result<(tokio::fs::File, u64)> {
        Err(Error::not_found("blob", name))
    }
    async fn abort_upload(&self, _: &Arc<CallContext>) {}
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

/// 64 MiB of all: eight first shares, and 32 MiB that one call may take.
fn gateway() -> Arc<Gateway> {
    let operations = OPERATIONS.iter().map(|id| {
        format!("[[operation]]\nid = \"{id}\"\nmethod = \"GET\"\npaths = [\"/{id}\"]\naction = \"public\"\nsuccess = [200]\n")
    });
    let text =
        manifest("hostile", "personality", FACE_CAPABILITIES, &(API.to_owned() + &operations.collect::<String>()));
    let limits = LimitsTable { memory_mib: Some(36), cpu_ms: Some(20_000), ..LimitsTable::default() };
    let runtime = runtime(|options| options.memory_mib = 64);
    let plugin = load(&runtime, packed("hostile-face", &text), grants(FACE_CAPABILITIES), limits).expect("a plugin");
    let mount = Mount::compile(&MountSpec {
        dependent_actions: false,
        manifest: plugin.manifest(),
        signature: plugin.manifest().signature(),
        schemas: &|operation| plugin.body_schemas(operation),
        collections: plugin.collections().clone(),
        handler: Arc::new(plugin.personality(Arc::new(StubCloud), &Map::new()).expect("a personality")),
        prefix: String::new(),
        base_url: "http://cloud.test".to_owned(),
    });
    let settings = Settings { anonymous_rate: 0, ..Settings::default() };
    let shared = Shared::new(Arc::new(Open), settings, Arc::new(Metrics::default()));
    Gateway::new(shared, vec![mount.expect("a mount")], false).expect("a gateway")
}

struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: String,
}

async fn get(gateway: &Arc<Gateway>, path: &str) -> Reply {
    let request = http::Request::builder().uri(path).body(String::new().into()).expect("a request");
    let (parts, body) = gateway.serve(None, request).await.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Reply {
        status: parts.status.as_u16(),
        retry_after: parts.headers.get("retry-after").map(|value| value.to_str().expect("text").to_owned()),
        body: String::from_utf8(bytes.to_vec()).expect("text"),
    }
}

fn begin(gateway: &Arc<Gateway>, path: &'static str) -> JoinHandle<Reply> {
    let gateway = gateway.clone();
    tokio::spawn(async move { get(&gateway, path).await })
}

/// Until a call that needs more than its first share is refused.
async fn refused(gateway: &Arc<Gateway>) -> Reply {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let reply = get(gateway, "/allocate?n=10").await;
        if reply.status != 200 {
            return reply;
        }
        assert!(Instant::now() < deadline, "the memory was never taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_finds_no_memory_is_told_when_to_come_again_and_then_served() {
    let gateway = gateway();
    let holder = begin(&gateway, "/hold?n=10");
    let reply = refused(&gateway).await;
    assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("1")));
    let body: Value = serde_json::from_str(&reply.body).expect("the manifest's envelope");
    assert_eq!(body["fault"]["why"], "unavailable");
    assert_eq!(get(&gateway, "/ok").await.body, "ok", "a call with its first share goes on");
    holder.abort();
    assert!(holder.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(get(&gateway, "/allocate?n=10").await.status, 200);
}

/// 503 would say that nothing was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_has_written_is_not_refused_for_memory() {
    let gateway = gateway();
    let holder = begin(&gateway, "/hold?n=10");
    refused(&gateway).await;
    let writer = begin(&gateway, "/write-then-allocate?n=10");
    // As long as one that has written nothing is let wait.
    refused(&gateway).await;
    assert!(!writer.is_finished(), "it waits");
    holder.abort();
    let reply = writer.await.expect("an answer");
    assert_eq!((reply.status, reply.body.as_str()), (200, "version 1"));
}
