//! Neutron's envelope, and its type and status for every code of the core.

use std::borrow::Cow;

use serde_json::json;
use skyloom_sdk::{Error, ErrorCode, Request, Response, respond};

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    /// Upstream's name of the exception.
    pub kind: String,
    pub message: String,
    /// What only others may say, where the policy refuses a part of the request.
    refused: Option<String>,
}

impl Fault {
    pub fn new(status: u16, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, kind: kind.into(), message: message.into(), refused: None }
    }

    /// As it is told of a request: a refusal of the policy names its rule, as upstream does.
    #[must_use]
    pub fn of(self, request: &Request) -> Self {
        match &request.rule {
            Some(rule) if self.kind == NOT_AUTHORIZED => {
                let rule = with_attribute(rule, self.refused.as_deref());
                Self { message: format!("{rule} is disallowed by policy"), ..self }
            }
            _ => self,
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "HTTPBadRequest", message)
    }

    /// A value that an attribute cannot have.
    pub fn invalid(attribute: &str, reason: &str) -> Self {
        Self::bad_request(format!("Invalid input for {attribute}. Reason: {reason}."))
    }

    /// An attribute whose capability isn't there.
    pub fn unrecognized(attribute: &str) -> Self {
        Self::bad_request(format!("Unrecognized attribute(s) '{attribute}'"))
    }

    /// A marker that tells no place in a list of these.
    pub fn no_marker(collection: &str, id: &str) -> Self {
        let resource = collection.trim_end_matches('s');
        let (name, word, gone) = words(resource).unwrap_or(("Network", "Network", GONE));
        Self::new(404, format!("{name}NotFound"), format!("{word} {id} {gone}"))
    }

    pub fn response(&self) -> Response {
        let body = json!({"NeutronError": {"type": self.kind, "message": self.message, "detail": ""}});
        respond::json(self.status, body.to_string().into_bytes())
    }
}

const GONE: &str = "could not be found.";
const NOT_AUTHORIZED: &str = "PolicyNotAuthorized";

/// Upstream's rule for an attribute of an operation.
fn with_attribute(rule: &str, attribute: Option<&str>) -> String {
    match attribute {
        None => rule.to_owned(),
        // Of what it holds, only the addresses.
        Some("fixed_ips") => format!("({rule} and ({rule}:fixed_ips and ({rule}:fixed_ips:ip_address)))"),
        Some(attribute) => format!("({rule} and {rule}:{attribute})"),
    }
}

/// Upstream's word for a resource in the names of its exceptions and in their texts, and what it says of one that isn't there.
fn words(resource: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match resource {
        "network" => ("Network", "Network", GONE),
        "subnet" => ("Subnet", "Subnet", GONE),
        "port" => ("Port", "Port", GONE),
        "security-group" => ("SecurityGroup", "Security group", "does not exist"),
        "security-group-rule" => ("SecurityGroupRule", "Security group rule", "does not exist"),
        "router" => ("Router", "Router", GONE),
        // In lists it has upstream's name.
        "public-address" | "floatingip" => ("FloatingIP", "Floating IP", "could not be found"),
        _ => return None,
    })
}

/// The core's names of what was wrong, in upstream's.
fn attribute(field: &str) -> Cow<'_, str> {
    Cow::Borrowed(match field {
        "pools" => "allocation_pools",
        "dns" => "dns_nameservers",
        "dhcp" => "enable_dhcp",
        "enabled" => "admin_state_up",
        "external" => "router:external",
        "port-security" => "port_security_enabled",
        "gateway" => "gateway_ip",
        "mac" => "mac_address",
        "port-min" => "port_range_min",
        "port-max" => "port_range_max",
        "remote-cidr" => "remote_ip_prefix",
        "security-group-ids" => "security_groups",
        "security-group-rules" => "security_group_rules",
        other => return Cow::Owned(other.replace('-', "_")),
    })
}

