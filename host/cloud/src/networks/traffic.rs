//! What a rule of a security group may say, and which rules mean the same.

use skyloom_model::{Error, Result};
use skyloom_store::networks::{NewRule, Prefixed, Rule};

/// Names of IP protocols that a rule may use, with their numbers; of two names the last one is the number's.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("icmpv6", ICMP_V6),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", ICMP_V6),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
/// Those that have ports.
const WITH_PORTS: &[u8] = &[33, 132, 6, 17, 136];
/// Those of version 6 only.
const V6_ONLY: &[u8] = &[41, 43, 44, ICMP_V6, 59, 60];

/// A protocol's number; none: neither one nor a known name.
fn number(protocol: &str) -> Option<u8> {
    if protocol.bytes().all(|byte| byte.is_ascii_digit()) {
        return protocol.parse().ok();
    }
    PROTOCOLS.iter().find(|(name, _)| *name == protocol).map(|(_, number)| *number)
}

/// The name that a protocol goes by, where it has one.
fn name(protocol: &str) -> &str {
    let named = |number: u8| PROTOCOLS.iter().rev().find(|(_, known)| *known == number).map(|(name, _)| *name);
    number(protocol).and_then(named).unwrap_or(protocol)
}

/// Puts a rule into its stored form and checks it by itself.
pub(super) fn check_rule(mut rule: NewRule) -> Result<NewRule> {
    if !matches!(rule.ip_version, 4 | 6) {
        return Err(Error::invalid("ip-version", format!("'{}' is not an IP version; it is 4 or 6.", rule.ip_version)));
    }
    rule.protocol = rule
        .protocol
        .map(|protocol| protocol.to_ascii_lowercase())
        .filter(|protocol| protocol != "any")
        .map(|protocol| in_version(protocol, rule.ip_version));
    let numbered = |name: &str| number(name).ok_or_else(|| unknown(name));
    let protocol = rule.protocol.as_deref().map(numbered).transpose()?;
    // All ports are what no ports mean.
    if (rule.port_min, rule.port_max) == (Some(1), Some(65535)) {
        (rule.port_min, rule.port_max) = (None, None);
    }
    check_ports(protocol, rule.port_min, rule.port_max)?;
    let remote = rule.remote_cidr.as_deref().filter(|text| !text.is_empty());
    let remote = remote.map(|text| remote_network(text, rule.ip_version)).transpose()?;
    if rule.ip_version == 4 && protocol.is_some_and(|number| V6_ONLY.contains(&number)) {
        let name = rule.protocol.as_deref().unwrap_or_default();
        let message = format!("Invalid ethertype IPv4 for protocol {name}.");
        return Err(Error::invalid("protocol", message).with_reason("other-version"));
    }
    rule.remote_group_id = rule.remote_group_id.filter(|id| !id.is_empty());
    if remote.is_some() && rule.remote_group_id.is_some() {
        let message =
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.".to_owned();
        return Err(Error::invalid("remote-cidr", message).with_reason("several"));
    }
    rule.remote_cidr = remote;
    Ok(rule)
}

/// Version 6 has an ICMP of its own, whichever one is named.
/// As rules have it, whatever their version: both spellings of the one of version 6 that name it beyond doubt.
pub(super) fn spelled_protocol(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    if text == "icmpv6" { "ipv6-icmp".to_owned() } else { text }
}

fn in_version(protocol: String, ip_version: u8) -> String {
    match protocol.as_str() {
        "icmp" | "icmpv6" if ip_version == 6 => "ipv6-icmp".to_owned(),
        "1" if ip_version == 6 => ICMP_V6.to_string(),
        _ => protocol,
    }
}

fn unknown(protocol: &str) -> Error {
    let names: Vec<String> = PROTOCOLS.iter().map(|(name, _)| format!("'{name}'")).collect();
    let message = format!(
        "Security group rule protocol {protocol} not supported. Only protocol values (None, 'any', {}) and integer \
         representations [0 to 255] are supported.",
        names.join(", ")
    );
    Error::invalid("protocol", message).with_reason("unknown")
}

fn check_ports(protocol: Option<u8>, min: Option<i64>, max: Option<i64>) -> Result<()> {
    if min.is_none() && max.is_none() {
        return Ok(());
    }
    match protocol {
        None => {
            let message = "Must also specify protocol if port range is given.";
            Err(Error::invalid("protocol", message).with_reason("missing"))
        }
        Some(number) if WITH_PORTS.contains(&number) => {
            if let Some(port) = [min, max].into_iter().flatten().find(|port| !(1..=65535).contains(port)) {
                let message = format!("Invalid value for port {port}.");
                return Err(Error::invalid("port-min", message).with_reason("out-of-range"));
            }
            match (min, max) {
                (Some(min), Some(max)) if min <= max => Ok(()),
                _ => {
                    let message = "For TCP/UDP protocols, port_range_min must be <= port_range_max.";
                    Err(Error::invalid("port-min", message).with_reason("order"))
                }
            }
        }
        Some(ICMP | ICMP_V6) => check_icmp(min, max),
        Some(number) => {
            let message = format!(
                "Ports cannot be specified for protocol {number}. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE."
            );
            Err(Error::invalid("port-min", message).with_reason("not-here"))
        }
    }
}

