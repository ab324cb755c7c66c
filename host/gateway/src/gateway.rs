//! The way of a request through the host.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Method};
use skyloom_runtime::manifest::ApiErrors;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::answer::{Answer, without_body};
use crate::core::Core;
use crate::exchange::Exchange;
use crate::incoming::{ClientBody, Refused};
use crate::limiter::Limiter;
use crate::metrics::Metrics;
use crate::mount::Mount;
use crate::refusal::{Details, Refusal, Templates};
use crate::routes::{Found, Path, Routes};
use crate::settings::{Settings, millis};
use crate::unserved;

/// What all listeners of a process share.
pub struct Shared {
    pub core: Arc<dyn Core>,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub(crate) calls: Semaphore,
    pub(crate) projects: Option<Limiter<String>>,
    pub(crate) anonymous: Option<Limiter<IpAddr>>,
    /// Requests that go on when their client is gone.
    pub(crate) tasks: TaskTracker,
    draining: AtomicBool,
    /// For requests that belong to no mount.
    neutral: Templates,
    nobody: Arc<str>,
}

impl Shared {
    pub fn new(core: Arc<dyn Core>, settings: Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        let neutral = Templates::compile(&ApiErrors::default()).unwrap_or_else(|defect| {
            // A constant of this program; a test compiles it.
            unreachable!("the neutral templates: {defect}")
        });
        Arc::new(Self {
            core,
            metrics,
            calls: Semaphore::new(settings.max_calls as usize),
            projects: Limiter::new(settings.project_rate, settings.project_burst),
            anonymous: Limiter::new(settings.anonymous_rate, settings.anonymous_burst),
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
            neutral,
            nobody: Arc::from("-"),
            settings,
        })
    }

    /// From here on new requests are told to go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// A turn for a call into a sandbox.
    pub(crate) async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refused> {
        if let Ok(permit) = self.calls.try_acquire() {
            return Ok(permit);
        }
        let wait = tokio::time::timeout(millis(self.settings.queue_ms), self.calls.acquire()).await;
        match wait {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                Err(Refused { refusal: Refusal::Unavailable, message: None, retry_after: Some(Duration::from_secs(1)) })
            }
        }
    }
}

/// Counts also the requests whose clients hang up.
struct InFlight<'m>(&'m Metrics);

impl<'m> InFlight<'m> {
    fn new(metrics: &'m Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// The HTTP side of one listener.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    routes: Routes,
    listener: Option<Limiter<()>>,
}

impl Gateway {
    /// Err: every defect, a line each.
    pub fn new(shared: Arc<Shared>, mounts: Vec<Arc<Mount>>) -> Result<Arc<Self>, Vec<String>> {
        let listener = Limiter::new(shared.settings.listener_rate, shared.settings.listener_burst);
        Ok(Arc::new(Self { routes: Routes::build(mounts)?, shared, listener }))
    }

