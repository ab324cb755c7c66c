//! The vendor's envelope and codes. One table from the core's codes, narrowed by what the operation was about.

use std::borrow::Cow;

use nova::words;
use skyloom_sdk::cloud::operations::Operation;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Error, ErrorCode, Response, Violation, key, respond};

use crate::create_checks::too_many_nics;

/// What a call failed with, ready for the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// A finer code and text, as the document's example for an address outside its subnet has.
    pub detail: Option<(&'static str, String)>,
}

impl Failure {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None }
    }

    /// A parameter of the request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "Ecs.0005", message)
    }

    pub fn no_server(id: &str) -> Self {
        Self::new(404, "Ecs.0114", format!("The ECS {id} does not exist."))
    }

    pub fn response(&self) -> Response {
        let mut out = Writer::with_capacity(256);
        out.begin_object().key(key!("error")).begin_object();
        out.key(key!("message")).string(&self.message);
        out.key(key!("code")).string(self.code);
        if let Some((code, message)) = &self.detail {
            out.key(key!("details")).begin_array().begin_object();
            out.key(key!("code")).string(code).key(key!("message")).string(message);
            out.end_object().end_array();
        }
        out.end_object().end_object();
        respond::json(self.status, out.finish())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, code) = code_of(&error);
        match code {
            // The core's words for these are those of another API.
            "Ecs.0314" => Self::new(status, code, "The key pair does not exist."),
            "Ecs.0114" => Self::no_server(error.resource.as_ref().map_or("", |(_, id)| id)),
            "Pdp.0001" => Self::new(status, code, format!("Policy doesn't allow {} to be performed.", action(&error))),
            // Where the core says what is wrong in a word, its message doesn't name the field.
            _ => match (&error.code, &error.field, &error.reason) {
                (ErrorCode::Invalid, Some(field), Some(_)) => {
                    let message = format!(
                        "The value of the parameter {} is not valid. {}",
                        parameter(field, &error),
                        error.message
                    );
                    Self::new(status, code, message)
                }
                (ErrorCode::QuotaExceeded, Some(quota), _) => {
                    Self::new(status, code, error.message.replace(quota.as_str(), &quota_name(quota)))
                }
                _ => Self::new(status, code, error.message),
            },
        }
    }
}

/// What a creation depends on has a name of its own.
fn action(error: &Error) -> &'static str {
    match error.resource.as_ref().map(|(_, word)| word.as_str()) {
        Some("public-addresses:create") => "vpc:publicIps:create",
        Some("public-addresses:bind") => "vpc:publicIps:update",
        _ => "this operation",
    }
}

/// The core's names of what was wrong, in the vendor's: Nova's but for these.
fn parameter<'a>(field: &'a str, error: &Error) -> Cow<'a, str> {
    let system = matches!(&error.resource, Some((kind, place)) if kind == "disk" && place == "0");
    Cow::Borrowed(match field {
        "disks" if system => "root_volume",
        "disks" => "data_volumes",
        "networks" => "nics",
        "min-count" => "count",
        "public-address" => "publicip",
        other => return words::attribute(other),
    })
}

/// The core's names of quotas, in words that the vendor's users know.
fn quota_name(quota: &str) -> Cow<'_, str> {
    if quota == "memory-mib" { Cow::Borrowed("RAM") } else { words::quota_name(quota) }
}

