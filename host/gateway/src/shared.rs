//! What all listeners of a process share.

use std::sync::Arc;

use skyloom_model::Limiter;
use skyloom_runtime::manifest::ApiErrors;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::held::Budgets;
use crate::metrics::Metrics;
use crate::proxies::Proxies;
use crate::replays::Replays;
use crate::settings::Settings;
use crate::spacing::Spacing;
use crate::templates::Templates;
use crate::turns::Turns;

/// What all listeners of a process share.
pub struct Shared {
    pub core: Arc<dyn Core>,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) turns: Turns,
    pub(crate) held: Budgets,
    pub(crate) projects: Option<Limiter>,
    pub(crate) anonymous: Option<Limiter>,
    pub(crate) replays: Replays,
    /// Of nobody.
    pub(crate) refusals: Spacing,
    /// Requests that go on when their client is gone.
    pub(crate) tasks: TaskTracker,
    draining: CancellationToken,
    /// For requests that belong to no mount.
    pub(crate) neutral: Templates,
    /// Stands for an operation or a plugin where there is none.
    pub(crate) nobody: Arc<str>,
}

impl Shared {
    pub fn new(core: Arc<dyn Core>, settings: Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        let neutral = Templates::compile(&ApiErrors::default()).unwrap_or_else(|defect| {
            // A constant of this program; a test compiles it.
            unreachable!("the neutral templates: {defect}")
        });
        Arc::new(Self {
            core,
            metrics,
            proxies: Arc::new(Proxies::new(&settings.trusted_proxies)),
            turns: Turns::new(&settings),
            held: Budgets::new(&settings),
            projects: Limiter::new(settings.project_rate, settings.project_burst),
            anonymous: Limiter::new(settings.anonymous_rate, settings.anonymous_burst),
            replays: Replays::new(settings.remembered_signatures),
            refusals: Spacing::new(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            neutral,
            nobody: Arc::from("-"),
            settings,
        })
    }

    /// From here on new requests are told to go elsewhere.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) async fn drained(&self) {
        self.draining.cancelled().await;
    }
}
