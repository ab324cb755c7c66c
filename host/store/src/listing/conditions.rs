//! What the rows of a list must be like: conditions on the fields that a table declares.

use std::borrow::Cow;

use skyloom_model::{Error, Result};

use super::{Param, Query};
use crate::dialect;
use crate::fields::{Field, Kind};

/// What a list holds.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The project that looks. None: all is seen.
    pub viewer: Option<String>,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

impl Filter {
    #[must_use]
    pub fn seen_by(viewer: Option<&str>) -> Self {
        Self { viewer: viewer.map(ToOwned::to_owned), conditions: Vec::new() }
    }

    /// The field is any of the values; none: no condition.
    #[must_use]
    pub fn any(mut self, field: &'static str, values: Vec<String>) -> Self {
        if !values.is_empty() {
            self.conditions.push(Condition { field: field.into(), test: Test::Any, values });
        }
        self
    }

    /// The field is the value, where there is one.
    #[must_use]
    pub fn is(self, field: &'static str, value: Option<impl ToString>) -> Self {
        self.any(field, value.map(|value| value.to_string()).into_iter().collect())
    }
}

/// A test of one field.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The contract's word.
    pub field: Cow<'static, str>,
    pub test: Test,
    /// Texts; numbers and times in digits; `true` or `false`.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of the values; of none it is none.
    Any,
    /// The first value is part of the text, with case.
    Part,
    /// The first value or more.
    From,
    /// Less than the first value.
    Before,
}

impl Query {
    /// The rows that meet all of the conditions. `invalid` names a field that isn't one of `fields`, or its wrong test or value.
    pub(crate) fn meet(&mut self, postgres: bool, fields: &[Field], conditions: &[Condition]) -> Result<()> {
        for Condition { field: word, test, values } in conditions {
            let wrong = |what: &str| Error::invalid(&**word, format!("{word} {what}"));
            let field = fields.iter().find(|field| field.found && field.word == *word);
            let field = field.ok_or_else(|| wrong("is not a field to look for."))?;
            let first = self.params.len() + 1;
            for value in values {
                self.params.push(param(field.kind, value).ok_or_else(|| wrong("cannot have such a value."))?);
            }
            let number = matches!(field.kind, Kind::Int | Kind::Time);
            self.conditions.push(match test {
                Test::Any if values.len() == 1 => format!("{} = ${first}", field.sql),
                Test::Any => format!("{} IN ({})", field.sql, dialect::placeholders(first, values.len())),
                Test::Part if field.kind == Kind::Text && values.len() == 1 => {
                    dialect::contains(postgres, field.sql, &format!("${first}"))
                }
                Test::From if number && values.len() == 1 => format!("{} >= ${first}", field.sql),
                Test::Before if number && values.len() == 1 => format!("{} < ${first}", field.sql),
                _ => return Err(wrong("cannot be looked for in this way.")),
            });
        }
        Ok(())
    }
}

fn param(kind: Kind, value: &str) -> Option<Param> {
    match kind {
        Kind::Text => Some(Param::Text(value.to_owned())),
        Kind::Int | Kind::Time => value.parse().ok().map(Param::Int),
        Kind::Flag => value.parse::<bool>().ok().map(|flag| Param::Int(i64::from(flag))),
        Kind::Json => None,
    }
}
