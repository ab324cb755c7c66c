//! A listener that does with a flood what the server does, and nothing else: what a flood costs that is aimed here, the machine
//! and the flood's own thread cost. For a flood of logins a thread verifies passwords beside it, as the server must.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, Semaphore};

/// Connections that one address may have, as the server's default is.
const HELD: usize = 1024;
/// Between two answers, as between the server's refusals.
const APART: Duration = Duration::from_micros(2500);
const REFUSAL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n";

pub struct Bare {
    pub address: SocketAddr,
    stop: Arc<Notify>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Bare {
    /// `verify`: passwords, for as long as it stands.
    pub fn start(verify: bool) -> Result<Self> {
        let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let (address, stop) = (socket.local_addr()?, Arc::new(Notify::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let told = stop.clone();
        let listen = move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async {
                let Ok(listener) = TcpListener::from_std(socket) else { return };
                tokio::select! {
                    () = accept(&listener) => {}
                    () = told.notified() => {}
                }
            });
        };
        let stopped = Arc::new(AtomicBool::new(false));
        let mut threads = vec![std::thread::Builder::new().name("bare".to_owned()).spawn(listen)?];
        if verify {
            let stopped = stopped.clone();
            let thread = std::thread::Builder::new().name("verify".to_owned());
            threads.push(thread.spawn(move || verify_until(&stopped))?);
        }
        Ok(Self { address, stop, stopped, threads })
    }

    pub async fn end(self) -> Result<()> {
        self.stop.notify_one();
        self.stopped.store(true, Relaxed);
        for thread in self.threads {
            if tokio::task::spawn_blocking(|| thread.join()).await?.is_err() {
                bail!("the bare listener broke off");
            }
        }
        Ok(())
    }
}

/// As the server does it where passwords are guessed: of the same cost, on one thread that gets what nobody else wants, and rests
/// three times as long as each took.
fn verify_until(stopped: &AtomicBool) {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let thread = thread_priority::thread_native_id();
    _ = thread_priority::set_thread_priority_and_policy(thread, ThreadPriority::Min, idle);
    let params = Params::new(19 * 1024, 2, 1, Some(32)).unwrap_or_default();
    let mut memory = vec![Block::default(); params.block_count()];
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    while !stopped.load(Relaxed) {
        let (began, mut out) = (Instant::now(), [0; 32]);
        _ = hasher.hash_password_into_with_memory(b"wrong", b"sixteen bytes...", &mut out, &mut memory);
        std::thread::sleep(began.elapsed() * 3);
    }
}

async fn accept(listener: &TcpListener) {
    let (places, turn) = (Arc::new(Semaphore::new(HELD)), Rc::new(Mutex::new(())));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // One too many is closed at once.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let turn = turn.clone();
        tokio::task::spawn_local(async move {
            refuse(stream, &turn).await;
            drop(place);
        });
    }
}

/// Each request; the half of one never ends.
async fn refuse(mut stream: TcpStream, turn: &Mutex<()>) {
    let mut bytes = Vec::with_capacity(2048);
    while matches!(stream.read_buf(&mut bytes).await, Ok(count) if count > 0) {
        if !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            continue;
        }
        bytes.clear();
        let turn = turn.lock().await;
        tokio::time::sleep(APART).await;
        drop(turn);
        if stream.write_all(REFUSAL).await.is_err() {
            return;
        }
    }
}
