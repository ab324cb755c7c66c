//! The rules of the cloud. Implements what `runtime::api` promises to personalities, over `store` and drivers.
//!
//! One folder per area, or several small ones; each implements its trait of `runtime::api`, keeps its settings, caches and seeds,
//! and holds the areas that it needs. [`Cloud`] only wires them.

mod api;
mod attributes;
mod base;
pub mod billing;
pub mod bounds;
pub mod collections;
pub mod compute;
pub mod documents;
mod events;
pub mod identity;
pub mod images;
mod lists;
pub mod networks;
mod reach;
pub mod reconcile;
pub mod schedules;
pub mod secrets;

use std::sync::Arc;

use skyloom_jobs::{Faults, Saga};
use skyloom_model::{Result, Timestamp};
use skyloom_store::{Db, args};

pub use base::Base;

/// The core. Clones share it.
#[derive(Clone)]
pub struct Cloud {
    base: Base,
    pub identity: Arc<identity::Identity>,
    pub quotas: Arc<compute::quotas::Quotas>,
    pub images: Arc<images::Images>,
    pub networks: Arc<networks::Networks>,
    pub flavors: Arc<compute::flavors::Flavors>,
    pub keypairs: Arc<compute::keypairs::Keypairs>,
    pub volumes: Arc<compute::volumes::Volumes>,
    pub operations: Arc<compute::operations::Operations>,
    pub compute: Arc<compute::Compute>,
    pub billing: Arc<billing::Billing>,
    pub collections: Arc<collections::Collections>,
}

base::stands_on_base!(Cloud);

/// The settings of all areas, each a table of the deployment file; what isn't said has a default.
#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    pub identity: identity::Settings,
    pub images: images::Settings,
    pub networks: networks::Settings,
    pub compute: compute::Settings,
    pub billing: billing::Settings,
    /// Not of the file: the wiring gives it.
    #[serde(skip)]
    #[schemars(skip)]
    pub sealer: secrets::Sealer,
}

/// What a fresh database begins with, each area's a table below `[seed]`.
#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    pub identity: identity::Seed,
    pub images: images::Seed,
    pub networks: networks::Seed,
    pub compute: compute::Seed,
    pub billing: billing::Seed,
}

/// All durable operations, for `skyloom_jobs::Engine::start`. Every call to a driver goes through the faults.
pub fn sagas(cloud: &Cloud, faults: Arc<Faults>) -> Vec<Arc<dyn Saga>> {
    let mut all = compute::sagas::all(cloud, faults);
    all.push(Arc::new(images::ImportSaga::new(cloud.images.clone())));
    all
}

/// Whether [`Cloud::seed`] has filled the database. An error also where it has no tables yet.
pub async fn is_seeded(db: &Db) -> Result<bool> {
    let mut conn = db.read().await?;
    Ok(conn.one("SELECT count(*) FROM seeded WHERE area = 'cloud'", &[], |row| row.int(0)).await? > 0)
}

impl Cloud {
    /// The core over a database that is migrated already.
    pub fn new(db: Db, settings: Settings) -> Result<Self> {
        let base = Base::new(db, settings.identity.policy()?, settings.sealer);
        let compute = Arc::new(settings.compute);
        let quotas = Arc::new(compute::quotas::Quotas::new(base.clone(), compute.clone()));
        let flavors = Arc::new(compute::flavors::Flavors::new(base.clone(), compute.clone()));
        let servers = Arc::new(compute::Compute::new(base.clone(), quotas.clone(), flavors.clone(), compute.clone())?);
        Ok(Self {
            identity: Arc::new(identity::Identity::new(base.clone(), settings.identity)?),
            images: Arc::new(images::Images::new(base.clone(), settings.images)?),
            networks: Arc::new(networks::Networks::new(base.clone(), quotas.clone(), settings.networks)?),
            keypairs: Arc::new(compute::keypairs::Keypairs::new(base.clone(), compute.clone())),
            operations: Arc::new(compute::operations::Operations::new(base.clone())),
            volumes: Arc::new(compute::volumes::Volumes::new(base.clone(), quotas.clone(), servers.clone())),
            compute: servers,
            billing: Arc::new(billing::Billing::new(base.clone(), settings.billing)?),
            collections: Arc::new(collections::Collections::new(base.clone())),
            quotas,
            flavors,
            base,
        })
    }

    /// Lays the seeds into a fresh database, once: a restart doesn't bring back what an operator removed. The roles that every
    /// cloud has are looked after at each start: a database of an older program may lack some. Gives whether the database was
    /// fresh. One transaction: a start that is cut off begins anew. `wrong-state` when the database's secrets are sealed with
    /// another key.
    pub async fn seed(&self, seed: &Seed) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        self.sealer().agree(&mut tx).await?;
        let first = tx
            .execute(
                "INSERT INTO seeded (area, seeded_at) VALUES ('cloud', $1) ON CONFLICT (area) DO NOTHING",
                args![Timestamp::now()],
            )
            .await?;
        if first == 0 {
            self.identity.ensure_roles(&mut tx).await?;
            tx.commit().await?;
            return Ok(false);
        }
        self.identity.seed(&mut tx, &seed.identity).await?;
        self.images.seed(&mut tx, &seed.images, &seed.identity).await?;
        self.networks.seed(&mut tx, &seed.networks, &seed.identity).await?;
        self.compute.seed(&mut tx, &seed.compute).await?;
        self.billing.seed(&mut tx, &seed.billing).await?;
        tx.commit().await?;
        Ok(true)
    }
}
