//! What is counted, for Prometheus.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
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

/// The counters of the HTTP side, and those that others register.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    pub connections: Gauge,
    pub in_flight: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let seconds = Family::new_with_constructor(histogram);
        let (connections, in_flight) = (Gauge::default(), Gauge::default());
        let mut registry = Registry::with_prefix("skyloom");
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_seconds", "Time from the head of a request to its answer", seconds.clone());
        registry.register("http_connections", "Open connections", connections.clone());
        registry.register("http_requests_in_flight", "Requests being answered", in_flight.clone());
        Self { registry: Mutex::new(registry), requests, seconds, connections, in_flight }
    }
}

impl Metrics {
    /// Others' metrics, read when they are asked for.
    pub fn add_collector(&self, collector: Box<dyn Collector>) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register_collector(collector);
    }

    pub(crate) fn request(&self, plugin: &Arc<str>, operation: &Arc<str>, status: u16, took: Duration) {
        let (plugin, operation) = (Text(plugin.clone()), Text(operation.clone()));
        let labels = OperationLabels { plugin: plugin.clone(), operation: operation.clone() };
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { plugin, operation, status }).inc();
    }

    /// OpenMetrics text.
    pub fn text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
            text.clear();
            let _ = text.write_str("# EOF\n");
        }
        text
    }
}
