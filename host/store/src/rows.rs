//! One declaration a table: the struct, its columns, reading, writing, and what lists can be ordered by and looked
//! through for.
//!
//! ```text
//! rows! {
//!     /// What it is.
//!     #[derive(Clone, Debug)]
//!     pub struct Thing in "things" as "t" {
//!         id: String [sorts],
//!         name: String [changes, sorts],
//!         labels: BTreeMap<String, String> as Json [changes],
//!         revision: i64 [counts],
//!     }
//!     // What stands in other tables: the query's columns behind the row's own.
//!     beside { parts: Vec<String> as Json }
//!     // Columns that a new row has and the struct doesn't.
//!     written with { created_at }
//!     // What lists are ordered by or looked through for, beside columns.
//!     also {
//!         "size": Int [sorts] "coalesce(t.size, -1)",
//!         "tags": Many(Members::new("t.id", &[("thing_tags g", "g.thing_id")], "g.tag")) [finds] "",
//!     }
//! }
//! ```
//!
//! A column takes the name and the type of its field; `as` says how the type is stored where that isn't plain: [`Json`],
//! [`JsonOrNull`], [`JsonText`] or [`OrEmpty`]. In brackets stand methods of [`Field`]. The first column is the key of updates.
//! A table with an [owner](Field::owner) also has the column `domain_id`: the domain of that project, which writes look up, so that
//! what belongs to a domain is found by an index.

mod cells;

use std::marker::PhantomData;

use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use skyloom_model::{Error, Result};

use crate::listing::Packed;
use crate::statement::Write;
use crate::{Conn, Row, Value};

pub(crate) use crate::fields::{Field, Kind, Members};
pub(crate) use cells::{Cell, Json, JsonOrNull, JsonText, OrEmpty, Raw, Read, Word, word, words};

/// A row that [`rows!`] declares.
pub(crate) trait Stored: Sized {
    /// The next values of a row, in the order of the declaration.
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self>;
}

/// Values one behind the other: the columns of a row, or a JSON array of them.
pub(crate) trait Source<'r> {
    fn next<T: Raw<'r>>(&mut self) -> Result<T>;

    /// The next one, which is JSON.
    fn json<T: serde::Deserialize<'r>>(&mut self) -> Result<T>;
}

/// The columns of a row from one on.
pub(crate) struct Columns<'r> {
    row: Row<'r>,
    at: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: Row<'r>) -> Self {
        Self { row, at: 0 }
    }

    /// The next column that a type takes.
    pub(crate) fn read<T: Read>(&mut self) -> Result<T> {
        T::read(self)
    }
}

impl<'r> Source<'r> for Columns<'r> {
    fn next<T: Raw<'r>>(&mut self) -> Result<T> {
        self.at += 1;
        T::of_row(self.row, self.at - 1)
    }

    fn json<T: serde::Deserialize<'r>>(&mut self) -> Result<T> {
        self.at += 1;
        self.row.json(self.at - 1)
    }
}

/// The values of a JSON array, and those that are JSON themselves before it.
struct Elements<'r, A> {
    array: A,
    json: std::vec::IntoIter<&'r RawValue>,
}

impl<'r, A: SeqAccess<'r>> Source<'r> for Elements<'r, A> {
    fn next<T: Raw<'r>>(&mut self) -> Result<T> {
        self.array.next_element().map_err(unread)?.ok_or_else(|| unread("it is too short"))
    }

    fn json<T: serde::Deserialize<'r>>(&mut self) -> Result<T> {
        let json = self.json.next().ok_or_else(|| unread("it is too short"))?;
        serde_json::from_str(json.get()).map_err(unread)
    }
}

fn unread(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("a stored record: {error}"))
}

/// Reads a row that stands as a JSON array: what [`rows!`] gives as `Deserialize`, for rows without JSON.
pub(crate) struct OfArray<'r, T>(Vec<&'r RawValue>, PhantomData<T>);

impl<T> OfArray<'_, T> {
    pub(crate) fn new() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<'r, T: Stored> Visitor<'r> for OfArray<'r, T> {
    type Value = T;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("a row as an array")
    }

    fn visit_seq<A: SeqAccess<'r>>(self, array: A) -> Result<T, A::Error> {
        let from = &mut Elements { array, json: self.0.into_iter() };
        T::read(from).map_err(|error| A::Error::custom(error.for_log()))
    }
}

/// The next value of a packed text.
pub(crate) fn value<'r, T: serde::Deserialize<'r>>(packed: &mut Packed<'r>) -> Result<T> {
    T::deserialize(packed).map_err(unread)
}

/// The row that the next values of a packed text are, as [`packed`] has it. `json`: how many values are JSON.
pub(crate) fn unpack<T: Stored>(packed: &mut Packed<'_>, json: usize) -> Result<T> {
    let json = (0..json).map(|_| value(packed)).collect::<Result<Vec<&RawValue>>>()?;
    packed.deserialize_seq(OfArray(json, PhantomData)).map_err(unread)
}

