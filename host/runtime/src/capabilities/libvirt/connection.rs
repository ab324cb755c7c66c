//! Connections to the daemon: a few, made when needed, dropped when broken.

use std::sync::{Arc, Mutex, PoisonError};

use skyloom_model::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;
use virt::connect::Connect;
use virt::error::ErrorNumber;

use super::turns::Turns;

/// So many calls wait for the daemon at once; a daemon that hangs holds no more threads than these.
const MAX_CONNECTIONS: usize = 4;

#[derive(Debug)]
pub struct Connections {
    uri: String,
    idle: Arc<Mutex<Vec<Connect>>>,
    places: Arc<Semaphore>,
    turns: Turns,
}

impl Connections {
    pub fn new(uri: String) -> Self {
        // The library prints every error to stderr by itself; ours go to the log with their context.
        virt::error::clear_error_callback();
        Self { uri, idle: Arc::default(), places: Arc::new(Semaphore::new(MAX_CONNECTIONS)), turns: Turns::default() }
    }

    /// As [`Connections::run`], after every earlier call about the same thing has ended, be its caller gone or not. Those that
    /// wait take no connection.
    pub async fn in_turn<T: Send + 'static>(
        &self,
        thing: &str,
        work: impl FnOnce(&Connect) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let turn = self.turns.take(thing).await;
        self.run(move |connection| {
            let answer = work(connection);
            drop(turn);
            answer
        })
        .await
    }

    /// Runs blocking calls on a thread of their own.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connect) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(Error::internal)?;
        let (uri, idle) = (self.uri.clone(), Arc::clone(&self.idle));
        let answer = tokio::task::spawn_blocking(move || {
            let _place = place;
            let connection = take(&idle, &uri)?;
            let answer = work(&connection);
            if connection.is_alive().unwrap_or(false) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            answer
        });
        match answer.await.map_err(Error::internal)? {
            Ok(value) => Ok(value),
            Err(Failure::Ours(error)) => Err(error),
            Err(Failure::Libvirt(error)) => Err(translate(&error)),
        }
    }
}

fn take(idle: &Mutex<Vec<Connect>>, uri: &str) -> std::result::Result<Connect, Failure> {
    loop {
        let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match kept {
            Some(connection) if connection.is_alive().unwrap_or(false) => return Ok(connection),
            Some(_) => {}
            None => {
                return Connect::open(Some(uri)).map_err(|error| {
                    Failure::Ours(Error::unavailable(format!(
                        "libvirt at {uri} cannot be reached: {}",
                        error.message()
                    )))
                });
            }
        }
    }
}

/// What blocking work ends with.
#[derive(Debug)]
pub enum Failure {
    Libvirt(virt::error::Error),
    Ours(Error),
}

impl From<virt::error::Error> for Failure {
    fn from(error: virt::error::Error) -> Self {
        Self::Libvirt(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn translate(error: &virt::error::Error) -> Error {
    let internal = format!("libvirt: {}", error.message());
    match error.code() {
        ErrorNumber::NoDomain => {
            Error::new(ErrorCode::NotFound, "The platform has no such domain.").with_internal(internal)
        }
        ErrorNumber::NoConnect | ErrorNumber::Rpc | ErrorNumber::SystemError | ErrorNumber::NoSupport => {
            Error::unavailable(internal)
        }
        ErrorNumber::OperationTimeout => {
            Error::new(ErrorCode::TimedOut, "The hypervisor did not answer in time.").with_internal(internal)
        }
        _ => Error::new(ErrorCode::DriverFailed, "The hypervisor refused the request.").with_internal(internal),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// The library's own stand-in for a hypervisor: no daemon.
    const STAND_IN: &str = "test:///default";
    const MOMENT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_call_waits_for_an_earlier_one_that_nobody_waits_for_any_more() {
        let connections = Connections::new(STAND_IN.to_owned());
        let (go_on, blocks) = mpsc::channel::<()>();
        let (ended, order) = mpsc::channel();
        let told = ended.clone();
        let late = connections.in_turn("one", move |_| {
            let _ = blocks.recv();
            let _ = told.send("define");
            Ok(())
        });
        assert!(tokio::time::timeout(MOMENT, late).await.is_err(), "its caller gave up");
        let mut undo = Box::pin(connections.in_turn("one", move |_| {
            let _ = ended.send("undefine");
            Ok(())
        }));
        assert!(tokio::time::timeout(MOMENT, &mut undo).await.is_err(), "it waits");
        assert!(order.try_recv().is_err(), "neither has ended");
        connections.in_turn("other", |_| Ok(())).await.expect("another domain has a turn of its own");
        go_on.send(()).expect("the first call is under way");
        undo.await.expect("its turn has come");
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["define", "undefine"]);
    }
}
