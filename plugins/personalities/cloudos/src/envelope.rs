//! The vendor's form of an error: `{code, msg, data: null, total: 0}`. The document's annex of codes is missing, so the codes are the
//! core's words, as the manifest's refusals have them.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Error, ErrorCode, Request, Response, key, respond, violations};

/// What a request is refused with.
#[derive(Debug)]
pub struct Fault {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

impl Fault {
    pub fn invalid(field: &str, says: &str) -> Self {
        Self { status: 400, code: "invalid", message: format!("{field} {says}") }
    }

    pub fn response(&self) -> Response {
        let mut out = Writer::with_capacity(96 + self.message.len());
        out.begin_object().key(key!("code")).string(self.code).key(key!("msg")).string(&self.message);
        out.key(key!("data")).null().key(key!("total")).unsigned(0).end_object();
        respond::json(self.status, out.finish())
    }
}

/// The first thing that is wrong with the body. `forms`: what each member must be, in a sentence that goes on after its name.
pub fn check(request: &Request, forms: &[(&str, &str)]) -> Result<(), Fault> {
    let Some(violation) = request.violations.first() else { return Ok(()) };
    let expected = violations::expected(violation);
    let field = match violation.keyword.as_str() {
        "required" => return Err(Fault::invalid(expected.as_str().unwrap_or_default(), "is missing.")),
        "additionalProperties" => {
            let field = expected["unexpected"][0].as_str().unwrap_or_default();
            return Err(Fault::invalid(
                if field.is_empty() { "A member without a name" } else { field },
                "is not known.",
            ));
        }
        "type" if violation.pointer.is_empty() => return Err(Fault::invalid("The body", "is a JSON object.")),
        _ => violation.pointer.split('/').nth(1).unwrap_or_default(),
    };
    let form = forms.iter().find(|(name, _)| *name == field).map(|(_, form)| (*form).to_owned());
    Err(match form {
        Some(form) => Fault::invalid(field, &form),
        None => Fault { status: 400, code: "invalid", message: violations::message(violation) },
    })
}

/// The core names members as the vendor does: records of collections have the vendor's own.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, code) = word(&error.code);
        let message = match &error.field {
            Some(field) if !error.message.contains(field.as_str()) => format!("{field}: {}", error.message),
            _ => error.message,
        };
        Self { status, code, message }
    }
}

/// HTTP status and word of a code. Total over the core's codes.
fn word(code: &ErrorCode) -> (u16, &'static str) {
    match code {
        ErrorCode::Invalid => (400, "invalid"),
        ErrorCode::BadContent => (400, "bad-content"),
        ErrorCode::Unauthenticated => (401, "unauthenticated"),
        ErrorCode::Forbidden => (403, "forbidden"),
        ErrorCode::QuotaExceeded => (403, "quota-exceeded"),
        ErrorCode::NotFound => (404, "not-found"),
        ErrorCode::AlreadyExists => (409, "already-exists"),
        ErrorCode::InUse => (409, "in-use"),
        ErrorCode::WrongState => (409, "wrong-state"),
        ErrorCode::Busy => (409, "busy"),
        ErrorCode::Locked => (409, "locked"),
        ErrorCode::AddressInUse => (409, "address-in-use"),
        ErrorCode::NoAddress => (409, "no-address"),
        ErrorCode::NoCapacity => (409, "no-capacity"),
        ErrorCode::Cancelled => (409, "cancelled"),
        ErrorCode::TooLarge => (413, "too-large"),
        ErrorCode::RateLimited => (429, "rate-limited"),
        ErrorCode::NotSupported => (501, "not-supported"),
        ErrorCode::DriverFailed => (503, "driver-failed"),
        ErrorCode::Unavailable => (503, "unavailable"),
        ErrorCode::TimedOut => (504, "timed-out"),
        ErrorCode::Internal | ErrorCode::Other(_) => (500, "internal"),
    }
}
