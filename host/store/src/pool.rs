//! Connections that rest between their uses. After an orderly use nothing is asked of the database, so a connection changes hands
//! without a way there and back. What a use leaves behind (a transaction that nobody ended, an answer that nobody read to its
//! end) is tidied away before the next one has the connection.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolConfig, PoolError, QueueMode, RecycleResult, Timeouts};
use skyloom_model::{Error, Result};
use sqlx::{ConnectOptions as _, Connection, Database, Executor};
use tokio::runtime::Handle;

use crate::errors::from_sqlx;

type Settings<D> = <<D as Database>::Connection as Connection>::Options;

/// How a connection is made, and when it is asked whether it still lives.
#[derive(Debug)]
pub(crate) struct Opener<D: Database> {
    connect: Settings<D>,
    asked_after: Option<Duration>,
}

impl<D: Database> Manager for Opener<D> {
    type Type = D::Connection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<D::Connection, sqlx::Error> {
        // Boxed, so that those who take one that is there don't carry the room of all this.
        Box::pin(self.connect.connect()).await
    }

    async fn recycle(&self, connection: &mut D::Connection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if self.asked_after.is_some_and(|rest| metrics.last_used() > rest) {
            connection.ping().await?;
        }
        Ok(())
    }
}

/// Clones share the connections.
pub(crate) struct Connections<D: Database>(Pool<Opener<D>>);

impl<D: Database> fmt::Debug for Connections<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connections").field(&self.0.status()).finish()
    }
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Runs> Connections<D> {
    /// At most so many. Who takes one waits for `patience` at most. A connection that nobody took for `asked_after` is asked whether
    /// it still lives; none: never.
    pub(crate) fn new(
        connect: Settings<D>,
        most: u32,
        patience: Duration,
        asked_after: Option<Duration>,
    ) -> Result<Self> {
        let config = PoolConfig {
            max_size: most as usize,
            timeouts: Timeouts { wait: Some(patience), create: Some(patience), recycle: Some(patience) },
            // Those that were used last have their statements and pages at hand.
            queue_mode: QueueMode::Lifo,
        };
        let pool = Pool::builder(Opener { connect, asked_after }).config(config).runtime(Runtime::Tokio1).build();
        pool.map(Self).map_err(Error::internal)
    }

    pub(crate) async fn take(&self) -> Result<Taken<D>> {
        self.0.get().await.map(Taken::new).map_err(from_pool)
    }

    /// Nobody gets one any more; those that rest are closed in order.
    pub(crate) async fn close(&self) {
        let resting = self.0.retain(|_, _| false).removed;
        self.0.close();
        for connection in resting {
            // It is given up either way.
            let _ = connection.close().await;
        }
    }
}

fn from_pool(error: PoolError<sqlx::Error>) -> Error {
    match error {
        PoolError::Backend(error) => from_sqlx(error),
        PoolError::Timeout(_) => from_sqlx(sqlx::Error::PoolTimedOut),
        PoolError::Closed => from_sqlx(sqlx::Error::PoolClosed),
        error => Error::internal(error),
    }
}

/// A database whose connections run statements.
pub(crate) trait Runs: Database {
    fn run(
        connection: &mut Self::Connection,
        statement: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl<D: Database> Runs for D
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    async fn run(connection: &mut D::Connection, statement: &'static str) -> Result<(), sqlx::Error> {
        connection.execute(statement).await.map(drop)
    }
}

/// How a connection is left by its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// All that was asked is answered.
    Settled,
    /// Something was asked, and its answer may still come.
    Asked,
    /// In a transaction that hasn't ended, or of which nobody can tell whether it has begun or ended.
    Open,
}

/// A connection in use.
pub(crate) struct Taken<D: Runs> {
    /// Gone only while it is dropped.
    connection: Option<Object<Opener<D>>>,
    left: Left,
}

impl<D: Runs> fmt::Debug for Taken<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<D: Runs> Taken<D> {
    fn new(connection: Object<Opener<D>>) -> Self {
        Self { connection: Some(connection), left: Left::Settled }
    }

