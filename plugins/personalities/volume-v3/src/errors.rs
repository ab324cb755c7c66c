//! Cinder's refusals, and its status for every code of the core.

use skyloom_sdk::json::Writer;
use skyloom_sdk::violations::{self, python_of};
use skyloom_sdk::{Error, ErrorCode, Request, Response, respond};

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub message: String,
}

impl Fault {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// A value that no schema can refuse.
    pub fn invalid(name: &str, says: &str) -> Self {
        Self::bad_request(format!("Invalid input for field/attribute {name}. {says}"))
    }

    /// The first thing that is wrong with the body.
    pub fn of_body(request: &Request) -> Option<Self> {
        let violation = request.violations.first()?;
        let message = violations::message(violation);
        let place = violation.pointer.rsplit('/').next().filter(|name| !name.is_empty());
        Some(Self::bad_request(match place {
            None => message,
            Some(name) => {
                let shown = serde_json::from_str(&violation.value).unwrap_or_else(|_| python_of(&violation.value));
                format!("Invalid input for field/attribute {name}. Value: {shown}. {message}")
            }
        }))
    }

    pub fn response(&self) -> Response {
        let name = match self.status {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            409 => "conflictingRequest",
            413 | 429 => "overLimit",
            501 => "notImplemented",
            503 => "serviceUnavailable",
            _ => "computeFault",
        };
        let mut json = Writer::with_capacity(96 + self.message.len());
        json.begin_object().dynamic_key(name).begin_object();
        json.dynamic_key("code").unsigned(self.status.into());
        json.dynamic_key("message").string(&self.message).end_object().end_object();
        let response = respond::json(self.status, json.finish());
        if self.status == 413 { respond::with_header(response, "Retry-After", "0") } else { response }
    }
}

/// The whole table; a code of a newer host is a fault of the server.
fn status(code: &ErrorCode) -> u16 {
    match code {
        // Upstream calls a wrong state an invalid volume.
        ErrorCode::Invalid | ErrorCode::BadContent | ErrorCode::WrongState | ErrorCode::InUse | ErrorCode::Busy => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::AlreadyExists | ErrorCode::Locked | ErrorCode::AddressInUse | ErrorCode::Cancelled => 409,
        ErrorCode::QuotaExceeded | ErrorCode::TooLarge | ErrorCode::RateLimited => 413,
        ErrorCode::NotSupported => 501,
        ErrorCode::NoCapacity | ErrorCode::NoAddress | ErrorCode::DriverFailed | ErrorCode::Unavailable => 503,
        ErrorCode::TimedOut => 504,
        ErrorCode::Internal | ErrorCode::Other(_) => 500,
    }
}

/// The core's fields as Cinder names them.
fn member(field: &str) -> &str {
    match field {
        "size-gib" => "size",
        "volume-type" => "volume_type",
        "zone" => "availability_zone",
        "image-id" => "imageRef",
        "source-id" => "source",
        "volume-id" => "volume_id",
        other => other,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = status(&error.code);
        let resource = error.resource.as_ref().map(|(kind, id)| (kind.as_str(), id));
        let message = match (&error.code, resource, error.field.as_deref()) {
            (ErrorCode::NotFound, Some(("volume", id)), _) => format!("Volume {id} could not be found."),
            (ErrorCode::NotFound, Some(("snapshot", id)), _) => format!("Snapshot {id} could not be found."),
            (ErrorCode::NotFound, Some(("image", id)), _) => {
                return Self::bad_request(format!(
                    "Invalid image identifier or unable to access requested image: {id}."
                ));
            }
            (ErrorCode::NotFound, Some(("metadata-item", key)), _) => {
                format!("Metadata item was not found: {key}")
            }
            (_, Some(("volume-type", name)), _) => {
                return Self::new(404, format!("Volume type with name {name} could not be found."));
            }
            (ErrorCode::WrongState | ErrorCode::InUse | ErrorCode::Busy, Some(("snapshot", _)), _) => {
                format!("Invalid snapshot: {}", error.message)
            }
            (ErrorCode::WrongState | ErrorCode::InUse | ErrorCode::Busy, ..) => {
                format!("Invalid volume: {}", error.message)
            }
            (ErrorCode::Invalid, _, Some("marker")) => error.message,
            (ErrorCode::Invalid, _, Some(field)) => {
                return Self::invalid(member(field), &error.message);
            }
            _ => error.message,
        };
        Self { status, message }
    }
}

#[cfg(test)]
mod tests {
    use skyloom_sdk::respond::every_code;
    use skyloom_sdk::testing::{error, json_of, not_found};

    use super::*;

    #[test]
    fn every_code_has_an_envelope() {
        for code in every_code() {
            let response = Fault::from(error(code.clone(), "text")).response();
            assert!((400..600).contains(&response.status), "{code:?}");
            let body = json_of(&response);
            let (_, inner) = body.as_object().and_then(|body| body.iter().next()).expect("one member");
            assert_eq!(inner["code"], response.status, "{code:?}");
            assert!(inner["message"].as_str().is_some_and(|message| message.contains("text")), "{code:?}");
        }
    }

    #[test]
    fn what_is_missing_and_what_is_wrong_are_named() {
        assert_eq!(Fault::from(not_found("volume", "x")), Fault::new(404, "Volume x could not be found."));
        let field = |name: &str| Error { field: Some(name.to_owned()), ..error(ErrorCode::Invalid, "It is wrong.") };
        let wrong = Fault::from(field("size-gib"));
        assert_eq!(wrong, Fault::new(400, "Invalid input for field/attribute size. It is wrong."));
        let full = Fault::from(error(ErrorCode::QuotaExceeded, "full")).response();
        assert_eq!(skyloom_sdk::testing::header_of(&full, "Retry-After"), Some("0"));
    }
}
