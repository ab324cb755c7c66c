//! How values stand in the columns: TEXT or BIGINT.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use skyloom_model::{Error, PowerState, Result, TaskState, Timestamp, VmState};

use super::{Kind, Source};
use crate::networks::Cidr;
use crate::{Row, Value};

/// As the type says itself.
pub(crate) struct Plain;

/// As JSON text.
pub(crate) struct Json;

/// None as an empty text or 0, so that lists can be ordered by it.
pub(crate) struct OrEmpty;

/// What can be read from a row.
pub(crate) trait Read<As = Plain>: Sized {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self>;
}

/// What stands in one column.
pub(crate) trait Cell<As = Plain>: Read<As> {
    const KIND: Kind;

    fn value(&self) -> Result<Value<'_>>;
}

/// What a database gives, as a column or within a JSON array.
pub(crate) trait Raw<'r>: Deserialize<'r> {
    fn of_row(row: Row<'r>, column: usize) -> Result<Self>;
}

/// A text that is borrowed where it stands as it is.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'r>(#[serde(borrow)] Cow<'r, str>);

impl<'r> Raw<'r> for Text<'r> {
    fn of_row(row: Row<'r>, column: usize) -> Result<Self> {
        row.text_ref(column).map(|text| Self(text.into()))
    }
}

/// A type that is what the database gives.
macro_rules! raw {
    ($($type:ty: $kind:ident by $getter:ident,)+) => {
        $(
            impl<'r> Raw<'r> for $type {
                fn of_row(row: Row<'r>, column: usize) -> Result<Self> {
                    row.$getter(column)
                }
            }

            impl Read for $type {
                fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
                    from.next()
                }
            }

            impl Cell for $type {
                const KIND: Kind = Kind::$kind;

                fn value(&self) -> Result<Value<'_>> {
                    Ok(self.into())
                }
            }
        )+
    };
}

raw! {
    String: Text by text,
    Option<String>: Text by opt_text,
    i64: Int by int,
    Option<i64>: Int by opt_int,
}

/// A type that is made of what the database gives.
macro_rules! made {
    ($($type:ty $(as $how:ident)?: $kind:ident, |$raw:ident: $from:ty| $made:expr, |$self:ident| $value:expr;)+) => {
        $(
            impl Read$(<$how>)? for $type {
                fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
                    let $raw: $from = from.next()?;
                    $made
                }
            }

            impl Cell$(<$how>)? for $type {
                const KIND: Kind = Kind::$kind;

                fn value(&self) -> Result<Value<'_>> {
                    let $self = self;
                    Ok($value)
                }
            }
        )+
    };
}

made! {
    bool: Flag, |int: i64| Ok(int != 0), |flag| (*flag).into();
    u8: Int, |int: i64| number(int), |number| i64::from(*number).into();
    u32: Int, |int: i64| number(int), |number| (*number).into();
    Timestamp: Time, |int: i64| Ok(Self(int)), |time| (*time).into();
    Option<Timestamp>: Time, |int: Option<i64>| Ok(int.map(Timestamp)), |time| (*time).into();
    Option<Timestamp> as OrEmpty: Time, |int: i64| Ok((int != 0).then_some(Timestamp(int))),
        |time| time.unwrap_or_default().into();
    Option<String> as OrEmpty: Text, |text: String| Ok((!text.is_empty()).then_some(text)),
        |text| text.as_deref().unwrap_or_default().into();
    Cidr: Text, |text: Text<'_>| Self::parse(&text.0).ok_or_else(|| unknown(&text.0)), |cidr| cidr.to_string().into();
    Option<IpAddr>: Text,
        |text: Option<String>| text.map(|text| text.parse().map_err(|_| unknown(&text))).transpose(),
        |address| Value::from(address.map(|address| address.to_string()));
}

fn number<T: TryFrom<i64>>(int: i64) -> Result<T> {
    T::try_from(int).map_err(|_| Error::internal(format!("a column holds {int}")))
}

fn unknown(text: &str) -> Error {
    Error::internal(format!("a column holds {text:?}"))
}

/// One of some words.
pub(crate) trait Word: Copy + Sized {
    fn word(self) -> &'static str;

    fn of_word(text: &str) -> Option<Self>;

    fn of_row(text: &str) -> Result<Self> {
        Self::of_word(text).ok_or_else(|| unknown(text))
    }
}

impl<W: Word> Read for W {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
        Self::of_row(&from.next::<Text<'_>>()?.0)
    }
}

impl<W: Word> Cell for W {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Result<Value<'_>> {
        Ok(self.word().into())
    }
}

impl<W: Word> Read<OrEmpty> for Option<W> {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
        let Text(text) = from.next()?;
        if text.is_empty() { Ok(None) } else { W::of_row(&text).map(Some) }
    }
}

impl<W: Word> Cell<OrEmpty> for Option<W> {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Result<Value<'_>> {
        Ok(self.map_or("", W::word).into())
    }
}

impl<T: DeserializeOwned> Read<Json> for T {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
        from.json()
    }
}

impl<T: serde::Serialize + DeserializeOwned> Cell<Json> for T {
    const KIND: Kind = Kind::Json;

    fn value(&self) -> Result<Value<'_>> {
        serde_json::to_string(self).map(Value::from).map_err(Error::internal)
    }
}

/// None as NULL, else JSON text.
pub(crate) struct JsonOrNull;

impl<T: DeserializeOwned> Read<JsonOrNull> for Option<T> {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
        let text: Option<String> = from.next()?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| Error::internal(format!("a column: {error}"))))
            .transpose()
    }
}

impl<T: serde::Serialize + DeserializeOwned> Cell<JsonOrNull> for Option<T> {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Result<Value<'_>> {
        self.as_ref().map(serde_json::to_string).transpose().map(Value::from).map_err(Error::internal)
    }
}

/// A text that is JSON, unread.
pub(crate) struct JsonText;

impl Read<JsonText> for String {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
        from.json::<&RawValue>().map(|json| json.get().to_owned())
    }
}

impl Cell<JsonText> for String {
    const KIND: Kind = Kind::Json;

    fn value(&self) -> Result<Value<'_>> {
        Ok(self.into())
    }
}

/// Those that declare themselves by `as_str` and `parse`.
macro_rules! word {
    ($($type:ty),+) => {
        $(
            impl $crate::rows::Word for $type {
                fn word(self) -> &'static str {
                    self.as_str()
                }

                fn of_word(text: &str) -> Option<Self> {
                    Self::parse(text)
                }
            }
        )+
    };
}
pub(crate) use word;

word!(VmState, TaskState, PowerState);

/// Words that the store holds.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// The word that the store holds.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }

        $crate::rows::word!($name);
    };
}
pub(crate) use words;
