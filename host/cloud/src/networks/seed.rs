//! The networks of a fresh cloud.

use skyloom_model::{Result, Timestamp, new_id};
use skyloom_store::Conn;
use skyloom_store::networks::{self as store, Network, Range, Subnet};

use super::Networks;
use super::rules;
use crate::attributes;

/// The `[seed.networks]` table.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    /// Name of the project in the domain `default` that owns them.
    pub project: String,
    /// The network that every project may use.
    pub shared: SeedNetwork,
    /// The network that public addresses come from; none: the cloud has no public addresses.
    pub external: Option<SeedNetwork>,
}

/// A network of a fresh cloud, with its one subnet.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeedNetwork {
    pub name: String,
    /// e.g. `10.0.0.0/24`
    pub cidr: String,
    /// Default: the first address.
    #[serde(default)]
    pub gateway: Option<String>,
    #[serde(default)]
    pub dns: Vec<String>,
    /// First and last address of each range that is handed out; default: all but the gateway.
    #[serde(default)]
    pub pools: Vec<(String, String)>,
}

impl Default for Seed {
    fn default() -> Self {
        let network = |name: &str, cidr: &str| SeedNetwork {
            name: name.to_owned(),
            cidr: cidr.to_owned(),
            gateway: None,
            dns: Vec::new(),
            pools: Vec::new(),
        };
        Self {
            project: "admin".to_owned(),
            shared: network("private", "10.0.0.0/22"),
            // Kept for documentation: nothing outside answers there.
            external: Some(network("public", "203.0.113.0/24")),
        }
    }
}

impl Networks {
    /// `owners`: where the owning project comes from.
    pub(crate) async fn seed(&self, tx: &mut Conn, seed: &Seed, owners: &crate::identity::Seed) -> Result<()> {
        let owner = owners.project(tx, "seed.networks", &seed.project).await?;
        let now = Timestamp::now();
        self.seed_network(tx, &owner, &seed.shared, false, now).await?;
        if let Some(external) = &seed.external {
            self.seed_network(tx, &owner, external, true, now).await?;
        }
        store::default_router(tx, &owner, now).await?;
        store::default_group(tx, &owner, now).await?;
        Ok(())
    }

    async fn seed_network(
        &self,
        tx: &mut Conn,
        owner: &str,
        seed: &SeedNetwork,
        external: bool,
        now: Timestamp,
    ) -> Result<()> {
        let network = Network {
            name: seed.name.clone(),
            shared: !external,
            external,
            is_default: !external,
            ..self.new_network(owner.to_owned(), now)
        };
        let cidr = rules::cidr(&seed.cidr)?;
        let gateway = match &seed.gateway {
            Some(gateway) => Some(rules::address("gateway", gateway)?),
            None => rules::first_gateway(&cidr),
        };
        let pools = if seed.pools.is_empty() {
            cidr.default_pools(gateway)
        } else {
            let parse = |(start, end): &(String, String)| {
                Ok(Range { start: rules::address("pools", start)?, end: rules::address("pools", end)? })
            };
            seed.pools.iter().map(parse).collect::<Result<_>>()?
        };
        let subnet = Subnet {
            id: new_id(),
            network_id: network.id.clone(),
            project_id: owner.to_owned(),
            external,
            name: format!("{}-subnet", seed.name),
            description: String::new(),
            cidr,
            gateway,
            dhcp: true,
            dns: seed.dns.clone(),
            pools,
            host_routes: Vec::new(),
            created_at: now,
            updated_at: now,
            revision: 0,
            attributes: attributes::NONE.to_owned(),
        };
        rules::check_subnet(&self.settings, &subnet)?;
        store::insert_network(tx, &network).await?;
        store::insert_subnet(tx, &subnet).await
    }
}