/// What upstream calls a refused value: by the attribute and the core's reason; `*` stands for every attribute. What is in no
/// row is an `InvalidInput`.
const INVALID: &[(&str, &str, &str)] = &[
    ("protocol", "unknown", "SecurityGroupRuleInvalidProtocol"),
    ("protocol", "missing", "SecurityGroupProtocolRequiredWithPorts"),
    ("protocol", "other-version", "SecurityGroupEthertypeConflictWithProtocol"),
    ("port_range_min", "out-of-range", "SecurityGroupInvalidPortValue"),
    ("port_range_min", "order", "SecurityGroupInvalidPortRange"),
    ("port_range_min", "not-here", "SecurityGroupInvalidProtocolForPort"),
    ("port_range_min", "missing", "SecurityGroupMissingIcmpType"),
    ("*", "code-out-of-range", "SecurityGroupInvalidIcmpValue"),
    ("remote_ip_prefix", "malformed", "InvalidCIDR"),
    ("remote_ip_prefix", "other-version", "SecurityGroupRuleParameterConflict"),
    ("remote_ip_prefix", "several", "SecurityGroupMultipleRemoteEntites"),
    ("group_id", "several", "SecurityGroupNotSingleGroupRules"),
    ("project_id", "several", "SecurityGroupRulesNotSingleProject"),
    ("allocation_pools", "order", "InvalidAllocationPool"),
    ("allocation_pools", "out-of-range", "OutOfBoundsAllocationPool"),
    ("dns_nameservers", "too-many", "DNSNameServersExhausted"),
    ("host_routes", "too-many", "HostRoutesExhausted"),
    ("fixed_ips", "not-of-subnet", "InvalidIpForSubnet"),
    ("fixed_ips", "not-of-network", "InvalidIpForNetwork"),
    // What upstream finds before it looks at the resource.
    ("*", "malformed", "HTTPBadRequest"),
    ("*", "too-long", "HTTPBadRequest"),
    ("*", "too-many", "HTTPBadRequest"),
    ("*", "duplicate", "HTTPBadRequest"),
    ("*", "read-only", "HTTPBadRequest"),
];

fn invalid(attribute: &str, reason: &str) -> &'static str {
    let fits = |(of, why, _): &&(&str, &str, &str)| (*of == attribute || *of == "*") && *why == reason;
    INVALID.iter().find(fits).map_or("InvalidInput", |(.., kind)| kind)
}

fn wrong_value(attribute: &str, reason: &str, message: String) -> Fault {
    match invalid(attribute, reason) {
        "HTTPBadRequest" if reason == "read-only" => {
            Fault::bad_request(format!("Cannot update read-only attribute {attribute}"))
        }
        "HTTPBadRequest" => Fault::invalid(attribute, message.trim_end_matches('.')),
        "InvalidInput" => Fault::new(400, "InvalidInput", format!("Invalid input for operation: {message}")),
        kind => Fault::new(400, kind, message),
    }
}

/// What the policy refuses; the project of what is made is looked at before it.
fn not_theirs(attribute: &str, message: String) -> Fault {
    if attribute == "project_id" {
        return Fault::bad_request(
            "Specifying 'project_id' other than the authenticated project in request is not allowed for the current user.",
        );
    }
    let refused = (!attribute.is_empty()).then(|| attribute.to_owned());
    Fault { refused, ..Fault::new(403, NOT_AUTHORIZED, message) }
}