/// HTTP status and vendor's code of a core error. Total over the core's codes.
fn code_of(error: &Error) -> (u16, &'static str) {
    let kind = error.resource.as_ref().map_or("", |(kind, _)| kind.as_str());
    match &error.code {
        ErrorCode::Invalid => (400, code_of_invalid(kind, error.field.as_deref())),
        ErrorCode::NotFound => code_of_missing(kind),
        ErrorCode::Unauthenticated => (401, "Common.0013"),
        ErrorCode::Forbidden => (403, "Pdp.0001"),
        ErrorCode::AlreadyExists | ErrorCode::WrongState => (400, "Ecs.0100"),
        // A public address that is bound already; its only free state may be bound.
        ErrorCode::InUse => (400, if kind == "port" { "Ecs.0919" } else { "Ecs.0005" }),
        ErrorCode::Busy => (501, "Ecs.0603"),
        ErrorCode::Locked => (400, "Ecs.0605"),
        ErrorCode::QuotaExceeded => (400, code_of_quota(error)),
        ErrorCode::NoCapacity => (400, "Ecs.0319"),
        ErrorCode::NoAddress => (400, "Ecs.0012"),
        ErrorCode::AddressInUse => (400, "Ecs.0010"),
        ErrorCode::RateLimited => (429, "Common.1503"),
        ErrorCode::TooLarge | ErrorCode::BadContent | ErrorCode::NotSupported => (400, "Ecs.0005"),
        ErrorCode::DriverFailed | ErrorCode::Cancelled => (400, "Ecs.1001"),
        ErrorCode::TimedOut => (504, "Ecs.1002"),
        ErrorCode::Unavailable => (503, "Ecs.1002"),
        ErrorCode::Internal | ErrorCode::Other(_) => (500, "Common.0001"),
    }
}

fn code_of_missing(kind: &str) -> (u16, &'static str) {
    match kind {
        "server" => (404, "Ecs.0114"),
        "flavor" => (400, "Ecs.0029"),
        "image" => (400, "Ecs.0031"),
        "keypair" => (400, "Ecs.0314"),
        "server-group" => (400, "Ecs.0313"),
        "network" | "subnet" => (400, "Ecs.0038"),
        "router" | "security-group" | "port" => (400, "Ecs.0014"),
        "operation" => (400, "Common.0011"),
        _ => (400, "Ecs.0005"),
    }
}

fn code_of_invalid(kind: &str, field: Option<&str>) -> &'static str {
    match (kind, field) {
        // What is wrong with an image that is there is its state.
        ("image", _) => "Ecs.0032",
        ("volume-type", _) => "Ecs.0043",
        (_, Some("key-name")) => "Ecs.0314",
        // Not offered any more, or not for this image.
        (_, Some("flavor-id")) => "Ecs.0027",
        (_, Some("security-groups")) => "Ecs.0014",
        _ => "Ecs.0005",
    }
}

fn code_of_quota(error: &Error) -> &'static str {
    match error.field.as_deref().unwrap_or_default() {
        "public-addresses" => "Ecs.0013",
        "volumes" | "volume-gib" => "Ecs.0021",
        "server-groups" | "server-group-members" => "Ecs.0022",
        _ => "Ecs.0001",
    }
}

/// The vendor's code of a failed job, by what the job did and, of a creation, how far it came.
pub fn code_of_job(operation: &Operation, error: &Error) -> &'static str {
    let (_, code) = code_of(error);
    if code != "Ecs.1001" && code != "Ecs.0005" && code != "Common.0001" {
        return code;
    }
    let failed = operation.steps.iter().rev().find(|step| step.error.is_some()).map(|step| step.name.as_str());
    match (operation.kind.rsplit('.').next().unwrap_or_default(), failed) {
        // A server's disks are made in one step.
        ("create", Some("disks")) => "Ecs.0202",
        ("create", _) => "Ecs.0204",
        ("delete", _) => "Ecs.0501",
        ("start", _) => "Ecs.0226",
        ("reboot", _) => "Ecs.0227",
        ("resize", _) => "Ecs.0207",
        ("attach-volume", _) => "Ecs.0205",
        ("attach-nic", _) => "Ecs.0217",
        ("detach-nic", _) => "Ecs.0507",
        _ => "Ecs.1001",
    }
}