/// The type stands where other protocols have the first port, the code where they have the last.
fn check_icmp(kind: Option<i64>, code: Option<i64>) -> Result<()> {
    for (field, word, attribute, value) in
        [("port-min", "type", "port_range_min", kind), ("port-max", "code", "port_range_max", code)]
    {
        if let Some(value) = value.filter(|value| !(0..=255).contains(value)) {
            let message = format!("Invalid value for ICMP {word} ({attribute}) {value}. It must be 0 to 255.");
            return Err(Error::invalid(field, message).with_reason("code-out-of-range"));
        }
    }
    match (kind, code) {
        (None, Some(code)) => {
            let message =
                format!("ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.");
            Err(Error::invalid("port-min", message).with_reason("missing"))
        }
        _ => Ok(()),
    }
}

/// A remote network in one spelling, with the bits beyond the prefix that it has; an address alone is its own network.
fn remote_network(text: &str, ip_version: u8) -> Result<String> {
    let malformed = || {
        let message = format!("Invalid CIDR {text} given as IP prefix.");
        Error::invalid("remote-cidr", message).with_reason("malformed")
    };
    let remote = Prefixed::parse(text).ok_or_else(malformed)?;
    if remote.address.is_ipv6() != (ip_version == 6) {
        let message = format!("Conflicting value ethertype IPv{ip_version} for CIDR {text}.");
        return Err(Error::invalid("remote-cidr", message).with_reason("other-version"));
    }
    Ok(remote.to_string())
}

/// What a rule means: two with one key are the same rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning<'a> {
    ingress: bool,
    ip_version: u8,
    protocol: Option<&'a str>,
    ports: (Option<i64>, Option<i64>),
    /// None: every address, however that is said.
    remote_cidr: Option<&'a str>,
    remote_group_id: Option<&'a str>,
}

