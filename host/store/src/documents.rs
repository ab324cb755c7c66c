//! Documents of plugins. A plugin's state never shares a transaction, a lock or a table's schema with the core's: they are a
//! SQLite file of their own, or where the deployment's database is PostgreSQL, a schema of their own on that server, with
//! connections of their own, so that every process on it sees the same documents.
//!
//! Each call is one statement and durable against the process's death. A power cut may take the last ones from a SQLite file
//! (synchronous NORMAL); on PostgreSQL the core's next commit makes them durable too, as both share one log.

use std::ops::ControlFlow;
use std::path::Path;

use skyloom_model::{Error, ErrorCode, Result};

use crate::args;
use crate::db::{Db, Options, Row};

/// Largest body in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest name of a collection or document in bytes.
pub const MAX_NAME: usize = 255;
/// Most documents in an answer.
pub const MAX_LIST: u32 = 1000;

/// Most bytes of bodies in an answer: half of what a guest has by default.
pub const MAX_LIST_BYTES: usize = 16 << 20;

/// Connections that read at once.
const READERS: u32 = 2;

const SQLITE: &str = "CREATE TABLE IF NOT EXISTS documents (
  owner TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (owner, collection, id)
) WITHOUT ROWID";

const POSTGRES: &str = "CREATE TABLE skyloom_documents.documents (
  owner TEXT COLLATE \"C\" NOT NULL, collection TEXT COLLATE \"C\" NOT NULL, id TEXT COLLATE \"C\" NOT NULL,
  body TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (owner, collection, id)
)";

/// Where they are kept. Clones share it.
#[derive(Clone, Debug)]
pub struct Documents {
    db: Db,
    table: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub body: String,
    /// From 1, one more with every write.
    pub version: u64,
}

impl Documents {
    fn options() -> Options {
        Options { readers: READERS, cache_kib: 1024, sync_on_commit: false, ..Options::default() }
    }

    /// In a file; it is made if it isn't there.
    pub async fn sqlite(path: &Path) -> Result<Self> {
        let db = Db::sqlite(path, Self::options()).await?;
        let documents = Self { db, table: "documents" };
        documents.db.autocommit().await?.execute(SQLITE, &[]).await?;
        Ok(documents)
    }

    /// On a PostgreSQL server, in the schema `skyloom_documents` of the URL's database; it is made if it isn't there, which
    /// wants the right to make schemas.
    pub async fn postgres(url: &str) -> Result<Self> {
        const THERE: &str = "SELECT count(*) FROM pg_catalog.pg_tables
            WHERE schemaname = 'skyloom_documents' AND tablename = 'documents'";
        let db = Db::postgres(url, Self::options()).await?;
        let mut tx = db.begin().await?;
        // Several processes may start at once.
        tx.execute("SELECT pg_advisory_xact_lock(7263549002)", &[]).await?;
        if tx.one(THERE, &[], |row| row.int(0)).await? == 0 {
            tx.execute("CREATE SCHEMA IF NOT EXISTS skyloom_documents", &[]).await?;
            tx.execute(POSTGRES, &[]).await?;
        }
        tx.commit().await?;
        Ok(Self { db, table: "skyloom_documents.documents" })
    }

    pub async fn close(&self) {
        self.db.close().await;
    }

    pub async fn get(&self, owner: &str, collection: &str, id: &str) -> Result<Option<Document>> {
        let sql =
            format!("SELECT id, body, version FROM {} WHERE owner = $1 AND collection = $2 AND id = $3", self.table);
        self.db.read().await?.optional(sql, args![owner, collection, id], document).await
    }

    /// Ascending by id, those after `after`; a `limit` of 0 is the most. `too-large` when they have more bytes than an answer holds.
    pub async fn list(&self, owner: &str, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>> {
        // Every id is longer than the empty text.
        let sql = format!(
            "SELECT id, body, version FROM {} WHERE owner = $1 AND collection = $2 AND id > $3 ORDER BY id LIMIT $4",
            self.table
        );
        let limit = if limit == 0 { MAX_LIST } else { limit.min(MAX_LIST) };
        let values = args![owner, collection, after.unwrap_or(""), limit];
        let (mut found, mut bytes) = (Vec::new(), 0);
        let add = |row: Row<'_>| {
            let next = document(row)?;
            bytes += next.body.len();
            if bytes > MAX_LIST_BYTES {
                let message = format!("These documents have more than {MAX_LIST_BYTES} bytes together: ask for fewer.");
                return Err(Error::new(ErrorCode::TooLarge, message).with_field("limit"));
            }
            found.push(next);
            Ok(ControlFlow::Continue(()))
        };
        self.db.read().await?.each_until(sql, values, add).await?;
        Ok(found)
    }