impl From<Error> for Fault {
    /// The whole table; a code of a newer host is a fault of the server.
    fn from(error: Error) -> Self {
        let field = error.field.as_deref().map(attribute).unwrap_or_default();
        let field = &*field;
        let resource = error.resource.as_ref().and_then(|(kind, _)| words(kind));
        let named = |suffix: &str, other: &str| {
            resource.map_or_else(|| other.to_owned(), |(name, ..)| format!("{name}{suffix}"))
        };
        let (status, kind) = match error.code {
            ErrorCode::Invalid => {
                return wrong_value(field, error.reason.as_deref().unwrap_or_default(), error.message);
            }
            ErrorCode::NotSupported | ErrorCode::BadContent => (400, "BadRequest".to_owned()),
            ErrorCode::Unauthenticated => (401, "HTTPUnauthorized".to_owned()),
            // Not the policy's: the token is for no project.
            ErrorCode::Forbidden if respond::denied(&error).is_none() => (403, "NotAuthorized".to_owned()),
            ErrorCode::Forbidden => return not_theirs(field, error.message),
            ErrorCode::NotFound => {
                let id = error.resource.as_ref().map(|(_, id)| id.as_str()).unwrap_or_default();
                let message = match resource {
                    Some((_, word, gone)) => format!("{word} {id} {gone}"),
                    None => error.message,
                };
                return Self::new(404, named("NotFound", "HTTPNotFound"), message);
            }
            ErrorCode::InUse => {
                let kind = match field {
                    "gateway_ip" => "GatewayIpInUse".to_owned(),
                    "shared" => "InvalidSharedSetting".to_owned(),
                    "router:external" => "ExternalNetworkInUse".to_owned(),
                    _ => named("InUse", "InUse"),
                };
                (409, kind)
            }
            ErrorCode::AlreadyExists => {
                let kind = match field {
                    "mac_address" => "MacAddressInUse".to_owned(),
                    "name" => "SecurityGroupDefaultAlreadyExists".to_owned(),
                    "security_group_rules" => "DuplicateSecurityGroupRuleInPost".to_owned(),
                    _ => named("Exists", "Conflict"),
                };
                (409, kind)
            }
            ErrorCode::WrongState => {
                let kind = match field {
                    "gateway_ip" => "GatewayConflictWithAllocationPools",
                    "allocation_pools" => "OverlappingAllocationPools",
                    "security_groups" => "PortSecurityAndIPRequiredForSecurityGroups",
                    "name" => "SecurityGroupCannotUpdateDefault",
                    "default" => "SecurityGroupCannotRemoveDefault",
                    _ => "Conflict",
                };
                (409, kind.to_owned())
            }
            ErrorCode::Busy | ErrorCode::Locked | ErrorCode::Cancelled => (409, "Conflict".to_owned()),
            ErrorCode::QuotaExceeded if field.is_empty() => (409, "OverQuota".to_owned()),
            ErrorCode::QuotaExceeded => {
                let resource = field.strip_suffix('s').unwrap_or(field);
                return Self::new(409, "OverQuota", format!("Quota exceeded for resources: ['{resource}']."));
            }
            ErrorCode::NoAddress => (409, "IpAddressGenerationFailure".to_owned()),
            ErrorCode::AddressInUse => (409, "IpAddressAlreadyAllocated".to_owned()),
            ErrorCode::TooLarge => (413, "HTTPRequestEntityTooLarge".to_owned()),
            ErrorCode::RateLimited => (429, "HTTPTooManyRequests".to_owned()),
            ErrorCode::NoCapacity | ErrorCode::DriverFailed | ErrorCode::Unavailable => {
                (503, "ServiceUnavailable".to_owned())
            }
            ErrorCode::TimedOut => (504, "HTTPGatewayTimeout".to_owned()),
            ErrorCode::Internal | ErrorCode::Other(_) => {
                let message = "Request Failed: internal server error while processing your request.";
                return Self::new(500, "HTTPInternalServerError", message);
            }
        };
        Self::new(status, kind, error.message)
    }
}

#[cfg(test)]
mod tests {
    use skyloom_sdk::respond::every_code;
    use skyloom_sdk::testing::{Call, error, json_of, not_found, not_permitted};

    use super::*;

    #[test]
    fn every_code_has_an_envelope() {
        for code in every_code() {
            let response = Fault::from(error(code.clone(), "text")).response();
            assert!((400..600).contains(&response.status), "{code:?}");
            let body = json_of(&response);
            assert!(body["NeutronError"]["type"].as_str().is_some_and(|kind| !kind.is_empty()), "{code:?}");
            let message = body["NeutronError"]["message"].as_str().unwrap_or_default();
            assert_eq!(message.ends_with("text"), response.status != 500, "{code:?}: {message}");
            assert_eq!(body["NeutronError"]["detail"], "");
        }
    }

