//! A listener that does with a flood what the server does, and nothing else: what a flood costs that is aimed here, the machine
//! and the flood's own thread cost.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
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
    thread: JoinHandle<()>,
}

impl Bare {
    pub fn start() -> Result<Self> {
        let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let (address, stop) = (socket.local_addr()?, Arc::new(Notify::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async {
                let Ok(listener) = TcpListener::from_std(socket) else { return };
                tokio::select! {
                    () = accept(&listener) => {}
                    () = stopped.notified() => {}
                }
            });
        })?;
        Ok(Self { address, stop, thread })
    }

    pub async fn end(self) -> Result<()> {
        self.stop.notify_one();
        let thread = self.thread;
        if tokio::task::spawn_blocking(|| thread.join()).await?.is_err() {
            bail!("the bare listener broke off");
        }
        Ok(())
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
