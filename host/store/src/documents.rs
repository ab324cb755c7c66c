//! Documents of plugins, in a SQLite file of their own: a plugin's state never shares a transaction, a lock or a schema with
//! the core's. Each call is one statement and durable against the process's death (WAL, synchronous NORMAL).

use std::path::Path;

use skyloom_model::{Error, ErrorCode, Result};

use crate::args;
use crate::db::{Conn, Db, Options, Row, from_sqlx};

/// Largest body in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest name of a collection or document in bytes.
pub const MAX_NAME: usize = 255;
/// Most documents in an answer.
pub const MAX_LIST: u32 = 1000;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS documents (
  owner TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (owner, collection, id)
) WITHOUT ROWID";

/// The file. Clones share it.
#[derive(Clone, Debug)]
pub struct Documents {
    db: Db,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub body: String,
    /// From 1, one more with every write.
    pub version: u64,
}

impl Documents {
    /// Opens the file; makes it if it isn't there.
    pub async fn open(path: &Path) -> Result<Self> {
        let db = Db::sqlite(path, Options { readers: 2, sync_on_commit: false, ..Options::default() }).await?;
        let documents = Self { db };
        documents.writer().await?.execute(SCHEMA, &[]).await?;
        Ok(documents)
    }

    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Outside a transaction: every statement commits by itself.
    async fn writer(&self) -> Result<Conn> {
        match &self.db {
            Db::Sqlite { writer, .. } => writer.acquire().await.map(Conn::SqliteRead).map_err(from_sqlx),
            Db::Postgres(_) => Err(Error::internal("documents live in SQLite")),
        }
    }

    pub async fn get(&self, owner: &str, collection: &str, id: &str) -> Result<Option<Document>> {
        const SQL: &str = "SELECT id, body, version FROM documents WHERE owner = $1 AND collection = $2 AND id = $3";
        self.db.read().await?.optional(SQL, args![owner, collection, id], document).await
    }

