//! Each limit with a component that breaks it, its allowed twin, and a neighbour that must not notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hostile_tests::{UPLOAD, call, call_at, face, runtime, text};
use skyloom_model::ErrorCode;
use skyloom_runtime::manifest::{Capability, LimitsTable};
use skyloom_runtime::personality::Body;
use skyloom_runtime::{Personality, RunError};

const LIMITS: LimitsTable = LimitsTable {
    memory_mib: Some(16),
    cpu_ms: Some(200),
    wait_ms: Some(2_000),
    output_kib: Some(64),
    log_lines_per_second: Some(20),
};

fn one(limits: LimitsTable) -> Personality {
    face(&runtime(|_| {}), "hostile", limits)
}

/// What a hostile call ends with, while a neighbour goes on being served by the same plugin.
async fn beside_a_neighbour(face: &Personality, operation: &'static str, n: u64, path: &'static str) -> RunError {
    let hostile = tokio::spawn({
        let face = face.clone();
        async move { call_at(&face, operation, n, path).await }
    });
    let mut served = 0;
    while !hostile.is_finished() || served == 0 {
        assert_eq!(text(call(face, "ok", 0).await), "ok", "a neighbour of `{operation}`");
        served += 1;
        tokio::task::yield_now().await;
    }
    let error = hostile.await.unwrap().expect_err("the hostile call must fail");
    assert_eq!(text(call(face, "ok", 0).await), "ok", "after `{operation}`");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_ends_at_its_deadline() {
    let face = one(LIMITS);
    let begun = Instant::now();
    let error = beside_a_neighbour(&face, "loop", 0, "/").await;
    assert_eq!(error, RunError::CpuExhausted(Duration::from_millis(200)));
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(face.plugin().counters().cpu_exhausted, 1);
    assert_eq!(text(call(&face, "work", 1_000_000).await), "ok");
}

/// One worker thread only: a loop must give it up now and then.
#[tokio::test(flavor = "current_thread")]
async fn a_loop_leaves_the_thread_to_others() {
    let error = beside_a_neighbour(&one(LIMITS), "loop", 0, "/").await;
    assert_eq!(error, RunError::CpuExhausted(Duration::from_millis(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_calls_do_not_hide_a_loop() {
    let error = beside_a_neighbour(&one(LIMITS), "loop-over-host-calls", 0, "/").await;
    assert_eq!(error, RunError::CpuExhausted(Duration::from_millis(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_without_end_is_refused() {
    let face = one(LIMITS);
    let error = beside_a_neighbour(&face, "allocate", 0, "/").await;
    assert_eq!(error, RunError::OutOfMemory(16 << 20));
    assert_eq!(face.plugin().counters().out_of_memory, 1);
    assert_eq!(text(call(&face, "allocate", 8).await), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployment_may_give_more_memory() {
    let more = LimitsTable { memory_mib: Some(64), ..LIMITS };
    assert_eq!(call(&one(LIMITS), "allocate", 40).await.err(), Some(RunError::OutOfMemory(16 << 20)));
    assert_eq!(text(call(&one(more), "allocate", 40).await), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursion_ends_with_the_stack() {
    let face = one(LIMITS);
    let error = beside_a_neighbour(&face, "recurse", u64::MAX, "/").await;
    assert!(matches!(error, RunError::Trapped(_)), "{error}");
    assert_eq!(error.code(), ErrorCode::Internal);
    assert!(call(&face, "recurse", 100).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_harms_only_its_own_call() {
    let face = one(LIMITS);
    for operation in ["trap", "panic"] {
        let error = beside_a_neighbour(&face, operation, 0, "/").await;
        assert!(matches!(error, RunError::Trapped(_)), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
    assert_eq!(face.plugin().counters().traps, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_lines_is_dropped_and_counted() {
    let face = one(LIMITS);
    assert_eq!(text(call(&face, "log", 10).await), "ok");
    assert_eq!(face.plugin().counters().dropped_log_lines, 0);
    let begun = Instant::now();
    assert_eq!(text(call(&face, "log", 5_000).await), "ok");
    // Each second that began meanwhile lets its share through.
    let allowed = 20 * (begun.elapsed().as_secs() + 2);
    let dropped = face.plugin().counters().dropped_log_lines;
    assert!((5_000 - allowed..5_000).contains(&dropped), "{dropped}");
    assert_eq!(text(call(&face, "log-forged", 10_000).await), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_host_call_is_given_up() {
    let short = LimitsTable { wait_ms: Some(300), ..LIMITS };
    let face = one(short);
    let error = beside_a_neighbour(&face, "documents", 0, "stall").await;
    assert_eq!(error, RunError::TimedOut(Duration::from_millis(300)));
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert_eq!(face.plugin().counters().timeouts, 1);
    assert_eq!(text(call_at(&face, "documents", 0, "one").await), "version 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_does_not_count_as_running() {
    // The wait is longer than the processor time that is allowed, so only the other limit can end it.
    let limits = LimitsTable { cpu_ms: Some(50), wait_ms: Some(500), ..LIMITS };
    let error = call_at(&one(limits), "documents", 0, "stall").await.unwrap_err();
    assert_eq!(error, RunError::TimedOut(Duration::from_millis(500)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_a_size() {
    let face = one(LIMITS);
    let limit = 64 * 1024;
    let too_large = |size| RunError::OutputTooLarge { size, limit };
    assert_eq!(beside_a_neighbour(&face, "huge", limit as u64 + 1, "/").await, too_large(limit + 1));
    assert_eq!(beside_a_neighbour(&face, "huge-header", limit as u64, "/").await, too_large(limit + 6));
    assert_eq!(text(call(&face, "huge", limit as u64).await).len(), limit);
    assert_eq!(face.plugin().counters().bad_answers, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_no_answer() {
    let face = one(LIMITS);
    for (operation, n) in
        [("status", 0), ("status", 99), ("status", 199), ("status", 600), ("header-name", 0), ("header-value", 0)]
    {
        let error = beside_a_neighbour(&face, operation, n, "/").await;
        assert!(matches!(error, RunError::Rubbish(_)), "{operation} {n}: {error}");
    }
    assert_eq!(call(&face, "status", 204).await.unwrap().status, 204);
    assert_eq!(call(&face, "status", 599).await.unwrap().status, 599);
    assert_eq!(call(&face, "header", 0).await.unwrap().headers[0].1, "a b\tc é");
}

/// Bytes pass beside the sandbox, so what a guest says of them is believed only where the core said it in this request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_bytes_are_sent_only_when_the_core_opened_them() {
    let face = one(LIMITS);
    let opened = call(&face, "blob-opened", 0).await.unwrap();
    assert!(matches!(opened.body, Body::Blob(name) if name == "bytes"));
    for (operation, name) in [("blob-guessed", "bytes"), ("blob-guessed", ""), ("blob-beside", "bytes2")] {
        let error = beside_a_neighbour(&face, operation, 0, name).await;
        assert!(matches!(error, RunError::Rubbish(_)), "{operation} {name}: {error}");
    }
    assert_eq!(face.plugin().counters().bad_answers, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_taken_only_as_the_core_began_it() {
    let face = one(LIMITS);
    for limit in [UPLOAD, 1] {
        let begun = call(&face, "upload-begun", limit).await.unwrap();
        assert!(matches!(begun.body, Body::AcceptUpload(taken) if taken == limit));
    }
    for (operation, limit) in
        [("upload-begun", UPLOAD + 1), ("upload-refused", 1), ("upload-made-up", u64::MAX), ("upload-made-up", 0)]
    {
        let error = beside_a_neighbour(&face, operation, limit, "/").await;
        assert!(matches!(error, RunError::Rubbish(_)), "{operation} {limit}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_functions_check_what_they_are_asked() {
    let face = one(LIMITS);
    let error = beside_a_neighbour(&face, "random", 4097, "/").await;
    assert_eq!(error, RunError::Trapped("4097 random bytes at once, 4096 are allowed".to_owned()));
    assert!(call(&face, "random", 4096).await.is_ok());
    assert!(text(call(&face, "compute", 0).await).contains("NotFound"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_calls_of_one_plugin_leave_room_for_another() {
    let runtime = runtime(|options| {
        options.sandboxes = 4;
        options.sandboxes_per_plugin = 2;
    });
    let limits = LimitsTable { wait_ms: Some(60_000), ..LIMITS };
    let stalled = face(&runtime, "stalled", limits);
    let impatient = LimitsTable { wait_ms: Some(200), ..LIMITS };
    let other = face(&runtime, "other", impatient);
    let hold: Vec<_> = (0..3)
        .map(|_| {
            let face = stalled.clone();
            tokio::spawn(async move { call_at(&face, "documents", 0, "stall").await })
        })
        .collect();
    // Two hold the plugin's places, the third waits for one; the other plugin has its own.
    for _ in 0..20 {
        assert_eq!(text(call(&other, "ok", 0).await), "ok");
    }
    assert!(hold.iter().all(|call| !call.is_finished()));
    // A client that goes away gives its place back.
    for call in hold {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    assert_eq!(text(call(&stalled, "ok", 0).await), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_free_sandbox_a_call_is_told_so() {
    let runtime = runtime(|options| {
        options.sandboxes = 1;
        options.sandboxes_per_plugin = 1;
    });
    let holder = face(&runtime, "holder", LimitsTable { wait_ms: Some(60_000), ..LIMITS });
    let late = face(&runtime, "late", LimitsTable { wait_ms: Some(200), ..LIMITS });
    assert_eq!(text(call(&late, "ok", 0).await), "ok");
    let hold = tokio::spawn(async move { call_at(&holder, "documents", 0, "stall").await });
    // Until the holder has the place, the late one may still be served.
    let deadline = Instant::now() + Duration::from_secs(20);
    let error = loop {
        assert!(Instant::now() < deadline, "the place was never taken");
        if let Err(error) = call(&late, "ok", 0).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error, RunError::Busy(Duration::from_millis(200)));
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(late.plugin().counters().busy, 1);
    hold.abort();
    assert!(hold.await.unwrap_err().is_cancelled());
    assert_eq!(text(call(&late, "ok", 0).await), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_call_is_left_for_the_next() {
    let face = one(LIMITS);
    // Memory that a call filled is empty again; many times, so that places are used again.
    for _ in 0..50 {
        assert_eq!(text(call(&face, "allocate", 8).await), "ok");
    }
    let calls: Vec<_> = (0..200)
        .map(|index| {
            let face = face.clone();
            tokio::spawn(async move { text(call_at(&face, "documents", 0, &format!("d{index}")).await) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "version 1");
    }
    assert_eq!(face.plugin().counters().calls, 250);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mount_has_its_configuration() {
    let face = one(LIMITS);
    let mount = |n: i64| {
        let config = [("n".to_owned(), n.into())].into_iter().collect();
        face.plugin().personality(Arc::new(hostile_tests::StubCloud), &config).unwrap()
    };
    assert_eq!(text(call(&mount(1), "config", 0).await), "{\"n\":1}");
    assert_eq!(text(call(&mount(2), "config", 0).await), "{\"n\":2}");
    assert_eq!(text(call(&face, "config", 0).await), "{}");
    assert!(face.plugin().explain().capabilities.iter().all(|line| line.name != Capability::Libvirt));
}

/// 64 MiB of all: eight first shares of 4 MiB, and 32 MiB for those that need more, of which two of 16 MiB fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_all_sandboxes_is_bounded_and_given_back() {
    let runtime = runtime(|options| {
        options.sandboxes = 64;
        options.sandboxes_per_plugin = 64;
        options.memory_mib = 64;
    });
    let limits = LimitsTable { wait_ms: Some(60_000), cpu_ms: Some(20_000), ..LIMITS };
    let face = face(&runtime, "hostile", limits);
    let spawn = |operation: &'static str, n: u64, path: &'static str| {
        let face = face.clone();
        tokio::spawn(async move { call_at(&face, operation, n, path).await.map(drop) })
    };
    let greedy: Vec<_> = (0..24).map(|number| spawn("allocate", if number % 2 == 0 { 0 } else { 10 }, "/")).collect();
    for greedy in greedy {
        let outcome = greedy.await.unwrap();
        assert!(matches!(outcome, Ok(()) | Err(RunError::OutOfMemory(_) | RunError::Busy(_))), "{outcome:?}");
    }
    // Traps and refusals gave all of it back.
    for _ in 0..4 {
        assert_eq!(tokio::try_join!(spawn("allocate", 10, "/"), spawn("allocate", 10, "/")).unwrap(), (Ok(()), Ok(())));
    }
    let stalled: Vec<_> = (0..8).map(|_| spawn("documents", 0, "stall")).collect();
    let deadline = Instant::now() + Duration::from_mins(1);
    let error = loop {
        assert!(Instant::now() < deadline, "the memory was never taken");
        if let Err(error) = call(&face, "ok", 0).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((error.clone(), error.code()), (RunError::Busy(Duration::from_secs(2)), ErrorCode::Unavailable));
    for stalled in stalled {
        stalled.abort();
        assert!(stalled.await.unwrap_err().is_cancelled());
    }
    assert_eq!(text(call(&face, "ok", 0).await), "ok");
}

#[test]
fn a_plugin_that_wants_more_memory_than_one_call_may_have_is_not_loaded() {
    let runtime = runtime(|options| options.memory_mib = 64);
    let bytes = hostile_tests::packed("hostile-face", &hostile_tests::face_manifest("hostile"));
    let grants = hostile_tests::grants(hostile_tests::FACE_CAPABILITIES);
    let limits = |memory| LimitsTable { memory_mib: Some(memory), ..LIMITS };
    let error = hostile_tests::load(&runtime, bytes.clone(), grants.clone(), limits(37)).err().expect("refused");
    assert!(error.to_string().contains("memory-mib = 37 is above the 36"), "{error}");
    assert!(hostile_tests::load(&runtime, bytes, grants, limits(36)).is_ok());
}
