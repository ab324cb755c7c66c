//! Writes that wait for the next statement of their transaction, so that several cost one way to the database.

use std::fmt::Write as _;

use skyloom_model::{Error, Result};
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use crate::db::Value;
use crate::statement::{Statement, Tables, Write, Written};

/// SQLite's: one text of several statements, which are made one after the other.
#[derive(Debug, Default)]
pub(crate) struct Script {
    sql: String,
    arguments: SqliteArguments,
}

impl Script {
    pub(crate) fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    pub(crate) fn add(&mut self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        if !self.is_empty() {
            self.sql.push_str("; ");
        }
        renumber(&mut self.sql, sql, self.arguments.len());
        values.iter().try_for_each(|value| bind(&mut self.arguments, value))
    }

    pub(crate) fn take(&mut self) -> (String, SqliteArguments) {
        let Self { sql, arguments } = std::mem::take(self);
        (sql, arguments)
    }

    /// All that waits, and behind it this statement.
    pub(crate) fn before(&mut self, sql: String, values: &[Value<'_>]) -> Result<(String, SqliteArguments)> {
        if self.is_empty() {
            let mut arguments = SqliteArguments::default();
            values.iter().try_for_each(|value| bind(&mut arguments, value))?;
            return Ok((sql, arguments));
        }
        self.add(&sql, values)?;
        Ok(self.take())
    }
}

/// PostgreSQL's: one statement whose `WITH` holds the writes. They are made side by side and see what was there before all of
/// them, so only writes that have nothing to do with each other stand in one bundle.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    writes: Vec<String>,
    arguments: PgArguments,
    /// The tables that are written to.
    tables: Vec<Written>,
}

impl Bundle {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether the write can wait here beside the others.
    pub(crate) fn takes(&self, write: &Write) -> bool {
        let Written { table, added } = write.written;
        self.tables.iter().all(|other| {
            let apart = other.table != table || (added && other.added);
            apart && !write.read.contains(&other.table)
        })
    }

    /// Whether the statement may be made beside the writes: it says that it has to do with none of their tables.
    pub(crate) fn goes_with(&self, statement: &Statement) -> bool {
        let apart = |tables: &Tables| !self.tables.iter().any(|written| tables.have(written.table));
        self.is_empty() || statement.tables.as_ref().is_some_and(apart)
    }

