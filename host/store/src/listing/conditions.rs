//! What the rows of a list must be like: conditions on the fields that a table declares.

use std::borrow::Cow;

use skyloom_model::{Error, Reach, Result};

use super::{Param, Query};
use crate::dialect;
use crate::fields::{Field, Kind, Members};

/// A list has at most so many conditions.
const MAX_CONDITIONS: usize = 64;

/// Of all conditions of a list together, and their bytes.
const MAX_VALUES: usize = 4000;
const MAX_BYTES: usize = 1 << 20;

/// What no row meets.
const NONE: &str = "1 = 0";

/// What a list holds.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of whoever looks.
    pub reach: Reach,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

impl Filter {
    #[must_use]
    pub fn new(reach: &Reach, conditions: Vec<Condition>) -> Self {
        Self { reach: reach.clone(), conditions }
    }

    #[must_use]
    pub fn within(reach: &Reach) -> Self {
        Self::new(reach, Vec::new())
    }

    /// Of every project.
    #[must_use]
    pub fn all() -> Self {
        Self::within(&Reach::All)
    }

    /// The field is the value.
    #[must_use]
    pub fn is(mut self, field: &'static str, value: impl ToString) -> Self {
        self.conditions.push(Condition::is(field, value));
        self
    }
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The contract's word.
    pub field: Cow<'static, str>,
    pub test: Test,
    /// Texts; numbers and times in digits; `true` or `false`.
    pub values: Vec<String>,
}

impl Condition {
    pub fn is(field: &'static str, value: impl ToString) -> Self {
        Self::any_of(field, vec![value.to_string()])
    }

    pub fn any_of(field: &'static str, values: Vec<String>) -> Self {
        Self { field: field.into(), test: Test::AnyOf, values }
    }

    fn wrong(&self, what: &str) -> Error {
        Error::invalid(&*self.field, format!("{} {what}", self.field))
    }

    fn wrong_test(&self) -> Error {
        self.wrong("cannot be looked for in this way.")
    }

    fn wrong_value(&self) -> Error {
        self.wrong("cannot have such a value.").with_reason("malformed")
    }

    /// The values two by two.
    fn pairs(&self) -> Result<impl Iterator<Item = (&String, &String)>> {
        let pairs = self.values.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(self.wrong("needs its values in pairs."));
        }
        Ok(pairs.map(|pair| (&pair[0], &pair[1])))
    }
}

/// Takes out a condition that says where to look instead of what rows are like.
pub fn taken(conditions: &mut Vec<Condition>, field: &str) -> Result<Option<String>> {
    let Some(at) = conditions.iter().position(|condition| condition.field == field) else { return Ok(None) };
    let mut condition = conditions.swap_remove(at);
    match condition.values.pop() {
        Some(value) if condition.test == Test::AnyOf && condition.values.is_empty() => Ok(Some(value)),
        _ => Err(condition.wrong("has one value, which it is.")),
    }
}

/// As [`taken`], for one of several values.
pub fn taken_values(conditions: &mut Vec<Condition>, field: &str) -> Result<Option<Vec<String>>> {
    let Some(at) = conditions.iter().position(|condition| condition.field == field) else { return Ok(None) };
    let condition = conditions.swap_remove(at);
    if condition.test != Test::AnyOf || condition.values.is_empty() {
        return Err(condition.wrong("has values, of which it is one."));
    }
    Ok(Some(condition.values))
}

/// As [`taken`], where the value is yes or no.
pub fn taken_flag(conditions: &mut Vec<Condition>, field: &'static str) -> Result<Option<bool>> {
    let Some(value) = taken(conditions, field)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| Condition::is(field, value).wrong_value())
}

