//! Connections to the daemon: a few, made when needed, dropped when broken.

use std::sync::{Arc, Mutex, PoisonError};

use skyloom_model::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;
use virt::connect::Connect;
use virt::error::ErrorNumber;

/// So many calls wait for the daemon at once; a daemon that hangs holds no more threads than these.
const MAX_CONNECTIONS: usize = 4;

#[derive(Debug)]
pub struct Connections {
    uri: String,
    idle: Arc<Mutex<Vec<Connect>>>,
    places: Arc<Semaphore>,
}

impl Connections {
    pub fn new(uri: String) -> Self {
        // The library prints every error to stderr by itself; ours go to the log with their context.
        virt::error::clear_error_callback();
        Self { uri, idle: Arc::default(), places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
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
