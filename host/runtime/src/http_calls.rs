//! The capability `http` as guests call it: the permit, the label, then what its grant allows.

use skyloom_egress::Request;
use skyloom_model::ErrorCode;

use crate::bindings::egress::http;
use crate::bindings::types::errors::Error;
use crate::guest::{Effect, GuestState};
use crate::manifest::Capability;

/// What asks for something and changes nothing.
const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

impl http::Host for GuestState {
    async fn send(&mut self, label: String, request: http::Request) -> wasmtime::Result<Result<http::Response, Error>> {
        self.permit(Capability::Http)?;
        if !READING.contains(&request.method.as_str()) {
            self.may_change(Effect::Changes);
        }
        let http::Request { method, url, headers, body } = request;
        let answer = if let Some(egress) = self.sandbox.http.get(&label) {
            egress.send(Request { method, url, headers, body }).await
        } else {
            let message = "This label is not granted to the plugin.";
            Err(skyloom_model::Error::new(ErrorCode::Forbidden, message).with_field("label"))
        };
        self.resume();
        let given = |answer: skyloom_egress::Answer| http::Response {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        };
        Ok(answer.map(given).map_err(Into::into))
    }
}