    /// A write that the bundle [takes](Self::takes), or that its author vouches for.
    pub(crate) fn add(&mut self, write: &Write, values: &[Value<'_>]) -> Result<()> {
        let mut sql = String::with_capacity(write.sql.len() + 16);
        renumber(&mut sql, &write.sql, self.arguments.len());
        self.writes.push(sql);
        self.tables.push(write.written);
        values.iter().try_for_each(|value| bind(&mut self.arguments, value))
    }

    /// The last write carries the others.
    pub(crate) fn take(&mut self) -> (String, PgArguments) {
        let Self { mut writes, arguments, .. } = std::mem::take(self);
        let last = writes.pop().unwrap_or_default();
        (with(&writes, &last), arguments)
    }

    /// A statement that the bundle [goes with](Self::goes_with), and all that waits.
    pub(crate) fn beside(&mut self, sql: String, values: &[Value<'_>]) -> Result<(String, PgArguments)> {
        let Self { writes, mut arguments, .. } = std::mem::take(self);
        let sql = if writes.is_empty() {
            sql
        } else {
            let mut carrier = String::with_capacity(sql.len() + 16);
            renumber(&mut carrier, &sql, arguments.len());
            with(&writes, &carrier)
        };
        values.iter().try_for_each(|value| bind(&mut arguments, value))?;
        Ok((sql, arguments))
    }
}

fn with(writes: &[String], carrier: &str) -> String {
    let mut sql = String::with_capacity(writes.iter().map(|write| write.len() + 16).sum::<usize>() + carrier.len());
    for (number, write) in writes.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(sql, "{}write_{number} AS ({write})", if number == 0 { "WITH " } else { ", " });
    }
    if !writes.is_empty() {
        sql.push(' ');
    }
    sql.push_str(carrier);
    sql
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

/// Adds one value to the arguments of either database.
fn bind<'q, A>(arguments: &mut A, value: &Value<'_>) -> Result<()>
where
    A: sqlx::Arguments,
    String: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    i64: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    Option<String>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    Option<i64>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
{
    match value {
        Value::Text(text) => arguments.add((*text).to_owned()),
        Value::Owned(text) => arguments.add(text.clone()),
        Value::Int(int) => arguments.add(*int),
        Value::OptText(text) => arguments.add(text.map(ToOwned::to_owned)),
        Value::OptInt(int) => arguments.add(*int),
    }
    .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::statement::{delete_from, insert_into, reading, update};

    const NOTE: &str = "INSERT INTO note (id, text) VALUES ($1, $2)";

    #[test]
    fn parameters_are_numbered_on() {
        let mut out = String::new();
        renumber(&mut out, "SELECT $1, $12 || '$' || $2, '$x'", 3);
        assert_eq!(out, "SELECT $4, $15 || '$' || $5, '$x'");
    }

    #[test]
    fn a_script_is_one_text_in_order() {
        let mut script = Script::default();
        script.add(NOTE, args!["a", "one"]).unwrap();
        let (sql, arguments) = script.before("SELECT text FROM note WHERE id = $1".to_owned(), args!["a"]).unwrap();
        assert_eq!(sql, "INSERT INTO note (id, text) VALUES ($1, $2); SELECT text FROM note WHERE id = $3");
        assert_eq!((arguments.len(), script.is_empty()), (3, true));
    }

    fn note() -> Write {
        insert_into("note", "(id, text) VALUES ($1, $2)")
    }

    #[test]
    fn a_bundle_is_one_statement() {
        let mut bundle = Bundle::default();
        bundle.add(&note(), args!["a", "one"]).unwrap();
        bundle.add(&update("page", "SET text = $2 WHERE id = $1"), args!["b", "two"]).unwrap();
        let (sql, arguments) = bundle.take();
        assert_eq!(
            sql,
            "WITH write_0 AS (INSERT INTO note (id, text) VALUES ($1, $2)) UPDATE page SET text = $4 WHERE id = $3"
        );
        assert_eq!(arguments.len(), 4);
        bundle.add(&note(), args!["a", "one"]).unwrap();
        let (sql, _) = bundle.beside("SELECT text FROM page WHERE id = $1".to_owned(), args!["b"]).unwrap();
        assert_eq!(
            sql,
            "WITH write_0 AS (INSERT INTO note (id, text) VALUES ($1, $2)) SELECT text FROM page WHERE id = $3"
        );
        assert!(bundle.is_empty());
    }

    #[test]
    fn a_bundle_takes_only_writes_that_have_nothing_to_do_with_each_other() {
        let bundle = |writes: &[Write]| {
            let mut bundle = Bundle::default();
            for write in writes {
                assert!(bundle.takes(write), "{write:?}");
                bundle.add(write, &[]).unwrap();
            }
            bundle
        };
        let added = bundle(&[note(), note()]);
        assert!(added.takes(&delete_from("notes", "")), "another table");
        for write in [
            update("note", "SET text = ''"),
            delete_from("note", ""),
            delete_from("page", "WHERE id IN (SELECT id FROM note)").reading(&["note"]),
            insert_into("page", "(id) SELECT id FROM note").reading(&["note"]),
            insert_into("note", "(id) VALUES ($1)").on_conflict("DO NOTHING"),
        ] {
            assert!(!added.takes(&write), "{write:?}");
        }
        assert!(!bundle(&[update("note", "SET text = ''")]).takes(&note()), "it may be what makes room");
    }

    #[test]
    fn a_bundle_goes_only_with_statements_that_say_that_they_look_at_other_tables() {
        let mut bundle = Bundle::default();
        assert!(bundle.goes_with(&"COMMIT".into()), "nothing waits");
        bundle.add(&note(), args!["a", "one"]).unwrap();
        assert!(bundle.goes_with(&reading(&["page"], "SELECT note_id FROM page")));
        assert!(bundle.goes_with(&insert_into("page", "(id) VALUES ($1)").into()));
        for statement in [
            "SELECT text FROM page".into(),
            "COMMIT".into(),
            reading(&["page", "note"], "SELECT 1 FROM page JOIN note"),
            note().into(),
            delete_from("page", "WHERE id IN (SELECT id FROM note)").reading(&["note"]).into(),
        ] {
            assert!(!bundle.goes_with(&statement), "{statement:?}");
        }
    }
}
