//! A resource is a table with a line for each attribute. From it come the checks of bodies, the filters and sort keys of lists, and
//! what is shown:
//!
//! ```text
//! attributes! {
//!     NETWORKS of "network" in "networks": Network as network;
//!     "name" Write { finds sorts "name" } => string(&network.name);
//!     "admin_state_up" Write { finds sorts "enabled" as FLAG } => boolean(network.enabled);
//!     "status" Read { finds sorts "" as Reads::Constant(Some("ACTIVE")) } => string("ACTIVE");
//!     "dns_domain" Unset(Form::Text);
//!     "tags-any" Query { finds "tags" as Reads::List(any_of) };
//! }
//! ```
//!
//! Behind the name stands what it may be used for, in braces what it is to the core's lists (its field and how a query's text is
//! read), and behind the arrow the call of a [`Writer`] that shows it, or `by` and a function that does.

use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::{Condition, time};

use crate::Fault;
use crate::unset::Form;

/// What one attribute may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Given at creation and changed later.
    Write,
    /// Given at creation only.
    Create,
    /// Told by the service only.
    Read,
    /// Known, but its capability isn't there: only the value that says so may be given.
    Unset(Form),
    /// No attribute, but asked for in queries.
    Query,
}

/// How the texts of a query are read.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    /// Each as it stands.
    Text,
    /// By the attribute's name and the text: the core's value; none: one that nothing has.
    By(fn(&'static str, &str) -> Result<Option<String>, Fault>),
    /// Upstream's words with the core's values; nothing has another word.
    Words(&'static [(&'static str, &'static str)]),
    /// All rows have this text, or none.
    Constant(Option<&'static str>),
    /// All rows have this flag.
    ConstantFlag(bool),
    /// Texts with commas between, all together.
    List(fn(&str, Vec<String>) -> Condition),
    /// All texts together.
    All(fn(&[&str]) -> Result<Vec<Condition>, Fault>),
}

pub const FLAG: Reads = Reads::By(|name, text| flag(name, text).map(|flag| Some(flag.to_string())));

pub const NUMBER: Reads = Reads::By(|name, text| {
    let number: Result<i64, _> = text.trim().parse();
    number
        .map(|number| Some(number.to_string()))
        .map_err(|_| Fault::invalid(name, &format!("'{text}' is not an integer")))
});

pub fn flag(name: &str, text: &str) -> Result<bool, Fault> {
    boolean_text(text).ok_or_else(|| Fault::invalid(name, &format!("'{text}' cannot be converted to boolean")))
}

/// A line of the table.
#[derive(Debug)]
pub struct Attribute {
    pub name: &'static str,
    pub usage: Use,
    /// The core's; empty: it has none.
    pub field: &'static str,
    pub reads: Reads,
    pub finds: bool,
    pub sorts: bool,
}

impl Attribute {
    pub const fn new(name: &'static str, usage: Use) -> Self {
        Self { name, usage, field: "", reads: Reads::Text, finds: false, sorts: false }
    }

    pub const fn of(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    pub const fn read(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    pub const fn finds(mut self) -> Self {
        self.finds = true;
        self
    }

    pub const fn sorts(mut self) -> Self {
        self.sorts = true;
        self
    }
}

/// A kind of resource.
pub struct Resource<T: 'static> {
    /// In bodies, e.g. `security_group`; with an `s` behind it for several.
    pub name: &'static str,
    /// In paths, e.g. `security-groups`.
    pub collection: &'static str,
    pub attributes: &'static [Attribute],
    pub id: fn(&T) -> &str,
    /// Writes the members of its object.
    pub members: fn(&mut Writer, &T, &Picked<'_>),
}

impl<T> Resource<T> {
    /// One as an object.
    pub fn write(&self, writer: &mut Writer, item: &T, picked: &Picked<'_>) {
        writer.begin_object();
        (self.members)(writer, item, picked);
        writer.end_object();
    }
}

/// The attributes that a query asks for; none: all. A name that isn't there is left out.
#[derive(Debug, Default)]
pub struct Picked<'a>(pub Vec<&'a str>);

impl Picked<'_> {
    pub fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.contains(&name)
    }
}

/// A time as it is shown.
pub fn write_time(writer: &mut Writer, time: i64) {
    writer.plain(|out| time::write_seconds_z(out, time));
}

macro_rules! attributes {
    (
        $table:ident of $name:literal in $collection:literal: $kind:ty as $item:ident;
        $($attribute:literal $usage:ident $(($form:expr))?
            $({ $($flag:ident)+ $field:literal $(as $reads:expr)? })?
            $(=> $method:ident($($arg:expr),*))? $(by $write:expr)?;)+
    ) => {
        pub static $table: $crate::attributes::Resource<$kind> = $crate::attributes::Resource {
            name: $name,
            collection: $collection,
            attributes: &[$(
                $crate::attributes::Attribute::new($attribute, $crate::attributes::Use::$usage $(($form))?)
                    $($(.$flag())+.of($field)$(.read($reads))?)?,
            )+],
            id: |$item| &$item.id,
            members: |writer, $item, picked| {
                $(
                    $(if picked.has($attribute) {
                        writer.key(skyloom_sdk::key!($attribute)).$method($($arg),*);
                    })?
                    $(if picked.has($attribute) {
                        let write: fn(&mut skyloom_sdk::json::Writer, &$kind) = $write;
                        write(writer.key(skyloom_sdk::key!($attribute)), $item);
                    })?
                )+
            },
        };
    };
}
pub(crate) use attributes;
