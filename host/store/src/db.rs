//! One face for the two databases: how they are opened, parameters and rows. Statements run on a [`Conn`].

use std::path::Path;
use std::str::FromStr;

use skyloom_model::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{Row as _, Sqlite, TypeInfo as _, ValueRef as _};

pub use crate::options::Options;

use crate::Conn;
use crate::errors::from_sqlx;
use crate::pool::Connections;
use crate::postgres::Server;

/// A parameter of a statement.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Text(&'a str),
    Owned(String),
    Int(i64),
    OptText(Option<&'a str>),
    OptInt(Option<i64>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Owned(value)
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::OptText(None), Self::Owned)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::OptText(value)
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(value: &'a Option<String>) -> Self {
        Self::OptText(value.as_deref())
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&i64> for Value<'_> {
    fn from(value: &i64) -> Self {
        Self::Int(*value)
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::OptInt(value)
    }
}

impl From<&Option<i64>> for Value<'_> {
    fn from(value: &Option<i64>) -> Self {
        Self::OptInt(*value)
    }
}

impl From<skyloom_model::Timestamp> for Value<'_> {
    fn from(value: skyloom_model::Timestamp) -> Self {
        Self::Int(value.0)
    }
}

impl From<Option<skyloom_model::Timestamp>> for Value<'_> {
    fn from(value: Option<skyloom_model::Timestamp>) -> Self {
        Self::OptInt(value.map(|time| time.0))
    }
}

/// The parameters of a statement: `args![id, now, &name]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] };
}

/// One row of an answer; columns by position, from 0.
#[derive(Clone, Copy)]
pub enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

macro_rules! getter {
    ($name:ident -> $kind:ty) => {
        pub fn $name(&self, column: usize) -> Result<$kind> {
            match self {
                Row::Sqlite(row) => row.try_get(column),
                Row::Postgres(row) => row.try_get(column),
            }
            .map_err(from_sqlx)
        }
    };
}

impl<'r> Row<'r> {
    getter!(int -> i64);
    getter!(opt_int -> Option<i64>);
    getter!(text -> String);
    getter!(opt_text -> Option<String>);
    getter!(text_ref -> &'r str);
    getter!(opt_text_ref -> Option<&'r str>);

    /// Bytes of all values about as JSON holds them.
    pub(crate) fn weight(&self) -> Result<usize> {
        let mut sum = 0;
        match self {
            Row::Sqlite(row) => {
                for column in 0..row.len() {
                    let value = row.try_get_raw(column).map_err(from_sqlx)?;
                    if !value.is_null() && value.type_info().name() == "TEXT" {
                        sum += json_size(row.try_get::<&str, _>(column).map_err(from_sqlx)?.as_bytes());
                    }
                }
            }
            Row::Postgres(row) => {
                for column in 0..row.len() {
                    let value = row.try_get_raw(column).map_err(from_sqlx)?;
                    if !value.is_null() {
                        sum += json_size(value.as_bytes().map_err(Error::internal)?);
                    }
                }
            }
        }
        Ok(sum)
    }

    pub fn flag(&self, column: usize) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    pub fn time(&self, column: usize) -> Result<skyloom_model::Timestamp> {
        self.int(column).map(skyloom_model::Timestamp)
    }

    pub fn opt_time(&self, column: usize) -> Result<Option<skyloom_model::Timestamp>> {
        Ok(self.opt_int(column)?.map(skyloom_model::Timestamp))
    }

    pub fn u32(&self, column: usize) -> Result<u32> {
        let value = self.int(column)?;
        u32::try_from(value).map_err(|_| Error::internal(format!("column {column} holds {value}")))
    }

    /// JSON text as a value.
    pub fn json<T: serde::Deserialize<'r>>(&self, column: usize) -> Result<T> {
        serde_json::from_str(self.text_ref(column)?)
            .map_err(|error| Error::internal(format!("column {column}: {error}")))
    }
}

/// A control character is written as six.
fn json_size(text: &[u8]) -> usize {
    text.len() + 5 * text.iter().filter(|byte| **byte < 0x20).count()
}

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Db(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// One writer, several readers.
    Sqlite {
        writer: Connections<Sqlite>,
        readers: Connections<Sqlite>,
    },
    Postgres(Server),
}

impl Db {
    /// The embedded database in a file; made if it isn't there.
    pub async fn sqlite(path: &Path, options: Options) -> Result<Self> {
        let synchronous = if options.sync_on_commit { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(options.acquire_timeout)
            .statement_cache_capacity(512)
            // Not mapped: each connection's mapping of a large file would count as memory of ours.
            .pragma("cache_size", format!("-{}", options.cache_kib))
            .pragma("temp_store", "memory");
        let pool = |connect, most| Connections::new(connect, most, options.acquire_timeout, None);
        let writer = pool(connect.clone(), 1)?;
        // The file and its journal are made by the first connection.
        drop(writer.take().await?);
        let readers = pool(connect.pragma("query_only", "on"), options.readers)?;
        Ok(Self(Kind::Sqlite { writer, readers }))
    }

    /// A PostgreSQL server by its URL.
    pub async fn postgres(url: &str, options: Options) -> Result<Self> {
        let mut connect = sqlx::postgres::PgConnectOptions::from_str(url)
            .map_err(|error| Error::invalid("url", format!("the database URL is not understood: {error}")))?
            .statement_cache_capacity(512);
        if !options.sync_on_commit {
            connect = connect.options([("synchronous_commit", "off")]);
        }
        Server::open(connect, options).await.map(|server| Self(Kind::Postgres(server)))
    }

    /// A connection for reading.
    pub async fn read(&self) -> Result<Conn> {
        match &self.0 {
            Kind::Sqlite { readers, .. } => readers.take().await.map(Conn::sqlite),
            Kind::Postgres(server) => server.take().await.map(Conn::postgres),
        }
    }

    /// A writing transaction; rolled back when dropped without [`Conn::commit`]. On SQLite it holds the one writer, so keep
    /// it short and await nothing else within it.
    pub async fn begin(&self) -> Result<Conn> {
        match &self.0 {
            Kind::Sqlite { writer, .. } => {
                writer.take().await?.begin("BEGIN IMMEDIATE").await.map(Conn::sqlite_transaction)
            }
            Kind::Postgres(server) => server.take().await?.begin("BEGIN").await.map(Conn::postgres_transaction),
        }
    }

    /// A connection on which every statement commits by itself.
    pub(crate) async fn autocommit(&self) -> Result<Conn> {
        match &self.0 {
            Kind::Sqlite { writer, .. } => writer.take().await.map(Conn::sqlite),
            Kind::Postgres(server) => server.take().await.map(Conn::postgres),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.0, Kind::Postgres(_))
    }

    pub async fn close(&self) {
        match &self.0 {
            Kind::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Kind::Postgres(server) => server.close().await,
        }
    }
}
