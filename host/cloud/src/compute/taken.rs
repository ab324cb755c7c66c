//! What else is taken for what is asked of a server.

use super::attachments::Comer;
use super::nics::Card;
use super::rebuild::Anew;

/// What else is taken for the wish, together with the server.
#[derive(Clone, Debug)]
pub(super) enum With {
    Nothing,
    /// Of a resize.
    Flavor(String),
    /// A volume that comes.
    Volume(Comer),
    /// One that goes.
    OwnVolume(String),
    /// Why it is locked.
    Lock(Option<String>),
    NoLock,
    /// Network cards that come.
    Nics(Vec<Card>),
    /// Those that go, by their ports.
    OwnNics(Vec<String>),
    /// What a server becomes with its new system disk.
    Anew(Box<Anew>),
}

impl With {
    /// What the call names beside the server, by kind and id.
    pub(super) fn named(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Volume(Comer { id, .. }) | Self::OwnVolume(id) => vec![("volume", id.as_str())],
            Self::Nics(cards) => cards.iter().map(|card| ("port", card.port_id.as_str())).collect(),
            Self::OwnNics(ports) => ports.iter().map(|port| ("port", port.as_str())).collect(),
            Self::Nothing | Self::Flavor(_) | Self::Lock(_) | Self::NoLock | Self::Anew(_) => Vec::new(),
        }
    }
}