    /// Ascending by id, those after `after`; a `limit` of 0 is the most.
    pub async fn list(&self, owner: &str, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>> {
        // Every id is longer than the empty text.
        const SQL: &str = "SELECT id, body, version FROM documents
            WHERE owner = $1 AND collection = $2 AND id > $3 ORDER BY id LIMIT $4";
        let limit = if limit == 0 { MAX_LIST } else { limit.min(MAX_LIST) };
        let values = args![owner, collection, after.unwrap_or(""), limit];
        self.db.read().await?.all(SQL, values, document).await
    }

    /// Writes when the stored version is `expected` (0: must not exist; none: whatever it is); gives the new version.
    pub async fn put(&self, owner: &str, collection: &str, id: &str, body: &str, expected: Option<u64>) -> Result<u64> {
        check(collection, id, body)?;
        let mut writer = self.writer().await?;
        match expected {
            None => {
                const SQL: &str = "INSERT INTO documents (owner, collection, id, body, version)
                    VALUES ($1, $2, $3, $4, 1)
                    ON CONFLICT (owner, collection, id) DO UPDATE SET body = excluded.body, version = version + 1
                    RETURNING version";
                writer.one(SQL, args![owner, collection, id, body], |row| version(row, 0)).await
            }
            Some(0) => {
                const SQL: &str = "INSERT INTO documents (owner, collection, id, body, version)
                    VALUES ($1, $2, $3, $4, 1) ON CONFLICT DO NOTHING";
                match writer.execute(SQL, args![owner, collection, id, body]).await? {
                    0 => Err(Error::new(ErrorCode::AlreadyExists, format!("Document {id} exists."))
                        .with_resource("document", id)),
                    _ => Ok(1),
                }
            }
            Some(expected) => {
                const SQL: &str = "UPDATE documents SET body = $4, version = version + 1
                    WHERE owner = $1 AND collection = $2 AND id = $3 AND version = $5";
                let stored = i64::try_from(expected).unwrap_or(i64::MAX);
                match writer.execute(SQL, args![owner, collection, id, body, stored]).await? {
                    0 => Err(Error::new(ErrorCode::WrongState, format!("Document {id} has another version."))
                        .with_resource("document", id)),
                    _ => Ok(expected + 1),
                }
            }
        }
    }

    /// Gives whether it existed.
    pub async fn delete(&self, owner: &str, collection: &str, id: &str) -> Result<bool> {
        const SQL: &str = "DELETE FROM documents WHERE owner = $1 AND collection = $2 AND id = $3";
        Ok(self.writer().await?.execute(SQL, args![owner, collection, id]).await? > 0)
    }
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

    async fn open() -> (tempfile::TempDir, Documents) {
        let folder = tempfile::tempdir().unwrap();
        let documents = Documents::open(&folder.path().join("documents.db")).await.unwrap();
        (folder, documents)
    }

    #[tokio::test]
    async fn versions_guard_writes() {
        let (_folder, documents) = open().await;
        assert_eq!(documents.put("a", "c", "1", "{}", Some(0)).await.unwrap(), 1);
        let code = |result: Result<u64>| result.unwrap_err().code;
        assert_eq!(code(documents.put("a", "c", "1", "{}", Some(0)).await), ErrorCode::AlreadyExists);
        assert_eq!(documents.put("a", "c", "1", "{\"n\":2}", Some(1)).await.unwrap(), 2);
        assert_eq!(code(documents.put("a", "c", "1", "{}", Some(1)).await), ErrorCode::WrongState);
        assert_eq!(code(documents.put("a", "c", "none", "{}", Some(1)).await), ErrorCode::WrongState);
        assert_eq!(documents.put("a", "c", "1", "[3]", None).await.unwrap(), 3);
        assert_eq!(documents.put("a", "c", "2", "[]", None).await.unwrap(), 1);
        let one = documents.get("a", "c", "1").await.unwrap().unwrap();
        assert_eq!((one.body.as_str(), one.version), ("[3]", 3));
        assert!(documents.delete("a", "c", "1").await.unwrap());
        assert!(!documents.delete("a", "c", "1").await.unwrap());
        assert_eq!(documents.put("a", "c", "1", "{}", Some(0)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn owners_and_collections_are_apart() {
        let (_folder, documents) = open().await;
        documents.put("a", "c", "1", "1", None).await.unwrap();
        for (owner, collection) in [("b", "c"), ("a", "d")] {
            assert_eq!(documents.get(owner, collection, "1").await.unwrap(), None);
            assert!(documents.list(owner, collection, None, 0).await.unwrap().is_empty());
            assert!(!documents.delete(owner, collection, "1").await.unwrap());
        }
        assert!(documents.get("a", "c", "1").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn lists_go_on_after_the_last() {
        let (_folder, documents) = open().await;
        for id in ["c", "a", "b"] {
            documents.put("o", "c", id, "0", None).await.unwrap();
        }
        let ids = async |after: Option<&str>, limit: u32| -> Vec<String> {
            documents.list("o", "c", after, limit).await.unwrap().into_iter().map(|one| one.id).collect()
        };
        assert_eq!(ids(None, 2).await, ["a", "b"]);
        assert_eq!(ids(Some("b"), 2).await, ["c"]);
        assert_eq!(ids(None, 0).await.len(), 3);
    }

    #[tokio::test]
    async fn what_is_no_document_is_refused() {
        let (_folder, documents) = open().await;
        let field = async |collection: &str, id: &str, body: &str| {
            documents.put("o", collection, id, body, None).await.unwrap_err().field.unwrap()
        };
        assert_eq!(field("", "1", "{}").await, "collection");
        assert_eq!(field("c", &"x".repeat(MAX_NAME + 1), "{}").await, "id");
        assert_eq!(field("c", "1", "{").await, "body");
        assert_eq!(field("c", "1", &format!("\"{}\"", "x".repeat(MAX_BODY))).await, "body");
        let largest = format!("\"{}\"", "x".repeat(MAX_BODY - 2));
        assert_eq!(documents.put("o", "c", &"x".repeat(MAX_NAME), &largest, None).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn they_are_there_after_a_restart() {
        let (folder, documents) = open().await;
        documents.put("o", "c", "1", "7", None).await.unwrap();
        documents.close().await;
        let again = Documents::open(&folder.path().join("documents.db")).await.unwrap();
        assert_eq!(again.get("o", "c", "1").await.unwrap().unwrap().body, "7");
    }
}
