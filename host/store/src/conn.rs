//! A connection of either database: statements, their parameters, and writes that are put together.

use std::ops::ControlFlow;

use futures_util::TryStreamExt as _;
use skyloom_model::{Error, Result};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Either, Executor as _, Postgres, Sqlite, SqliteConnection};

use crate::db::{Row, Value};
use crate::deferred::{Bundle, Script};
use crate::errors::from_sqlx;
use crate::pool::Taken;
use crate::statement::{Statement, Write};

/// A connection, within a transaction or not.
#[derive(Debug)]
pub struct Conn(To);

#[derive(Debug)]
enum To {
    SqliteTx(Taken<Sqlite>, Script),
    PostgresTx(Taken<Postgres>, Bundle),
    SqliteRead(Taken<Sqlite>),
    PostgresRead(Taken<Postgres>),
}

impl Conn {
    pub(crate) fn sqlite(connection: Taken<Sqlite>) -> Self {
        Self(To::SqliteRead(connection))
    }

    pub(crate) fn sqlite_transaction(connection: Taken<Sqlite>) -> Self {
        Self(To::SqliteTx(connection, Script::default()))
    }

    pub(crate) fn postgres(connection: Taken<Postgres>) -> Self {
        Self(To::PostgresRead(connection))
    }

    pub(crate) fn postgres_transaction(connection: Taken<Postgres>) -> Self {
        Self(To::PostgresTx(connection, Bundle::default()))
    }

    /// Holds a row of the table until the commit, so that what is read of it then and written back is what it was. False: there is
    /// none of this id.
    pub async fn lock(&mut self, table: &'static str, id: &str) -> Result<bool> {
        let sql = format!("SELECT id FROM {table} WHERE id = $1{}", crate::dialect::for_update(self.is_postgres()));
        Ok(self.optional(sql, &[id.into()], |row| row.text(0)).await?.is_some())
    }

