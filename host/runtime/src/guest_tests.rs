use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use skyloom_model::Result;

use super::*;
use crate::bindings::host::{clock, documents as wit_documents, log, random};
use crate::collections::Collections;
use crate::context::{SecretVault, Streams};
use crate::documents::Document;

/// Counts what reaches it.
#[derive(Default)]
struct Seen(AtomicUsize);

#[async_trait]
impl Documents for Seen {
    async fn get(&self, owner: &str, _: &str, _: &str) -> Result<Option<Document>> {
        assert_eq!(owner, "owner");
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }
    async fn list(&self, _: &str, _: &str, _: Option<&str>, _: u32) -> Result<Vec<Document>> {
        Ok(Vec::new())
    }
    async fn put(&self, _: &str, _: &str, _: &str, _: &str, _: Option<u64>) -> Result<u64> {
        Ok(1)
    }
    async fn delete(&self, _: &str, _: &str, _: &str, _: Option<u64>) -> Result<bool> {
        Ok(false)
    }
}

async fn state(permits: Permits, limits: Limits, documents: Arc<Seen>) -> GuestState {
    state_in(Arc::new(Memory::new(64)), permits, limits, documents).await
}

async fn state_in(memory: Arc<Memory>, permits: Permits, limits: Limits, documents: Arc<Seen>) -> GuestState {
    let sandbox = Sandbox {
        plugin: "p".into(),
        permits,
        limits,
        counters: Arc::default(),
        config: "{}".into(),
        cloud: None,
        documents: Some(documents),
        owner: "owner".into(),
        http: Labels::default(),
        #[cfg(feature = "libvirt")]
        libvirt: None,
        host_slots: Arc::new(Semaphore::new(1)),
        plugin_slots: Arc::new(Semaphore::new(1)),
        memory,
    };
    let context = CallContext {
        caller: None,
        request_id: "req-1".into(),
        personality: "p".into(),
        collections: Collections::default(),
        secrets: SecretVault::new(),
        client: None,
        streams: Streams::default(),
        retry_after: std::sync::OnceLock::new(),
    };
    let share = Share::first(&sandbox.memory, limits.memory).await.unwrap();
    GuestState::new(Arc::new(sandbox), Arc::new(context), "op".into(), share)
}

#[tokio::test]
async fn a_call_without_a_permit_reaches_nothing() {
    let seen = Arc::new(Seen::default());
    let all_but = Capability::ALL
        .iter()
        .filter(|one| **one != Capability::Documents)
        .fold(Permits::default(), |permits, one| permits.with(*one));
    let mut refused = state(all_but, Limits::default(), seen.clone()).await;
    assert!(wit_documents::Host::get(&mut refused, "c".into(), "i".into()).await.is_err());
    assert_eq!(refused.used.stopped, Some(RunError::Denied(Capability::Documents)));
    assert_eq!(seen.0.load(Ordering::Relaxed), 0);

    let mut allowed = state(Permits::default().with(Capability::Documents), Limits::default(), seen.clone()).await;
    assert!(wit_documents::Host::get(&mut allowed, "c".into(), "i".into()).await.unwrap().unwrap().is_none());
    assert_eq!(seen.0.load(Ordering::Relaxed), 1);
    assert!(clock::Host::now(&mut allowed).await.is_err(), "another capability");
}

#[tokio::test]
async fn every_interface_asks_for_its_own_permit() {
    for capability in Capability::ALL {
        let mut state = state(Permits::default(), Limits::default(), Arc::default()).await;
        assert!(state.permit(*capability).is_err());
        let mut state =
            super::tests::state(Permits::default().with(*capability), Limits::default(), Arc::default()).await;
        assert!(state.permit(*capability).is_ok());
        for other in Capability::ALL.iter().filter(|other| *other != capability) {
            assert!(state.permit(*other).is_err(), "{capability} opens {other}");
        }
    }
}

#[tokio::test]
async fn memory_is_counted_over_all_memories() {
    let limits = Limits { memory: 100, ..Limits::default() };
    let mut state = state(Permits::default(), limits, Arc::default()).await;
    assert!(state.memory_growing(0, 60, None).await.unwrap());
    assert!(state.memory_growing(0, 40, None).await.unwrap());
    assert!(!state.memory_growing(40, 41, None).await.unwrap());
    assert_eq!(state.used.stopped, Some(RunError::OutOfMemory(100)));
}

