//! The connections of a listener by the client that they come from, so that none takes all.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skyloom_model::origin;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::proxies::Proxies;

/// Connections of one client in the order that they came.
type Open = BTreeMap<u64, Arc<Connection>>;

#[derive(Debug)]
pub(crate) struct Peers {
    /// Connections of one client at once.
    most: usize,
    proxies: Arc<Proxies>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clients: HashMap<IpAddr, Open>,
    next: u64,
}

/// A connection's place among its client's.
#[derive(Debug)]
pub(crate) struct Place {
    pub connection: Arc<Connection>,
    /// None: a trusted proxy's, which nobody counts.
    counted: Option<(Arc<Peers>, IpAddr, u64)>,
}

impl Peers {
    pub fn new(most: u32, proxies: Arc<Proxies>) -> Arc<Self> {
        Arc::new(Self { most: most as usize, proxies, state: Mutex::default() })
    }

    /// A place for a new connection. Where a client has all of its own, the oldest that waits for a request makes room, first of
    /// those that never sent one: an attacker's half-sent heads give way to a neighbour that speaks. None: all are within requests, or about to be.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, leave: CancellationToken) -> Option<Place> {
        let connection = Arc::new(Connection::new(leave));
        if self.proxies.trust(peer) {
            return Some(Place { connection, counted: None });
        }
        let client = origin(peer);
        let mut state = self.state();
        let id = state.next;
        let open = state.clients.entry(client).or_default();
        if open.len() >= self.most {
            let waiting = dispensable(open)?;
            if let Some(waiting) = open.remove(&waiting) {
                waiting.leave.cancel();
            }
        }
        open.insert(id, connection.clone());
        state.next += 1;
        Some(Place { connection, counted: Some((self.clone(), client, id)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dispensable(open: &Open) -> Option<u64> {
    let silent = open.iter().find(|(_, connection)| connection.is_silent());
    silent.or_else(|| open.iter().find(|(_, connection)| connection.is_between_requests())).map(|(id, _)| *id)
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((peers, client, id)) = &self.counted else { return };
        let mut state = peers.state();
        if let Some(open) = state.clients.get_mut(client) {
            open.remove(id);
            if open.is_empty() {
                state.clients.remove(client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxies::Network;

    fn peers(most: u32) -> Arc<Peers> {
        let trusted = Network::try_from("10.0.0.0/8".to_owned()).unwrap();
        Peers::new(most, Arc::new(Proxies::new(&[trusted])))
    }

    fn enter(peers: &Arc<Peers>, address: &str) -> Option<Place> {
        peers.enter(address.parse().unwrap(), CancellationToken::new())
    }

    fn is_told_to_leave(place: &Place) -> bool {
        place.connection.leave.is_cancelled()
    }

    #[test]
    fn the_oldest_silent_connection_gives_way_then_the_oldest_between_two_requests() {
        let peers = peers(3);
        let between = enter(&peers, "192.0.2.1").unwrap();
        drop(between.connection.begin());
        let [first, second] = [enter(&peers, "192.0.2.1").unwrap(), enter(&peers, "192.0.2.1").unwrap()];
        let third = enter(&peers, "192.0.2.1").unwrap();
        assert!(is_told_to_leave(&first) && !is_told_to_leave(&second) && !is_told_to_leave(&between));
        let _within = [second.connection.begin(), third.connection.begin()];
        let fourth = enter(&peers, "192.0.2.1").unwrap();
        assert!(is_told_to_leave(&between));
        fourth.connection.hear();
        assert!(enter(&peers, "192.0.2.1").is_none(), "two are within requests, one is about to be");
        assert!(enter(&peers, "192.0.2.2").is_some(), "another client");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_a_trusted_proxy_is_not_counted() {
        let peers = peers(1);
        let first = enter(&peers, "2001:db8::1").unwrap();
        let _second = enter(&peers, "2001:db8::2").unwrap();
        assert!(is_told_to_leave(&first));
        let proxied: Vec<_> = (0..10).map(|_| enter(&peers, "10.0.0.1").unwrap()).collect();
        assert!(!proxied.iter().any(is_told_to_leave));
    }

    #[test]
    fn nothing_is_kept_of_who_left() {
        let peers = peers(2);
        let places = [enter(&peers, "192.0.2.1"), enter(&peers, "192.0.2.1"), enter(&peers, "192.0.2.1")];
        assert_eq!(peers.state().clients.len(), 1);
        drop(places);
        assert!(peers.state().clients.is_empty());
    }
}
