//! The way of a request through the host.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Method};
use skyloom_model::Limiter;

use crate::access::Asked;
use crate::answer::{Answer, Served, without_body};
use crate::exchange::Exchange;
use crate::incoming::ClientBody;
use crate::lingering::lingering;
use crate::metrics::Metrics;
use crate::mount::Mount;
use crate::refusal::{Refusal, Refused};
use crate::routes::{Found, Path, Routes};
use crate::shared::Shared;
use crate::templates::Details;
use crate::unserved;

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
    /// A request goes on with what it found at its beginning.
    routes: RwLock<Arc<Routes>>,
    listener: Option<Limiter>,
    log_access: bool,
}

impl Gateway {
    /// `log_access`: a line in the log for each request. Err: every defect, a line each.
    pub fn new(shared: Arc<Shared>, mounts: Vec<Arc<Mount>>, log_access: bool) -> Result<Arc<Self>, Vec<String>> {
        let listener = Limiter::new(shared.settings.listener_rate, shared.settings.listener_burst);
        let routes = RwLock::new(Arc::new(Routes::build(mounts)?));
        Ok(Arc::new(Self { shared, routes, listener, log_access }))
    }

    /// Serves these mounts instead, from the next request on; those in flight end where they began. Err: every defect, a line
    /// each, and all stays as it is.
    pub fn replace(&self, mounts: Vec<Arc<Mount>>) -> Result<(), Vec<String>> {
        let routes = Arc::new(Routes::build(mounts)?);
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
        Ok(())
    }

    fn routes(&self) -> Arc<Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The gateway as axum serves it; the listener says in [`ConnectInfo`] who asks. One fallback for every path: which route
    /// it is depends on decoded segments and, within a route, on versions and bodies, and nothing found has a vendor's words.
    pub fn router(self: &Arc<Self>) -> Router {
        let gateway = self.clone();
        Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let gateway = gateway.clone();
            async move {
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
                let client = peer.map(|peer| gateway.shared.proxies.client(peer, request.headers()));
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
        let body = lingering(&parts.headers, body);
        let asked = self.log_access.then(|| Asked::new(&parts, client));
        let reads = parts.method == Method::GET || parts.method == Method::HEAD;
        let served = if reads {
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
        let took = started.elapsed();
        if let Some(asked) = asked {
            asked.log(&request_id, &served, took);
        }
        let Served { answer, plugin, operation, .. } = served;
        let status = answer.status().as_u16();
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
    ) -> Served {
        let work = AssertUnwindSafe(self.route(client, &request_id, parts, body));
        work.catch_unwind().await.unwrap_or_else(|_| self.broken(&request_id))
    }

    /// The answer where the host itself has a defect.
    fn broken(&self, request_id: &str) -> Served {
        tracing::error!(request_id, "a request's handling panicked");
        self.nobodys(None, request_id, &HeaderMap::new(), Refusal::Internal.into(), None)
    }

    async fn route(&self, client: Option<IpAddr>, request_id: &Arc<str>, parts: Parts, body: ClientBody) -> Served {
        let routes = self.routes();
        let Ok(path) = Path::read(parts.uri.path()) else {
            let mount = routes.mount_of_malformed(&parts.method, parts.uri.path());
            return self.nobodys(mount.as_ref(), request_id, &parts.headers, Refusal::MalformedRequest.into(), None);
        };
        let (route, captures) = match routes.find(&parts.method, &path) {
            Found::Route { route, captures } => (route, captures),
            Found::Method { mount, allow } => {
                return self.nobodys(
                    Some(&mount),
                    request_id,
                    &parts.headers,
                    unserved::method(&parts, &allow),
                    Some(&allow),
                );
            }
            Found::Nothing { mount } => {
                return self.nobodys(mount.as_ref(), request_id, &parts.headers, unserved::path(&parts), None);
            }
        };
        if let Err(refused) = self.admit() {
            return self.nobodys(Some(&route.mount), request_id, &parts.headers, refused, None);
        }
        let mut exchange = Exchange::new(&self.shared, route, client, request_id.clone());
        let answer = match exchange.run(&parts, &path, &captures, body).await {
            Ok(answer) => answer,
            Err(refused) => exchange.refuse(&parts, &refused),
        };
        let answer = if parts.method == Method::HEAD { without_body(answer) } else { answer };
        Served {
            answer: exchange.dress(answer),
            plugin: route.mount.plugin.clone(),
            operation: exchange.operation_id().unwrap_or_else(|| self.shared.nobody.clone()),
            caller: exchange.into_caller(),
        }
    }

    /// What holds for the whole listener.
    fn admit(&self) -> Result<(), Refused> {
        if self.shared.is_draining() {
            return Err(Refusal::Unavailable.into());
        }
        match self.listener.as_ref().map(|limiter| limiter.take(&())) {
            Some(Err(wait)) => Err(Refused { refusal: Refusal::RateLimited, message: None, retry_after: Some(wait) }),
            _ => Ok(()),
        }
    }

    /// A refusal before any operation is known.
    fn nobodys(
        &self,
        mount: Option<&Arc<Mount>>,
        request_id: &str,
        headers: &HeaderMap,
        refused: Refused,
        allow: Option<&str>,
    ) -> Served {
        let nobody = self.shared.nobody.clone();
        let Some(mount) = mount else {
            let details = Details { request_id, message: refused.message.as_deref(), ..Details::default() };
            let answer = self.shared.neutral.answer(refused.refusal, &details);
            return Served { answer, plugin: nobody.clone(), operation: nobody, caller: None };
        };
        let mut answer = mount.refuse(request_id, headers, &refused, allow);
        mount.put_request_id(request_id, &mut answer);
        Served { answer, plugin: mount.plugin.clone(), operation: nobody, caller: None }
    }
}
