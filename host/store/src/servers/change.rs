//! Changes of a server's row. Operations' steps write them together with their log.

use std::collections::{BTreeMap, BTreeSet};

use skyloom_model::{Error, PowerState, Reach, Result, TaskState, Timestamp, VmState};

use super::{Fault, LockedBy};
use crate::Conn;
use crate::args;
use crate::dialect;
use crate::metering;
use crate::rows::rows;
use crate::statement::{delete_from, insert_into, update};

rows! {
    /// What decides about a server: its states and whose it is.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Brief in "servers" as "s" {
        id: String,
        project_id: String,
        domain_id: String,
        name: String,
        vm_state: VmState,
        task_state: Option<TaskState> as OrEmpty,
        power_state: PowerState,
        locked: bool,
        locked_by: Option<LockedBy> as OrEmpty,
        created_at: Timestamp,
        launched_at: Option<Timestamp> as OrEmpty,
        terminated_at: Option<Timestamp> as OrEmpty,
        deleted: bool,
        zone: String,
        node: String,
        flavor_id: String,
        vcpus: u32,
        memory_mib: u32,
        /// The server group that it is in.
        group_id: Option<String> as OrEmpty,
        metadata: BTreeMap<String, String> as Json,
        attributes: String,
    }
}

/// The server's row.
pub async fn brief(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Brief>> {
    let found = conn.optional(Brief::select("WHERE s.id = $1"), args![id], Brief::of_row).await?;
    Ok(found.filter(|server| server.is_within(reach)))
}

impl Brief {
    /// In the recycle bin, also where an operation on it is stuck.
    #[must_use]
    pub fn recycled(&self) -> bool {
        self.terminated_at.is_some() && !self.deleted
    }

    #[must_use]
    pub fn is_within(&self, reach: &Reach) -> bool {
        reach.holds(&self.project_id, &self.domain_id)
    }
}

/// The server's row, held until the commit.
pub async fn lock(tx: &mut Conn, id: &str) -> Result<Option<Brief>> {
    let lock = dialect::for_update(tx.is_postgres());
    tx.optional(Brief::select(&format!("WHERE s.id = $1{lock}")), args![id], Brief::of_row).await
}

/// Several rows, held until the commit; those that aren't there are left out. By id, so that two calls can't wait for each
/// other.
pub async fn lock_many(tx: &mut Conn, ids: &[String]) -> Result<BTreeMap<String, Brief>> {
    let lock = dialect::for_update(tx.is_postgres());
    let list = dialect::placeholders(1, ids.len());
    let values: Vec<crate::Value<'_>> = ids.iter().map(crate::Value::from).collect();
    let sql = Brief::select(&format!("WHERE s.id IN ({list}) ORDER BY s.id{lock}"));
    let rows = tx.all(sql, &values, Brief::of_row).await?;
    Ok(rows.into_iter().map(|server| (server.id.clone(), server)).collect())
}

/// A server's time in the recycle bin.
#[derive(Clone, Copy, Debug)]
pub struct Recycled {
    pub since: Timestamp,
    /// None: until somebody deletes it.
    pub until: Option<Timestamp>,
}

/// What a step changes; none: stays.
// The outer option says whether it changes, the inner one is the value.
#[allow(clippy::option_option)]
#[derive(Clone, Debug, Default)]
pub struct Change<'a> {
    pub vm_state: Option<VmState>,
    /// `Some(None)`: no task any more.
    pub task_state: Option<Option<TaskState>>,
    pub power_state: Option<PowerState>,
    pub node: Option<&'a str>,
    pub launched_at: Option<Timestamp>,
    /// Into the recycle bin: since when, and until when. `Some(None)`: out of it.
    pub recycled: Option<Option<Recycled>>,
    pub progress: Option<u32>,
    /// `Some(None)`: the fault is over.
    pub fault: Option<Option<Fault>>,
    /// The administrator's password is not needed any more.
    pub forget_password: bool,
}

