//! What is counted, for Prometheus.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A label's text, shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Text(Arc<str>);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        encoder.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    plugin: Text,
    operation: Text,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    plugin: Text,
    operation: Text,
}

/// Seconds: from a small read to an operation's whole time-out.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// One number of somebody else's.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Without the prefix `skyloom_` and without the suffix `_total`.
    pub name: String,
    pub help: &'static str,
    pub kind: SampleKind,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    Counter,
    Gauge,
}

/// Somebody who counts; asked at each scrape.
#[async_trait]
pub trait Source: Send + Sync {
    /// Those of one name together.
    async fn samples(&self) -> Vec<Sample>;
}

/// The counters of the HTTP side, and those that others give.
pub struct Metrics {
    registry: Registry,
    sources: Mutex<Vec<Arc<dyn Source>>>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    pub connections: Gauge,
    pub connections_refused: Counter,
    pub in_flight: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let seconds = Family::new_with_constructor(histogram);
        let (connections, in_flight) = (Gauge::default(), Gauge::default());
        let connections_refused = Counter::default();
        let mut registry = Registry::with_prefix("skyloom");
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_seconds", "Time from the head of a request to its answer", seconds.clone());
        registry.register("http_connections", "Open connections", connections.clone());
        let help = "Connections of an address that had all of its own within requests";
        registry.register("http_connections_refused", help, connections_refused.clone());
        registry.register("http_requests_in_flight", "Requests being answered", in_flight.clone());
        Self { registry, sources: Mutex::default(), requests, seconds, connections, connections_refused, in_flight }
    }
}

impl Metrics {
    pub fn add(&self, source: Arc<dyn Source>) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    pub(crate) fn request(&self, plugin: &Arc<str>, operation: &Arc<str>, status: u16, took: Duration) {
        let (plugin, operation) = (Text(plugin.clone()), Text(operation.clone()));
        let labels = OperationLabels { plugin: plugin.clone(), operation: operation.clone() };
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { plugin, operation, status }).inc();
    }

    /// OpenMetrics text.
    pub async fn text(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text.truncate(text.trim_end_matches("# EOF\n").len());
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for source in sources {
            write_samples(&mut text, &source.samples().await);
        }
        text.push_str("# EOF\n");
        text
    }
}

fn write_samples(text: &mut String, samples: &[Sample]) {
    let mut last = "";
    for sample in samples {
        let (kind, suffix) = match sample.kind {
            SampleKind::Counter => ("counter", "_total"),
            SampleKind::Gauge => ("gauge", ""),
        };
        if sample.name != last {
            last = &sample.name;
            let help = sample.help.trim().trim_end_matches('.');
            let _ = writeln!(text, "# HELP skyloom_{last} {help}.\n# TYPE skyloom_{last} {kind}");
        }
        let labels: Vec<String> = sample
            .labels
            .iter()
            .map(|(name, value)| {
                format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "))
            })
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "skyloom_{last}{suffix}{labels} {}", sample.value);
    }
}
