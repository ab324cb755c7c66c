//! Nova's envelope: one member whose name goes with the status.

use skyloom_sdk::json::{FieldError, Problem, Writer};
use skyloom_sdk::{Error, ErrorCode, Request, Response, key, respond};

use crate::words::{attribute, quota_name};

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub message: String,
    /// The neutral action that the policy refuses.
    denied: Option<String>,
}

impl Fault {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), denied: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    pub fn invalid_type(name: &str, expected: &str) -> Self {
        Self::bad_request(format!("Invalid input for field/attribute {name}. It is not of type '{expected}'"))
    }

    /// As it is told of a request: a refusal of the policy names its rule, as upstream does.
    #[must_use]
    pub fn of(self, request: &Request) -> Self {
        let Some(action) = self.denied.as_deref() else { return self };
        let rule = match (action, request.operation.as_str()) {
            ("servers:create-on-node", _) if names_host(request) => {
                Some("compute:servers:create:requested_destination")
            }
            ("servers:create-on-node", _) => Some("os_compute_api:servers:create:forced_host"),
            ("servers:read-all", "servers.list") => Some("os_compute_api:servers:index:get_all_tenants"),
            ("servers:read-all", "servers.list_detail") => Some("os_compute_api:servers:detail:get_all_tenants"),
            ("servers:unlock-any", _) => Some("os_compute_api:os-lock-server:unlock:unlock_override"),
            ("quotas:read-all", "limits.show") => Some("os_compute_api:limits:other_project"),
            ("server-groups:read-all", _) => Some("os_compute_api:os-server-groups:index:all_projects"),
            _ => request.rule.as_deref(),
        };
        rule.map_or(self.clone(), |rule| Self::new(403, format!("Policy doesn't allow {rule} to be performed.")))
    }
}

/// Nova's envelope of a refusal.
pub fn by_status(fault: &Fault) -> Response {
    let mut writer = Writer::with_capacity(64 + fault.message.len());
    writer.begin_object().dynamic_key(envelope(fault.status)).begin_object();
    writer.key(key!("code")).unsigned(u64::from(fault.status));
    writer.key(key!("message")).string(&fault.message).end_object().end_object();
    respond::json(fault.status, writer.finish())
}

/// Whether a new server names its host apart from its zone.
fn names_host(request: &Request) -> bool {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    ["host", "hypervisor_hostname"].iter().any(|name| body["server"][name].is_string())
}

/// The name that goes with a status.
pub fn envelope(status: u16) -> &'static str {
    match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}

/// The status that a code has where an operation knows nothing better.
fn status_of(code: &ErrorCode) -> u16 {
    match code {
        ErrorCode::Invalid
        | ErrorCode::NotSupported
        | ErrorCode::BadContent
        | ErrorCode::NoCapacity
        | ErrorCode::NoAddress
        | ErrorCode::AddressInUse => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden | ErrorCode::QuotaExceeded => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::AlreadyExists
        | ErrorCode::InUse
        | ErrorCode::WrongState
        | ErrorCode::Busy
        | ErrorCode::Locked
        | ErrorCode::Cancelled => 409,
        ErrorCode::TooLarge => 413,
        ErrorCode::RateLimited => 429,
        ErrorCode::Unavailable | ErrorCode::TimedOut => 503,
        ErrorCode::DriverFailed | ErrorCode::Internal | ErrorCode::Other(_) => 500,
    }
}

/// A missing resource in Nova's words; none: in the core's.
fn missing(kind: &str, id: &str) -> Option<String> {
    Some(match kind {
        "server" => format!("Instance {id} could not be found."),
        "aggregate" => format!("Aggregate {id} could not be found."),
        "node" => format!("Compute host {id} could not be found."),
        "port" => format!("Port id {id} could not be found."),
        "security-group" => format!("Security group {id} not found."),
        "server-group" => format!("Instance group {id} could not be found."),
        _ => return None,
    })
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, denied) = (status_of(&error.code), respond::denied(&error).map(str::to_owned));
        let message = match (&error.code, &error.resource, &error.field, &error.reason) {
            (ErrorCode::NotFound, Some((kind, id)), ..) => missing(kind, id).unwrap_or(error.message),
            (ErrorCode::Locked, Some((_, id)), ..) => format!("Instance {id} is locked"),
            (ErrorCode::QuotaExceeded, _, Some(quota), _) if quota == "server-groups" => {
                "Quota exceeded, too many server groups.".to_owned()
            }
            (ErrorCode::QuotaExceeded, _, Some(quota), _) if quota == "server-group-members" => {
                "Quota exceeded, too many servers in group".to_owned()
            }
            // Where the core says what is wrong in a word, its message doesn't name the field.
            (ErrorCode::QuotaExceeded, _, Some(quota), _) => {
                error.message.replace(quota.as_str(), &quota_name(quota)).replacen(": requested", ": Requested", 1)
            }
            (ErrorCode::Invalid, _, Some(field), Some(_)) => {
                format!("Invalid input for field/attribute {}. {}", attribute(field), error.message)
            }
            _ => error.message,
        };
        Self { status, message, denied }
    }
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        let name = error.pointer.rsplit('/').next().unwrap_or_default();
        match error.problem {
            Problem::Malformed => Self::bad_request("Malformed request body"),
            Problem::Missing => Self::bad_request(format!("'{name}' is a required property")),
            Problem::WrongType(expected) => Self::invalid_type(name, expected),
        }
    }
}

