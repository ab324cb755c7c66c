//! What the plugins and the workers count, for `/metrics`.

use async_trait::async_trait;
use skyloom_cloud::Cloud;
use skyloom_cloud::reconcile::Reconciler;
use skyloom_gateway::{Sample, SampleKind, Source};
use skyloom_jobs::Engine;
use skyloom_runtime::{CountersSnapshot, Plugin};
use skyloom_store::Db;
use skyloom_store::periods::PeriodState;

type Field = (&'static str, &'static str, fn(&CountersSnapshot) -> f64);

const PLUGIN_FIELDS: &[Field] = &[
    ("plugin_calls", "Calls into the plugin", |counters| counters.calls as f64),
    ("plugin_traps", "Calls that trapped", |counters| counters.traps as f64),
    ("plugin_out_of_memory", "Calls that wanted too much memory", |counters| counters.out_of_memory as f64),
    ("plugin_cpu_exhausted", "Calls whose own code ran too long", |counters| counters.cpu_exhausted as f64),
    ("plugin_timeouts", "Calls that waited too long", |counters| counters.timeouts as f64),
    ("plugin_bad_answers", "Answers that were too large or made no sense", |counters| counters.bad_answers as f64),
    ("plugin_denials", "Calls of host functions without a permit", |counters| counters.denials as f64),
    ("plugin_busy", "Calls that found no free sandbox", |counters| counters.busy as f64),
    ("plugin_dropped_log_lines", "Log lines above the rate", |counters| counters.dropped_log_lines as f64),
    ("plugin_seconds", "Time in calls, waiting included", |counters| counters.seconds),
];

pub struct PluginSource(pub Vec<Plugin>);

#[async_trait]
impl Source for PluginSource {
    async fn samples(&self) -> Vec<Sample> {
        let counted: Vec<_> = self.0.iter().map(|plugin| (plugin.id(), plugin.counters())).collect();
        let mut samples = Vec::new();
        for (name, help, value) in PLUGIN_FIELDS {
            for (id, counters) in &counted {
                samples.push(Sample {
                    name: (*name).to_owned(),
                    help,
                    kind: SampleKind::Counter,
                    labels: vec![("plugin", (*id).to_owned())],
                    value: value(counters),
                });
            }
        }
        samples
    }
}

/// Which platforms have answered since the start: an alarm's business, because the process is ready without them.
pub struct NodesSource(pub Cloud);

#[async_trait]
impl Source for NodesSource {
    async fn samples(&self) -> Vec<Sample> {
        let nodes = self.0.compute.attached_nodes().into_iter();
        nodes
            .map(|node| Sample {
                name: "node_attached".to_owned(),
                help: "1: the compute node's platform has answered; 0: it takes no new servers",
                kind: SampleKind::Gauge,
                labels: vec![("node", node.settings.name.clone())],
                value: f64::from(u8::from(node.answered)),
            })
            .collect()
    }
}

pub struct JobsSource {
    pub engine: Engine,
    pub reconciler: Reconciler,
}

#[async_trait]
impl Source for JobsSource {
    async fn samples(&self) -> Vec<Sample> {
        let sample = |name: String, help, kind, labels, value| Sample { name, help, kind, labels, value };
        let counters = |area: &'static str, counted: Vec<(&'static str, &'static str, u64)>| {
            counted.into_iter().map(move |(name, help, value)| {
                sample(format!("{area}_{name}"), help, SampleKind::Counter, Vec::new(), value as f64)
            })
        };
        let mut samples: Vec<Sample> = counters("operations", self.engine.metrics().snapshot()).collect();
        samples.extend(counters("reconcile", self.reconciler.counters().snapshot()));
        let in_hand = self.engine.in_hand() as f64;
        samples.push(sample(
            "operations_in_hand".to_owned(),
            "Operations that this process works on",
            SampleKind::Gauge,
            Vec::new(),
            in_hand,
        ));
        match self.engine.states().await {
            Ok(states) => samples.extend(states.into_iter().map(|(state, number)| {
                let labels = vec![("state", state.as_str().to_owned())];
                sample(
                    "operations".to_owned(),
                    "Operations that have not ended, by state",
                    SampleKind::Gauge,
                    labels,
                    number as f64,
                )
            })),
            Err(error) => tracing::warn!(error = error.for_log(), "operations can't be counted"),
        }
        samples
    }
}

/// Rating periods that need somebody: a parked one waits for the operator (`skyloom rating`).
pub struct RatingSource(pub Db);

#[async_trait]
impl Source for RatingSource {
    async fn samples(&self) -> Vec<Sample> {
        let periods = match skyloom_cloud::billing::unrated(&self.0).await {
            Ok(periods) => periods,
            Err(error) => {
                tracing::warn!(error = error.for_log(), "rating periods can't be counted");
                return Vec::new();
            }
        };
        let sample = |state: PeriodState| Sample {
            name: "rating_periods".to_owned(),
            help: "Periods that are not rated yet, by state",
            kind: SampleKind::Gauge,
            labels: vec![("state", state.as_str().to_owned())],
            value: periods.iter().filter(|period| period.state == state).count() as f64,
        };
        vec![sample(PeriodState::Rating), sample(PeriodState::Parked)]
    }
}
