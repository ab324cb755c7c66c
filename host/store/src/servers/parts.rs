//! What of a server is asked for beside its own fields.

use std::sync::OnceLock;

use skyloom_model::{Error, Result};

use super::{Server, of_core};
use crate::{dialect, rows};

/// The contract's words.
const WORDS: [&str; 7] = ["nics", "volumes", "security-groups", "tags", "metadata", "attributes", "user-data"];

/// A set of parts. What isn't in it is neither read nor told: its field is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts(u8);

impl Parts {
    pub const ALL: Self = Self((1 << WORDS.len()) - 1);

    /// All but the user data, which may be long.
    pub const USUAL: Self = Self((1 << (WORDS.len() - 1)) - 1);

    /// `invalid` on `parts` names a word that isn't one.
    pub fn of_words(words: &[String]) -> Result<Self> {
        let mut set = 0;
        for word in words {
            let bit = bit(word).ok_or_else(|| Error::invalid("parts", format!("A server has no part {word}.")))?;
            set |= bit;
        }
        Ok(Self(set))
    }

    /// Bytes of a server's row that its owner can make many, as SQL.
    pub(super) fn weight(self) -> &'static str {
        macro_rules! usual {
            ($($more:literal)?) => {
                concat!(
                    "octet_length(s.metadata) + octet_length(s.attributes) + octet_length(s.flavor) + octet_length(s.public_key)"
                    $(, $more)?
                )
            };
        }
        if self.has("user-data") { usual!(" + octet_length(coalesce(s.user_data, ''))") } else { usual!() }
    }

    fn has(self, word: &str) -> bool {
        bit(word).is_some_and(|bit| self.0 & bit != 0)
    }
}

fn bit(word: &str) -> Option<u8> {
    WORDS.iter().position(|known| *known == word).map(|at| 1 << at)
}

/// What belongs to a server, in the order of [`Full`](super::Full): the part, columns, and where they stand. Sorted here and not by
/// the database, which would build a table for each server and list.
const BELONGINGS: [(&str, &[&str], &str); 5] = [
    (
        "nics",
        &["p.position", "p.id", "p.network_id", "n.name", "p.mac", "a.number", "a.address"],
        concat!(
            "ports p JOIN networks n ON n.id = p.network_id LEFT JOIN port_addresses a ON a.port_id = p.id ",
            "WHERE p.device_id = s.id AND ",
            of_core!()
        ),
    ),
    (
        "nics",
        &["a.number", "a.address", "b.port_id"],
        "public_addresses b JOIN port_addresses a ON a.port_id = b.carrier_id WHERE b.server_id = s.id",
    ),
    (
        "security-groups",
        &["g.name"],
        concat!(
            "ports p JOIN port_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.group_id ",
            "WHERE p.device_id = s.id AND ",
            of_core!()
        ),
    ),
    ("volumes", &["v.boot_index", "v.id", "v.device", "v.delete_on_termination"], "volumes v WHERE v.server_id = s.id"),
    ("tags", &["g.tag"], "server_tags g WHERE g.server_id = s.id"),
];

/// [`Full`](super::Full) of `servers s` as one text, JSON values one behind the other: [`Server`], [`BELONGINGS`]. One text is read
/// several times faster than forty columns.
pub(super) fn packed(postgres: bool, parts: Parts) -> &'static str {
    const EACH: usize = 1 << WORDS.len();
    static TEXTS: [OnceLock<String>; 2 * EACH] = [const { OnceLock::new() }; 2 * EACH];
    TEXTS[usize::from(postgres) * EACH + usize::from(parts.0)].get_or_init(|| {
        let belongings = BELONGINGS.map(|(part, values, from)| {
            if parts.has(part) { dialect::json_unordered(postgres, values, from) } else { "'[]'".to_owned() }
        });
        format!("concat({}, {})", packed_own(postgres, parts), belongings.join(", "))
    })
}

/// Arguments of `concat` that make what [`own`](super::own) reads.
pub(super) fn packed_own(postgres: bool, parts: Parts) -> String {
    let fault = ["s.fault_message", "coalesce(s.fault_code, 500)", "coalesce(s.fault_at, 0)"].map(str::to_owned);
    let fault = dialect::json_array(postgres, &fault);
    let fault = format!("CASE WHEN s.fault_message IS NULL THEN 'null' ELSE {fault} END");
    let empty = [
        ("metadata", "metadata", "'{}'"),
        ("attributes", "attributes", "'{}'"),
        ("user-data", "user_data", "CAST(NULL AS TEXT)"),
    ];
    let absent: Vec<(&str, &str)> =
        empty.into_iter().filter(|(part, ..)| !parts.has(part)).map(|(_, column, sql)| (column, sql)).collect();
    rows::packed(postgres, &Server::FIELDS[..Server::WIDTH], &absent, &[&fault])
}
