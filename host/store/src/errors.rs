//! What a database says, in our words.

use skyloom_model::{Error, ErrorCode};

/// A broken unique key is `already-exists`, a lost or full database `unavailable`.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            Error::new(ErrorCode::AlreadyExists, "A record of this name or id exists.").with_internal(&error)
        }
        sqlx::Error::Database(database) if database.is_foreign_key_violation() => {
            Error::new(ErrorCode::InUse, "The record is used by another one, or names one that is gone.")
                .with_internal(&error)
        }
        // PostgreSQL's text holds no NUL character; SQLite's does, so the rules above ask for it where it is stored.
        sqlx::Error::Database(database) if database.code().as_deref() == Some("22021") => {
            Error::invalid("text", "A text must not hold a NUL character.").with_internal(&error)
        }
        sqlx::Error::Database(database) if matches!(database.code().as_deref(), Some("13" | "53100")) => {
            Error::full(&error)
        }
        sqlx::Error::Database(database) if database.code().is_some_and(|code| is_collision(&code)) => {
            Error::collision(&error)
        }
        sqlx::Error::Database(database) if is_passing(database.code().as_deref()) => Error::unavailable(&error),
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Error::unavailable(&error)
        }
        _ => Error::internal(&error),
    }
}

/// PostgreSQL: a deadlock, or a serialisation failure.
fn is_collision(code: &str) -> bool {
    code.len() == 5 && code.starts_with("40")
}

/// SQLite: busy (5), locked (6), I/O error (10), cannot open (14), with their extended codes. PostgreSQL: connection
/// (08), resources (53), operator's intervention (57), system (58).
fn is_passing(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 10 | 14),
        _ => ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)),
    }
}
