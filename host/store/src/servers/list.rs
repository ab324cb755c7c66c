//! Lists of servers: one query a page, served by an index in the default order.

use skyloom_model::{Error, Reach, Result};

use super::{ADDRESSES, Full, Parts, Server, packed, unpack};
use crate::conn::Conn;
use crate::dialect;
use crate::listing::{Condition, Listed, Page, Query};

/// Which servers there are to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    pub living: bool,
    /// In the recycle bin.
    pub recycled: bool,
    /// Deleted and still kept.
    pub deleted: bool,
}

impl Life {
    pub const LIVING: Self = Self { living: true, recycled: false, deleted: false };
    pub const DELETED: Self = Self { living: false, recycled: false, deleted: true };
    pub const ALL: Self = Self { living: true, recycled: true, deleted: true };

    /// The contract's words, of which each adds some.
    pub fn of_words(words: &[String]) -> Result<Self> {
        let mut life = Self::default();
        for word in words {
            *match word.as_str() {
                "living" => &mut life.living,
                "recycled" => &mut life.recycled,
                "deleted" => &mut life.deleted,
                other => return Err(Error::invalid("life", format!("life cannot be {other:?}."))),
            } = true;
        }
        Ok(life)
    }

    /// Constants, so that the plan for living ones doesn't depend on a parameter.
    fn sql(self) -> &'static str {
        match (self.living, self.recycled, self.deleted) {
            (true, true, true) => "s.deleted IN (0, 1)",
            (true, true, false) => "s.deleted = 0",
            (true, false, true) => "s.deleted IN (0, 1) AND s.vm_state <> 'soft-deleted'",
            (true, false, false) => "s.deleted = 0 AND s.vm_state <> 'soft-deleted'",
            (false, true, true) => "s.deleted IN (0, 1) AND s.vm_state IN ('soft-deleted', 'deleted')",
            (false, true, false) => "s.deleted = 0 AND s.vm_state = 'soft-deleted'",
            (false, false, true) => "s.deleted = 1",
            (false, false, false) => "1 = 0",
        }
    }
}

/// All must hold.
#[derive(Clone, Debug)]
pub struct Filter {
    pub reach: Reach,
    pub life: Life,
    pub conditions: Vec<Condition>,
}

impl Filter {
    /// The living ones of every project.
    #[must_use]
    pub fn all() -> Self {
        Self { reach: Reach::All, life: Life::LIVING, conditions: Vec::new() }
    }
}

const DEFAULT: &[(&str, bool)] = &[("created-at", true)];

fn query(postgres: bool, columns: String, filter: &Filter) -> Result<Query> {
    let mut query = Query::new(columns, "servers s", "s.id");
    query.within(postgres, &[Server::OWNER], &filter.reach, None);
    // No part of the scope: a list goes on behind a server that was deleted meanwhile.
    query.and(filter.life.sql());
    query.meet(postgres, Server::FIELDS, &filter.conditions)?;
    Ok(query)
}

/// Newest first unless sorted otherwise.
pub async fn list(conn: &mut Conn, filter: &Filter, parts: Parts, page: &Page) -> Result<Listed<Full>> {
    let postgres = conn.is_postgres();
    let servers = query(postgres, packed(postgres, parts).to_owned(), filter)?;
    servers
        .weighed(parts.weight())
        .packed_page(conn, Server::FIELDS, DEFAULT, page, unpack, |full| &full.server.id)
        .await
}

/// What conditions look at that no database knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looks {
    pub id: String,
    pub name: String,
    /// Only when asked for.
    pub addresses: Vec<String>,
}

/// Ids, names and, when asked for, addresses only, in the order of [`list`].
pub async fn looks(conn: &mut Conn, filter: &Filter, with_addresses: bool, page: &Page) -> Result<Listed<Looks>> {
    let postgres = conn.is_postgres();
    let of_server = |(from, of): &(&str, &str)| format!("SELECT a.address FROM {from} WHERE {of} = s.id");
    let all = ADDRESSES.iter().map(of_server).collect::<Vec<_>>().join(" UNION ALL ");
    let addresses = if with_addresses { dialect::json_list(postgres, "t.address", &all) } else { "'[]'".to_owned() };
    let looks = query(postgres, format!("s.id, s.name, {addresses}"), filter)?;
    let of_row = |row: crate::Row<'_>| Ok(Looks { id: row.text(0)?, name: row.text(1)?, addresses: row.json(2)? });
    looks.page(conn, Server::FIELDS, DEFAULT, page, of_row).await
}
