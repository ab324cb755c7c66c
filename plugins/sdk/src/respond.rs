//! Answers.

use crate::{Body, Error, ErrorCode, Request, Response};

/// An answer with a JSON body.
#[must_use]
pub fn json(status: u16, body: Vec<u8>) -> Response {
    Response {
        status,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: Body::Bytes(body),
    }
}

/// An answer without a body.
#[must_use]
pub fn empty(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Body::Empty }
}

#[must_use]
pub fn with_header(mut response: Response, name: &str, value: impl Into<String>) -> Response {
    response.headers.push((name.to_owned(), value.into()));
    response
}

/// The reason phrase of a status, as upstream's error bodies carry it; what isn't listed is a fault of the server's.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}

/// The parameter of the path template; empty when the template has none of this name.
#[must_use]
pub fn param<'a>(request: &'a Request, name: &str) -> &'a str {
    request.params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

/// The first header of this name (lower case).
#[must_use]
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The neutral action that the policy refuses, where the error says that.
#[must_use]
pub fn denied(error: &Error) -> Option<&str> {
    let (kind, action) = error.resource.as_ref()?;
    (error.code == ErrorCode::Forbidden && kind == "action").then_some(action.as_str())
}

/// Every code once and one that this SDK doesn't know: for tests that a personality's table of errors is total.
#[must_use]
pub fn every_code() -> Vec<ErrorCode> {
    vec![
        ErrorCode::Invalid,
        ErrorCode::NotFound,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::AlreadyExists,
        ErrorCode::InUse,
        ErrorCode::WrongState,
        ErrorCode::Busy,
        ErrorCode::Locked,
        ErrorCode::QuotaExceeded,
        ErrorCode::NoCapacity,
        ErrorCode::NoAddress,
        ErrorCode::AddressInUse,
        ErrorCode::RateLimited,
        ErrorCode::TooLarge,
        ErrorCode::NotSupported,
        ErrorCode::BadContent,
        ErrorCode::DriverFailed,
        ErrorCode::TimedOut,
        ErrorCode::Unavailable,
        ErrorCode::Cancelled,
        ErrorCode::Internal,
        ErrorCode::Other("of-tomorrow".to_owned()),
    ]
}
