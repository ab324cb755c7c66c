//! The listener for other processes, over a server that drains.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_cloud::compute::Processes;
use skyloom_cloud::secrets::Sealer;
use skyloom_gateway::{Answering, Asking, DrivenNodes, INTERNAL_READS, InternalLimits, Server};
use skyloom_model::{ErrorCode, Result};
use skyloom_runtime::driver::{ReadCall, Reading};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use crate::support::World;
use crate::support::sockets::until;

/// A driver whose answer waits until it is let go.
#[derive(Default)]
struct Held {
    asked: Notify,
    go: Notify,
}

#[async_trait]
impl DrivenNodes for Held {
    async fn read(&self, _: &str, _: ReadCall<'_>) -> Option<Result<Reading>> {
        self.asked.notify_one();
        self.go.notified().await;
        Some(Ok(Reading::Text("the log".to_owned())))
    }
}

#[tokio::test]
async fn a_read_in_flight_ends_well_while_the_process_drains_and_no_new_one_begins() {
    let world = World::echo();
    let server = Server::new(world.shared.clone()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (key, limits) = (Sealer::new(&[1; 32]).authenticator(INTERNAL_READS), InternalLimits::default());
    let nodes = Arc::new(Held::default());
    let answering = Answering { key: key.clone(), address: address.clone(), limits, nodes: nodes.clone() };
    server.listen_internal(socket, answering).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let drained = tokio::spawn(server.run(async move { drop(stopped.await) }));

    let here = Arc::new(Asking::new(key, InternalLimits::default()));
    let call = ReadCall::ConsoleOutput { server_id: "s", max_bytes: 100 };
    let read = {
        let (here, address) = (here.clone(), address.clone());
        tokio::spawn(async move { here.read(&address, "node-1", call).await })
    };
    nodes.asked.notified().await;
    drop(stop);
    until(async || TcpStream::connect(&address).await.is_err()).await;
    let refused = here.read(&address, "node-1", call).await.expect_err("it drains");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    assert!(!drained.is_finished(), "it waits for the read in flight");
    nodes.go.notify_one();
    let read = read.await.unwrap().expect("its end");
    assert!(matches!(&read, Reading::Text(text) if text == "the log"), "{read:?}");
    assert!(drained.await.unwrap(), "nothing was cut off");
}
