//! Security groups and their rules.

use skyloom_model::{Error, ErrorCode, Reach, Result, Timestamp, new_id};

use super::{BY_ID, NO_TAGS};
use crate::listing::{Filter, Listed, Owner, Page, Query};
use crate::rows::rows;
use crate::statement::{delete_from, reading, update};
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Group in "security_groups" as "g" {
        id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        name: String [changes, sorts, finds],
        description: String [changes, finds],
        stateful: bool [changes, finds],
        /// The one that a project's ports get when nothing is said.
        is_default: bool [finds],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        revision: i64 [counts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
    beside {
        /// By id.
        rules: Vec<Rule> as Json,
    }
    also { "tags": Many(NO_TAGS) [finds] "", }
}

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Rule in "security_rules" as "r" {
        id: String [sorts, finds],
        group_id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        ingress: bool [sorts, finds],
        /// 4 or 6.
        ip_version: u8 [sorts, finds],
        protocol: Option<String> [sorts_as("coalesce(r.protocol, '')"), finds],
        port_min: Option<i64> [sorts_as("coalesce(r.port_min, -1)"), finds],
        port_max: Option<i64> [sorts_as("coalesce(r.port_max, -1)"), finds],
        remote_cidr: Option<String> [sorts_as("coalesce(r.remote_cidr, '')"), finds],
        remote_group_id: Option<String> [sorts_as("coalesce(r.remote_group_id, '')"), finds],
        description: String [finds],
        created_at: Timestamp [sorts, finds],
        revision: i64 [finds],
        /// JSON object of personality to its own JSON object. A plain text: a group's rules are read as one array.
        attributes: String,
    }
    also {
        "updated-at": Time [sorts, finds] "r.created_at",
    }
}

/// What a new rule says.
#[derive(Clone, Debug, Default)]
pub struct NewRule {
    pub ingress: bool,
    pub ip_version: u8,
    pub protocol: Option<String>,
    pub port_min: Option<i64>,
    pub port_max: Option<i64>,
    pub remote_cidr: Option<String>,
    pub remote_group_id: Option<String>,
    pub description: String,
    /// As [`Rule::attributes`]; none: nobody's.
    pub attributes: Option<String>,
}

fn group_query(postgres: bool) -> Query {
    let columns: Vec<String> = Rule::FIELDS[..Rule::WIDTH].iter().map(|field| format!("t.{}", field.name)).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rules = format!("SELECT {} FROM security_rules r WHERE r.group_id = g.id ORDER BY r.id", Rule::COLUMNS);
    let rules = dialect::json_rows(postgres, &columns, &rules);
    Group::query().beside(&[&rules])
}