    /// The gateway as axum serves it; the listener says in [`ConnectInfo`] who asks. One fallback for every path: which route
    /// it is depends on decoded segments and, within a route, on versions and bodies, and nothing found has a vendor's words.
    pub fn router(self: &Arc<Self>) -> Router {
        let gateway = self.clone();
        Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let gateway = gateway.clone();
            async move {
                let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
                Ok::<_, Infallible>(gateway.serve(client, request).await)
            }
        }))
    }

    /// Answers one request. Never fails, never panics.
    pub async fn serve(self: &Arc<Self>, client: Option<IpAddr>, request: Request) -> Answer {
        let started = Instant::now();
        let _in_flight = InFlight::new(&self.shared.metrics);
        let request_id: Arc<str> = format!("req-{}", uuid::Uuid::new_v4()).into();
        let (parts, body) = request.into_parts();
        let reads = parts.method == Method::GET || parts.method == Method::HEAD;
        let (answer, plugin, operation) = if reads {
            self.guarded(client, request_id.clone(), parts, body).await
        } else {
            // What changes something goes on to its end when the client hangs up, so that no half of it is left.
            let (gateway, id) = (self.clone(), request_id.clone());
            let task = async move { gateway.guarded(client, id, parts, body).await };
            match self.shared.tasks.spawn(task).await {
                Ok(done) => done,
                Err(_) => self.broken(&request_id),
            }
        };
        let status = answer.status().as_u16();
        let took = started.elapsed();
        self.shared.metrics.request(&plugin, &operation, status, took);
        if status >= 500 {
            tracing::warn!(request_id = &*request_id, plugin = &*plugin, operation = &*operation, status, "answered");
        } else {
            let micros = took.as_micros() as u64;
            tracing::debug!(
                request_id = &*request_id,
                plugin = &*plugin,
                operation = &*operation,
                status,
                micros,
                "answered"
            );
        }
        answer
    }

    async fn guarded(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        request_id: Arc<str>,
        parts: Parts,
        body: ClientBody,
    ) -> (Answer, Arc<str>, Arc<str>) {
        let work = AssertUnwindSafe(self.route(client, &request_id, parts, body));
        work.catch_unwind().await.unwrap_or_else(|_| self.broken(&request_id))
    }

    /// The answer where the host itself has a defect.
    fn broken(&self, request_id: &str) -> (Answer, Arc<str>, Arc<str>) {
        tracing::error!(request_id, "a request's handling panicked");
        self.nobodys(None, request_id, Refusal::Internal.into(), None)
    }

    async fn route(
        &self,
        client: Option<IpAddr>,
        request_id: &Arc<str>,
        parts: Parts,
        body: ClientBody,
    ) -> (Answer, Arc<str>, Arc<str>) {
        let Ok(path) = Path::read(parts.uri.path()) else {
            let mount = self.routes.mount_of_malformed(&parts.method, parts.uri.path());
            return self.nobodys(mount.as_ref(), request_id, Refusal::MalformedRequest.into(), None);
        };
        let (route, captures) = match self.routes.find(&parts.method, &path) {
            Found::Route { route, captures } => (route, captures),
            Found::Method { mount, allow } => {
                return self.nobodys(Some(&mount), request_id, unserved::method(&parts, &allow), Some(&allow));
            }
            Found::Nothing { mount } => {
                return self.nobodys(mount.as_ref(), request_id, unserved::path(&parts), None);
            }
        };
        if let Err(refused) = self.admit() {
            return self.nobodys(Some(&route.mount), request_id, refused, None);
        }
        let mut exchange = Exchange::new(&self.shared, route, client, request_id.clone());
        let answer = match exchange.run(&parts, &path, &captures, body).await {
            Ok(answer) => answer,
            Err(refused) => exchange.refuse(&parts.method, &refused),
        };
        let answer = if parts.method == Method::HEAD { without_body(answer) } else { answer };
        let answer = exchange.dress(answer);
        (answer, route.mount.plugin.clone(), exchange.operation_id().unwrap_or_else(|| self.shared.nobody.clone()))
    }

    /// What holds for the whole listener.
    fn admit(&self) -> Result<(), Refused> {
        if self.shared.is_draining() {
            return Err(Refusal::Unavailable.into());
        }
        match self.listener.as_ref().map(|limiter| limiter.take(&(), Instant::now())) {
            Some(Err(wait)) => Err(Refused { refusal: Refusal::RateLimited, message: None, retry_after: Some(wait) }),
            _ => Ok(()),
        }
    }

    /// A refusal before any operation is known.
    fn nobodys(
        &self,
        mount: Option<&Arc<Mount>>,
        request_id: &str,
        refused: Refused,
        allow: Option<&str>,
    ) -> (Answer, Arc<str>, Arc<str>) {
        let nobody = self.shared.nobody.clone();
        let Some(mount) = mount else {
            let details = Details { request_id, message: refused.message.as_deref(), ..Details::default() };
            return (self.shared.neutral.answer(refused.refusal, &details), nobody.clone(), nobody);
        };
        let mut answer = refuse(mount, request_id, &refused, allow);
        put_request_id(mount, request_id, &mut answer);
        (answer, mount.plugin.clone(), nobody)
    }
}

pub(crate) fn refuse(mount: &Mount, request_id: &str, refused: &Refused, allow: Option<&str>) -> Answer {
    let versioning = mount.versioning.as_ref();
    mount.templates.answer(
        refused.refusal,
        &Details {
            request_id,
            message: refused.message.as_deref(),
            allow,
            base_url: &mount.base_url,
            min_version: versioning.map_or("", |versioning| &versioning.min_text),
            max_version: versioning.map_or("", |versioning| &versioning.max_text),
            retry_after_seconds: refused.retry_after.map(|wait| wait.as_secs_f64().ceil() as u64),
        },
    )
}

pub(crate) fn put_request_id(mount: &Mount, request_id: &str, answer: &mut Answer) {
    let Ok(value) = HeaderValue::from_str(request_id) else { return };
    for name in &mount.request_id_headers {
        answer.headers_mut().insert(name.clone(), value.clone());
    }
}