    #[test]
    fn a_refusal_has_upstreams_name() {
        let kind = |code, resource: &str, field: &str, reason: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let resource = some(resource).map(|kind| (kind, "x".to_owned()));
            let fault =
                Fault::from(Error { resource, field: some(field), reason: some(reason), ..error(code, "text") });
            (fault.status, fault.kind)
        };
        for (field, reason, expected) in [
            ("protocol", "unknown", "SecurityGroupRuleInvalidProtocol"),
            ("protocol", "missing", "SecurityGroupProtocolRequiredWithPorts"),
            ("protocol", "other-version", "SecurityGroupEthertypeConflictWithProtocol"),
            ("port-min", "out-of-range", "SecurityGroupInvalidPortValue"),
            ("port-min", "order", "SecurityGroupInvalidPortRange"),
            ("port-min", "not-here", "SecurityGroupInvalidProtocolForPort"),
            ("port-min", "missing", "SecurityGroupMissingIcmpType"),
            ("port-min", "code-out-of-range", "SecurityGroupInvalidIcmpValue"),
            ("port-max", "code-out-of-range", "SecurityGroupInvalidIcmpValue"),
            ("remote-cidr", "malformed", "InvalidCIDR"),
            ("remote-cidr", "other-version", "SecurityGroupRuleParameterConflict"),
            ("remote-cidr", "several", "SecurityGroupMultipleRemoteEntites"),
            ("group_id", "several", "SecurityGroupNotSingleGroupRules"),
            ("project-id", "several", "SecurityGroupRulesNotSingleProject"),
            ("pools", "malformed", "HTTPBadRequest"),
            ("pools", "order", "InvalidAllocationPool"),
            ("pools", "out-of-range", "OutOfBoundsAllocationPool"),
            ("dns", "too-many", "DNSNameServersExhausted"),
            ("dns", "duplicate", "HTTPBadRequest"),
            ("host-routes", "too-many", "HostRoutesExhausted"),
            ("fixed-ips", "not-of-subnet", "InvalidIpForSubnet"),
            ("fixed-ips", "not-of-network", "InvalidIpForNetwork"),
            ("mac", "malformed", "HTTPBadRequest"),
            ("name", "too-long", "HTTPBadRequest"),
            ("network-id", "read-only", "HTTPBadRequest"),
            // A word of a newer core.
            ("cidr", "", "InvalidInput"),
            ("cidr", "purple", "InvalidInput"),
        ] {
            assert_eq!(kind(ErrorCode::Invalid, "", field, reason), (400, expected.to_owned()), "{field} {reason}");
        }
        let said = |field: &str, reason: &str| {
            let refused = error(ErrorCode::Invalid, "'x' is not right.");
            Fault::from(Error { field: Some(field.to_owned()), reason: Some(reason.to_owned()), ..refused }).message
        };
        assert_eq!(said("gateway", "malformed"), "Invalid input for gateway_ip. Reason: 'x' is not right.");
        assert_eq!(said("device-id", "too-long"), "Invalid input for device_id. Reason: 'x' is not right.");
        assert_eq!(said("remote-cidr", "malformed"), "'x' is not right.", "upstream's own words");
        assert_eq!(said("network-id", "read-only"), "Cannot update read-only attribute network_id");
        assert_eq!(
            said("security-group-ids", "too-many"),
            "Invalid input for security_groups. Reason: 'x' is not right."
        );
        assert_eq!(said("cidr", ""), "Invalid input for operation: 'x' is not right.", "upstream's own words");
        for (code, resource, field, expected) in [
            (ErrorCode::InUse, "network", "", "NetworkInUse"),
            (ErrorCode::InUse, "network", "shared", "InvalidSharedSetting"),
            (ErrorCode::InUse, "network", "external", "ExternalNetworkInUse"),
            (ErrorCode::InUse, "subnet", "", "SubnetInUse"),
            (ErrorCode::InUse, "subnet", "gateway", "GatewayIpInUse"),
            (ErrorCode::InUse, "port", "", "PortInUse"),
            (ErrorCode::InUse, "security-group", "", "SecurityGroupInUse"),
            (ErrorCode::AlreadyExists, "security-group-rule", "", "SecurityGroupRuleExists"),
            (ErrorCode::AlreadyExists, "", "security-group-rules", "DuplicateSecurityGroupRuleInPost"),
            (ErrorCode::AlreadyExists, "", "mac", "MacAddressInUse"),
            (ErrorCode::AlreadyExists, "", "name", "SecurityGroupDefaultAlreadyExists"),
            (ErrorCode::AddressInUse, "subnet", "address", "IpAddressAlreadyAllocated"),
            (ErrorCode::NoAddress, "subnet", "", "IpAddressGenerationFailure"),
            (ErrorCode::WrongState, "", "gateway", "GatewayConflictWithAllocationPools"),
            (ErrorCode::WrongState, "", "pools", "OverlappingAllocationPools"),
            (ErrorCode::WrongState, "", "name", "SecurityGroupCannotUpdateDefault"),
            (ErrorCode::WrongState, "", "default", "SecurityGroupCannotRemoveDefault"),
            (ErrorCode::QuotaExceeded, "", "ports", "OverQuota"),
        ] {
            assert_eq!(kind(code, resource, field, ""), (409, expected.to_owned()), "{expected}");
        }
    }

    #[test]
    fn a_full_quota_is_told_with_upstreams_resource() {
        let full = Error { field: Some("security-group-rules".to_owned()), ..error(ErrorCode::QuotaExceeded, "x") };
        assert_eq!(Fault::from(full).message, "Quota exceeded for resources: ['security_group_rule'].");
    }

    #[test]
    fn a_refusal_of_the_policy_names_the_rule_and_the_attribute() {
        let said = |rule: &str, field: Option<&str>| {
            let refused = not_permitted("networks:create");
            let fault = Fault::from(Error { field: field.map(ToOwned::to_owned), ..refused });
            let fault = fault.of(&Call::new("an.operation", "POST", "/").rule(rule).build());
            (fault.status, fault.kind, fault.message)
        };
        for (own, field, rule) in [
            ("rule:create_network", Some("shared"), "(rule:create_network and rule:create_network:shared)"),
            ("rule:update_network", Some("external"), "(rule:update_network and rule:update_network:router:external)"),
            ("rule:create_network", Some("is-default"), "(rule:create_network and rule:create_network:is_default)"),
            ("rule:delete_network", None, "rule:delete_network"),
            ("rule:create_port", Some("mac"), "(rule:create_port and rule:create_port:mac_address)"),
            (
                "rule:update_port",
                Some("fixed-ips"),
                "(rule:update_port and (rule:update_port:fixed_ips and (rule:update_port:fixed_ips:ip_address)))",
            ),
            (
                "rule:create_port",
                Some("port-security"),
                "(rule:create_port and rule:create_port:port_security_enabled)",
            ),
        ] {
            let expected = (403, "PolicyNotAuthorized".to_owned(), format!("{rule} is disallowed by policy"));
            assert_eq!(said(own, field), expected);
        }
        let none = Fault::from(error(ErrorCode::Forbidden, "This needs a token that is scoped to a project."));
        let none = none.of(&Call::new("an.operation", "POST", "/").rule("rule:create_network").build());
        assert_eq!((none.status, none.message.as_str()), (403, "This needs a token that is scoped to a project."));
        let foreign = "Specifying 'project_id' other than the authenticated project in request is not allowed for the \
                       current user.";
        assert_eq!(
            said("rule:create_port", Some("project-id")),
            (400, "HTTPBadRequest".to_owned(), foreign.to_owned())
        );
    }

    #[test]
    fn a_missing_resource_is_named_in_upstreams_words() {
        let fault = Fault::from(not_found("security-group", "x"));
        assert_eq!(fault, Fault::new(404, "SecurityGroupNotFound", "Security group x does not exist"));
    }
}
