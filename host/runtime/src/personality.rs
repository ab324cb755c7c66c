//! A personality as the gateway calls it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::api::CloudApi;
use crate::bindings::personality::exports::skyloom::personality::handler::GuestIndices;
use crate::context::{CallContext, Streams};
use crate::error::{LoadError, RunError};
use crate::guest::{self, Sandbox};
use crate::manifest::{Kind, is_header_name};
use crate::plugin::Plugin;

pub use crate::bindings::personality::exports::skyloom::personality::handler::{
    Body, Caller, Request, Response, Upload, Violation,
};

/// One mount of a personality. Clones share it.
#[derive(Clone)]
pub struct Personality {
    plugin: Plugin,
    indices: Arc<GuestIndices>,
    sandbox: Arc<Sandbox>,
}

impl Plugin {
    /// One mount of the plugin; `config` is the mount's own, over the plugin's.
    pub fn personality(&self, cloud: Arc<dyn CloudApi>, config: &Map<String, Value>) -> Result<Personality, LoadError> {
        self.expect(Kind::Personality)?;
        let indices = GuestIndices::new(self.pre()).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        Ok(Personality {
            plugin: self.clone(),
            indices: Arc::new(indices),
            sandbox: self.sandbox(Some(cloud), self.id().into(), config)?,
        })
    }
}

impl Personality {
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Answers a request in a fresh sandbox. Dropping the future ends the call.
    pub async fn handle(&self, context: Arc<CallContext>, request: Request) -> Result<Response, RunError> {
        let indices = &*self.indices;
        let operation = request.operation.clone();
        guest::run(self.plugin.pre(), &self.sandbox, context.clone(), operation, async move |store, instance| {
            let answer = indices.load(&mut *store, &instance)?.call_handle(&mut *store, &request).await?;
            Ok(answer)
        })
        .await
        .and_then(|answer| self.checked(answer, &context.streams))
    }

    /// What can't be an answer is refused here, so that nobody has to believe a guest.
    fn checked(&self, answer: Response, streams: &Streams) -> Result<Response, RunError> {
        let Some(error) = self.fault(&answer, streams) else { return Ok(answer) };
        self.sandbox.counters.bad_answer();
        tracing::warn!(plugin = self.plugin.id(), %error, "a plugin's answer is refused");
        Err(error)
    }

    fn fault(&self, answer: &Response, streams: &Streams) -> Option<RunError> {
        let rubbish = |reason: String| Some(RunError::Rubbish(reason));
        if !(200..600).contains(&answer.status) {
            return rubbish(format!("status {}", answer.status));
        }
        for (name, value) in &answer.headers {
            if !is_header_name(name) {
                return rubbish(format!("header name `{}`", name.escape_debug()));
            }
            if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return rubbish(format!("value of the header `{name}`"));
            }
        }
        let body = match &answer.body {
            Body::Bytes(bytes) => bytes.len(),
            Body::Blob(name) if !streams.may_send(name) => {
                return rubbish("stored bytes that the core did not open for this request".to_owned());
            }
            Body::AcceptUpload(limit) if streams.upload().is_none_or(|granted| *limit > granted) => {
                return rubbish("an upload that the core did not begin for this request, or a larger one".to_owned());
            }
            Body::Empty | Body::Blob(_) | Body::AcceptUpload(_) => 0,
        };
        let size = answer.headers.iter().fold(body, |size, (name, value)| size + name.len() + value.len());
        let limit = self.sandbox.limits.output;
        (size > limit).then_some(RunError::OutputTooLarge { size, limit })
    }
}