macro_rules! meaning_of {
    ($($rule:ty)*) => {
        $(impl<'a> From<&'a $rule> for Meaning<'a> {
            fn from(rule: &'a $rule) -> Self {
                Self {
                    ingress: rule.ingress,
                    ip_version: rule.ip_version,
                    protocol: rule.protocol.as_deref().map(name),
                    ports: (rule.port_min, rule.port_max),
                    remote_cidr: rule.remote_cidr.as_deref().filter(|cidr| !cidr.ends_with("/0")),
                    remote_group_id: rule.remote_group_id.as_deref(),
                }
            }
        })*
    };
}
meaning_of! { NewRule Rule }

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(ip_version: u8, protocol: Option<&str>, min: Option<i64>, max: Option<i64>) -> NewRule {
        NewRule {
            ip_version,
            protocol: protocol.map(ToOwned::to_owned),
            port_min: min,
            port_max: max,
            ..NewRule::default()
        }
    }

    fn from(ip_version: u8, remote: &str) -> NewRule {
        NewRule { ip_version, remote_cidr: Some(remote.to_owned()), ..NewRule::default() }
    }

    #[test]
    fn rules_are_checked_by_protocol() {
        for (protocol, min, max, field) in [
            (Some("tcp"), Some(1), Some(65534), None),
            (Some("TCP"), Some(22), Some(22), None),
            (Some("6"), Some(22), Some(21), Some("port-min")),
            (Some("udp"), Some(0), Some(1), Some("port-min")),
            (Some("udp"), None, Some(1), Some("port-min")),
            (Some("tcp"), Some(1), Some(65536), Some("port-min")),
            (Some("icmp"), Some(8), None, None),
            (Some("icmp"), Some(8), Some(256), Some("port-max")),
            (Some("icmp"), None, Some(0), Some("port-min")),
            (Some("vrrp"), Some(1), Some(1), Some("port-min")),
            (Some("icmpv6"), None, None, Some("protocol")),
            (Some("58"), None, None, Some("protocol")),
            (Some("ipv6-frag"), None, None, Some("protocol")),
            (Some("255"), None, None, None),
            (Some("256"), None, None, Some("protocol")),
            (Some("nonsense"), None, None, Some("protocol")),
            (Some(""), None, None, Some("protocol")),
            (None, Some(1), Some(1), Some("protocol")),
            // All ports are none.
            (None, Some(1), Some(65535), None),
            (Some("any"), None, None, None),
            (None, None, None, None),
        ] {
            let answer = check_rule(rule(4, protocol, min, max)).map_err(|error| error.field);
            let expected = field.map(|field| Some(field.to_owned()));
            assert_eq!(answer.err(), expected, "{protocol:?} {min:?} {max:?}");
        }
        for (name, _) in PROTOCOLS {
            let made = check_rule(rule(6, Some(name), None, None)).expect(name);
            assert!(made.protocol.as_deref().and_then(number).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_field_is_said_in_a_word() {
        let v6 = NewRule { protocol: Some("58".to_owned()), ..rule(4, None, None, None) };
        let both = NewRule { remote_group_id: Some("group".to_owned()), ..from(4, "10.0.0.0/8") };
        for (wrong, field, reason) in [
            (rule(4, Some("x"), None, None), "protocol", "unknown"),
            (rule(4, None, Some(1), Some(1)), "protocol", "missing"),
            (v6, "protocol", "other-version"),
            (rule(4, Some("tcp"), Some(0), Some(1)), "port-min", "out-of-range"),
            (rule(4, Some("tcp"), Some(2), Some(1)), "port-min", "order"),
            (rule(4, Some("vrrp"), Some(1), Some(1)), "port-min", "not-here"),
            (rule(4, Some("icmp"), None, Some(1)), "port-min", "missing"),
            (rule(4, Some("icmp"), Some(8), Some(256)), "port-max", "code-out-of-range"),
            (from(4, "x"), "remote-cidr", "malformed"),
            (from(4, "fd00::1"), "remote-cidr", "other-version"),
            (both, "remote-cidr", "several"),
        ] {
            let error = check_rule(wrong).expect_err(reason);
            assert_eq!((error.field.as_deref(), error.reason.as_deref()), (Some(field), Some(reason)));
        }
    }

    #[test]
    fn what_is_wrong_with_icmp_is_said_in_its_own_words() {
        let message = |min, max| check_rule(rule(4, Some("icmp"), min, max)).expect_err("wrong").message;
        let outside = "It must be 0 to 255.";
        assert_eq!(message(Some(256), None), format!("Invalid value for ICMP type (port_range_min) 256. {outside}"));
        assert_eq!(message(Some(8), Some(-1)), format!("Invalid value for ICMP code (port_range_max) -1. {outside}"));
        assert_eq!(
            message(None, Some(3)),
            "ICMP code (port-range-max) 3 is provided but ICMP type (port-range-min) is missing."
        );
    }

    #[test]
    fn a_remote_network_keeps_its_host_bits_in_one_spelling() {
        for (given, version, stored) in [
            ("10.1.2.3/8", 4, Some("10.1.2.3/8")),
            ("10.1.2.3/255.0.0.0", 4, Some("10.1.2.3/8")),
            ("10.1.2.3", 4, Some("10.1.2.3/32")),
            ("0.0.0.0/0", 4, Some("0.0.0.0/0")),
            ("", 4, None),
            ("::/0", 6, Some("::/0")),
            ("FD00:0::1/64", 6, Some("fd00::1/64")),
        ] {
            assert_eq!(check_rule(from(version, given)).expect(given).remote_cidr.as_deref(), stored, "{given}");
        }
        for (wrong, version) in [("fd00::1", 4), ("10.0.0.0/33", 4), ("10.0.0.0/-1", 4), ("x", 4), ("10.0.0.0/8", 6)] {
            assert_eq!(check_rule(from(version, wrong)).expect_err(wrong).field.as_deref(), Some("remote-cidr"));
        }
        let both = NewRule { remote_group_id: Some("group".to_owned()), ..from(4, "10.0.0.0/8") };
        assert_eq!(check_rule(both).expect_err("both").field.as_deref(), Some("remote-cidr"));
        let empty = NewRule { remote_group_id: Some("group".to_owned()), ..from(4, "") };
        assert_eq!(check_rule(empty).expect("a group alone").remote_cidr, None);
    }

    #[test]
    fn two_spellings_of_one_rule_are_the_same() {
        let named = |version, protocol: &str| rule(version, Some(protocol), None, None);
        for (one, other) in [
            (named(4, "tcp"), named(4, "6")),
            (named(4, "tcp"), named(4, "TCP")),
            (named(4, "icmp"), named(4, "1")),
            (named(4, "vrrp"), named(4, "112")),
            (named(4, "hopopt"), named(4, "0")),
            (named(6, "icmp"), named(6, "ipv6-icmp")),
            (named(6, "icmpv6"), named(6, "58")),
            (named(6, "1"), named(6, "ipv6-icmp")),
            (named(4, "any"), rule(4, None, None, None)),
            (rule(4, Some("tcp"), Some(1), Some(65535)), named(4, "tcp")),
            (from(4, "0.0.0.0/0"), from(4, "")),
            (from(6, "::/0"), from(6, "")),
            (from(4, "10.0.0.5"), from(4, "10.0.0.5/32")),
        ] {
            let (one, other) = (check_rule(one).expect("one"), check_rule(other).expect("other"));
            assert_eq!(Meaning::from(&one), Meaning::from(&other));
        }
        for (one, other) in [
            (named(4, "tcp"), named(6, "tcp")),
            (named(4, "tcp"), named(4, "udp")),
            (named(4, "tcp"), rule(4, None, None, None)),
            (from(4, "10.0.0.5/24"), from(4, "10.0.0.0/24")),
            (from(4, "10.0.0.0/24"), from(4, "0.0.0.0/0")),
        ] {
            let (one, other) = (check_rule(one).expect("one"), check_rule(other).expect("other"));
            assert_ne!(Meaning::from(&one), Meaning::from(&other));
        }
    }
}
