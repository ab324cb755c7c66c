//! A personality at a prefix of a listener: its manifest, compiled for the way of a request.

use std::fmt;
use std::sync::Arc;

use http::header::{ACCEPT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use skyloom_model::{Action, Least, Permission};
use skyloom_runtime::BodySchemas;
use skyloom_runtime::collections::Collections;
use skyloom_runtime::manifest::{self, ApiVersion, BodyKind, Manifest};

use crate::answer::Answer;
use crate::core::Handler;
use crate::json::Pointer;
use crate::refusal::{Refused, whole_seconds};
use crate::signing::Scheme;
use crate::templates::{Details, Templates};
use crate::versioning::Versioning;

/// What is mounted where.
pub struct MountSpec<'a> {
    pub manifest: &'a Manifest,
    /// The compiled body schemas of an operation.
    pub schemas: &'a dyn Fn(&str) -> Option<Arc<BodySchemas>>,
    /// What the plugin keeps of its own.
    pub collections: Collections,
    pub handler: Arc<dyn Handler>,
    /// How requests may be signed; mostly what the manifest has.
    pub signature: Option<&'a manifest::Signature>,
    /// Whether an operation also needs what its `requires` names.
    pub dependent_actions: bool,
    /// `/compute/v2.1`, or empty for the root.
    pub prefix: String,
    /// Public URL of the prefix without a trailing slash.
    pub base_url: String,
}

pub struct Mount {
    pub plugin: Arc<str>,
    pub collections: Collections,
    /// Segments.
    pub prefix: Vec<Box<str>>,
    pub base_url: String,
    pub handler: Arc<dyn Handler>,
    pub token_header: HeaderName,
    /// The word before the token in that header.
    pub token_scheme: Option<String>,
    /// How requests may be signed instead.
    pub(crate) signing: Option<Scheme>,
    /// `WWW-Authenticate` of a 401.
    pub challenge: Option<HeaderValue>,
    pub request_id_headers: Vec<HeaderName>,
    /// Bytes.
    pub max_body: usize,
    pub strict_slashes: bool,
    pub project_param: Option<String>,
    pub project_header: Option<HeaderName>,
    pub versioning: Option<Versioning>,
    pub templates: Templates,
    pub operations: Vec<Arc<Operation>>,
}

impl fmt::Debug for Mount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Mount")
            .field("plugin", &self.plugin)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// What a caller must be allowed, and what who isn't is told.
#[derive(Debug)]
pub struct Right {
    pub permission: Permission,
    pub forbidden: Option<String>,
}

/// One operation of a manifest.
#[derive(Debug)]
pub struct Operation {
    pub id: Arc<str>,
    pub method: Method,
    pub paths: Vec<String>,
    /// What the caller must be allowed: the operation's own right first.
    pub rights: Vec<Right>,
    /// The vendor's name of the operation's own right.
    pub rule: Option<String>,
    pub body: BodyKind,
    pub body_key: Option<String>,
    /// Of the body; none: it has none.
    pub schemas: Option<Arc<BodySchemas>>,
    pub secrets: Vec<Pointer>,
    pub secret_headers: Vec<HeaderName>,
    pub answer_secrets: Vec<Pointer>,
    pub answer_secret_headers: Vec<HeaderName>,
    pub content_types: Vec<String>,
    min_version: Option<ApiVersion>,
    max_version: Option<ApiVersion>,
}

impl Operation {
    /// Whether anybody may call it without a credential.
    pub fn is_open(&self) -> bool {
        self.rights.iter().all(|right| right.permission.least == Least::Anyone)
    }

    pub fn exists_at(&self, version: Option<ApiVersion>) -> bool {
        within(version, self.min_version, self.max_version)
    }

    /// Whether a request on one route could mean both.
    pub fn same_selector(&self, other: &Self) -> bool {
        let below = |max: Option<ApiVersion>, min: Option<ApiVersion>| matches!((max, min), (Some(max), Some(min)) if max < min);
        self.body_key == other.body_key
            && !below(self.max_version, other.min_version)
            && !below(other.max_version, self.min_version)
    }
}

/// Without versioning everything holds.
fn within(version: Option<ApiVersion>, min: Option<ApiVersion>, max: Option<ApiVersion>) -> bool {
    version.is_none_or(|version| min.is_none_or(|min| version >= min) && max.is_none_or(|max| version <= max))
}

