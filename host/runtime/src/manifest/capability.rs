//! Names of the interfaces that a plugin may ask for.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Map;

macro_rules! capabilities {
    ($($(#[$meta:meta])* $variant:ident $text:literal $interface:literal;)*) => {
        /// One interface that a plugin may ask for and a deployment may grant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Capability { $($(#[$meta])* $variant,)* }

        impl Capability {
            pub const ALL: &'static [Capability] = &[$(Capability::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The interface that it stands for, without its version.
            #[must_use]
            pub fn interface(self) -> &'static str {
                match self { $(Self::$variant => $interface,)* }
            }
        }
    };
}

capabilities! {
    // Free; see [`Capability::is_free`].
    Log "log" "skyloom:host/log";
    Clock "clock" "skyloom:host/clock";
    Random "random" "skyloom:host/random";
    Config "config" "skyloom:host/config";
    Documents "documents" "skyloom:host/documents";
    Compute "compute" "skyloom:cloud/compute";
    Flavors "flavors" "skyloom:cloud/flavors";
    Keypairs "keypairs" "skyloom:cloud/keypairs";
    Operations "operations" "skyloom:cloud/operations";
    Quotas "quotas" "skyloom:cloud/quotas";
    Images "images" "skyloom:cloud/images";
    Networks "networks" "skyloom:cloud/networks";
    Volumes "volumes" "skyloom:cloud/volumes";
    Billing "billing" "skyloom:cloud/billing";
    Identity "identity" "skyloom:cloud/identity";
    Collections "collections" "skyloom:cloud/collections";
    /// The grant fixes where each label leads.
    Http "http" "skyloom:egress/http";
    /// The grant fixes URI, storage folder and networks.
    Libvirt "libvirt" "skyloom:libvirt/libvirt";
}

impl Capability {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|capability| capability.as_str() == text)
    }

    /// The capability of an imported interface (`skyloom:cloud/compute`, no version).
    pub fn of_interface(interface: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|capability| capability.interface() == interface)
    }

    /// Whether plugins of this kind may have it at all.
    #[must_use]
    pub fn allowed_for(self, kind: super::Kind) -> bool {
        let small =
            matches!(self, Self::Log | Self::Clock | Self::Random | Self::Config | Self::Documents | Self::Http);
        match kind {
            super::Kind::Personality => self != Self::Libvirt,
            super::Kind::Driver => small || self == Self::Libvirt,
            super::Kind::Tariff => self.is_free(),
        }
    }

    /// Whether a grant of it says more than its name.
    #[must_use]
    pub fn has_parameters(self) -> bool {
        matches!(self, Self::Http | Self::Libvirt)
    }

    /// Whether every plugin has it, unasked: nothing comes back from it, and its bounds are the plugin's limits.
    #[must_use]
    pub fn is_free(self) -> bool {
        self == Self::Log
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// `[[capability]]`: one that the plugin asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Asked {
    pub name: Capability,
    /// For the operator who decides about the grant.
    pub reason: String,
    /// Of `http`: the labels under which it sends requests, each with what for. The deployment says where they lead.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String>,
}
