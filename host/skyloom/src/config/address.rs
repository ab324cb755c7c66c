//! Where a listener listens, as a deployment file says it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// `127.0.0.1:7000`, `[::1]:7000` or `cloud.example.org:7000`; port 0 is any free one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    host: Host,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Ip(IpAddr),
    /// In small letters.
    Name(String),
}

impl Address {
    /// Whether nobody beyond this machine comes in here.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ip(address) => address.is_loopback(),
            Host::Name(name) => name == "localhost",
        }
    }

    /// Whether it stands for every address of the machine: clients cannot go to it.
    pub fn is_wildcard(&self) -> bool {
        matches!(&self.host, Host::Ip(address) if address.is_unspecified())
    }

    /// As it is said in a URL, with the port that it has got.
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// Where the machine itself reaches it.
    pub fn as_local(&self) -> Self {
        let host = match self.host {
            Host::Ip(IpAddr::V4(address)) if address.is_unspecified() => Host::Ip([127, 0, 0, 1].into()),
            Host::Ip(IpAddr::V6(address)) if address.is_unspecified() => {
                Host::Ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST))
            }
            _ => self.host.clone(),
        };
        Self { host, port: self.port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(address) => SocketAddr::new(*address, self.port).fmt(out),
            Host::Name(name) => write!(out, "{name}:{}", self.port),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: Host::Ip(address.ip()), port: address.port() });
        }
        let wrong =
            || format!("`{text}` is no address: host:port is wanted, with an IP address (IPv6 in []) or a host name");
        let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        if is_host_name(name) { Ok(Self { host: Host::Name(name.to_ascii_lowercase()), port }) } else { Err(wrong()) }
    }
}

/// As in RFC 1123; what only looks like an IP address is none.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`127.0.0.1:7000`, `[::1]:7000` or `cloud.example.org:7000`; port 0 is any free one.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::try_from(text.to_owned())
    }

    #[test]
    fn ip_addresses_and_host_names_are_addresses() {
        for text in ["127.0.0.1:7000", "[::1]:0", "localhost:7000", "cloud-1.example.org:443", "7up.example:1"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("Cloud.Example.ORG:1").unwrap(), parse("cloud.example.org:1").unwrap());
        for text in [
            "",
            "7000",
            ":7000",
            "localhost",
            "localhost:",
            "localhost:65536",
            "a b:1",
            "a..b:1",
            "-a:1",
            "a-:1",
            "::1:7000",
            "127.0.0.256:1",
            "1.2.3:1",
            "http://a:1",
            "a_b:1",
        ] {
            assert!(parse(text).unwrap_err().contains("host:port is wanted"), "{text}");
        }
        assert!(parse(&format!("{}:1", "a".repeat(64))).is_err());
    }

    #[test]
    fn who_reaches_an_address_is_known() {
        for (text, loopback, wildcard, as_local) in [
            ("127.0.0.1:1", true, false, "127.0.0.1:1"),
            ("[::1]:1", true, false, "[::1]:1"),
            ("LOCALHOST:1", true, false, "localhost:1"),
            ("0.0.0.0:1", false, true, "127.0.0.1:1"),
            ("[::]:1", false, true, "[::1]:1"),
            ("10.0.0.1:1", false, false, "10.0.0.1:1"),
            ("cloud.example.org:1", false, false, "cloud.example.org:1"),
        ] {
            let address = parse(text).unwrap();
            assert_eq!((address.is_loopback(), address.is_wildcard()), (loopback, wildcard), "{text}");
            assert_eq!(address.as_local().to_string(), as_local);
        }
    }
}
