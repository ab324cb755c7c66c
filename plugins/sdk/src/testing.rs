//! For native tests of a personality: a core that a test makes up, and requests.
//!
//! ```
//! use skyloom_sdk::testing::{FakeCloud, Call};
//!
//! let mut cloud = FakeCloud::default();
//! cloud.compute.console_output = Some(Box::new(|id, _lines| Ok(format!("the console of {id}"))));
//! let request = Call::new("servers.console", "POST", "/servers/1/action").param("server_id", "1").build();
//! # let _ = (cloud, request);
//! ```

use std::cell::RefCell;
use std::rc::Rc;

pub use crate::cloud_api::{FakeCloud, fake};
use crate::{Body, Caller, Error, ErrorClass, ErrorCode, Request, Response, Violation};

/// What a function that no test set answers.
#[must_use]
pub fn not_faked(function: &str) -> Error {
    error(ErrorCode::NotSupported, &format!("The test says nothing of {function}."))
}

/// An error of the core; class and retry as they commonly are.
#[must_use]
pub fn error(code: ErrorCode, message: &str) -> Error {
    let class = match code {
        ErrorCode::AlreadyExists
        | ErrorCode::InUse
        | ErrorCode::WrongState
        | ErrorCode::Busy
        | ErrorCode::Locked
        | ErrorCode::AddressInUse
        | ErrorCode::Cancelled => ErrorClass::Conflict,
        ErrorCode::QuotaExceeded | ErrorCode::NoCapacity | ErrorCode::NoAddress | ErrorCode::RateLimited => {
            ErrorClass::Capacity
        }
        ErrorCode::DriverFailed | ErrorCode::TimedOut | ErrorCode::Unavailable => ErrorClass::Unavailable,
        ErrorCode::Internal | ErrorCode::Other(_) => ErrorClass::Bug,
        _ => ErrorClass::Caller,
    };
    Error { code, class, retryable: false, message: message.to_owned(), resource: None, field: None, reason: None }
}

/// What was asked of servers: `stop hard=true`.
#[must_use]
pub fn asked(verb: &str, options: &[(String, String)]) -> String {
    options.iter().fold(verb.to_owned(), |told, (name, value)| format!("{told} {name}={value}"))
}

/// `not-found` of a resource.
#[must_use]
pub fn not_found(kind: &str, id: &str) -> Error {
    let mut error = error(ErrorCode::NotFound, "What the core says of it could not be found.");
    error.resource = Some((kind.to_owned(), id.to_owned()));
    error
}

/// What the policy says to who may not do the action.
#[must_use]
pub fn not_permitted(action: &str) -> Error {
    let mut error = error(ErrorCode::Forbidden, "The policy does not allow this to be performed.");
    error.resource = Some(("action".to_owned(), action.to_owned()));
    error
}

/// `invalid` with the field.
#[must_use]
pub fn invalid(field: &str, message: &str) -> Error {
    let mut error = error(ErrorCode::Invalid, message);
    error.field = Some(field.to_owned());
    error
}

/// What a fake was called with; a clone goes into its closure.
#[derive(Clone, Debug)]
pub struct Seen<T>(Rc<RefCell<Vec<T>>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T: Clone> Seen<T> {
    pub fn push(&self, value: T) {
        self.0.borrow_mut().push(value);
    }

    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }

    /// The only call; fails the test when there was none or more than one.
    #[must_use]
    pub fn only(&self) -> T {
        let seen = self.0.borrow();
        assert_eq!(seen.len(), 1, "the fake was called {} times", seen.len());
        seen[0].clone()
    }
}

/// Builds a request as the host would give it.
#[derive(Clone, Debug)]
pub struct Call(Request);

impl Call {
    #[must_use]
    pub fn new(operation: &str, method: &str, path: &str) -> Self {
        Self(Request {
            operation: operation.to_owned(),
            rule: None,
            method: method.to_owned(),
            path: path.to_owned(),
            params: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            caller: Some(caller(false)),
            request_id: "req-00000000-0000-4000-8000-000000000001".to_owned(),
            base_url: "http://cloud.test".to_owned(),
            version: None,
            violations: Vec::new(),
            upload: None,
        })
    }

    /// The manifest's name of the permission.
    #[must_use]
    pub fn rule(mut self, rule: &str) -> Self {
        self.0.rule = Some(rule.to_owned());
        self
    }

    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.0.params.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.0.query.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0.headers.push((name.to_lowercase(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: &serde_json::Value) -> Self {
        self.0.body = body.to_string().into_bytes();
        self
    }

    #[must_use]
    pub fn raw_body(mut self, body: &[u8]) -> Self {
        self.0.body = body.to_vec();
        self
    }

    #[must_use]
    pub fn version(mut self, major: u32, minor: u32) -> Self {
        self.0.version = Some((major, minor));
        self
    }

    /// The caller is an operator of the cloud.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.0.caller = Some(caller(true));
        self
    }

    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.0.caller = None;
        self
    }

    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        self.0.base_url = url.to_owned();
        self
    }

    /// Something that the host's schemas found; its value is what stands in the body by now.
    #[must_use]
    pub fn violation(self, pointer: &str, keyword: &str, message: &str) -> Self {
        self.violation_of(pointer, keyword, message, &serde_json::Value::Null)
    }

    /// The same with what the keyword asks for.
    #[must_use]
    pub fn violation_of(mut self, pointer: &str, keyword: &str, message: &str, expected: &serde_json::Value) -> Self {
        let body: serde_json::Value = serde_json::from_slice(&self.0.body).unwrap_or_default();
        self.0.violations.push(Violation {
            pointer: pointer.to_owned(),
            keyword: keyword.to_owned(),
            message: message.to_owned(),
            value: body.pointer(pointer).unwrap_or(&serde_json::Value::Null).to_string(),
            expected: expected.to_string(),
        });
        self
    }

    #[must_use]
    pub fn build(self) -> Request {
        self.0
    }
}

/// A caller in the project `project-1`.
#[must_use]
pub fn caller(admin: bool) -> Caller {
    Caller {
        user_id: "user-1".to_owned(),
        user_name: "alice".to_owned(),
        domain_id: "default".to_owned(),
        project_id: Some("project-1".to_owned()),
        project_name: Some("demo".to_owned()),
        roles: vec![if admin { "admin" } else { "member" }.to_owned()],
        admin,
    }
}

/// The answer's body as JSON; `null` when it has none. Fails the test when it isn't JSON.
#[must_use]
pub fn json_of(response: &Response) -> serde_json::Value {
    match &response.body {
        Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_else(|error| {
            panic!("the body is no JSON ({error}): {}", String::from_utf8_lossy(bytes));
        }),
        _ => serde_json::Value::Null,
    }
}

/// The first header of this name, whatever its case.
#[must_use]
pub fn header_of<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Tells the coverage report that the running test proves a rule of the catalogue. The hash is the first 8 hex digits of the
/// SHA-256 of the rule's text. Call it at the test's end, so that a failing test proves nothing.
#[macro_export]
macro_rules! rule {
    ($operation:expr, $($hash:literal),+ $(,)?) => {
        $(println!("RULE {} {}", $operation, $hash);)+
    };
}