impl Mount {
    /// Err: every defect, a line each.
    pub fn compile(spec: &MountSpec<'_>) -> Result<Arc<Self>, Vec<String>> {
        let manifest = spec.manifest;
        let named = |defect: String| vec![format!("plugin `{}`: {defect}", manifest.id)];
        let api = manifest.api.as_ref().ok_or_else(|| named("a personality needs an [api] table".to_owned()))?;
        let mut defects = Vec::new();
        let mut operations = Vec::new();
        for operation in &manifest.operations {
            match compile_operation(spec, operation, api) {
                Ok(operation) => operations.push(Arc::new(operation)),
                Err(defect) => {
                    defects.push(format!("plugin `{}`, operation `{}`: {defect}", manifest.id, operation.id));
                }
            }
        }
        if !defects.is_empty() {
            return Err(defects);
        }
        let project_header = api.project_header.as_deref().map(header).transpose().map_err(named)?;
        let signing = spec.signature.map(|signature| Scheme::compile(signature, project_header.as_ref()));
        let versioning = api.versioning.as_ref().map(Versioning::compile).transpose().map_err(named)?;
        Ok(Arc::new(Self {
            plugin: manifest.id.as_str().into(),
            collections: spec.collections.clone(),
            prefix: spec.prefix.split('/').filter(|segment| !segment.is_empty()).map(Box::from).collect(),
            base_url: spec.base_url.clone(),
            handler: spec.handler.clone(),
            token_header: header(&api.token_header).map_err(named)?,
            signing: signing.transpose().map_err(named)?,
            challenge: api.token_scheme.as_deref().map(challenge).transpose().map_err(named)?,
            token_scheme: api.token_scheme.clone(),
            request_id_headers: headers(&api.request_id_headers).map_err(named)?,
            max_body: api.max_body_kib as usize * 1024,
            strict_slashes: api.strict_slashes,
            project_param: api.project_param.clone(),
            project_header,
            versioning,
            templates: Templates::compile(&api.errors).map_err(named)?,
            operations,
        }))
    }

    /// The host's own answer to a request with these headers, in the vendor's words. `allow`: the methods, of a 405.
    pub fn refuse(&self, request_id: &str, headers: &HeaderMap, refused: &Refused, allow: Option<&str>) -> Answer {
        let mut answer = self.templates.answer(
            refused.refusal,
            &Details {
                request_id,
                accept: headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default(),
                message: refused.message.as_deref(),
                allow,
                base_url: &self.base_url,
                retry_after_seconds: refused.retry_after.map(whole_seconds),
            },
        );
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = &self.challenge
        {
            answer.headers_mut().entry(WWW_AUTHENTICATE).or_insert_with(|| challenge.clone());
        }
        answer
    }

    pub fn put_request_id(&self, request_id: &str, answer: &mut Answer) {
        let Ok(value) = HeaderValue::from_str(request_id) else { return };
        for name in &self.request_id_headers {
            answer.headers_mut().insert(name.clone(), value.clone());
        }
    }
}

fn compile_operation(
    spec: &MountSpec<'_>,
    operation: &manifest::Operation,
    api: &manifest::Api,
) -> Result<Operation, String> {
    Ok(Operation {
        id: operation.id.as_str().into(),
        method: Method::from_bytes(operation.method.as_str().as_bytes()).map_err(|error| error.to_string())?,
        paths: operation.paths.clone(),
        rights: rights(spec, operation, api)?,
        rule: operation.rule.clone(),
        body: operation.body(),
        body_key: operation.body_key.clone(),
        schemas: (spec.schemas)(&operation.id),
        secrets: pointers(&operation.secrets)?,
        secret_headers: headers(&operation.secret_headers)?,
        answer_secrets: pointers(&operation.answer_secrets)?,
        answer_secret_headers: headers(&operation.answer_secret_headers)?,
        content_types: operation.content_types.iter().map(|text| text.to_ascii_lowercase()).collect(),
        min_version: operation.min_version,
        max_version: operation.max_version,
    })
}

/// The operation's own, then those that it depends on where the mount asks for them: of several that mean one action, the first.
fn rights(spec: &MountSpec<'_>, operation: &manifest::Operation, api: &manifest::Api) -> Result<Vec<Right>, String> {
    let unknown = |action: &str| format!("unknown action `{action}`");
    let told = |rule: Option<&String>| {
        api.errors.forbidden.as_ref().zip(rule).map(|(text, rule)| text.replace("{rule}", rule))
    };
    let own = spec.manifest.permission(operation).ok_or_else(|| unknown(&operation.action))?;
    let mut rights = vec![Right { permission: own, forbidden: told(operation.rule.as_ref()) }];
    for rule in operation.requires.iter().filter(|_| spec.dependent_actions) {
        let action = api.rules.get(rule).ok_or_else(|| format!("requires `{rule}`, which [api.rules] lacks"))?;
        let permission = Permission::from(Action::parse(action).ok_or_else(|| unknown(action))?);
        if rights.iter().all(|right| right.permission != permission) {
            rights.push(Right { permission, forbidden: told(Some(rule)) });
        }
    }
    Ok(rights)
}

fn header(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))
}

fn challenge(scheme: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(scheme).map_err(|_| format!("token-scheme `{scheme}` is no word"))
}

fn headers(names: &[String]) -> Result<Vec<HeaderName>, String> {
    names.iter().map(|name| header(name)).collect()
}

fn pointers(texts: &[String]) -> Result<Vec<Pointer>, String> {
    texts.iter().map(|text| Pointer::compile(text)).collect()
}
