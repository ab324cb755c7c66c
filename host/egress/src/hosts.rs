//! The hosts of a grant, and the places that a request may name.

use std::net::IpAddr;

use skyloom_model::{Error, ErrorCode, Result};
use url::{Host, Url};

/// Bytes of a place's text.
const URL_BYTES: usize = 4096;

/// One host of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    name: Name,
    /// None: the scheme's own.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Any,
    Is(Host),
    /// With the dot before it.
    Below(String),
}

impl HostRule {
    /// `*`, `*.example.org`, `example.org`, `192.0.2.7`, `[2001:db8::7]`, each with `:port` or without.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("hosts: `{text}` is no host such as `example.org`, `*.example.org:8443` or `[2001:db8::7]`");
        let (name, port) = match text.rsplit_once(':') {
            // The last colon of an address of IPv6 is within the brackets.
            Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().map_err(|_| wrong())?)),
            _ => (text, None),
        };
        let host = |name: &str| Host::parse(name).map_err(|_| wrong());
        let name = match name.strip_prefix('*') {
            Some("") => Name::Any,
            Some(rest) => match rest.strip_prefix('.').map(host).ok_or_else(wrong)?? {
                Host::Domain(domain) => Name::Below(format!(".{domain}")),
                _ => return Err(wrong()),
            },
            None => Name::Is(host(name)?),
        };
        Ok(Self { name, port })
    }

    /// The address that it is written as.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.name {
            Name::Is(host) => address(host),
            _ => None,
        }
    }

    fn fits(&self, host: &Host, port: u16, usual: u16) -> bool {
        let named = match (&self.name, host) {
            (Name::Any, _) => true,
            (Name::Is(own), host) => own == host,
            (Name::Below(end), Host::Domain(domain)) => domain.ends_with(end),
            (Name::Below(_), _) => false,
        };
        named && port == self.port.unwrap_or(usual)
    }
}

pub fn address(host: &Host) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
        Host::Domain(_) => None,
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub url: Url,
    pub host: Host,
    pub port: u16,
    pub tls: bool,
}

impl Place {
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |message: &str| Error::invalid("url", message);
        if text.len() > URL_BYTES {
            return Err(wrong("The URL is too long.").with_reason("too-long"));
        }
        let url = Url::parse(text).map_err(|_| wrong("This is no URL."))?;
        Self::of(url)
    }

    pub fn of(mut url: Url) -> Result<Self> {
        let wrong = |message: &str| Error::invalid("url", message);
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("The URL must begin with https:// or http://.")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("The URL must not hold a login."));
        }
        url.set_fragment(None);
        // A trailing dot means the same host to whoever resolves it, and another one to whoever compares.
        let host = match url.host().map(|host| host.to_owned()) {
            Some(Host::Domain(domain)) if domain.ends_with('.') => {
                return Err(wrong("The host must not end with a dot."));
            }
            Some(host) => host,
            None => return Err(wrong("The URL names no host.")),
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong("The URL names no port."))?;
        Ok(Self { url, host, port, tls })
    }

    /// `forbidden` where no host of the grant is this one.
    pub fn check(&self, hosts: &[HostRule], plain: bool) -> Result<()> {
        let refused = |message: String| Err(Error::new(ErrorCode::Forbidden, message).with_field("url"));
        if !self.tls && !plain {
            return refused("Only https is taken here.".to_owned());
        }
        let usual = if self.tls { 443 } else { 80 };
        if hosts.iter().any(|rule| rule.fits(&self.host, self.port, usual)) {
            return Ok(());
        }
        refused(format!("The host {}:{} is not one that may be asked here.", self.host, self.port))
    }

    pub fn same_origin(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// As the header Host has it.
    pub fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    pub fn target(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rules: &[&str], url: &str) -> bool {
        let rules: Vec<_> = rules.iter().map(|rule| HostRule::parse(rule).unwrap()).collect();
        Place::parse(url).and_then(|place| place.check(&rules, true)).is_ok()
    }

    #[test]
    fn a_rule_without_a_port_means_the_schemes_own() {
        assert!(taken(&["example.org"], "https://example.org/a?b"));
        assert!(taken(&["example.org"], "http://EXAMPLE.org:80/"));
        assert!(!taken(&["example.org"], "https://example.org:8443/"));
        assert!(taken(&["example.org:8443"], "https://example.org:8443/"));
        assert!(!taken(&["example.org:8443"], "https://example.org/"));
    }

    #[test]
    fn below_a_name_is_not_the_name() {
        assert!(taken(&["*.example.org"], "https://a.b.example.org/"));
        for other in ["https://example.org/", "https://badexample.org/", "https://example.org.evil.test/"] {
            assert!(!taken(&["*.example.org"], other), "{other}");
        }
        assert!(taken(&["*"], "https://anything.test/") && !taken(&["*"], "https://anything.test:22/"));
    }

    #[test]
    fn an_address_is_one_in_every_spelling() {
        for url in ["http://10.0.0.5/", "http://0xa.0.0.5/", "http://167772165/"] {
            assert!(taken(&["10.0.0.5"], url), "{url}");
        }
        assert!(taken(&["[fd00::5]:8443"], "https://[fd00:0::5]:8443/"));
        assert_eq!(HostRule::parse("[fd00::5]").unwrap().address(), Some("fd00::5".parse().unwrap()));
    }

    #[test]
    fn what_is_no_place_is_told() {
        for (url, why) in [
            ("example.org", "This is no URL."),
            ("ftp://example.org/", "The URL must begin with https:// or http://."),
            ("file:///etc/passwd", "The URL must begin with https:// or http://."),
            ("https://me:word@example.org/", "The URL must not hold a login."),
            ("https://example.org./", "The host must not end with a dot."),
        ] {
            let error = Place::parse(url).unwrap_err();
            assert_eq!((error.message.as_str(), error.field.as_deref()), (why, Some("url")), "{url}");
        }
        let long = format!("https://example.org/{}", "a".repeat(URL_BYTES));
        assert_eq!(Place::parse(&long).unwrap_err().reason.as_deref(), Some("too-long"));
    }

    #[test]
    fn what_is_no_host_is_told() {
        for wrong in ["", "*x.org", "a b", "example.org:", "example.org:99999", "*.10.0.0.1", "http://x"] {
            assert!(HostRule::parse(wrong).unwrap_err().contains(&format!("`{wrong}`")), "{wrong}");
        }
    }
}