/// What the schema found wrong, in the vendor's words. The value itself is never repeated: it may be a password.
pub fn of_violation(violation: &Violation) -> Failure {
    let pointer = violation.pointer.as_str();
    let keyword = violation.keyword.as_str();
    let field = pointer.trim_start_matches('/').replace('/', ".");
    if pointer.is_empty() && keyword == "type" {
        return Failure::invalid("request body is illegal.");
    }
    match (pointer, keyword) {
        ("/server/description", _) => Failure::new(400, "Ecs.0041", "Invalid description field."),
        ("/server/count", "maximum") => {
            Failure::new(400, "Ecs.0913", "The number of ECSs to be created exceeds the maximum allowed limit.")
        }
        ("/server/data_volumes", "maxItems") => too_many_disks(),
        ("/server/nics" | "/nics", "maxItems") => too_many_nics(),
        (
            "/server/adminPass" | "/server/metadata/admin_pass" | "/os-reinstall/adminpass" | "/os-change/adminpass",
            _,
        ) => Failure::new(400, "Ecs.0011", "Ensure the password meets the password complexity requirements."),
        ("/server/publicip/eip/bandwidth/size", "maximum") => {
            Failure::new(400, "Ecs.0045", "The bandwidth exceeds the maximum allowed limit.")
        }
        (_, "enum") if pointer.ends_with("/volumetype") => unknown_disk_type(),
        (_, "maxItems") if pointer.ends_with("/servers") => {
            Failure::new(400, "Ecs.0118", "The number of ECSs exceeds the maximum allowed limit.")
        }
        (_, "maxItems") if pointer.ends_with("tags") => too_many_tags(),
        (_, "minLength" | "maxLength" | "maxItems" | "uniqueItems") if field.contains("tags.") => {
            bad_tag(&format!("the value of the parameter {field} is not valid"))
        }
        (_, "required") => {
            Failure::invalid(format!("A required parameter is missing: {}.", member(&field, &violation.message)))
        }
        (_, "additionalProperties") => Failure::invalid(format!(
            "The parameter {} is not supported by this platform.",
            member(&field, &violation.message)
        )),
        _ => Failure::invalid(format!("The value of the parameter {field} is not valid.")),
    }
}

/// Path of the member that a violation is about; its name stands in quotes in the validator's message.
fn member(field: &str, message: &str) -> String {
    let name = message.split(['"', '\'']).nth(1).unwrap_or("a member");
    if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") }
}

pub fn too_many_disks() -> Failure {
    Failure::new(400, "Ecs.0042", "The number of attached data disks exceeds the maximum allowed limit.")
}

pub fn unknown_disk_type() -> Failure {
    Failure::new(400, "Ecs.0043", "The disk type does not exist.")
}

/// In the form of the document's own example.
pub fn bad_address(address: &str, subnet: &str, why: String) -> Failure {
    let failure = Failure::invalid(format!("privateIp [{address}] is not in this subnet [{subnet}]"));
    Failure { detail: Some(("Ecs.0039", why)), ..failure }
}

pub fn no_interface(server: &str, nic: &str) -> Failure {
    Failure::new(400, "Ecs.0085", format!("The server {server} does not have the interface {nic}."))
}

pub fn not_attached(server: &str, volume: &str) -> Failure {
    Failure::new(400, "Ecs.0111", format!("The disk {volume} is not attached to the ECS {server}."))
}

pub fn too_long_name() -> Failure {
    Failure::new(400, "Ecs.0914", "The length of the ECS name exceeds the maximum allowed limit.")
}

pub fn too_many_tags() -> Failure {
    Failure::new(400, "Ecs.0905", "The number of tags exceeds the maximum allowed limit.")
}

/// `why` names the parameter.
pub fn bad_tag(why: &str) -> Failure {
    Failure::new(400, "Ecs.0906", format!("Failed to comply with tag character set specifications: {why}."))
}

pub fn bad_tag_characters(why: &str) -> Failure {
    Failure::new(400, "Ecs.0907", format!("Invalid tag character set: {why}."))
}

pub fn repeated_tag_key(field: &str) -> Failure {
    Failure::new(400, "Ecs.0908", format!("The tag key cannot be duplicate: {field}."))
}