/// How many of the columns are JSON.
pub(crate) const fn json_columns(fields: &[Field]) -> usize {
    let (mut count, mut at) = (0, 0);
    while at < fields.len() {
        count += matches!(fields[at].kind, Kind::Json) as usize;
        at += 1;
    }
    count
}

/// Arguments of `concat` that make a text of a row for [`unpack`]: the columns that are JSON and `more` JSON values, and behind them
/// the other columns as one array. `absent`: columns that aren't read, and SQL that stands instead.
pub(crate) fn packed(postgres: bool, fields: &[Field], absent: &[(&str, &str)], more: &[&str]) -> String {
    let sql = |field: &Field| {
        absent.iter().find(|(name, _)| *name == field.name).map_or(field.sql.to_owned(), |(_, sql)| (*sql).to_owned())
    };
    let columns = |json: bool| fields.iter().filter(move |field| (field.kind == Kind::Json) == json).map(sql);
    let plain = crate::dialect::json_array(postgres, &columns(false).collect::<Vec<_>>());
    let json = columns(true).chain(more.iter().map(|sql| (*sql).to_owned()));
    json.chain([plain]).collect::<Vec<_>>().join(", ")
}

/// A write of one row with its values.
pub(crate) struct Put<'a> {
    write: Write,
    values: Vec<Value<'a>>,
}

impl<'a> Put<'a> {
    pub(crate) fn new(write: Write, values: Vec<Value<'a>>) -> Self {
        Self { write, values }
    }

    /// A new row gives way to one that is there.
    #[must_use]
    pub(crate) fn unless_there(self) -> Self {
        self.on_conflict("DO NOTHING")
    }

    /// As [`Write::on_conflict`].
    #[must_use]
    pub(crate) fn on_conflict(mut self, rule: &str) -> Self {
        self.write = self.write.on_conflict(rule);
        self
    }

    /// Changes the row only where the column still has this value.
    #[must_use]
    pub(crate) fn only_if(mut self, column: &str, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self.write = self.write.and(&format!("{column} = ${}", self.values.len()));
        self
    }

    /// Gives whether there was such a row.
    pub(crate) async fn run(self, tx: &mut Conn) -> Result<bool> {
        Ok(tx.execute(self.write, &self.values).await? == 1)
    }

    /// As [`Conn::defer`].
    pub(crate) async fn defer(self, tx: &mut Conn) -> Result<()> {
        tx.defer(self.write, &self.values).await
    }
}

/// SQL of the domain that the project of a parameter is in; empty: there is no such project.
pub(crate) fn domain_of(param: usize) -> String {
    format!("coalesce((SELECT domain_id FROM projects WHERE id = ${param}), '')")
}

/// What follows the table's name in an insert of the columns `fields` and `with`.
pub(crate) fn insert_text(fields: &[Field], with: &[&str]) -> String {
    let mut names: Vec<&str> = fields.iter().map(|field| field.name).chain(with.iter().copied()).collect();
    let mut values = crate::dialect::placeholders(1, names.len());
    if let Some(owner) = fields.iter().position(|field| field.owner) {
        names.push("domain_id");
        values = format!("{values}, {}", domain_of(owner + 1));
    }
    format!("({}) VALUES ({values})", names.join(", "))
}

/// What follows the table's name in an update. The key is the first parameter.
pub(crate) fn update_text(fields: &[Field]) -> String {
    let mut sets: Vec<String> = Vec::new();
    for field in fields.iter().filter(|field| field.changes) {
        sets.push(format!("{} = ${}", field.name, sets.len() + 2));
    }
    if let Some(owner) = fields.iter().filter(|field| field.changes).position(|field| field.owner) {
        sets.push(format!("domain_id = {}", domain_of(owner + 2)));
    }
    sets.extend(fields.iter().filter(|field| field.counts).map(|field| format!("{0} = {0} + 1", field.name)));
    format!("SET {} WHERE {} = $1", sets.join(", "), fields[0].name)
}

/// SQL of the project that rows belong to; empty: they belong to none.
pub(crate) const fn owner(fields: &[Field]) -> &'static str {
    let mut at = 0;
    while at < fields.len() {
        if fields[at].owner {
            return fields[at].sql;
        }
        at += 1;
    }
    ""
}

/// Whom a write asks for the domain of a row.
pub(crate) const fn looked_up(fields: &[Field]) -> &'static [&'static str] {
    if owner(fields).is_empty() { &[] } else { &["projects"] }
}

