//! Statements, and the tables that they have to do with. What waits in a transaction is made together with a statement that
//! says so, and before one that doesn't.

/// A statement. A text alone may have to do with any table.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) sql: String,
    /// None: any.
    pub(crate) tables: Option<Tables>,
}

/// What a statement has to do with.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) written: Option<Written>,
    pub(crate) read: &'static [&'static str],
}

/// A table that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) table: &'static str,
    /// By rows that are added whatever stands there: two of them for one key fail in either order. Other writes to a table come
    /// in their turn.
    pub(crate) added: bool,
}

impl Tables {
    /// Whether it reads or writes the table.
    pub(crate) fn have(&self, table: &str) -> bool {
        self.read.contains(&table) || self.written.is_some_and(|written| written.table == table)
    }
}

impl From<&str> for Statement {
    fn from(sql: &str) -> Self {
        sql.to_owned().into()
    }
}

impl From<&String> for Statement {
    fn from(sql: &String) -> Self {
        sql.clone().into()
    }
}

impl From<String> for Statement {
    fn from(sql: String) -> Self {
        Self { sql, tables: None }
    }
}

impl From<Write> for Statement {
    fn from(Write { sql, written, read }: Write) -> Self {
        Self { sql, tables: Some(Tables { written: Some(written), read }) }
    }
}

/// A SELECT of these tables: all that stand in it.
pub fn reading(tables: &'static [&'static str], sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), tables: Some(Tables { written: None, read: tables }) }
}

/// A statement that writes rows of one table.
#[derive(Clone, Debug)]
#[must_use]
pub struct Write {
    pub(crate) sql: String,
    pub(crate) written: Written,
    pub(crate) read: &'static [&'static str],
}

/// New rows: `insert_into("tags", "(owner, name) VALUES ($1, $2)")`.
pub fn insert_into(table: &'static str, rows: &str) -> Write {
    Write { sql: format!("INSERT INTO {table} {rows}"), written: Written { table, added: true }, read: &[] }
}

/// Changes of rows: `update("tags", "SET name = $2 WHERE owner = $1")`.
pub fn update(table: &'static str, changes: &str) -> Write {
    Write { sql: format!("UPDATE {table} {changes}"), written: Written { table, added: false }, read: &[] }
}

/// The end of rows: `delete_from("tags", "WHERE owner = $1")`.
pub fn delete_from(table: &'static str, rows: &str) -> Write {
    Write { sql: format!("DELETE FROM {table} {rows}"), written: Written { table, added: false }, read: &[] }
}

impl Write {
    /// The other tables that stand in it. What it writes rests on them.
    pub fn reading(mut self, tables: &'static [&'static str]) -> Self {
        self.read = tables;
        self.written.added = false;
        self
    }

    /// Other tables that a value is looked up in, whichever of the writes beside it comes first.
    pub(crate) fn looking_up(mut self, tables: &'static [&'static str]) -> Self {
        self.read = tables;
        self
    }

    /// Of an insert: what becomes of a row for which there is one already, e.g. `DO NOTHING`.
    pub fn on_conflict(mut self, rule: &str) -> Self {
        self.sql.push_str(" ON CONFLICT ");
        self.sql.push_str(rule);
        self.written.added = false;
        self
    }

    /// Of a change: one more condition.
    pub(crate) fn and(mut self, condition: &str) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self
    }
}

/// Set by the databases of tests. The feature alone doesn't say so: a build of the whole workspace has it in the program too.
#[cfg(any(test, feature = "testing"))]
pub(crate) static CHECKED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// In tests: every table that stands in the text is among those that are said.
#[cfg(any(test, feature = "testing"))]
fn check(sql: &str, tables: &Tables) {
    if !CHECKED.load(std::sync::atomic::Ordering::Relaxed) {
        return;
    }
    let end = |letter: char| letter.is_ascii_whitespace() || matches!(letter, '(' | ')' | ',');
    let words: Vec<&str> = sql.split(end).filter(|word| !word.is_empty()).collect();
    for (at, pair) in words.windows(2).enumerate() {
        let names = matches!(pair[0], "FROM" | "JOIN" | "INTO") || (pair[0] == "UPDATE" && at == 0);
        let known = pair[1] == "SELECT" || tables.have(pair[1]);
        assert!(known || !names, "{} isn't among the tables of {sql:?}", pair[1]);
    }
}

impl Statement {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn check(&self) {
        self.tables.iter().for_each(|tables| check(&self.sql, tables));
    }
}

impl Write {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn check(&self) {
        check(&self.sql, &Tables { written: Some(self.written), read: self.read });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_finds_the_table_that_a_statement_keeps_to_itself() {
        CHECKED.store(true, std::sync::atomic::Ordering::Relaxed);
        reading(&["page", "note"], "SELECT 1 FROM page p JOIN note n ON n.page = p.id").check();
        insert_into("page", "(id) SELECT id FROM note").reading(&["note"]).check();
        Statement::from("SELECT 1 FROM note").check();
        for silent in [
            reading(&["page"], "SELECT 1 FROM page p JOIN note n ON n.page = p.id"),
            delete_from("page", "WHERE id IN (SELECT id FROM note)").into(),
        ] {
            assert!(std::panic::catch_unwind(|| silent.check()).is_err(), "{silent:?}");
        }
    }
}
