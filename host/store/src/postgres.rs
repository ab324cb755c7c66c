//! Connections to PostgreSQL. A pool alone can't tell a server that is gone from one that is busy, and lets its callers wait for
//! either; this one looks, so that a request is told at once that the database is lost, and waits when it is only busy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skyloom_model::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Postgres};
use tokio::sync::Mutex;

use crate::options::Options;
use crate::pool::{Connections, Taken};

/// A connection that rested longer is asked whether it still lives: after a restart of the server no request meets a dead one,
/// and under load nothing is asked.
const RESTED: Duration = Duration::from_secs(1);
/// Without a free connection for so long it is looked whether the server is there at all.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long the server may take to greet.
const GREETING: Duration = Duration::from_secs(1);
/// For how long what was seen holds: one look in that time, whatever the number of requests.
const HOLDS: Duration = Duration::from_millis(500);

/// Clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    connections: Connections<Postgres>,
    connect: Arc<PgConnectOptions>,
    /// When it was looked for the server last, and whether it answered.
    seen: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Server {
    /// Opens the first connection, so that a wrong URL is told at once.
    pub(crate) async fn open(connect: PgConnectOptions, options: Options) -> Result<Self> {
        let connections =
            Connections::new(connect.clone(), options.readers * 2, options.acquire_timeout, Some(RESTED))?;
        drop(connections.take().await?);
        Ok(Self { connections, connect: Arc::new(connect), seen: Arc::default() })
    }

    pub(crate) async fn take(&self) -> Result<Taken<Postgres>> {
        if self.is_known_lost() {
            return Err(lost());
        }
        let mut taking = std::pin::pin!(self.connections.take());
        if let Ok(taken) = tokio::time::timeout(PATIENCE, &mut taking).await {
            return taken;
        }
        if !self.answers().await {
            return Err(lost());
        }
        taking.await
    }

    pub(crate) async fn close(&self) {
        self.connections.close().await;
    }

    fn is_known_lost(&self) -> bool {
        // Held only while somebody looks: then nothing is known yet.
        let Ok(seen) = self.seen.try_lock() else { return false };
        seen.is_some_and(|(at, answered)| !answered && at.elapsed() < HOLDS)
    }

    /// One caller looks, the others wait for what it sees.
    async fn answers(&self) -> bool {
        let mut seen = self.seen.lock().await;
        if let Some((at, answered)) = *seen
            && at.elapsed() < HOLDS
        {
            return answered;
        }
        let answered = Box::pin(greets(&self.connect)).await;
        *seen = Some((Instant::now(), answered));
        answered
    }
}

/// A server without room for one more connection is there; one that starts or stops (57P) is not.
async fn greets(connect: &PgConnectOptions) -> bool {
    match tokio::time::timeout(GREETING, PgConnection::connect_with(connect)).await {
        Ok(Ok(connection)) => {
            // The look is over; a server that goes away just now is the next one's finding.
            let _ = connection.close().await;
            true
        }
        Ok(Err(sqlx::Error::Database(error))) => !error.code().is_some_and(|code| code.starts_with("57P")),
        Ok(Err(_)) | Err(_) => false,
    }
}

fn lost() -> Error {
    Error::unavailable("the database server does not answer")
}

#[cfg(test)]
mod tests {
    use skyloom_model::ErrorCode;

    use crate::Db;
    use crate::db::Options;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_with_the_reason() {
        let impatient = Options { acquire_timeout: super::PATIENCE, ..Options::default() };
        let error = Db::postgres("postgres://u:hidden@127.0.0.1:1/none", impatient).await.unwrap_err();
        let said = error.for_log();
        assert!(said.contains("refused") && !said.contains("hidden"), "{said}");
    }

    /// All connections are out: the next caller waits for one, because the server is there.
    #[tokio::test]
    async fn a_busy_server_is_waited_for() {
        let Some(url) = crate::testing::postgres_url().await else { return };
        let db = Db::postgres(&url, Options { readers: 1, ..Options::default() }).await.unwrap();
        let held = (db.read().await.unwrap(), db.read().await.unwrap());
        let waiting = tokio::spawn({
            let db = db.clone();
            async move { db.read().await.map(drop) }
        });
        // Well past the time after which it is looked for the server.
        let looked = tokio::time::timeout(super::PATIENCE * 3, async {
            while !waiting.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        assert!(looked.await.is_err(), "it got a connection, or gave up");
        drop(held);
        waiting.await.unwrap().unwrap();
        // And no longer than it may.
        let impatient = Options { readers: 1, acquire_timeout: super::PATIENCE * 2, ..Options::default() };
        let db = Db::postgres(&url, impatient).await.unwrap();
        let _held = (db.read().await.unwrap(), db.read().await.unwrap());
        assert_eq!(db.read().await.unwrap_err().code, ErrorCode::Unavailable);
    }
}