    /// Begins a transaction, which is rolled back unless [`Taken::commit`] ends it.
    pub(crate) async fn begin(mut self, statement: &'static str) -> Result<Self> {
        self.left = Left::Open;
        D::run(&mut self, statement).await.map_err(from_sqlx)?;
        Ok(self)
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        D::run(&mut self, "COMMIT").await.map_err(from_sqlx)?;
        self.left = Left::Settled;
        Ok(())
    }

    /// The connection, to ask something. Say [`Taken::answered`] when all of the answer is read.
    pub(crate) fn asked(&mut self) -> &mut D::Connection {
        if self.left == Left::Settled {
            self.left = Left::Asked;
        }
        self
    }

    pub(crate) fn answered(&mut self) {
        if self.left == Left::Asked {
            self.left = Left::Settled;
        }
    }
}

impl<D: Runs> Deref for Taken<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        self.connection.as_ref().expect("it is gone only while it is dropped")
    }
}

impl<D: Runs> DerefMut for Taken<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        self.connection.as_mut().expect("it is gone only while it is dropped")
    }
}

impl<D: Runs> Drop for Taken<D> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match (self.left, Handle::try_current()) {
            (Left::Settled, _) => drop(connection),
            (left, Ok(runtime)) => drop(runtime.spawn(tidy(connection, left))),
            // Nobody is left to wait: closed, it gives up what it holds.
            (_, Err(_)) => drop(Object::take(connection)),
        }
    }
}

/// Reads what is left and ends what is open; a connection that can't do that is given up.
async fn tidy<D: Runs>(mut connection: Object<Opener<D>>, left: Left) {
    let tidied = match left {
        Left::Open => D::run(&mut connection, "ROLLBACK").await,
        _ => connection.ping().await,
    };
    if tidied.is_err() {
        drop(Object::take(connection));
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use crate::Db;
    use crate::db::Options;
    use crate::testing::databases;

    async fn number(db: &Db) -> i64 {
        db.read()
            .await
            .expect("a connection")
            .one("SELECT CAST(7 AS BIGINT)", &[], |row| row.int(0))
            .await
            .expect("an answer")
    }

    const MANY: &str = "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n";

    #[tokio::test]
    async fn an_answer_that_nobody_reads_to_its_end_is_in_nobody_elses_way() {
        for database in databases().await {
            // More often than there are connections.
            for _ in 0..10 {
                let mut conn = database.db.read().await.expect("a connection");
                let first = conn.each_until(MANY, &[], |_| Ok(ControlFlow::Break(())));
                first.await.expect("the first row");
                drop(conn);
                let mut conn = database.db.read().await.expect("a connection");
                // Given up while its answer is on the way.
                let _ = futures_util::FutureExt::now_or_never(conn.all(MANY, &[], |row| row.int(0)));
                drop(conn);
                assert_eq!(number(&database.db).await, 7, "{}", database.name);
            }
        }
    }

    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_is_in_nobody_elses_way() {
        for database in databases().await {
            for _ in 0..10 {
                let mut tx = database.db.begin().await.expect("begin");
                // As SQLite does where the disk is full.
                tx.execute("ROLLBACK", &[]).await.expect("an end");
                drop(tx);
                let mut tx = database.db.begin().await.expect("the next one");
                assert_eq!(tx.one("SELECT CAST(7 AS BIGINT)", &[], |row| row.int(0)).await.expect("an answer"), 7);
                tx.commit().await.expect("commit");
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_broke_is_given_up() {
        let Some(url) = crate::testing::postgres_url().await else { return };
        let db = Db::postgres(&url, Options { readers: 1, ..Options::default() }).await.expect("a database");
        let mut broken = db.read().await.expect("a connection");
        let end = "SELECT pg_terminate_backend(pg_backend_pid())";
        broken.execute(end, &[]).await.expect_err("the end of the connection");
        drop(broken);
        assert_eq!(number(&db).await, 7);
        assert_eq!(number(&db).await, 7);
    }
}
