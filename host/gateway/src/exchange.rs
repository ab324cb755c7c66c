//! One request to one route: who calls, may they, what do they send, what does the plugin say.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use skyloom_model::{Caller, origin};
use skyloom_runtime::RunError;
use skyloom_runtime::bindings::personality::exports::skyloom::personality::handler as wit;
use skyloom_runtime::context::{CallContext, SecretVault, Streams};
use skyloom_runtime::manifest::{ApiVersion, BodyKind};

use crate::answer::Answer;
use crate::authentication::Authentication;
use crate::core::{Body, Request, Response};
use crate::held::{Held, Whose};
use crate::incoming::{self, ClientBody};
use crate::mount::{Mount, Operation};
use crate::outgoing;
use crate::refusal::{Refusal, Refused, whole_seconds};
use crate::routes::{Choice, Path, Route};
use crate::settings::millis;
use crate::shared::Shared;
use crate::turns::Who;
use crate::unserved;
use crate::upload;

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

pub(crate) struct Exchange<'g> {
    shared: &'g Shared,
    route: &'g Route,
    client: Option<IpAddr>,
    request_id: Arc<str>,
    version: Option<ApiVersion>,
    operation: Option<&'g Arc<Operation>>,
    caller: Option<Arc<Caller>>,
    /// Bytes of the body, where the way of authentication bounds it.
    largest: Option<usize>,
}

impl<'g> Exchange<'g> {
    pub fn new(shared: &'g Shared, route: &'g Route, client: Option<IpAddr>, request_id: Arc<str>) -> Self {
        Self { shared, route, client, request_id, version: None, operation: None, caller: None, largest: None }
    }

