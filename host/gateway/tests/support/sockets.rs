//! What tests over real sockets share.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < limit, "it never came true");
        tokio::task::yield_now().await;
    }
}

pub async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Whether the server has ended the connection.
pub async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
}