/// `not-found` of a server in Nova's words; everything else as it is.
pub fn of_server(id: &str) -> impl Fn(Error) -> Fault {
    move |error| match error.code {
        ErrorCode::NotFound => Fault::not_found(format!("Instance {id} could not be found.")),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use skyloom_sdk::respond::every_code;
    use skyloom_sdk::testing::{Call, error, json_of, not_found, not_permitted};

    use super::*;

    #[test]
    fn what_the_core_names_has_novas_names() {
        for (kind, expected) in [
            ("server", "Instance x could not be found."),
            ("aggregate", "Aggregate x could not be found."),
            ("node", "Compute host x could not be found."),
            ("port", "Port id x could not be found."),
            ("security-group", "Security group x not found."),
            ("server-group", "Instance group x could not be found."),
        ] {
            assert_eq!(Fault::from(not_found(kind, "x")), Fault::not_found(expected));
        }
        for (field, reason, expected) in [
            ("memory-mib", Some("out-of-range"), "Invalid input for field/attribute ram. It is wrong."),
            ("security-group-ids", Some("too-many"), "Invalid input for field/attribute security_groups. It is wrong."),
            ("extra-specs", Some("too-long"), "Invalid input for field/attribute extra_specs. It is wrong."),
            ("image-id", None, "It is wrong."),
        ] {
            let wrong = error(ErrorCode::Invalid, "It is wrong.");
            let wrong = Error { field: Some(field.to_owned()), reason: reason.map(ToOwned::to_owned), ..wrong };
            assert_eq!(Fault::from(wrong), Fault::bad_request(expected));
        }
    }

    #[test]
    fn every_code_has_its_envelope() {
        for code in every_code() {
            let fault = Fault::from(error(code.clone(), "what happened"));
            let response = by_status(&fault);
            let body = json_of(&response);
            let (name, content) = body.as_object().unwrap().iter().next().unwrap();
            assert_eq!(body.as_object().unwrap().len(), 1, "{code:?}");
            assert_eq!(content["code"], response.status, "{code:?}");
            assert_eq!(content["message"], "what happened", "{code:?}");
            assert_eq!(name, envelope(response.status), "{code:?}");
            let fails = matches!(code, ErrorCode::DriverFailed | ErrorCode::Internal | ErrorCode::Other(_));
            assert_eq!(name == "computeFault", fails, "{code:?}");
        }
    }

    #[test]
    fn a_refusal_of_the_policy_names_its_rule() {
        let said = |operation: &str, action: &str| {
            let call = Call::new(operation, "GET", "/").rule("os_compute_api:of:the:operation").build();
            let fault = Fault::from(not_permitted(action)).of(&call);
            (fault.status, fault.message)
        };
        for (operation, action, rule) in [
            ("servers.create", "servers:create-on-node", "os_compute_api:servers:create:forced_host"),
            ("servers.list", "servers:read-all", "os_compute_api:servers:index:get_all_tenants"),
            ("servers.list_detail", "servers:read-all", "os_compute_api:servers:detail:get_all_tenants"),
            ("limits.show", "quotas:read-all", "os_compute_api:limits:other_project"),
            ("servers.unlock", "servers:unlock-any", "os_compute_api:os-lock-server:unlock:unlock_override"),
            ("server_groups.list", "server-groups:read-all", "os_compute_api:os-server-groups:index:all_projects"),
            ("keypairs.list", "keypairs:others", "os_compute_api:of:the:operation"),
            ("quota_sets.show", "quotas:read-all", "os_compute_api:of:the:operation"),
        ] {
            assert_eq!(said(operation, action), (403, format!("Policy doesn't allow {rule} to be performed.")));
        }
        let named = serde_json::json!({"server": {"host": "h"}});
        let fault = Fault::from(not_permitted("servers:create-on-node"))
            .of(&Call::new("servers.create", "POST", "/").body(&named).build());
        let expected = "Policy doesn't allow compute:servers:create:requested_destination to be performed.";
        assert_eq!((fault.status, fault.message.as_str()), (403, expected));
        let call = Call::new("servers.create", "POST", "/").rule("os_compute_api:servers:create").build();
        let other = Error { resource: Some(("network".to_owned(), "n".to_owned())), ..not_permitted("") };
        assert_eq!(Fault::from(other.clone()).of(&call).message, other.message, "not the policy's");
    }

    #[test]
    fn a_full_quota_has_novas_name() {
        let said = "Quota exceeded for memory-mib: requested 512, but already used 0 of 1 memory-mib.";
        let full = Error { field: Some("memory-mib".to_owned()), ..error(ErrorCode::QuotaExceeded, said) };
        let expected = "Quota exceeded for ram: Requested 512, but already used 0 of 1 ram.";
        assert_eq!(Fault::from(full).message, expected);
        for (quota, expected) in [
            ("server-groups", "Quota exceeded, too many server groups."),
            ("server-group-members", "Quota exceeded, too many servers in group"),
        ] {
            let full = Error { field: Some(quota.to_owned()), ..error(ErrorCode::QuotaExceeded, "It is full.") };
            assert_eq!(Fault::from(full), Fault::new(403, expected));
        }
    }
}
