//! Lists of servers: one query a page, served by an index in the default order.

use skyloom_model::{PowerState, Result, TaskState, Timestamp, VmState};

use super::{Full, Server, WEIGHT, packed, unpack};
use crate::conn::Conn;
use crate::dialect;
use crate::listing::{Listed, Page, Query};
use crate::networks::OF_CORE;

/// Which servers there are to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    #[default]
    Living,
    /// Deleted and still kept.
    Deleted,
    Both,
}

/// A test of an address that the database makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTest {
    /// 4 or 6.
    pub version: u8,
    pub text: AddressText,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressText {
    Part(String),
    /// A pattern of SQL's LIKE.
    Like(String),
}

/// All that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// None: of every project.
    pub project_id: Option<String>,
    pub life: Life,
    /// None: any id.
    pub ids: Option<Vec<String>>,
    /// Part of the name, with case.
    pub name: Option<String>,
    /// Part of the name without ASCII case; lower-case itself.
    pub name_ignoring_case: Option<String>,
    pub vm_states: Vec<VmState>,
    pub task_states: Vec<TaskState>,
    pub has_task: Option<bool>,
    pub flavor_id: Option<String>,
    /// Part of the flavor's id without ASCII case; lower-case itself.
    pub flavor_id_part: Option<String>,
    pub image_id: Option<String>,
    pub zone: Option<String>,
    pub node: Option<String>,
    pub key_name: Option<String>,
    pub user_id: Option<String>,
    pub reservation_id: Option<String>,
    /// An address of the server passes one of them; empty: any server.
    pub addresses: Vec<AddressTest>,
    pub hostname: Option<String>,
    pub locked: Option<bool>,
    pub description: Option<String>,
    pub config_drive: Option<bool>,
    pub launch_index: Option<u32>,
    pub progress: Option<u8>,
    pub access_ipv4: Option<String>,
    pub access_ipv6: Option<String>,
    pub power_states: Vec<PowerState>,
    pub created: Option<(Timestamp, Timestamp)>,
    /// Never holds for a server that was not launched.
    pub launched: Option<(Timestamp, Timestamp)>,
    pub terminated: Option<(Timestamp, Timestamp)>,
    /// The last change was at this time or later; at this time or earlier.
    pub changed_since: Option<Timestamp>,
    pub changed_before: Option<Timestamp>,
    pub tags_all: Vec<String>,
    pub tags_any: Vec<String>,
    pub not_tags_all: Vec<String>,
    pub not_tags_any: Vec<String>,
    pub metadata: Vec<(String, String)>,
}

const DEFAULT: &[(&str, bool)] = &[("created-at", true)];

fn query(postgres: bool, columns: String, filter: &Filter) -> Query {
    let mut query = Query::new(columns, "servers s", "s.id");
    if let Some(project) = &filter.project_id {
        let project = query.text(project);
        query.scope(format!("s.project_id = {project}"));
    }
    // Constants, so that the plan for living ones doesn't depend on a parameter. No part of the scope: a list goes on behind a
    // server that was deleted meanwhile.
    query.and(match filter.life {
        Life::Living => "s.deleted = 0",
        Life::Deleted => "s.deleted = 1",
        Life::Both => "s.deleted IN (0, 1)",
    });
    if let Some(ids) = &filter.ids {
        let list = query.list(ids);
        query.and(format!("s.id IN ({list})"));
    }
    if let Some(part) = &filter.name {
        let part = query.text(part);
        query.and(dialect::contains(postgres, "s.name", &part));
    }
    if let Some(part) = &filter.name_ignoring_case {
        let part = query.text(part);
        query.and(dialect::contains(postgres, "lower(s.name)", &part));
    }
    states(&mut query, filter);
    for (column, value) in [
        ("s.flavor_id", &filter.flavor_id),
        ("s.image_id", &filter.image_id),
        ("s.zone", &filter.zone),
        ("s.node", &filter.node),
        ("s.key_name", &filter.key_name),
        ("s.user_id", &filter.user_id),
        ("s.reservation_id", &filter.reservation_id),
        ("s.hostname", &filter.hostname),
        ("s.description", &filter.description),
        ("s.access_ipv4", &filter.access_ipv4),
        ("s.access_ipv6", &filter.access_ipv6),
    ] {
        query.and_text(column, value.as_deref());
    }
    if let Some(part) = &filter.flavor_id_part {
        let part = query.text(part);
        query.and(dialect::contains(postgres, "lower(s.flavor_id)", &part));
    }
    query.and_flag("s.locked", filter.locked);
    query.and_flag("s.config_drive", filter.config_drive);
    query.and_int("s.launch_index", "=", filter.launch_index.map(i64::from));
    query.and_int("s.progress", "=", filter.progress.map(i64::from));
    for (column, range) in
        [("s.created_at", filter.created), ("s.launched_at", filter.launched), ("s.terminated_at", filter.terminated)]
    {
        // 0 stands for never.
        query.and_int(column, ">=", range.map(|(since, _)| since.0.max(1)));
        query.and_int(column, "<", range.map(|(_, before)| before.0));
    }
    query.and_int("s.updated_at", ">=", filter.changed_since.map(|time| time.0));
    query.and_int("s.updated_at", "<=", filter.changed_before.map(|time| time.0));
    addresses(postgres, &mut query, filter);
    tags(&mut query, filter);
    for (key, value) in &filter.metadata {
        if key.starts_with(['$', '[']) {
            // No server's metadata has such a key.
            query.and("1 = 0");
            continue;
        }
        let (key, value) = (query.text(key), query.text(value));
        query.and(format!("{} = {value}", dialect::json_text(postgres, "s.metadata", &key)));
    }
    query
}