macro_rules! tests {
    ($($(#[$meta:meta])* $name:ident $word:literal,)+) => {
        /// The order is that of a statement's conditions on one field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Test {
            $($(#[$meta])* $name,)+
            /// A pattern of SQL's LIKE, for patterns that it can say.
            Like,
        }

        impl Test {
            /// The contract's word, as `condition` in `wit/types` has them.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

tests! {
    AnyOf "any-of",
    NoneOf "none-of",
    Set "set",
    Part "part",
    PartAnyCase "part-any-case",
    /// The core's to test, not the database's.
    Pattern "pattern",
    From "from",
    Before "before",
    Outside "outside",
    AllOf "all-of",
    NotAllOf "not-all-of",
    Pairs "pairs",
}

impl Query {
    /// The rows that meet all of the conditions. `invalid` names a field that isn't one of `fields`, or its wrong test or value.
    pub(crate) fn meet(&mut self, postgres: bool, fields: &[Field], conditions: &[Condition]) -> Result<()> {
        bounded(conditions)?;
        let place = |condition: &Condition| {
            let found = fields.iter().position(|field| field.found && field.word == condition.field);
            found.ok_or_else(|| condition.wrong("is not a field to look for."))
        };
        let mut placed =
            conditions.iter().map(|condition| Ok((place(condition)?, condition))).collect::<Result<Vec<_>>>()?;
        // Always in one order: then the database sees few different statements.
        placed.sort_by_key(|(place, condition)| (*place, condition.test));
        // Two fields of one member hold for the same member: an address and its subnet. Two conditions of one field don't: a set
        // has this member and that one.
        let mut of_members: Vec<(&Members, Vec<(usize, String)>)> = Vec::new();
        for (place, condition) in placed {
            let field = &fields[place];
            match field.kind {
                Kind::Many(members) => {
                    let Some(sql) = self.of_set(postgres, members, condition)? else { continue };
                    let fits = |(known, tests): &&mut (&Members, Vec<(usize, String)>)| {
                        known.from == members.from && tests.iter().all(|(of, _)| *of != place)
                    };
                    match of_members.iter_mut().find(fits) {
                        Some((_, tests)) => tests.push((place, sql)),
                        None => of_members.push((members, vec![(place, sql)])),
                    }
                }
                Kind::Pairs(members) => self.of_pairs(condition, |key, value| members.has_pair(key, value))?,
                Kind::Json => self.of_object(postgres, field.sql, condition)?,
                Kind::Text | Kind::Int | Kind::Flag | Kind::Time => {
                    let sql = self.of_column(postgres, field, condition)?;
                    self.conditions.push(sql);
                }
            }
        }
        for (members, tests) in of_members {
            let tests: Vec<String> = tests.into_iter().map(|(_, sql)| sql).collect();
            self.conditions.push(members.has(&tests.join(" AND ")));
        }
        Ok(())
    }

    fn of_column(&mut self, postgres: bool, field: &Field, condition: &Condition) -> Result<String> {
        let (sql, kind, values) = (field.sql, field.kind, &condition.values);
        let is_number = matches!(kind, Kind::Int | Kind::Time);
        Ok(match (condition.test, values.as_slice()) {
            (Test::AnyOf, _) => self.one_of(postgres, sql, kind, condition)?,
            (Test::NoneOf, _) => {
                let found = self.one_of(postgres, sql, kind, condition)?;
                format!("({sql} IS NULL OR NOT {found})")
            }
            (Test::Set, [set]) => {
                let set: bool = set.parse().map_err(|_| condition.wrong_value())?;
                let empty = if kind == Kind::Text { "''" } else { "0" };
                format!("coalesce({sql}, {empty}) {} {empty}", if set { "<>" } else { "=" })
            }
            (Test::Part | Test::PartAnyCase | Test::Like, [text]) if kind == Kind::Text => {
                self.like(postgres, sql, condition.test, text)
            }
            (Test::From, [value]) if is_number => {
                let from = number(condition, value)?;
                // 0 is a time that never came.
                format!("{sql} >= {}", self.int(if kind == Kind::Time { from.max(1) } else { from }))
            }
            (Test::Before, [value]) if is_number => {
                let before = self.int(number(condition, value)?);
                format!(
                    "{sql} < {before}{}",
                    if kind == Kind::Time { format!(" AND {sql} > 0") } else { String::new() }
                )
            }
            (Test::Outside, _) if is_number => {
                let mut ways = Vec::new();
                for (start, end) in condition.pairs()? {
                    let (start, end) = (self.int(number(condition, start)?), self.int(number(condition, end)?));
                    ways.push(format!("({sql} < {start} OR {sql} >= {end})"));
                }
                if ways.is_empty() { "1 = 1".to_owned() } else { ways.join(" AND ") }
            }
            _ => return Err(condition.wrong_test()),
        })
    }

    fn like(&mut self, postgres: bool, sql: &str, test: Test, text: &str) -> String {
        // No text that is stored has a NUL, and PostgreSQL takes none.
        if text.contains('\0') {
            return NONE.to_owned();
        }
        match test {
            Test::Like => format!("{sql} LIKE {}", self.text(text)),
            Test::PartAnyCase => {
                let part = self.text(text.to_ascii_lowercase());
                dialect::contains(postgres, &format!("lower({sql})"), &part)
            }
            _ => dialect::contains(postgres, sql, &self.text(text)),
        }
    }

    /// `sql` is one of the condition's values.
    fn one_of(&mut self, postgres: bool, sql: &str, kind: Kind, condition: &Condition) -> Result<String> {
        let params = condition.values.iter().filter(|value| !value.contains('\0'));
        let params: Vec<Param> =
            params.map(|value| param(kind, value).ok_or_else(|| condition.wrong_value())).collect::<Result<_>>()?;
        Ok(match params.len() {
            0 => NONE.to_owned(),
            1 => {
                self.params.extend(params);
                format!("({sql} = ${})", self.params.len())
            }
            // One parameter whatever their number: one statement.
            _ => {
                let is_text = matches!(params[0], Param::Text(_));
                let list = serde_json::to_string(&params.iter().map(Param::json).collect::<Vec<_>>());
                let list = self.text(list.map_err(Error::internal)?);
                dialect::is_listed(postgres, sql, is_text, &list)
            }
        })
    }

    /// A test that one member of the set must pass; none: the condition is met by the set as a whole and said already.
    fn of_set(&mut self, postgres: bool, members: &Members, condition: &Condition) -> Result<Option<String>> {
        let value = members.value;
        match (condition.test, condition.values.as_slice()) {
            (Test::AnyOf, _) => return self.one_of(postgres, value, Kind::Text, condition).map(Some),
            (Test::NoneOf, _) => {
                let found = self.one_of(postgres, value, Kind::Text, condition)?;
                self.conditions.push(format!("NOT {}", members.has(&found)));
            }
            (Test::AllOf | Test::NotAllOf, _) => {
                let mut wanted = condition.values.clone();
                wanted.sort_unstable();
                wanted.dedup();
                let count = i64::try_from(wanted.len()).map_err(Error::internal)?;
                let found = self.one_of(postgres, value, Kind::Text, condition)?;
                let found = members.count(&found).ok_or_else(|| condition.wrong_test())?;
                let sign = if condition.test == Test::AllOf { "=" } else { "<" };
                let count = self.int(count);
                self.conditions.push(format!("{found} {sign} {count}"));
            }
            // Of addresses, which have one of two versions.
            (Test::Part | Test::Like, _) if members.of_versions => {
                let mut ways = Vec::new();
                for (version, text) in condition.pairs()? {
                    // Every textual form of a version 6 address has a colon, none of version 4 has.
                    let of_version = if version == "6" { "LIKE" } else { "NOT LIKE" };
                    let text = self.like(postgres, value, condition.test, text);
                    ways.push(format!("({value} {of_version} '%:%' AND {text})"));
                }
                return Ok(Some(if ways.is_empty() { NONE.to_owned() } else { format!("({})", ways.join(" OR ")) }));
            }
            _ => return Err(condition.wrong_test()),
        }
        Ok(None)
    }

    fn of_pairs(&mut self, condition: &Condition, has: impl Fn(&str, &str) -> String) -> Result<()> {
        if condition.test != Test::Pairs {
            return Err(condition.wrong_test());
        }
        for (key, value) in condition.pairs()? {
            if key.contains('\0') || value.contains('\0') {
                self.conditions.push(NONE.to_owned());
                continue;
            }
            let (key, value) = (self.text(key), self.text(value));
            self.conditions.push(has(&key, &value));
        }
        Ok(())
    }

    /// Pairs of a JSON object.
    fn of_object(&mut self, postgres: bool, sql: &str, condition: &Condition) -> Result<()> {
        // No object here has such a key, and SQLite takes it for a path.
        if condition.values.iter().step_by(2).any(|key| key.starts_with(['$', '['])) {
            self.conditions.push(NONE.to_owned());
            return Ok(());
        }
        self.of_pairs(condition, |key, value| format!("{} = {value}", dialect::json_text(postgres, sql, key)))
    }
}

fn bounded(conditions: &[Condition]) -> Result<()> {
    let values = || conditions.iter().flat_map(|condition| &condition.values);
    let too_many = conditions.len() > MAX_CONDITIONS || values().count() > MAX_VALUES;
    match conditions.first() {
        Some(first) if too_many || values().map(String::len).sum::<usize>() > MAX_BYTES => {
            let most = format!("{MAX_CONDITIONS} with {MAX_VALUES} values of {MAX_BYTES} bytes together");
            Err(first
                .wrong(&format!("is among too many conditions: at most {most} are taken."))
                .with_reason("too-many"))
        }
        _ => Ok(()),
    }
}

fn number(condition: &Condition, value: &str) -> Result<i64> {
    value.parse().map_err(|_| condition.wrong_value())
}

fn param(kind: Kind, value: &str) -> Option<Param> {
    match kind {
        Kind::Int | Kind::Time => value.parse().ok().map(Param::Int),
        Kind::Flag => value.parse::<bool>().ok().map(|flag| Param::Int(i64::from(flag))),
        _ => Some(Param::Text(value.to_owned())),
    }
}
