//! Proxies that the deployment trusts: they have as many connections as they like, and say who their clients are.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address or a network: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Network(IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| address());
        network.map(Self).map_err(|_| format!("`{text}` is no address and no network, as 192.0.2.7 or 10.0.0.0/8"))
    }
}

/// `X-Forwarded-For` may bring any text; only what proxies of these networks say in it is believed.
#[derive(Debug)]
pub(crate) struct Proxies(Vec<Network>);

impl Proxies {
    pub fn new(trusted: &[Network]) -> Self {
        Self(trusted.to_vec())
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|Network(network)| network.contains(&address.to_canonical()))
    }

    /// Who sent a request: the last address of the way that is not a trusted proxy's.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trust(peer) {
            return peer;
        }
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        let mut client = peer;
        for hop in hops {
            let Some(address) = hop_address(hop.trim()) else { break };
            client = address;
            if !self.trust(address) {
                break;
            }
        }
        client
    }
}

/// Some proxies write the port too.
fn hop_address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> Proxies {
        let networks: Result<Vec<Network>, _> =
            texts.iter().map(|text| Network::try_from((*text).to_owned())).collect();
        Proxies::new(&networks.unwrap())
    }

    #[test]
    fn a_network_is_an_address_or_has_a_prefix() {
        let proxies = proxies(&["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"]);
        for address in ["192.0.2.7", "10.9.8.7", "2001:db8:1::1", "::ffff:10.0.0.1"] {
            assert!(proxies.trust(address.parse().unwrap()), "{address}");
        }
        for address in ["192.0.2.8", "11.0.0.1", "2001:db9::1"] {
            assert!(!proxies.trust(address.parse().unwrap()), "{address}");
        }
        for text in ["", "proxy.test", "10.0.0.0/33", "10.0.0"] {
            assert!(Network::try_from(text.to_owned()).unwrap_err().contains("no address and no network"), "{text}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_who_its_client_is() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let client = |peer: &str, values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, http::HeaderValue::from_static(value));
            }
            proxies.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        // What a client wrote itself stands before what the proxies added.
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, rubbish"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
    }
}
