//! Requests to the outside: the capability `http`. The manifest asks for labels, the deployment says where they lead.

use crate::Error;
use crate::bindings::personality::skyloom::egress::http::send;
pub use crate::bindings::personality::skyloom::egress::http::{Request, Response};

/// Behind a trait as the core is, so that a test makes up who answers.
pub trait Http {
    fn send(&self, label: &str, request: &Request) -> Result<Response, Error>;
}

impl Http for crate::Imports {
    fn send(&self, label: &str, request: &Request) -> Result<Response, Error> {
        send(label, request)
    }
}

/// A request without body and headers.
#[must_use]
pub fn get(url: impl Into<String>) -> Request {
    Request { method: "GET".to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new() }
}

/// The first header of this name, in lower case.
#[must_use]
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What a test says the outside answers.
#[cfg(not(target_arch = "wasm32"))]
pub type FakeSend = Option<Box<dyn Fn(&str, &Request) -> Result<Response, Error>>>;

#[cfg(not(target_arch = "wasm32"))]
impl Http for crate::testing::FakeCloud {
    fn send(&self, label: &str, request: &Request) -> Result<Response, Error> {
        match &self.http {
            Some(answer) => answer(label, request),
            None => Err(crate::testing::not_faked("http.send")),
        }
    }
}