fn states(query: &mut Query, filter: &Filter) {
    let words: Vec<String> = filter.vm_states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("s.vm_state", &words);
    let words: Vec<String> = filter.task_states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("s.task_state", &words);
    let words: Vec<String> = filter.power_states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("s.power_state", &words);
    match filter.has_task {
        Some(true) => query.and("s.task_state <> ''"),
        Some(false) => query.and("s.task_state = ''"),
        None => {}
    }
}

/// What is asked of each of a server's addresses `a`: of those of its cards, and of the public ones that reach it.
fn of_addresses(each: impl Fn(&str) -> String) -> [String; 2] {
    [
        each(&format!("ports p JOIN port_addresses a ON a.port_id = p.id WHERE p.device_id = s.id AND {OF_CORE}")),
        each("public_addresses b JOIN port_addresses a ON a.port_id = b.port_id WHERE b.server_id = s.id"),
    ]
}

fn addresses(postgres: bool, query: &mut Query, filter: &Filter) {
    if filter.addresses.is_empty() {
        return;
    }
    let mut ways = Vec::with_capacity(filter.addresses.len());
    for test in &filter.addresses {
        // Every textual form of a version 6 address has a colon, none of version 4 has.
        let version = if test.version == 6 { "a.address LIKE '%:%'" } else { "a.address NOT LIKE '%:%'" };
        let text = match &test.text {
            AddressText::Part(part) => {
                let part = query.text(part);
                dialect::contains(postgres, "a.address", &part)
            }
            AddressText::Like(pattern) => format!("a.address LIKE {}", query.text(pattern)),
        };
        ways.push(format!("({version} AND {text})"));
    }
    let ways = ways.join(" OR ");
    query.and(format!("({})", of_addresses(|from| format!("EXISTS (SELECT 1 FROM {from} AND ({ways}))")).join(" OR ")));
}

fn tags(query: &mut Query, filter: &Filter) {
    let count = |query: &mut Query, tags: &[String]| {
        let list = query.list(tags);
        format!("(SELECT count(*) FROM server_tags g WHERE g.server_id = s.id AND g.tag IN ({list}))")
    };
    let unique = |tags: &[String]| {
        let mut tags = tags.to_vec();
        tags.sort();
        tags.dedup();
        tags
    };
    for (tags, negated) in [(&filter.tags_all, false), (&filter.not_tags_all, true)] {
        if !tags.is_empty() {
            let tags = unique(tags);
            let found = count(query, &tags);
            let sign = if negated { "<" } else { "=" };
            query.and(format!("{found} {sign} {}", tags.len()));
        }
    }
    for (tags, negated) in [(&filter.tags_any, false), (&filter.not_tags_any, true)] {
        if !tags.is_empty() {
            let found = count(query, tags);
            query.and(format!("{found} {} 0", if negated { "=" } else { ">" }));
        }
    }
}

/// Newest first unless sorted otherwise.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Full>> {
    let postgres = conn.is_postgres();
    let servers = query(postgres, packed(postgres, false), filter);
    servers.weighed(WEIGHT).packed_page(conn, Server::FIELDS, DEFAULT, page, unpack, |full| &full.server.id).await
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
    let all = of_addresses(|from| format!("SELECT a.address FROM {from}")).join(" UNION ALL ");
    let addresses = if with_addresses { dialect::json_list(postgres, "t.address", &all) } else { "'[]'".to_owned() };
    let looks = query(postgres, format!("s.id, s.name, {addresses}"), filter);
    let of_row = |row: crate::Row<'_>| Ok(Looks { id: row.text(0)?, name: row.text(1)?, addresses: row.json(2)? });
    looks.page(conn, Server::FIELDS, DEFAULT, page, of_row).await
}
