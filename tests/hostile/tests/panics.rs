//! What a guest says before it falls stands in the log: bounded, in one line, and with whose call it was.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use hostile_tests::{API, StubCloud, call, face, grants, load, manifest, packed, runtime, text};
use serde_json::{Map, Value};
use skyloom_model::{Error, ErrorCode};
use skyloom_runtime::driver::StepKey;
use skyloom_runtime::manifest::{Capability, LimitsTable};
use skyloom_runtime::tariff::{Piece, Sheet};
use skyloom_runtime::{Plugin, RunError};

/// Lines of the log as JSON.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What guests wrote to the log in the meantime. On this thread, so with a runtime of one thread.
async fn logged<T>(call: impl AsyncFnOnce() -> T) -> (T, Vec<Value>) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let answer = {
        let _here = tracing::subscriber::set_default(subscriber);
        call().await
    };
    let bytes = lines.0.lock().unwrap().clone();
    let every = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let every = every.map(|line| serde_json::from_slice::<Value>(line).expect("a line is JSON"));
    (answer, every.filter(|line| line["target"] == "plugin").collect())
}

/// Level, plugin, operation, request and text of the only line.
fn only(lines: &[Value]) -> (String, [String; 3], String) {
    let [line] = lines else { panic!("one line: {lines:?}") };
    let field = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
    let level = line["level"].as_str().unwrap_or_default().to_owned();
    (level, ["plugin", "operation", "request_id"].map(field), field("message"))
}

fn plugin(package: &str, kind: &str, capabilities: &[&str]) -> Plugin {
    let bytes = packed(package, &manifest("hostile", kind, capabilities, ""));
    load(&runtime(|_| {}), bytes, grants(capabilities), LimitsTable::default()).unwrap()
}

#[tokio::test]
async fn a_personalitys_panic_is_logged_with_its_call() {
    let face = face(&runtime(|_| {}), "hostile", LimitsTable::default());
    let (answer, lines) = logged(async || call(&face, "panic", 3).await).await;
    let (level, of, message) = only(&lines);
    assert_eq!((level.as_str(), of.each_ref().map(String::as_str)), ("ERROR", ["hostile", "panic", "req-test"]));
    assert!(message.starts_with("panicked at ") && message.ends_with(": on purpose xxx"), "{message}");
    // The client is told nothing of it.
    let error = Error::from(answer.unwrap_err());
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(!error.message.contains("purpose") && !error.for_log().contains("purpose"), "{error:?}");
    // So is one that nobody wrote: an index.
    let (_, lines) = logged(async || call(&face, "panic-within", 7).await).await;
    assert!(only(&lines).2.ends_with(": index out of bounds: the len is 0 but the index is 7"), "{lines:?}");
}

#[tokio::test]
async fn a_long_panic_is_cut_and_many_are_counted() {
    let limits = LimitsTable { log_lines_per_second: Some(2), ..LimitsTable::default() };
    let face = face(&runtime(|_| {}), "hostile", limits);
    let (_, lines) = logged(async || call(&face, "panic", 1 << 20).await).await;
    assert_eq!(only(&lines).2.len(), 4096);
    let ((), lines) = logged(async || {
        for _ in 0..40 {
            assert!(matches!(call(&face, "panic", 0).await, Err(RunError::Trapped(_))));
        }
    })
    .await;
    let dropped = face.plugin().counters().dropped_log_lines;
    assert!(dropped > 0 && dropped + lines.len() as u64 == 40, "{dropped} dropped, {} written", lines.len());
}

#[tokio::test]
async fn a_drivers_panic_is_logged_with_its_step_and_forges_no_line() {
    let driver = plugin("hostile-driver", "driver", &["documents"]).driver("node-1", &Map::new()).unwrap();
    let key = StepKey { operation: "op-1".into(), step: "start".into() };
    let (answer, lines) = logged(async || driver.start(&key, "panic").await).await;
    let (level, of, message) = only(&lines);
    assert_eq!((level.as_str(), of.each_ref().map(String::as_str)), ("ERROR", ["hostile", "start", "op-1"]));
    let words = r": no platform\n2026-01-01 INFO all is well \u{1b}[2J\u{202e}";
    assert!(message.ends_with(words), "{message}");
    let error = answer.unwrap_err();
    assert_eq!((error.code, error.message.contains("platform")), (ErrorCode::DriverFailed, false));
    let (_, lines) = logged(async || driver.inspect("panic").await).await;
    assert_eq!(only(&lines).1, ["hostile", "inspect", "panic"].map(str::to_owned));
}

#[tokio::test]
async fn a_tariffs_panic_is_logged() {
    let tariff = plugin("hostile-tariff", "tariff", &[]).tariff().unwrap();
    let sheet = Sheet { id: "s".into(), currency: "panic".into(), prices: Vec::new() };
    let (answer, lines) = logged(async || tariff.rate(Vec::<Piece>::new(), sheet, Vec::new()).await).await;
    let (level, of, message) = only(&lines);
    assert_eq!((level.as_str(), of.each_ref().map(String::as_str)), ("ERROR", ["hostile", "rate", "rating"]));
    assert!(message.ends_with(": no such price") && answer.is_err(), "{message}");
}

/// The log alone is asked for by nobody and granted by nobody.
#[tokio::test]
async fn the_log_is_free() {
    for asked in [&[][..], &["log"]] {
        let plugin = plugin("hostile-tariff", "tariff", asked);
        let line = plugin.explain().capabilities.iter().find(|line| line.name == Capability::Log).unwrap();
        assert!(line.effective && line.imported, "{line:?}");
        assert_eq!(line.why, "free: every plugin has it");
    }
    let rest = ["clock", "random", "config", "documents", "compute", "images"];
    let bytes = packed("hostile-face", &manifest("hostile", "personality", &rest, API));
    let face = load(&runtime(|_| {}), bytes, grants(&rest), LimitsTable::default()).unwrap();
    let face = face.personality(Arc::new(StubCloud), &Map::new()).unwrap();
    let (answer, lines) = logged(async || call(&face, "log", 1).await).await;
    assert_eq!(text(answer), "ok");
    let (level, of, message) = only(&lines);
    assert_eq!((level.as_str(), message.as_str()), ("INFO", "line 0"));
    assert_eq!(of, ["hostile", "log", "req-test"].map(str::to_owned));
}