    /// All rows, each through `map`.
    pub async fn all<T>(
        &mut self,
        sql: impl Into<Statement>,
        values: &[Value<'_>],
        mut map: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self.ready(sql.into(), values).await? {
            Ready::Sqlite(connection, sql, arguments) => {
                let rows = sqlx::query_with(sql, arguments).fetch_all(connection.asked()).await.map_err(from_sqlx)?;
                connection.answered();
                rows.iter().map(|row| map(Row::Sqlite(row))).collect()
            }
            Ready::Postgres(connection, sql, arguments) => {
                let rows = sqlx::query_with(sql, arguments).fetch_all(connection.asked()).await.map_err(from_sqlx)?;
                connection.answered();
                rows.iter().map(|row| map(Row::Postgres(row))).collect()
            }
        }
    }

    /// Gives the rows to `each` as they come: they are never all in memory.
    pub async fn each(
        &mut self,
        sql: impl Into<Statement>,
        values: &[Value<'_>],
        mut each: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.each_until(sql, values, |row| each(row).map(ControlFlow::Continue)).await
    }

    /// As [`Conn::each`], until `each` breaks: no row behind is read.
    pub async fn each_until(
        &mut self,
        sql: impl Into<Statement>,
        values: &[Value<'_>],
        mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        match self.ready(sql.into(), values).await? {
            Ready::Sqlite(connection, sql, arguments) => {
                let mut rows = sqlx::query_with(sql, arguments).fetch(connection.asked());
                while let Some(row) = rows.try_next().await.map_err(from_sqlx)? {
                    if each(Row::Sqlite(&row))?.is_break() {
                        return Ok(());
                    }
                }
                drop(rows);
                connection.answered();
            }
            Ready::Postgres(connection, sql, arguments) => {
                let mut rows = sqlx::query_with(sql, arguments).fetch(connection.asked());
                while let Some(row) = rows.try_next().await.map_err(from_sqlx)? {
                    if each(Row::Postgres(&row))?.is_break() {
                        return Ok(());
                    }
                }
                drop(rows);
                connection.answered();
            }
        }
        Ok(())
    }

    /// The first row, if there is one.
    pub async fn optional<T>(
        &mut self,
        sql: impl Into<Statement>,
        values: &[Value<'_>],
        map: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.ready(sql.into(), values).await? {
            Ready::Sqlite(connection, sql, arguments) => {
                // Deferred writes give no rows, so the first row is the query's.
                let query = sqlx::query_with(sql, arguments);
                let row = query.fetch_optional(connection.asked()).await.map_err(from_sqlx)?;
                connection.answered();
                row.as_ref().map(|row| map(Row::Sqlite(row))).transpose()
            }
            Ready::Postgres(connection, sql, arguments) => {
                let query = sqlx::query_with(sql, arguments);
                let row = query.fetch_optional(connection.asked()).await.map_err(from_sqlx)?;
                connection.answered();
                row.as_ref().map(|row| map(Row::Postgres(row))).transpose()
            }
        }
    }

    /// The first row of an answer that always has one (`count(*)`).
    pub async fn one<T>(
        &mut self,
        sql: impl Into<Statement>,
        values: &[Value<'_>],
        map: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.optional(sql, values, map)
            .await?
            .ok_or_else(|| Error::internal("a query that must answer a row gave none"))
    }

    /// Runs a statement; gives the number of rows that it changed. Where nobody needs that, [`Conn::defer`] costs less.
    pub async fn execute(&mut self, sql: impl Into<Statement>, values: &[Value<'_>]) -> Result<u64> {
        match self.ready(sql.into(), values).await? {
            Ready::Sqlite(connection, sql, arguments) => {
                let changed = last_change(connection.asked(), sql, arguments).await?;
                connection.answered();
                Ok(changed)
            }
            Ready::Postgres(connection, sql, arguments) => {
                let done = sqlx::query_with(sql, arguments).execute(connection.asked()).await.map_err(from_sqlx)?;
                connection.answered();
                Ok(done.rows_affected())
            }
        }
    }

    /// A write of a transaction whose outcome nobody waits for. It is made together with the next statement, at the latest
    /// with the commit: to hand a small write to the database and back costs more than to make it. What is wrong with it is
    /// told there. It must give no rows.
    pub async fn defer(&mut self, write: Write, values: &[Value<'_>]) -> Result<()> {
        if let To::PostgresTx(_, bundle) = &self.0
            && !bundle.takes(&write)
        {
            self.flush().await?;
        }
        self.defer_apart(write, values).await
    }

    /// As [`Conn::defer`], for a write that has nothing to do with those that are deferred, though its table may be theirs: it
    /// is of other rows and keys.
    pub async fn defer_apart(&mut self, write: Write, values: &[Value<'_>]) -> Result<()> {
        #[cfg(any(test, feature = "testing"))]
        write.check();
        match &mut self.0 {
            To::SqliteTx(_, script) => script.add(&write.sql, values),
            To::PostgresTx(_, bundle) => bundle.add(&write, values),
            To::SqliteRead(_) | To::PostgresRead(_) => self.execute(write, values).await.map(drop),
        }
    }

    /// Makes what is deferred, so that what is wrong with it is told here.
    pub async fn flush(&mut self) -> Result<()> {
        #[cfg(any(test, feature = "testing"))]
        if self.waits() {
            crate::testing::SENT.set(crate::testing::SENT.get() + 1);
        }
        match &mut self.0 {
            To::SqliteTx(transaction, script) if !script.is_empty() => {
                let (sql, arguments) = script.take();
                last_change(transaction.asked(), AssertSqlSafe(sql), arguments).await.map(drop)
            }
            To::PostgresTx(transaction, bundle) if !bundle.is_empty() => {
                let (sql, arguments) = bundle.take();
                let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
                query.execute(transaction.asked()).await.map(drop).map_err(from_sqlx)
            }
            _ => Ok(()),
        }
    }

    /// Whether something is deferred.
    #[cfg(any(test, feature = "testing"))]
    fn waits(&self) -> bool {
        match &self.0 {
            To::SqliteTx(_, script) => !script.is_empty(),
            To::PostgresTx(_, bundle) => !bundle.is_empty(),
            To::SqliteRead(_) | To::PostgresRead(_) => false,
        }
    }

    pub async fn commit(mut self) -> Result<()> {
        self.flush().await?;
        match self.0 {
            To::SqliteTx(transaction, _) => transaction.commit().await,
            To::PostgresTx(transaction, _) => transaction.commit().await,
            To::SqliteRead(_) | To::PostgresRead(_) => Ok(()),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.0, To::PostgresTx(..) | To::PostgresRead(_))
    }

    /// The connection, and the statement together with what is deferred.
    async fn ready(&mut self, statement: Statement, values: &[Value<'_>]) -> Result<Ready<'_>> {
        #[cfg(any(test, feature = "testing"))]
        statement.check();
        #[cfg(any(test, feature = "testing"))]
        crate::testing::SENT.set(crate::testing::SENT.get() + 1);
        if let To::PostgresTx(_, bundle) = &self.0
            && !bundle.goes_with(&statement)
        {
            self.flush().await?;
        }
        let sql = statement.sql;
        Ok(match &mut self.0 {
            To::SqliteTx(transaction, script) => {
                let (sql, arguments) = script.before(sql, values)?;
                Ready::Sqlite(transaction, AssertSqlSafe(sql), arguments)
            }
            To::PostgresTx(transaction, bundle) => {
                let (sql, arguments) = bundle.beside(sql, values)?;
                Ready::Postgres(transaction, AssertSqlSafe(sql), arguments)
            }
            To::SqliteRead(connection) => {
                let (sql, arguments) = Script::default().before(sql, values)?;
                Ready::Sqlite(connection, AssertSqlSafe(sql), arguments)
            }
            To::PostgresRead(connection) => {
                let (sql, arguments) = Bundle::default().beside(sql, values)?;
                Ready::Postgres(connection, AssertSqlSafe(sql), arguments)
            }
        })
    }
}

/// A statement with its parameters, and where it goes.
enum Ready<'c> {
    Sqlite(&'c mut Taken<Sqlite>, AssertSqlSafe<String>, SqliteArguments),
    Postgres(&'c mut Taken<Postgres>, AssertSqlSafe<String>, PgArguments),
}

/// Runs all statements of the text; gives the number of rows that the last one changed.
async fn last_change(
    connection: &mut SqliteConnection,
    sql: AssertSqlSafe<String>,
    arguments: SqliteArguments,
) -> Result<u64> {
    let mut changed = 0;
    let mut outcomes = connection.fetch_many(sqlx::query_with(sql, arguments));
    while let Some(outcome) = outcomes.try_next().await.map_err(from_sqlx)? {
        if let Either::Left(done) = outcome {
            changed = done.rows_affected();
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::statement::{delete_from, insert_into, update};
    use crate::testing::databases;

    fn insert() -> Write {
        insert_into("note", "(id, text) VALUES ($1, $2)")
    }

    async fn notes(conn: &mut Conn) -> Vec<(i64, String)> {
        conn.all("SELECT id, text FROM note ORDER BY id", &[], |row| Ok((row.int(0)?, row.text(1)?)))
            .await
            .expect("notes")
    }

    fn seen(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
        expected.iter().map(|(id, text)| (*id, (*text).to_owned())).collect()
    }

    async fn table(conn: &mut Conn) {
        conn.execute("CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT NOT NULL)", &[]).await.expect("table");
    }

    #[tokio::test]
    async fn what_is_deferred_is_made_in_order_before_the_next_statement() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            table(&mut tx).await;
            tx.defer(insert(), args![1_i64, "one"]).await.expect("defer");
            tx.defer(update("note", "SET text = $2 WHERE id = $1"), args![1_i64, "uno"]).await.expect("defer");
            assert_eq!(notes(&mut tx).await, seen(&[(1, "uno")]), "{}", database.name);
            // The number of rows is the statement's own.
            tx.defer(insert(), args![2_i64, "two"]).await.expect("defer");
            let changed =
                tx.execute("UPDATE note SET text = $2 WHERE id > $1", args![5_i64, "none"]).await.expect("execute");
            assert_eq!(changed, 0, "{}", database.name);
            tx.defer(insert(), args![3_i64, "three"]).await.expect("defer");
            let two =
                tx.optional("SELECT text FROM note WHERE id = $1", args![2_i64], |row| row.text(0)).await.expect("two");
            assert_eq!(two.as_deref(), Some("two"), "{}", database.name);
            tx.defer(delete_from("note", "WHERE id = $1"), args![2_i64]).await.expect("defer");
            tx.commit().await.expect("commit");
            let mut conn = database.db.read().await.expect("read");
            assert_eq!(notes(&mut conn).await, seen(&[(1, "uno"), (3, "three")]), "{}", database.name);
        }
    }

    #[tokio::test]
    async fn a_deferred_write_that_fails_fails_the_transaction() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            table(&mut tx).await;
            tx.defer(insert(), args![1_i64, "one"]).await.expect("defer");
            tx.commit().await.expect("commit");
            let mut tx = database.db.begin().await.expect("begin");
            tx.defer(insert(), args![2_i64, "two"]).await.expect("defer");
            tx.defer(insert(), args![1_i64, "again"]).await.expect("defer");
            let error = tx.commit().await.expect_err("twice");
            assert_eq!(error.code, skyloom_model::ErrorCode::AlreadyExists, "{}", database.name);
            let mut conn = database.db.read().await.expect("read");
            assert_eq!(notes(&mut conn).await, seen(&[(1, "one")]), "{}", database.name);
        }
    }

    #[tokio::test]
    async fn a_dropped_transaction_writes_nothing_of_what_is_deferred() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            table(&mut tx).await;
            tx.commit().await.expect("commit");
            let mut tx = database.db.begin().await.expect("begin");
            tx.defer(insert(), args![1_i64, "one"]).await.expect("defer");
            drop(tx);
            let mut conn = database.db.read().await.expect("read");
            assert_eq!(notes(&mut conn).await, seen(&[]), "{}", database.name);
        }
    }
}