    /// Writes when the stored version is `expected` (0: must not exist; none: whatever it is); gives the new version.
    pub async fn put(&self, owner: &str, collection: &str, id: &str, body: &str, expected: Option<u64>) -> Result<u64> {
        check(collection, id, body)?;
        let table = self.table;
        let mut writer = self.db.autocommit().await?;
        let insert =
            format!("INSERT INTO {table} AS d (owner, collection, id, body, version) VALUES ($1, $2, $3, $4, 1)");
        match expected {
            None => {
                let sql = format!(
                    "{insert} ON CONFLICT (owner, collection, id) DO UPDATE SET body = excluded.body, \
                     version = d.version + 1 RETURNING version"
                );
                writer.one(sql, args![owner, collection, id, body], |row| version(row, 0)).await
            }
            Some(0) => {
                let sql = format!("{insert} ON CONFLICT DO NOTHING");
                match writer.execute(sql, args![owner, collection, id, body]).await? {
                    0 => Err(Error::new(ErrorCode::AlreadyExists, format!("Document {id} exists."))
                        .with_resource("document", id)),
                    _ => Ok(1),
                }
            }
            Some(expected) => {
                let sql = format!(
                    "UPDATE {table} SET body = $4, version = version + 1 \
                     WHERE owner = $1 AND collection = $2 AND id = $3 AND version = $5"
                );
                let stored = i64::try_from(expected).unwrap_or(i64::MAX);
                match writer.execute(sql, args![owner, collection, id, body, stored]).await? {
                    0 => Err(other_version(id)),
                    _ => Ok(expected + 1),
                }
            }
        }
    }

    /// Removes when the stored version is `expected` (none: whatever it is); gives whether it existed.
    pub async fn delete(&self, owner: &str, collection: &str, id: &str, expected: Option<u64>) -> Result<bool> {
        let table = self.table;
        let one = "owner = $1 AND collection = $2 AND id = $3";
        let mut writer = self.db.autocommit().await?;
        let Some(expected) = expected else {
            let sql = format!("DELETE FROM {table} WHERE {one}");
            return Ok(writer.execute(sql, args![owner, collection, id]).await? > 0);
        };
        let sql = format!("DELETE FROM {table} WHERE {one} AND version = $4");
        let stored = i64::try_from(expected).unwrap_or(i64::MAX);
        if writer.execute(sql, args![owner, collection, id, stored]).await? > 0 {
            return Ok(true);
        }
        let sql = format!("SELECT count(*) FROM {table} WHERE {one}");
        match writer.one(sql, args![owner, collection, id], |row| row.int(0)).await? {
            0 => Ok(false),
            _ => Err(other_version(id)),
        }
    }
}

fn other_version(id: &str) -> Error {
    Error::new(ErrorCode::WrongState, format!("Document {id} has another version.")).with_resource("document", id)
}

fn document(row: Row<'_>) -> Result<Document> {
    Ok(Document { id: row.text(0)?, body: row.text(1)?, version: version(row, 2)? })
}

fn version(row: Row<'_>, column: usize) -> Result<u64> {
    u64::try_from(row.int(column)?).map_err(Error::internal)
}