    fn mount(&self) -> &'g Mount {
        &self.route.mount
    }

    /// None while the body has not chosen yet.
    pub fn operation_id(&self) -> Option<Arc<str>> {
        self.operation.map(|operation| operation.id.clone())
    }

    /// None: nobody, or nobody yet.
    pub fn into_caller(self) -> Option<Arc<Caller>> {
        self.caller
    }

    /// Headers that every answer of the mount has.
    pub fn dress(&self, mut answer: Answer) -> Answer {
        self.mount().put_request_id(&self.request_id, &mut answer);
        if let (Some(versioning), Some(version)) = (&self.mount().versioning, self.version) {
            versioning.echo(version, answer.headers_mut());
        }
        answer
    }

    /// A refusal of [`Exchange::run`]. Of a patch in the wrong type the right ones are named where RFC 5789 has them.
    pub fn refuse(&self, parts: &Parts, refused: &Refused) -> Answer {
        let mut answer = self.mount().refuse(&self.request_id, &parts.headers, refused, None);
        if refused.refusal == Refusal::UnsupportedMediaType && parts.method == Method::PATCH {
            let types = &self.route.choices[0].operation.content_types;
            let types = if types.is_empty() { "application/json" } else { &types.join(", ") };
            if let Ok(types) = HeaderValue::from_str(types) {
                answer.headers_mut().insert(ACCEPT_PATCH, types);
            }
        }
        answer
    }

    pub async fn run(
        &mut self,
        parts: &Parts,
        path: &Path<'_>,
        captures: &[Cow<'_, str>],
        body: ClientBody,
    ) -> Result<Answer, Refused> {
        let (body, mut held) = self.identify(parts, body).await?;
        let mut caller = self.caller.clone();
        let live = self.live(parts)?;
        if let [only] = live.as_slice()
            && only.operation.body_key.is_none()
        {
            // Who may not do it needn't send the body.
            self.choose(only, &mut caller, captures, &parts.headers).await?;
        }
        let query = incoming::query(parts.uri.query())?;
        let (bytes, value, body) = match live[0].operation.body {
            BodyKind::Json => {
                let (bytes, value) = self.read_json(&parts.headers, body, &live, &mut held).await?;
                (bytes, value, None)
            }
            BodyKind::None => (Bytes::new(), None, None),
            BodyKind::Stream => {
                let types = &live[0].operation.content_types;
                if !types.is_empty() {
                    incoming::check_content_type(&parts.headers, types)?;
                }
                (Bytes::new(), None, Some(body))
            }
        };
        let choice = select(&live, value.as_ref())?;
        if self.operation.is_none() {
            self.choose(choice, &mut caller, captures, &parts.headers).await?;
        }
        let operation = &choice.operation;
        let secrets = SecretVault::new();
        let (bytes, violations) = self.prepare(operation, bytes, value, &secrets)?;
        let request = Request {
            operation: operation.id.to_string(),
            rule: operation.rule.clone(),
            method: parts.method.as_str().to_owned(),
            path: path_below(self.mount(), &path.segments),
            params: params(choice, captures),
            query,
            headers: incoming::guest_headers(&parts.headers, self.mount(), operation, &secrets),
            body: bytes,
            caller: caller.as_deref().map(wit_caller),
            request_id: self.request_id.to_string(),
            base_url: self.mount().base_url.clone(),
            version: self.version.map(Into::into),
            violations,
            upload: None,
        };
        let context = Arc::new(CallContext {
            caller,
            request_id: self.request_id.clone(),
            personality: self.mount().plugin.clone(),
            collections: self.mount().collections.clone(),
            secrets,
            client: self.client,
            streams: Streams::default(),
            retry_after: OnceLock::new(),
        });
        let response = self.converse(&context, request, body, &parts.headers).await?;
        drop(held);
        let held = self.hold_answer(&parts.method, &response).await?;
        let core = self.shared.core.as_ref();
        let mut answer = outgoing::answer(core, operation, &context.secrets, response, held).await?;
        if let Some(wait) = context.retry_after.get().filter(|_| answer.status().as_u16() >= 400) {
            answer.headers_mut().entry(RETRY_AFTER).or_insert(whole_seconds(*wait).into());
            if self.caller.is_none() {
                self.shared.refusals.wait().await;
            }
        }
        Ok(answer)
    }

    /// Who asks, within their rate, and which version of the API they mean. Gives the body back.
    async fn identify(&mut self, parts: &Parts, body: ClientBody) -> Result<(ClientBody, Option<Held>), Refused> {
        let authentication = Authentication { shared: self.shared, route: self.route, client: self.client };
        let limited = match authentication.sender(&self.request_id, parts, body).await {
            Ok(sender) => {
                self.caller = sender.caller;
                self.largest = sender.largest;
                self.limit().map(|()| (sender.body, sender.held))
            }
            // Guessing tokens and keys counts as what nobody may do without end.
            Err(refused) => self.limit().and(Err(refused)),
        };
        let sent = match limited {
            Ok(sent) => sent,
            Err(refused) => return Err(self.hold(refused).await),
        };
        if let Some(versioning) = &self.mount().versioning {
            self.version = Some(versioning.negotiate(&parts.headers)?);
        }
        Ok(sent)
    }

    /// A refusal of nobody that is told to come back leaves when it may.
    async fn hold(&self, refused: Refused) -> Refused {
        if self.caller.is_none() && refused.refusal == Refusal::RateLimited {
            self.shared.refusals.wait().await;
        }
        refused
    }

    /// What the version has of the route: at least one. Their kind of body is the same.
    fn live(&self, parts: &Parts) -> Result<Vec<&'g Choice>, Refused> {
        let live: Vec<_> =
            self.route.choices.iter().filter(|choice| choice.operation.exists_at(self.version)).collect();
        if !live.is_empty() {
            return Ok(live);
        }
        Err(self.version.map_or_else(|| unserved::path(parts), |version| unserved::version(parts, version)))
    }

    fn limit(&self) -> Result<(), Refused> {
        let taken = match (&self.caller, &self.shared.projects, &self.shared.anonymous, self.client) {
            (Some(caller), Some(limiter), _, _) => limiter.take(caller.project_id().unwrap_or(&caller.user.id)),
            (None, _, Some(limiter), Some(client)) => limiter.take(&origin(client)),
            _ => Ok(()),
        };
        taken.map_err(|wait| Refused { refusal: Refusal::RateLimited, message: None, retry_after: Some(wait) })
    }

    /// The operation is known: may the caller do it, here? Who manages a domain acts in the project that path or header name.
    async fn choose(
        &mut self,
        choice: &'g Choice,
        caller: &mut Option<Arc<Caller>>,
        captures: &[Cow<'_, str>],
        headers: &HeaderMap,
    ) -> Result<(), Refused> {
        self.operation = Some(&choice.operation);
        let operation = &choice.operation;
        for right in &operation.rights {
            self.shared.core.permit(caller.as_deref(), &right.permission).map_err(|error| {
                match Refusal::from(error.code) {
                    Refusal::Forbidden => Refused { message: right.forbidden.clone(), ..Refusal::Forbidden.into() },
                    refusal => refusal.into(),
                }
            })?;
        }
        let Some(known) = caller.as_deref() else { return Ok(()) };
        let path = self.mount().project_param.as_ref().and_then(|wanted| {
            let mut named = choice.params.iter().zip(captures);
            named.find(|(name, _)| ***name == **wanted).map(|(_, project)| project.as_ref())
        });
        let header = self.project_of_header(headers)?;
        let project = match (path, header) {
            (Some(path), Some(header)) if path != header => return Err(self.foreign_header()),
            (path, header) => path.or(header),
        };
        let Some(project) = project.filter(|project| known.project_id() != Some(project)) else { return Ok(()) };
        let acting = self.shared.core.act_in(known, project).await;
        let acting = acting.map_err(|error| Refused::from(Refusal::from(error.code)))?;
        let foreign = || path.map_or_else(|| self.foreign_header(), |_| Refusal::ProjectMismatch.into());
        *caller = Some(acting.ok_or_else(foreign)?);
        Ok(())
    }

    /// The one that a header names; an empty one names none.
    fn project_of_header<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, Refused> {
        let Some(name) = &self.mount().project_header else { return Ok(None) };
        let mut named = headers.get_all(name).iter().filter(|value| !value.is_empty());
        let Some(first) = named.next() else { return Ok(None) };
        match first.to_str() {
            Ok(project) if named.all(|other| other == first) => Ok(Some(project)),
            _ => Err(self.foreign_header()),
        }
    }

    fn foreign_header(&self) -> Refused {
        let name = self.mount().project_header.as_ref().map_or("", HeaderName::as_str);
        let sentence = format!("The project of the header {name} is not the project of the token.");
        Refused::because(Refusal::ProjectHeaderMismatch, sentence)
    }

    async fn read_json(
        &self,
        headers: &HeaderMap,
        body: ClientBody,
        live: &[&Choice],
        held: &mut Option<Held>,
    ) -> Result<(Bytes, Option<Value>), Refused> {
        let settings = &self.shared.settings;
        let limit = match self.caller {
            Some(_) => self.largest.map_or(self.mount().max_body, |largest| largest.min(self.mount().max_body)),
            None => self.mount().max_body.min(settings.anonymous_body_kib as usize * 1024),
        };
        let most = incoming::most(headers, &body, limit)?;
        // Who signed the body had it read already.
        if most > 0 && held.is_none() {
            match self.shared.held.body(self.whose(), most).await {
                Ok(taken) => *held = Some(taken),
                Err(refused) => return Err(self.hold(refused).await),
            }
        }
        let whole = incoming::read(body, limit, millis(settings.body_timeout_ms));
        let nobody = self.caller.is_none();
        let bytes = tokio::select! {
            whole = whole => whole?,
            // A drain waits for what callers are sending, not for what nobody may never send.
            () = self.shared.drained(), if nobody => return Err(Refused::busy()),
        };
        let types = &live[0].operation.content_types;
        // Many clients name whatever type where there is no body.
        if bytes.is_empty() && types.is_empty() {
            return Ok((bytes, None));
        }
        incoming::check_content_type(headers, types)?;
        let value = incoming::parse(&bytes, settings.json_bounds())?;
        Ok((bytes, value))
    }

    fn whose(&self) -> Whose {
        Whose::of(self.caller.as_deref(), self.client)
    }

    /// Of reads alone: what has changed something isn't refused any more.
    async fn hold_answer(&self, method: &Method, response: &Response) -> Result<Option<Held>, Refused> {
        match &response.body {
            Body::Bytes(bytes) if *method == Method::GET => self.shared.held.answer(self.whose(), bytes.len()).await,
            _ => Ok(None),
        }
    }

    /// What the schemas say, and the body as the guest may see it.
    fn prepare(
        &self,
        operation: &Operation,
        bytes: Bytes,
        value: Option<Value>,
        secrets: &SecretVault,
    ) -> Result<(Vec<u8>, Vec<wit::Violation>), Refused> {
        let Some(mut value) = value else {
            if operation.schemas.is_some() {
                return Err(Refusal::MissingBody.into());
            }
            return Ok((Vec::new(), Vec::new()));
        };
        let violations = operation
            .schemas
            .as_ref()
            .map_or_else(Vec::new, |schemas| schemas.violations(self.version, &value, &bytes));
        if incoming::hide_secrets(operation, &mut value, secrets) {
            let hidden = serde_json::to_vec(&value).map_err(|_| Refusal::Internal)?;
            return Ok((hidden, violations));
        }
        Ok((bytes.into(), violations))
    }

    /// One call; for an upload two, with the bytes between them. An upload that was begun but isn't taken comes to nothing.
    async fn converse(
        &self,
        context: &Arc<CallContext>,
        request: Request,
        body: Option<ClientBody>,
        headers: &HeaderMap,
    ) -> Result<Response, Refused> {
        let Some(body) = body else { return self.call(context, request).await };
        let second = request.clone();
        let response = self.call(context, request).await;
        let Ok(Response { body: Body::AcceptUpload(limit), .. }) = response else {
            if context.streams.upload().is_some() {
                self.shared.core.abort_upload(context).await;
            }
            return response;
        };
        let limit = self.largest.map_or(limit, |largest| limit.min(largest as u64));
        let upload = upload::Upload { shared: self.shared, context, limit };
        upload
            .run(headers, body, |stored| {
                let request = Request { upload: Some(stored), ..second };
                self.call(context, request)
            })
            .await
    }

    fn who(&self, request: &Request) -> Who {
        match (&self.caller, request.method.as_str()) {
            (Some(_), _) => Who::Caller,
            (None, "GET" | "HEAD") => Who::NobodyReading(self.client),
            (None, _) => Who::Nobody(self.client),
        }
    }

    async fn call(&self, context: &Arc<CallContext>, request: Request) -> Result<Response, Refused> {
        let turn = match self.shared.turns.take(self.who(&request)).await {
            Ok(turn) => turn,
            Err(refused) => {
                drop(request);
                return Err(self.hold(refused).await);
            }
        };
        let result = self.mount().handler.handle(context.clone(), request).await;
        drop(turn);
        result.map_err(|error| {
            let plugin = &*self.mount().plugin;
            tracing::warn!(request_id = &*self.request_id, plugin, %error, "a plugin gave no answer");
            match error {
                RunError::Busy(_) => Refused::busy(),
                other => Refusal::from(other.code()).into(),
            }
        })
    }
}