/// A project sees its own ones.
fn filtered_groups(conn: &Conn, filter: &Filter) -> Result<Query> {
    let mut query = group_query(conn.is_postgres());
    query.within(conn.is_postgres(), &[Group::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Group::FIELDS, &filter.conditions)?;
    Ok(query)
}

pub async fn list_groups(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Group>> {
    filtered_groups(conn, filter)?.page(conn, Group::FIELDS, BY_ID, page, Group::of_row).await
}

pub async fn get_group(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Group>> {
    let filter = Filter::within(reach).is("id", id);
    Ok(filtered_groups(conn, &filter)?.rows(conn, Group::of_row).await?.pop())
}

/// The ids of a project's groups by name or id, in the order asked for and once each. `not-found` names the first one that
/// isn't there, `wrong-state` a name that several have.
pub async fn resolve_groups(conn: &mut Conn, project_id: &str, names_or_ids: &[String]) -> Result<Vec<String>> {
    let mut query = Query::new("g.id, g.name", "security_groups g", "g.id");
    query.and_text("g.project_id", Some(project_id));
    let list = query.list(names_or_ids);
    query.and(format!("(g.id IN ({list}) OR g.name IN ({list}))"));
    let known = query.rows(conn, |row| Ok((row.text(0)?, row.text(1)?))).await?;
    let mut ids: Vec<String> = Vec::new();
    for wanted in names_or_ids {
        let by_id = known.iter().filter(|(id, _)| id == wanted);
        let found: Vec<&String> = match by_id.map(|(id, _)| id).next() {
            Some(id) => vec![id],
            None => known.iter().filter(|(_, name)| name == wanted).map(|(id, _)| id).collect(),
        };
        match found.as_slice() {
            [id] if ids.contains(id) => {}
            [id] => ids.push((*id).clone()),
            [] => return Err(Error::not_found("security-group", wanted).with_field("security-groups")),
            _ => {
                let message =
                    format!("Multiple security groups found matching '{wanted}'. Use an ID to be more specific.");
                return Err(Error::new(ErrorCode::WrongState, message).with_field("security-groups"));
            }
        }
    }
    Ok(ids)
}

/// The id of the project's default group, made with its rules when it isn't there: all traffic out, and traffic in from
/// the same group.
pub async fn default_group(tx: &mut Conn, project_id: &str, now: Timestamp) -> Result<String> {
    const FIND: &str = "SELECT id FROM security_groups WHERE project_id = $1 AND is_default = 1";
    if let Some(id) = tx.optional(reading(&["security_groups"], FIND), args![project_id], |row| row.text(0)).await? {
        return Ok(id);
    }
    let id = new_id();
    let group = Group {
        id: id.clone(),
        project_id: project_id.to_owned(),
        name: "default".to_owned(),
        description: "Default security group".to_owned(),
        stateful: true,
        is_default: true,
        created_at: now,
        updated_at: now,
        revision: 1,
        attributes: "{}".to_owned(),
        rules: Vec::new(),
    };
    if !group.insert()?.unless_there().run(tx).await? {
        // Another process was faster.
        return tx.one(FIND, args![project_id], |row| row.text(0)).await;
    }
    for ip_version in [4, 6] {
        for ingress in [false, true] {
            let remote_group_id = ingress.then(|| id.clone());
            let rule = NewRule { ingress, ip_version, remote_group_id, ..NewRule::default() };
            insert_rule(tx, &new_id(), &id, project_id, &rule, now).await?;
        }
    }
    Ok(id)
}

/// With the rules that every new group has: all traffic out.
pub async fn insert_group(tx: &mut Conn, group: &Group) -> Result<()> {
    group.insert()?.run(tx).await?;
    for ip_version in [4, 6] {
        let rule = NewRule { ip_version, ..NewRule::default() };
        insert_rule(tx, &new_id(), &group.id, &group.project_id, &rule, group.created_at).await?;
    }
    Ok(())
}

/// As [`Conn::lock`].
pub async fn lock_group(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.lock("security_groups", id).await
}

/// Writes all that may change; the revision grows by one. False: there is no such group.
pub async fn update_group(tx: &mut Conn, group: &Group) -> Result<bool> {
    group.update()?.run(tx).await
}

/// Whether a port is in the group.
pub async fn group_in_use(conn: &mut Conn, id: &str) -> Result<bool> {
    let found = conn
        .optional("SELECT port_id FROM port_groups WHERE group_id = $1 LIMIT 1", args![id], |row| row.text(0))
        .await?;
    Ok(found.is_some())
}

/// With its rules and the rules of other groups that name it; a port in it makes that fail (`in-use`).
pub async fn delete_group(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.execute(delete_from("security_rules", "WHERE group_id = $1 OR remote_group_id = $1"), args![id]).await?;
    Ok(tx.execute(delete_from("security_groups", "WHERE id = $1"), args![id]).await? == 1)
}

/// Whose a rule's group is.
const OF_GROUP: Owner = Owner {
    project: "(SELECT g.project_id FROM security_groups g WHERE g.id = r.group_id)",
    domain: "(SELECT g.domain_id FROM security_groups g WHERE g.id = r.group_id)",
};

fn filtered_rules(conn: &Conn, filter: &Filter) -> Result<Query> {
    let mut query = Rule::query();
    // A group's owner also sees the rules that an operator put there.
    query.within(conn.is_postgres(), &[Rule::OWNER, OF_GROUP], &filter.reach, None);
    query.meet(conn.is_postgres(), Rule::FIELDS, &filter.conditions)?;
    Ok(query)
}

pub async fn list_rules(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Rule>> {
    filtered_rules(conn, filter)?.page(conn, Rule::FIELDS, BY_ID, page, Rule::of_row).await
}

pub async fn get_rule(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Rule>> {
    let filter = Filter::within(reach).is("id", id);
    Ok(filtered_rules(conn, &filter)?.rows(conn, Rule::of_row).await?.pop())
}

/// Holds the group's row until the commit, so that its rules stay what they are; its revision grows. False: there is no such
/// group.
pub async fn touch_group(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            update("security_groups", "SET revision = revision + 1, updated_at = $2 WHERE id = $1"),
            args![id, now],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn insert_rule(
    tx: &mut Conn,
    id: &str,
    group_id: &str,
    project_id: &str,
    new: &NewRule,
    now: Timestamp,
) -> Result<()> {
    let rule = Rule {
        id: id.to_owned(),
        group_id: group_id.to_owned(),
        project_id: project_id.to_owned(),
        ingress: new.ingress,
        ip_version: new.ip_version,
        protocol: new.protocol.clone(),
        port_min: new.port_min,
        port_max: new.port_max,
        remote_cidr: new.remote_cidr.clone(),
        remote_group_id: new.remote_group_id.clone(),
        description: new.description.clone(),
        created_at: now,
        revision: 0,
        attributes: new.attributes.clone().unwrap_or_else(|| "{}".to_owned()),
    };
    rule.insert()?.run(tx).await.map(drop)
}

/// False: there is no such rule.
pub async fn delete_rule(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    tx.execute(
        update(
            "security_groups",
            "SET revision = revision + 1, updated_at = $2 \
             WHERE id = (SELECT group_id FROM security_rules WHERE id = $1)",
        )
        .reading(&["security_rules"]),
        args![id, now],
    )
    .await?;
    Ok(tx.execute(delete_from("security_rules", "WHERE id = $1"), args![id]).await? == 1)
}