fn check(collection: &str, id: &str, body: &str) -> Result<()> {
    for (field, name) in [("collection", collection), ("id", id)] {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(Error::invalid(field, format!("A name has 1 to {MAX_NAME} bytes.")));
        }
        // Only one of the databases could keep it.
        if name.contains('\0') {
            return Err(Error::invalid(field, "A name has no NUL character."));
        }
    }
    if body.len() > MAX_BODY {
        return Err(
            Error::new(ErrorCode::TooLarge, format!("A document has at most {MAX_BODY} bytes.")).with_field("body")
        );
    }
    serde_json::from_str::<serde::de::IgnoredAny>(body)
        .map_err(|error| Error::invalid("body", format!("The body is no JSON: {error}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        documents: Documents,
        place: String,
        _folder: tempfile::TempDir,
    }

    async fn open(place: &str) -> Documents {
        let opened = if place.starts_with("postgres:") {
            Documents::postgres(place).await
        } else {
            Documents::sqlite(Path::new(place)).await
        };
        opened.unwrap()
    }

    /// One in each kind of database.
    async fn worlds() -> Vec<World> {
        let folder = || tempfile::tempdir().unwrap();
        let here = folder();
        let file = here.path().join("documents.db").display().to_string();
        let mut worlds = vec![World { documents: open(&file).await, place: file, _folder: here }];
        if let Some(url) = crate::testing::postgres_url().await {
            worlds.push(World { documents: open(&url).await, place: url, _folder: folder() });
        }
        worlds
    }

    #[tokio::test]
    async fn a_list_has_no_more_bytes_than_an_answer_holds() {
        for World { documents, place, .. } in &worlds().await {
            let body = format!("\"{}\"", "x".repeat(MAX_BODY - 2));
            for number in 0..=MAX_LIST_BYTES / MAX_BODY {
                documents.put("a", "large", &format!("{number:02}"), &body, None).await.unwrap();
            }
            let error = documents.list("a", "large", None, 0).await.unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::TooLarge, Some("limit")), "{place}");
            assert_eq!(documents.list("a", "large", None, 64).await.unwrap().len(), 64);
        }
    }

    #[tokio::test]
    async fn versions_guard_writes() {
        for World { documents, place, .. } in &worlds().await {
            assert_eq!(documents.put("a", "c", "1", "{}", Some(0)).await.unwrap(), 1, "{place}");
            let code = |result: Result<u64>| result.unwrap_err().code;
            assert_eq!(code(documents.put("a", "c", "1", "{}", Some(0)).await), ErrorCode::AlreadyExists);
            assert_eq!(documents.put("a", "c", "1", "{\"n\":2}", Some(1)).await.unwrap(), 2);
            assert_eq!(code(documents.put("a", "c", "1", "{}", Some(1)).await), ErrorCode::WrongState);
            assert_eq!(code(documents.put("a", "c", "none", "{}", Some(1)).await), ErrorCode::WrongState);
            assert_eq!(documents.put("a", "c", "1", "[3]", None).await.unwrap(), 3);
            assert_eq!(documents.put("a", "c", "2", "[]", None).await.unwrap(), 1);
            let one = documents.get("a", "c", "1").await.unwrap().unwrap();
            assert_eq!((one.body.as_str(), one.version), ("[3]", 3), "{place}");
            assert!(documents.delete("a", "c", "1", None).await.unwrap());
            assert!(!documents.delete("a", "c", "1", None).await.unwrap());
            assert_eq!(documents.put("a", "c", "1", "{}", Some(0)).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_removal_does_not_take_what_was_written_after_the_read() {
        for World { documents, place, .. } in &worlds().await {
            let read = documents.put("a", "c", "1", "{}", None).await.unwrap();
            documents.put("a", "c", "1", "[2]", None).await.unwrap();
            for stale in [0, read] {
                let error = documents.delete("a", "c", "1", Some(stale)).await.unwrap_err();
                assert_eq!(error.code, ErrorCode::WrongState, "{place}");
            }
            assert_eq!(documents.get("a", "c", "1").await.unwrap().unwrap().body, "[2]");
            assert!(documents.delete("a", "c", "1", Some(read + 1)).await.unwrap());
            assert!(!documents.delete("a", "c", "1", Some(read + 1)).await.unwrap(), "what isn't there is no error");
        }
    }

    #[tokio::test]
    async fn owners_and_collections_are_apart() {
        for World { documents, place, .. } in &worlds().await {
            documents.put("a", "c", "1", "1", None).await.unwrap();
            for (owner, collection) in [("b", "c"), ("a", "d")] {
                assert_eq!(documents.get(owner, collection, "1").await.unwrap(), None, "{place}");
                assert!(documents.list(owner, collection, None, 0).await.unwrap().is_empty());
                assert!(!documents.delete(owner, collection, "1", None).await.unwrap());
            }
            assert!(documents.get("a", "c", "1").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn lists_go_on_after_the_last() {
        for World { documents, place, .. } in &worlds().await {
            // By bytes: capitals first, whatever the database's language.
            for id in ["c", "a", "b", "B"] {
                documents.put("o", "c", id, "0", None).await.unwrap();
            }
            let ids = async |after: Option<&str>, limit: u32| -> Vec<String> {
                documents.list("o", "c", after, limit).await.unwrap().into_iter().map(|one| one.id).collect()
            };
            assert_eq!(ids(None, 2).await, ["B", "a"], "{place}");
            assert_eq!(ids(Some("b"), 2).await, ["c"]);
            assert_eq!(ids(None, 0).await.len(), 4);
        }
    }

    #[tokio::test]
    async fn what_is_no_document_is_refused() {
        for World { documents, place, .. } in &worlds().await {
            let field = async |collection: &str, id: &str, body: &str| {
                documents.put("o", collection, id, body, None).await.unwrap_err().field.unwrap()
            };
            assert_eq!(field("", "1", "{}").await, "collection", "{place}");
            assert_eq!(field("c", &"x".repeat(MAX_NAME + 1), "{}").await, "id");
            assert_eq!(field("c", "a\0b", "{}").await, "id");
            assert_eq!(field("c", "1", "{").await, "body");
            assert_eq!(field("c", "1", &format!("\"{}\"", "x".repeat(MAX_BODY))).await, "body");
            let largest = format!("\"{}\"", "x".repeat(MAX_BODY - 2));
            assert_eq!(documents.put("o", "c", &"x".repeat(MAX_NAME), &largest, None).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn they_are_there_after_a_restart() {
        for World { documents, place, .. } in &worlds().await {
            documents.put("o", "c", "1", "7", None).await.unwrap();
            documents.close().await;
            let again = open(place).await;
            assert_eq!(again.get("o", "c", "1").await.unwrap().unwrap().body, "7", "{place}");
        }
    }

    #[tokio::test]
    async fn processes_on_one_server_share_them() {
        let Some(url) = crate::testing::postgres_url().await else { return };
        // Both find nothing and make it: one after the other.
        let (one, other) = tokio::join!(open(&url), open(&url));
        one.put("o", "c", "1", "1", Some(0)).await.unwrap();
        assert_eq!(other.get("o", "c", "1").await.unwrap().unwrap().body, "1");
        let put = |documents: &Documents| {
            let documents = documents.clone();
            async move { documents.put("o", "c", "1", "2", Some(1)).await }
        };
        let (first, second) = tokio::join!(put(&one), put(&other));
        assert!(first.is_ok() != second.is_ok(), "one version, one writer: {first:?} {second:?}");
    }
}
