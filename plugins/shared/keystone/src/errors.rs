//! Keystone's envelope, and its status for every code of the core.

use serde_json::json;
use skyloom_sdk::{Error, ErrorCode, Request, Response, respond, violations};

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub message: String,
    /// The policy refuses the operation.
    denied: bool,
}

const UNAUTHENTICATED: &str = "The request you have made requires authentication.";

impl Fault {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), denied: false }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// What the body lacks.
    pub fn missing(attribute: &str, target: &str) -> Self {
        Self::bad_request(format!(
            "Expecting to find {attribute} in {target}. The server could not comply with the request since it is either \
             malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    }

    pub fn not_found(kind: &str, id: &str) -> Self {
        Self::new(404, format!("Could not find {kind}: {id}."))
    }

    /// What upstream has and this doesn't, by its name.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(501, format!("The action you have requested has not been implemented: {what}."))
    }

    /// What a resource is asked to be, and nothing here would see to it.
    pub fn no_option(name: &str) -> Self {
        Self::new(501, format!("The option '{name}' has not been implemented."))
    }

    /// As it is told of a request: a refusal of the policy names its rule, as upstream does.
    #[must_use]
    pub fn of(self, request: &Request) -> Self {
        match &request.rule {
            Some(rule) if self.denied => {
                Self::new(403, format!("You are not authorized to perform the requested action: {rule}."))
            }
            _ => self,
        }
    }

    pub fn response(&self, request: &Request) -> Response {
        let response = error_response(self.status, &self.message);
        if self.status != 401 {
            return response;
        }
        respond::with_header(response, "WWW-Authenticate", format!("Keystone uri=\"{}/v3\"", request.base_url))
    }
}

/// `{"error": {"code", "message", "title"}}`; the title goes with the status.
#[must_use]
pub fn error_response(status: u16, message: &str) -> Response {
    crate::json(status, &json!({"error": {"code": status, "message": message, "title": respond::reason(status)}}))
}

fn status_of(code: &ErrorCode) -> u16 {
    match code {
        ErrorCode::Invalid | ErrorCode::BadContent => 400,
        ErrorCode::Unauthenticated => 401,
        // What the state of a resource does not allow is forbidden here: a domain that is enabled cannot be deleted.
        ErrorCode::Forbidden | ErrorCode::WrongState | ErrorCode::Locked | ErrorCode::QuotaExceeded => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::AlreadyExists
        | ErrorCode::InUse
        | ErrorCode::Busy
        | ErrorCode::NoCapacity
        | ErrorCode::NoAddress
        | ErrorCode::AddressInUse
        | ErrorCode::Cancelled => 409,
        ErrorCode::TooLarge => 413,
        ErrorCode::RateLimited => 429,
        ErrorCode::NotSupported => 501,
        ErrorCode::Unavailable => 503,
        ErrorCode::TimedOut => 504,
        ErrorCode::DriverFailed | ErrorCode::Internal | ErrorCode::Other(_) => 500,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = status_of(&error.code);
        if let (ErrorCode::Invalid, Some(field), Some(_)) = (&error.code, &error.field, &error.reason) {
            // Where the core says what is wrong in a word, its message doesn't name the field.
            return Self::bad_request(format!(
                "Invalid input for field '{}': {}",
                field.replace('-', "_"),
                error.message
            ));
        }
        let denied = respond::denied(&error).is_some();
        let message = match (&error.code, error.resource) {
            (ErrorCode::Unauthenticated, _) => UNAUTHENTICATED.to_owned(),
            (ErrorCode::NotFound, Some((kind, id)))
                if kind != "role" || error.message.contains("could not be found") =>
            {
                return Self::not_found(&kind, &id);
            }
            (ErrorCode::AlreadyExists, Some((kind, value))) => {
                let field = if error.field.as_deref() == Some("id") { "ID" } else { "name" };
                format!("Conflict occurred attempting to store {kind} - Duplicate entry found with {field} {value}.")
            }
            _ => error.message,
        };
        Self { status, message, denied }
    }
}

/// What the operation's schema found wrong first.
pub fn violation(request: &Request) -> Option<Fault> {
    let violation = request.violations.first()?;
    // The schema is of the whole body; upstream names fields below its one member.
    let path = violation.pointer.trim_start_matches('/');
    let (member, field) = path.split_once('/').unwrap_or((path, ""));
    let message = violations::message(violation);
    // What lacks or has too much names that.
    let names_itself = ["required", "additionalProperties"].contains(&violation.keyword.as_str());
    Some(Fault::bad_request(match (field, member) {
        ("", "") => message,
        ("", _) if names_itself => message,
        ("", field) | (field, _) => format!("Invalid input for field '{field}': {message}"),
    }))
}