/// Without the last `, `.
pub(crate) const fn trimmed(list: &'static str) -> &'static str {
    list.split_at(list.len() - 2).0
}

/// A field's name in the contract's form: `created_at` is `created-at`.
pub(crate) const fn dashed<const LENGTH: usize>(name: &str) -> [u8; LENGTH] {
    let (bytes, mut word, mut at) = (name.as_bytes(), [0; LENGTH], 0);
    while at < LENGTH {
        word[at] = if bytes[at] == b'_' { b'-' } else { bytes[at] };
        at += 1;
    }
    word
}

macro_rules! rows {
    (
        $(#[$meta:meta])*
        pub struct $name:ident in $table:literal as $alias:literal {
            $($(#[$doc:meta])* $field:ident: $type:ty $(as $how:ident)? $([$($flag:ident $(($sql:literal))?),+])?,)+
        }
        $(beside { $($(#[$more_doc:meta])* $more:ident: $more_type:ty $(as $more_how:ident)?,)+ })?
        $(written with { $($with:ident),+ })?
        $(also { $($word:literal: $kind:ident $(($members:expr))? [$($also_flag:ident $(($also_sql:literal))?),+] $also:expr,)+ })?
    ) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)+
            $($($(#[$more_doc])* pub $more: $more_type,)+)?
        }

        // No table needs all of it.
        #[allow(dead_code, clippy::elidable_lifetime_names, clippy::needless_lifetimes)]
        impl $name {
            /// With the table's alias.
            pub(crate) const COLUMNS: &'static str =
                $crate::rows::trimmed(concat!($($alias, ".", stringify!($field), ", "),+));
            /// How many columns there are.
            pub(crate) const WIDTH: usize = [$(stringify!($field)),+].len();
            /// The columns in their order, and what else lists know.
            pub(crate) const FIELDS: &'static [$crate::rows::Field] = &[
                $($crate::rows::Field::new(
                    {
                        const WORD: [u8; stringify!($field).len()] = $crate::rows::dashed(stringify!($field));
                        match std::str::from_utf8(&WORD) { Ok(word) => word, Err(_) => "" }
                    },
                    stringify!($field),
                    concat!($alias, ".", stringify!($field)),
                    <$type as $crate::rows::Cell $(<$crate::rows::$how>)?>::KIND,
                )$($(.$flag($($sql)?))+)?,)+
                $($($crate::rows::Field::new($word, "", $also, $crate::rows::Kind::$kind $((const { &$members }))?)$(.$also_flag($($also_sql)?))+,)+)?
            ];

            /// Whose a row is.
            pub(crate) const OWNER: $crate::listing::Owner = $crate::listing::Owner {
                project: $crate::rows::owner(Self::FIELDS),
                domain: concat!($alias, ".domain_id"),
            };

            /// The rows with their columns.
            pub(crate) fn query() -> $crate::listing::Query {
                $crate::listing::Query::new(Self::COLUMNS, concat!($table, " ", $alias), Self::FIELDS[0].sql)
            }

            /// A query of the columns: `rest` is what follows the table.
            pub(crate) fn select(rest: &str) -> String {
                format!("SELECT {} FROM {} {} {rest}", Self::COLUMNS, $table, $alias)
            }

            pub(crate) fn of_row(row: $crate::Row<'_>) -> skyloom_model::Result<Self> {
                <Self as $crate::rows::Stored>::read(&mut $crate::rows::Columns::of(row))
            }

            /// A new row.
            pub(crate) fn insert<'a>(
                &'a self $($(, $with: impl Into<$crate::Value<'a>>)+)?
            ) -> skyloom_model::Result<$crate::rows::Put<'a>> {
                static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
                    $crate::rows::insert_text(&$name::FIELDS[..$name::WIDTH], &[$($(stringify!($with)),+)?])
                });
                let values = vec![
                    $(<$type as $crate::rows::Cell $(<$crate::rows::$how>)?>::value(&self.$field)?,)+
                    $($($with.into(),)+)?
                ];
                let write = $crate::statement::insert_into($table, &TEXT);
                Ok($crate::rows::Put::new(write.looking_up($crate::rows::looked_up(Self::FIELDS)), values))
            }

            /// Writes all that may change to the row of this key.
            pub(crate) fn update(&self) -> skyloom_model::Result<$crate::rows::Put<'_>> {
                static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
                    $crate::rows::update_text(&$name::FIELDS[..$name::WIDTH])
                });
                let mut values = Vec::with_capacity(Self::WIDTH);
                let mut fields = Self::FIELDS.iter();
                $(if fields.next().is_some_and(|field| values.is_empty() || field.is_changed()) {
                    values.push(<$type as $crate::rows::Cell $(<$crate::rows::$how>)?>::value(&self.$field)?);
                })+
                let write = $crate::statement::update($table, &TEXT);
                Ok($crate::rows::Put::new(write.looking_up($crate::rows::looked_up(Self::FIELDS)), values))
            }
        }

        impl $crate::rows::Stored for $name {
            fn read<'r>(from: &mut impl $crate::rows::Source<'r>) -> skyloom_model::Result<Self> {
                Ok(Self {
                    $($field: <$type as $crate::rows::Read $(<$crate::rows::$how>)?>::read(from)?,)+
                    $($($more: <$more_type as $crate::rows::Read $(<$crate::rows::$more_how>)?>::read(from)?,)+)?
                })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_seq($crate::rows::OfArray::new())
            }
        }
    };
}
pub(crate) use rows;

#[cfg(test)]
mod tests;
