//! The rules of the cloud. Implements what `runtime::api` promises to personalities, over `store` and drivers.
//!
//! One folder per area; each implements its trait of `runtime::api` for [`Cloud`], keeps its settings, caches and seeds, and
//! reaches the others through [`Cloud`].

pub mod billing;
pub mod bounds;
pub mod compute;
pub mod documents;
pub mod identity;
pub mod images;
pub mod networks;
mod paging;
pub mod reconcile;
pub mod secrets;

use std::sync::{Arc, OnceLock};

use skyloom_model::{Result, Timestamp};
use skyloom_store::{Db, args};

/// The core. Clones share it.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    identity: identity::Identity,
    images: images::Images,
    networks: networks::Networks,
    compute: compute::Compute,
    billing: billing::Billing,
    sealer: secrets::Sealer,
    /// Tells the workers that an operation waits.
    waker: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

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

/// Whether [`Cloud::seed`] has filled the database. An error also where it has no tables yet.
pub async fn is_seeded(db: &Db) -> Result<bool> {
    let mut conn = db.read().await?;
    Ok(conn.one("SELECT count(*) FROM seeded WHERE area = 'cloud'", &[], |row| row.int(0)).await? > 0)
}

impl Cloud {
    /// The core over a database that is migrated already.
    pub fn new(db: Db, settings: Settings) -> Result<Self> {
        let inner = Inner {
            identity: identity::Identity::new(settings.identity)?,
            images: images::Images::new(settings.images)?,
            networks: networks::Networks::new(settings.networks)?,
            compute: compute::Compute::new(settings.compute)?,
            billing: billing::Billing::new(settings.billing)?,
            sealer: settings.sealer,
            waker: OnceLock::new(),
            db,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Lays the seeds into a fresh database, once: a restart doesn't bring back what an operator removed. The roles that every
    /// cloud has are looked after at each start: a database of an older program may lack some. Gives whether the database was
    /// fresh. One transaction: a start that is cut off begins anew. `wrong-state` when the database's secrets are sealed with
    /// another key.
    pub async fn seed(&self, seed: &Seed) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        self.inner.sealer.agree(&mut tx).await?;
        let first = tx
            .execute(
                "INSERT INTO seeded (area, seeded_at) VALUES ('cloud', $1) ON CONFLICT (area) DO NOTHING",
                args![Timestamp::now()],
            )
            .await?;
        if first == 0 {
            self.inner.identity.ensure_roles(&mut tx).await?;
            tx.commit().await?;
            return Ok(false);
        }
        self.inner.identity.seed(&mut tx, &seed.identity).await?;
        self.inner.images.seed(&mut tx, &seed.images, &seed.identity).await?;
        self.inner.networks.seed(&mut tx, &seed.networks, &seed.identity).await?;
        self.inner.compute.seed(&mut tx, &seed.compute).await?;
        self.inner.billing.seed(&mut tx, &seed.billing).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The database, for the wiring (workers, command line).
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// What to call when an operation was written; the wiring gives the engine's `wake`. The first one stays.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        if self.inner.waker.set(Box::new(waker)).is_err() {
            tracing::warn!("the core has a waker already");
        }
    }

    /// To be called after each commit that wrote an operation.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.inner.waker.get() {
            waker();
        }
    }
}
