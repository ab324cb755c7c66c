//! A connection of either database: statements, their parameters, and writes that are put together.

use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use skyloom_model::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Either, Executor as _, Postgres, Sqlite, Transaction};

use crate::db::{Row, Value, from_sqlx};

/// A connection, within a transaction or not.
#[derive(Debug)]
pub struct Conn {
    to: To,
    deferred: Deferred,
}

#[derive(Debug)]
enum To {
    SqliteTx(Transaction<'static, Sqlite>),
    PostgresTx(Transaction<'static, Postgres>),
    SqliteRead(PoolConnection<Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
}

/// Writes that wait for the next statement, as one text of several statements.
#[derive(Debug, Default)]
struct Deferred {
    sql: String,
    arguments: SqliteArguments,
    /// The savepoint of the open part is among them: not even it is made.
    begins_part: bool,
}

impl Deferred {
    fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    /// Adds a statement; its parameters are numbered on from those that are there.
    fn add(&mut self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        if !self.sql.is_empty() {
            self.sql.push_str("; ");
        }
        renumber(&mut self.sql, sql, self.arguments.len());
        for value in values {
            bind(&mut self.arguments, value)?;
        }
        Ok(())
    }
}

/// Writes `sql` to `out` with `$1` as `$1 + by`. Statements hold values as parameters only, so a `$` before a digit is one.
fn renumber(out: &mut String, sql: &str, by: usize) {
    if by == 0 {
        out.push_str(sql);
        return;
    }
    let mut rest = sql;
    while let Some(at) = rest.find('$') {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        if let Ok(number) = rest[..digits].parse::<usize>() {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", number + by);
            rest = &rest[digits..];
        }
    }
    out.push_str(rest);
}

fn sqlite_arguments(values: &[Value<'_>]) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        bind(&mut arguments, value)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: &[Value<'_>]) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for value in values {
        bind(&mut arguments, value)?;
    }
    Ok(arguments)
}

/// Adds one value to the arguments of either database.
fn bind<'q, A>(arguments: &mut A, value: &Value<'_>) -> Result<()>
where
    A: sqlx::Arguments,
    String: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    i64: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    Option<String>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    Option<i64>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
{
    match *value {
        Value::Text(text) => arguments.add(text.to_owned()),
        Value::Int(int) => arguments.add(int),
        Value::OptText(text) => arguments.add(text.map(ToOwned::to_owned)),
        Value::OptInt(int) => arguments.add(int),
    }
    .map_err(Error::internal)
}

impl From<Transaction<'static, Sqlite>> for Conn {
    fn from(transaction: Transaction<'static, Sqlite>) -> Self {
        Self::to(To::SqliteTx(transaction))
    }
}

impl From<Transaction<'static, Postgres>> for Conn {
    fn from(transaction: Transaction<'static, Postgres>) -> Self {
        Self::to(To::PostgresTx(transaction))
    }
}

impl From<PoolConnection<Sqlite>> for Conn {
    fn from(connection: PoolConnection<Sqlite>) -> Self {
        Self::to(To::SqliteRead(connection))
    }
}

impl From<PoolConnection<Postgres>> for Conn {
    fn from(connection: PoolConnection<Postgres>) -> Self {
        Self::to(To::PostgresRead(connection))
    }
}

impl Conn {
    fn to(to: To) -> Self {
        Self { to, deferred: Deferred::default() }
    }