/// The one that the body's key selects, else the one without a key.
fn select<'g>(live: &[&'g Choice], value: Option<&Value>) -> Result<&'g Choice, Refused> {
    let keyless = live.iter().find(|choice| choice.operation.body_key.is_none());
    if let ([_], Some(only)) = (live, keyless) {
        return Ok(only);
    }
    let known = |key: &str| live.iter().find(|choice| choice.operation.body_key.as_deref() == Some(key));
    let Some(Value::Object(object)) = value else {
        let refusal = if value.is_some() { Refusal::BodyKey } else { Refusal::MissingBody };
        return keyless.copied().ok_or_else(|| refusal.into());
    };
    let mut selected = object.keys().filter_map(|key| known(key));
    match (selected.next(), selected.next()) {
        (Some(choice), None) => Ok(choice),
        (None, _) => keyless.copied().ok_or_else(|| no_action(object)),
        (Some(_), Some(_)) => Err(Refusal::BodyKey.into()),
    }
}

/// Names the actions that were asked for, of which none is served.
fn no_action(asked: &serde_json::Map<String, Value>) -> Refused {
    const MOST: usize = 3;
    const LONGEST: usize = 64;
    if asked.is_empty() {
        return Refusal::BodyKey.into();
    }
    let names: Vec<String> = asked.keys().take(MOST).map(|key| key.chars().take(LONGEST).collect()).collect();
    Refused::because(Refusal::BodyKey, format!("There is no such action: {}.", names.join(", ")))
}

fn params(choice: &Choice, captures: &[Cow<'_, str>]) -> Vec<(String, String)> {
    choice.params.iter().zip(captures).map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn path_below(mount: &Mount, path: &[Cow<'_, str>]) -> String {
    let below = path.get(mount.prefix.len()..).unwrap_or_default();
    let mut text = String::with_capacity(below.iter().map(|segment| segment.len() + 1).sum::<usize>().max(1));
    for segment in below {
        text.push('/');
        text.push_str(segment);
    }
    if text.is_empty() {
        text.push('/');
    }
    text
}

fn wit_caller(caller: &Caller) -> wit::Caller {
    let project = caller.place();
    wit::Caller {
        user_id: caller.user.id.clone(),
        user_name: caller.user.name.clone(),
        domain_id: caller.user.domain.id.clone(),
        project_id: project.map(|project| project.id.clone()),
        project_name: project.map(|project| project.name.clone()),
        roles: caller.roles.iter().map(|role| role.name.clone()).collect(),
        admin: caller.admin,
    }
}