/// A refusal would tell its client that nothing was done.
#[tokio::test]
async fn who_may_have_changed_something_is_not_refused_for_memory() {
    let (permits, large) = (Permits::default().with(Capability::Documents), 32 << 20);
    let memory = Arc::new(Memory { wait: Duration::from_millis(20), ..Memory::new(64) });
    let new = || state_in(memory.clone(), permits, Limits::default(), Arc::default());
    let (mut holds, mut reads, mut writes) = (new().await, new().await, new().await);
    assert!(holds.memory_growing(0, large, None).await.unwrap());

    wit_documents::Host::get(&mut reads, "c".into(), "i".into()).await.unwrap().unwrap();
    assert!(!reads.memory_growing(0, large, None).await.unwrap());
    assert_eq!(reads.used.stopped, Some(RunError::Busy(memory::WAIT)));

    wit_documents::Host::put(&mut writes, "c".into(), "i".into(), "{}".into(), None).await.unwrap().unwrap();
    let mut growing = writes.memory_growing(0, large, None);
    assert!(tokio::time::timeout(Duration::from_millis(100), growing.as_mut()).await.is_err());
    drop(holds);
    assert!(growing.await.unwrap());
}

#[tokio::test]
async fn tables_are_counted_together() {
    let mut state = state(Permits::default(), Limits::default(), Arc::default()).await;
    assert!(state.table_growing(0, limits::TABLE_ELEMENTS, None).await.unwrap());
    assert!(!state.table_growing(0, 1, None).await.unwrap());
}

#[tokio::test]
async fn log_lines_over_the_rate_are_dropped_and_counted() {
    let limits = Limits { log_lines_per_second: 3, ..Limits::default() };
    let mut state = state(Permits::default().with(Capability::Log), limits, Arc::default()).await;
    let begun = Instant::now();
    for _ in 0..100 {
        log::Host::write(&mut state, log::Level::Info, "line".into()).await.unwrap();
    }
    // Each second that passed meanwhile lets three more through.
    let allowed = 3 * (begun.elapsed().as_secs() + 2);
    let dropped = state.sandbox.counters.snapshot().dropped_log_lines;
    assert!((100 - allowed..=97).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn random_bytes_have_a_bound() {
    let mut state = state(Permits::default().with(Capability::Random), Limits::default(), Arc::default()).await;
    let one = random::Host::bytes(&mut state, 4096).await.unwrap();
    assert_eq!(one.len(), 4096);
    assert_ne!(one, random::Host::bytes(&mut state, 4096).await.unwrap());
    assert!(random::Host::bytes(&mut state, 4097).await.is_err());
}

#[tokio::test]
async fn requests_to_the_outside_go_by_granted_labels_only() {
    use crate::bindings::egress::http;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let answers = tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 204 None\r\nX-Kind: a\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let rules = skyloom_egress::Rules { plain: true, ..skyloom_egress::Rules::to(vec![address.to_string()]) };
    let egress = skyloom_egress::Egress::new(&rules, &|path, _| std::fs::read(path)).unwrap();
    let labels: Labels = Arc::new([("crm".to_owned(), Arc::new(egress))].into());
    let granted = |mut state: GuestState| {
        let sandbox = Arc::get_mut(&mut state.sandbox).unwrap();
        sandbox.http = labels.clone();
        state
    };
    let get = || http::Request {
        method: "GET".into(),
        url: format!("http://{address}/a"),
        headers: vec![("X-Own".into(), "yes".into())],
        body: Vec::new(),
    };
    let mut denied = granted(state(Permits::default(), Limits::default(), Arc::default()).await);
    assert!(http::Host::send(&mut denied, "crm".into(), get()).await.is_err());
    assert_eq!(denied.used.stopped, Some(RunError::Denied(Capability::Http)));

    let permits = Permits::default().with(Capability::Http);
    let mut allowed = granted(state(permits, Limits::default(), Arc::default()).await);
    let refused = http::Host::send(&mut allowed, "other".into(), get()).await.unwrap().unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("label"));
    let answer = http::Host::send(&mut allowed, "crm".into(), get()).await.unwrap().unwrap();
    assert_eq!((answer.status, answer.headers.as_slice()), (204, [("x-kind".to_owned(), "a".to_owned())].as_slice()));
    assert!(answers.await.unwrap().contains("x-own: yes"));
    assert!(!allowed.used.changed);
    let post = http::Request { method: "POST".into(), ..get() };
    let refused = http::Host::send(&mut allowed, "crm".into(), post).await.unwrap().unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("method"));
    assert!(allowed.used.changed, "what is not only asked may have changed something");
}