    /// All rows, each through `map`.
    pub async fn all<T>(
        &mut self,
        sql: impl Into<String>,
        values: &[Value<'_>],
        mut map: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        if self.is_postgres() {
            let (sql, arguments) = (AssertSqlSafe(sql.into()), postgres_arguments(values)?);
            let rows = sqlx::query_with(sql, arguments).fetch_all(self.postgres()).await.map_err(from_sqlx)?;
            rows.iter().map(|row| map(Row::Postgres(row))).collect()
        } else {
            let (sql, arguments) = self.with_deferred(sql.into(), values)?;
            let rows =
                sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(self.sqlite()).await.map_err(from_sqlx)?;
            rows.iter().map(|row| map(Row::Sqlite(row))).collect()
        }
    }

    /// The first row, if there is one.
    pub async fn optional<T>(
        &mut self,
        sql: impl Into<String>,
        values: &[Value<'_>],
        map: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.is_postgres() {
            let (sql, arguments) = (AssertSqlSafe(sql.into()), postgres_arguments(values)?);
            let row = sqlx::query_with(sql, arguments).fetch_optional(self.postgres()).await.map_err(from_sqlx)?;
            row.as_ref().map(|row| map(Row::Postgres(row))).transpose()
        } else {
            let (sql, arguments) = self.with_deferred(sql.into(), values)?;
            // Deferred writes give no rows, so the first row is the query's.
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
            let row = query.fetch_optional(self.sqlite()).await.map_err(from_sqlx)?;
            row.as_ref().map(|row| map(Row::Sqlite(row))).transpose()
        }
    }

    /// The first row of an answer that always has one (`count(*)`).
    pub async fn one<T>(
        &mut self,
        sql: impl Into<String>,
        values: &[Value<'_>],
        map: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.optional(sql, values, map)
            .await?
            .ok_or_else(|| Error::internal("a query that must answer a row gave none"))
    }

    /// Runs a statement; gives the number of rows that it changed. Where nobody needs that, [`Conn::defer`] costs less.
    pub async fn execute(&mut self, sql: impl Into<String>, values: &[Value<'_>]) -> Result<u64> {
        if self.is_postgres() {
            let (sql, arguments) = (AssertSqlSafe(sql.into()), postgres_arguments(values)?);
            let done = sqlx::query_with(sql, arguments).execute(self.postgres()).await.map_err(from_sqlx)?;
            Ok(done.rows_affected())
        } else {
            let (sql, arguments) = self.with_deferred(sql.into(), values)?;
            self.last_change(sql, arguments).await
        }
    }

    /// A write of a transaction whose outcome nobody waits for. On SQLite it is made together with the next statement, at the
    /// latest with the commit: to hand a small write to the database's thread and back costs more than to make it. What is
    /// wrong with it is told there. It must give no rows.
    pub async fn defer(&mut self, sql: impl AsRef<str> + Into<String>, values: &[Value<'_>]) -> Result<()> {
        match self.to {
            To::SqliteTx(_) => self.deferred.add(sql.as_ref(), values),
            _ => self.execute(sql, values).await.map(drop),
        }
    }

    /// Makes what is deferred, so that what is wrong with it is told here.
    pub async fn flush(&mut self) -> Result<()> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let Deferred { sql, arguments, .. } = std::mem::take(&mut self.deferred);
        self.last_change(sql, arguments).await.map(drop)
    }

    /// Begins a part of the transaction that can be given up by itself; there is one at a time.
    pub async fn begin_part(&mut self) -> Result<()> {
        self.flush().await?;
        self.defer("SAVEPOINT part", &[]).await?;
        self.deferred.begins_part = !self.deferred.is_empty();
        Ok(())
    }

    /// Keeps the part, all of it written.
    pub async fn keep_part(&mut self) -> Result<()> {
        self.defer("RELEASE SAVEPOINT part", &[]).await?;
        self.flush().await
    }

    /// Gives the part up: nothing of it is written.
    pub async fn drop_part(&mut self) -> Result<()> {
        if std::mem::take(&mut self.deferred).begins_part {
            return Ok(());
        }
        self.execute("ROLLBACK TO SAVEPOINT part", &[]).await.map(drop)
    }

    pub async fn commit(mut self) -> Result<()> {
        self.flush().await?;
        match self.to {
            To::SqliteTx(transaction) => transaction.commit().await.map_err(from_sqlx),
            To::PostgresTx(transaction) => transaction.commit().await.map_err(from_sqlx),
            To::SqliteRead(_) | To::PostgresRead(_) => Ok(()),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.to, To::PostgresTx(_) | To::PostgresRead(_))
    }

    /// The statement behind what is deferred, which is taken with it.
    fn with_deferred(&mut self, sql: String, values: &[Value<'_>]) -> Result<(String, SqliteArguments)> {
        if self.deferred.is_empty() {
            return Ok((sql, sqlite_arguments(values)?));
        }
        self.deferred.add(&sql, values)?;
        let Deferred { sql, arguments, .. } = std::mem::take(&mut self.deferred);
        Ok((sql, arguments))
    }

    /// Runs all statements of the text; gives the number of rows that the last one changed.
    async fn last_change(&mut self, sql: String, arguments: SqliteArguments) -> Result<u64> {
        let mut changed = 0;
        let mut outcomes = self.sqlite().fetch_many(sqlx::query_with(AssertSqlSafe(sql), arguments));
        while let Some(outcome) = outcomes.try_next().await.map_err(from_sqlx)? {
            if let Either::Left(done) = outcome {
                changed = done.rows_affected();
            }
        }
        Ok(changed)
    }

    fn sqlite(&mut self) -> &mut sqlx::SqliteConnection {
        match &mut self.to {
            To::SqliteTx(transaction) => transaction,
            To::SqliteRead(pooled) => pooled,
            To::PostgresTx(_) | To::PostgresRead(_) => unreachable!("`is_postgres` was asked first"),
        }
    }

    fn postgres(&mut self) -> &mut sqlx::PgConnection {
        match &mut self.to {
            To::PostgresTx(transaction) => transaction,
            To::PostgresRead(pooled) => pooled,
            To::SqliteTx(_) | To::SqliteRead(_) => unreachable!("`is_postgres` was asked first"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::testing::databases;

    const INSERT: &str = "INSERT INTO note (id, text) VALUES ($1, $2)";

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
            tx.defer(INSERT, args![1_i64, "one"]).await.expect("defer");
            tx.defer("UPDATE note SET text = $2 WHERE id = $1", args![1_i64, "uno"]).await.expect("defer");
            assert_eq!(notes(&mut tx).await, seen(&[(1, "uno")]), "{}", database.name);
            // The number of rows is the statement's own.
            tx.defer(INSERT, args![2_i64, "two"]).await.expect("defer");
            let changed =
                tx.execute("UPDATE note SET text = $2 WHERE id > $1", args![5_i64, "none"]).await.expect("execute");
            assert_eq!(changed, 0, "{}", database.name);
            tx.defer(INSERT, args![3_i64, "three"]).await.expect("defer");
            let two =
                tx.optional("SELECT text FROM note WHERE id = $1", args![2_i64], |row| row.text(0)).await.expect("two");
            assert_eq!(two.as_deref(), Some("two"), "{}", database.name);
            tx.defer("DELETE FROM note WHERE id = $1", args![2_i64]).await.expect("defer");
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
            tx.defer(INSERT, args![1_i64, "one"]).await.expect("defer");
            tx.commit().await.expect("commit");
            let mut tx = database.db.begin().await.expect("begin");
            tx.defer(INSERT, args![2_i64, "two"]).await.expect("defer");
            // PostgreSQL, which makes it at once, tells at once.
            let error = match tx.defer(INSERT, args![1_i64, "again"]).await {
                Ok(()) => tx.commit().await.expect_err("twice"),
                Err(error) => error,
            };
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
            tx.defer(INSERT, args![1_i64, "one"]).await.expect("defer");
            drop(tx);
            let mut conn = database.db.read().await.expect("read");
            assert_eq!(notes(&mut conn).await, seen(&[]), "{}", database.name);
        }
    }

    #[tokio::test]
    async fn a_part_is_kept_or_dropped_by_itself() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            table(&mut tx).await;
            tx.defer(INSERT, args![1_i64, "before"]).await.expect("defer");
            for (id, made, kept) in [(2_i64, false, false), (3, true, false), (4, false, true), (5, true, true)] {
                tx.begin_part().await.expect("begin");
                tx.defer(INSERT, args![id, "deferred"]).await.expect("defer");
                if made {
                    tx.execute(INSERT, args![id + 10, "made"]).await.expect("execute");
                }
                tx.defer(INSERT, args![id + 20, "behind"]).await.expect("defer");
                if kept { tx.keep_part().await } else { tx.drop_part().await }.expect("end");
            }
            // One that fails leaves the others as they are.
            tx.begin_part().await.expect("begin");
            let twice = match tx.defer(INSERT, args![1_i64, "twice"]).await {
                Ok(()) => tx.keep_part().await,
                Err(error) => Err(error),
            };
            twice.expect_err("twice");
            tx.drop_part().await.expect("drop");
            tx.commit().await.expect("commit");
            let mut conn = database.db.read().await.expect("read");
            let ids: Vec<i64> = notes(&mut conn).await.into_iter().map(|(id, _)| id).collect();
            assert_eq!(ids, [1, 4, 5, 15, 24, 25], "{}", database.name);
        }
    }

    #[test]
    fn parameters_are_numbered_on() {
        let mut out = String::new();
        renumber(&mut out, "SELECT $1, $12 || '$' || $2, '$x'", 3);
        assert_eq!(out, "SELECT $4, $15 || '$' || $5, '$x'");
    }
}