/// Writes a change; a server that isn't there or is deleted stays as it is.
pub async fn change(tx: &mut Conn, id: &str, change: &Change<'_>, now: Timestamp) -> Result<()> {
    let mut sets = vec!["updated_at = $2".to_owned()];
    let mut values: Vec<crate::Value<'_>> = vec![id.into(), now.into()];
    let fault = change.fault.as_ref();
    let recycled = change.recycled;
    let columns: [(&str, Option<crate::Value<'_>>); 12] = [
        ("vm_state", change.vm_state.map(|state| state.as_str().into())),
        ("task_state", change.task_state.map(|task| task.map_or("", TaskState::as_str).into())),
        ("power_state", change.power_state.map(|state| state.as_str().into())),
        ("node", change.node.map(Into::into)),
        ("launched_at", change.launched_at.map(Into::into)),
        ("terminated_at", recycled.map(|bin| bin.map(|bin| bin.since).unwrap_or_default().into())),
        ("purge_at", recycled.map(|bin| bin.and_then(|bin| bin.until).unwrap_or_default().into())),
        ("progress", change.progress.map(Into::into)),
        ("fault_message", fault.map(|fault| fault.as_ref().map(|fault| fault.message.as_str()).into())),
        ("fault_code", fault.map(|fault| fault.as_ref().map(|fault| i64::from(fault.code)).into())),
        ("admin_password", change.forget_password.then(|| "".into())),
        ("fault_at", fault.map(|fault| fault.as_ref().map(|fault| fault.created_at).into())),
    ];
    for (column, value) in columns {
        if let Some(value) = value {
            values.push(value);
            sets.push(format!("{column} = ${}", values.len()));
        }
    }
    let sql = update("servers", &format!("SET {} WHERE id = $1 AND deleted = 0", sets.join(", ")));
    if let Some(state) = change.vm_state {
        metering::server_state(tx, id, state, now).await?;
    }
    tx.defer(sql, &values).await
}

/// Locks the server for those who are no operators. Without a reason the one that it has stays.
pub async fn set_lock(tx: &mut Conn, id: &str, by: LockedBy, reason: Option<&str>, now: Timestamp) -> Result<()> {
    let sql = update(
        "servers",
        "SET locked = 1, locked_by = $2, locked_reason = coalesce($3, locked_reason), updated_at = $4 \
         WHERE id = $1 AND deleted = 0",
    );
    tx.defer(sql, args![id, by.as_str(), reason, now]).await
}

/// Nobody has locked it any more.
pub async fn clear_lock(tx: &mut Conn, id: &str, now: Timestamp) -> Result<()> {
    let sql = update(
        "servers",
        "SET locked = 0, locked_by = '', locked_reason = NULL, updated_at = $2 WHERE id = $1 AND deleted = 0",
    );
    tx.defer(sql, args![id, now]).await
}

/// The end of a server's life; the row is kept for operators. It leaves its server group.
pub async fn mark_deleted(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let done = tx
        .execute(
            update(
                "servers",
                "SET vm_state = 'deleted', task_state = '', power_state = 'no-state', deleted = 1, purge_at = 0, \
                 admin_password = '', group_id = '', terminated_at = $2, updated_at = $2 WHERE id = $1 AND deleted = 0",
            ),
            args![id, now],
        )
        .await?;
    if done == 1 {
        metering::server_gone(tx, id, now).await?;
    }
    Ok(done == 1)
}

/// Takes the row away as if it had never been.
pub async fn remove(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.defer(delete_from("server_tags", "WHERE server_id = $1"), args![id]).await?;
    // What it leaves behind belongs to no server any more.
    metering::server_gone(tx, id, Timestamp::now()).await?;
    Ok(tx.execute(delete_from("servers", "WHERE id = $1"), args![id]).await? == 1)
}

/// Takes away deleted servers whose time is over, at most `limit`. Gives how many.
pub async fn remove_deleted(tx: &mut Conn, before: Timestamp, limit: u32) -> Result<usize> {
    let ids = tx
        .all(
            "SELECT id FROM servers WHERE deleted = 1 AND terminated_at < $1 ORDER BY created_at DESC, id DESC LIMIT $2",
            args![before, limit],
            |row| row.text(0),
        )
        .await?;
    for id in &ids {
        remove(tx, id).await?;
    }
    Ok(ids.len())
}

/// What its owner may change at any time.
// As in `Change`.
#[allow(clippy::option_option)]
#[derive(Clone, Copy, Debug, Default)]
pub struct UserFields<'a> {
    pub name: Option<&'a str>,
    pub description: Option<Option<&'a str>>,
    pub hostname: Option<&'a str>,
    pub access_ipv4: Option<&'a str>,
    pub access_ipv6: Option<&'a str>,
    pub metadata: Option<&'a BTreeMap<String, String>>,
    pub attributes: Option<&'a str>,
}

/// Writes the owner's fields; gives false when the server isn't there.
pub async fn put_user_fields(tx: &mut Conn, id: &str, fields: &UserFields<'_>, now: Timestamp) -> Result<bool> {
    let metadata = fields.metadata.map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let mut sets = vec!["updated_at = $2".to_owned()];
    let mut values: Vec<crate::Value<'_>> = vec![id.into(), now.into()];
    let columns: [(&str, Option<crate::Value<'_>>); 7] = [
        ("name", fields.name.map(Into::into)),
        ("description", fields.description.map(Into::into)),
        ("hostname", fields.hostname.map(Into::into)),
        ("access_ipv4", fields.access_ipv4.map(Into::into)),
        ("access_ipv6", fields.access_ipv6.map(Into::into)),
        ("metadata", metadata.as_deref().map(Into::into)),
        ("attributes", fields.attributes.map(Into::into)),
    ];
    for (column, value) in columns {
        if let Some(value) = value {
            values.push(value);
            sets.push(format!("{column} = ${}", values.len()));
        }
    }
    let sql = update("servers", &format!("SET {} WHERE id = $1 AND deleted = 0", sets.join(", ")));
    Ok(tx.execute(sql, &values).await? == 1)
}

/// Gives the server the tags `new` instead of `old`, which it has. Each write is of a row of its own.
pub async fn put_tags(
    tx: &mut Conn,
    id: &str,
    old: &BTreeSet<String>,
    new: &BTreeSet<String>,
    now: Timestamp,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    put_user_fields(tx, id, &UserFields::default(), now).await?;
    for tag in old.difference(new) {
        tx.defer_apart(delete_from("server_tags", "WHERE server_id = $1 AND tag = $2"), args![id, tag]).await?;
    }
    for tag in new.difference(old) {
        tx.defer_apart(insert_into("server_tags", "(server_id, tag) VALUES ($1, $2)"), args![id, tag]).await?;
    }
    Ok(())
}
