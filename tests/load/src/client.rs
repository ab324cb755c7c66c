//! A closed loop of HTTP/1.1 requests over kept connections. It knows only what it needs of HTTP (answers with a
//! Content-Length), so that it takes little of the processors that it shares with the server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How hard and how long.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seconds: f64,
    pub connections: usize,
}

/// What one run of requests came to.
#[derive(Clone, Debug)]
pub struct Figures {
    pub requests: u64,
    pub per_second: f64,
    /// Microseconds.
    pub p50: u64,
    pub p99: u64,
}

/// A connection that sends and awaits one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 20) })
    }

    /// Sends the bytes of a request; gives the status and where the body stands in the buffer.
    pub async fn send(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut need = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if need.is_none() {
                need = head(&self.buffer)?;
            }
            if let Some((status, start, length)) = need
                && self.buffer.len() >= start + length
            {
                return Ok((status, &self.buffer[start..start + length]));
            }
        }
    }
}

impl Connection {
    /// A header of the last answer; the name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&self.buffer[..end]).ok()?;
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// Status, start and length of the body, once the head is whole.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end])?;
    let status: u16 = text.split(' ').nth(1).context("no status")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if length.is_none() && status != 204 {
        bail!("an answer without Content-Length");
    }
    Ok(Some((status, end + 4, length.unwrap_or(0))))
}

/// The bytes of a request.
pub fn request(method: &str, path: &str, token: &str, body: Option<&str>) -> Vec<u8> {
    let body = body.unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nX-Auth-Token: {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends one request again and again over all connections. A status other than `expected` ends the run: figures of errors
/// are worth nothing.
pub async fn run(address: SocketAddr, plan: Plan, request: &[u8], expected: u16) -> Result<Figures> {
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(plan.seconds);
    let tasks: Vec<_> = (0..plan.connections)
        .map(|_| {
            let request = request.to_vec();
            tokio::spawn(async move {
                let mut times = Histogram::<u64>::new(3)?;
                let mut connection = Connection::open(address).await?;
                while Instant::now() < until {
                    let sent = Instant::now();
                    let (status, body) = connection.send(&request).await?;
                    if status != expected {
                        bail!("status {status}: {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
                    }
                    times.record(u64::try_from(sent.elapsed().as_micros())?.max(1))?;
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Histogram::<u64>::new(3)?;
    for task in tasks {
        times.add(task.await??)?;
    }
    Ok(figures(&times, started.elapsed()))
}

pub fn figures(times: &Histogram<u64>, elapsed: Duration) -> Figures {
    Figures {
        requests: times.len(),
        per_second: times.len() as f64 / elapsed.as_secs_f64(),
        p50: times.value_at_quantile(0.5),
        p99: times.value_at_quantile(0.99),
    }
}
