//! What lists can be ordered by and looked through for.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    /// 0 or 1.
    Flag,
    /// Microseconds.
    Time,
    Json,
}

/// A column, or another SQL value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// The contract's, e.g. `created-at`.
    pub(crate) word: &'static str,
    /// The column's name.
    pub(crate) name: &'static str,
    /// The column with its table's alias.
    pub(crate) sql: &'static str,
    pub(crate) kind: Kind,
    /// SQL of a value that is never NULL, by which lists can be ordered.
    pub(crate) order: Option<&'static str>,
    /// Conditions may name it.
    pub(crate) found: bool,
    pub(crate) changes: bool,
    pub(crate) counts: bool,
}

impl Field {
    pub(crate) const fn new(word: &'static str, name: &'static str, sql: &'static str, kind: Kind) -> Self {
        Self { word, name, sql, kind, order: None, found: false, changes: false, counts: false }
    }

    /// Lists can be ordered by it. It is never NULL.
    pub(crate) const fn sorts(self) -> Self {
        self.sorts_as(self.sql)
    }

    /// Lists can be ordered by it, as by this SQL, which is never NULL.
    pub(crate) const fn sorts_as(mut self, sql: &'static str) -> Self {
        self.order = Some(sql);
        self
    }

    /// Conditions may name it; its kind says with which tests.
    pub(crate) const fn finds(mut self) -> Self {
        self.found = true;
        self
    }

    /// An update writes it.
    pub(crate) const fn changes(mut self) -> Self {
        self.changes = true;
        self
    }

    /// Each update makes it one more.
    pub(crate) const fn counts(mut self) -> Self {
        self.counts = true;
        self
    }

    pub(crate) const fn is_changed(&self) -> bool {
        self.changes
    }
}
