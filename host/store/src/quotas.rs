//! Quotas. What is used is counted from the records themselves each time, never kept in a counter that could drift.

use std::collections::BTreeMap;

use skyloom_model::Result;

use crate::statement::{delete_from, insert_into, reading};
use crate::{Conn, Row, args};

macro_rules! quotas {
    ($($variant:ident $text:literal $count:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Quota { $($variant,)* }

        impl Quota {
            pub const ALL: &'static [Quota] = &[$(Quota::$variant,)*];

            /// The contract's word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Quota::$variant => $text,)* }
            }

            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Quota::$variant),)* _ => None }
            }

            /// A query for what project `$1` uses; none: it is counted for something smaller than a project.
            fn count(self) -> Option<&'static str> {
                match self { $(Quota::$variant => $count,)* }
            }
        }
    };
}

/// One in the recycle bin takes nothing, until it is being restored. It is taken off, so that an index counts the others.
macro_rules! in_the_bin {
    () => {
        " FROM servers WHERE project_id = $1 AND deleted = 0 AND vm_state = 'soft-deleted' AND task_state <> 'restoring') AS BIGINT)"
    };
}

/// A server between two flavors counts as the larger one.
macro_rules! of_servers {
    ($column:literal) => {
        concat!(
            "SELECT CAST(coalesce(sum(",
            $column,
            "), 0) AS BIGINT) + CAST((SELECT coalesce(sum(extra_",
            $column,
            "), 0) FROM resizes WHERE project_id = $1) AS BIGINT) - CAST((SELECT coalesce(sum(",
            $column,
            "), 0)",
            in_the_bin!(),
            " FROM servers WHERE project_id = $1 AND deleted = 0"
        )
    };
}

quotas! {
    Servers "servers" Some(concat!(
        "SELECT count(*) - CAST((SELECT count(*)",
        in_the_bin!(),
        " FROM servers WHERE project_id = $1 AND deleted = 0"
    ));
    Vcpus "vcpus" Some(of_servers!("vcpus"));
    MemoryMib "memory-mib" Some(of_servers!("memory_mib"));
    // Of a user, not of a project: see `keypairs_of`.
    Keypairs "keypairs" None;
    Networks "networks" Some("SELECT count(*) FROM networks WHERE project_id = $1");
    Subnets "subnets" Some("SELECT count(*) FROM subnets WHERE project_id = $1");
    Ports "ports" Some("SELECT count(*) FROM ports WHERE project_id = $1");
    SecurityGroups "security-groups" Some("SELECT count(*) FROM security_groups WHERE project_id = $1");
    SecurityGroupRules "security-group-rules" Some("SELECT count(*) FROM security_rules WHERE project_id = $1");
    PublicAddresses "public-addresses" Some("SELECT count(*) FROM public_addresses WHERE project_id = $1");
    Volumes "volumes" Some("SELECT count(*) FROM volumes WHERE project_id = $1");
    VolumeGib "volume-gib"
        Some("SELECT CAST(coalesce(sum(size_gib), 0) AS BIGINT) \
              + CAST((SELECT coalesce(sum(extra_volume_gib), 0) FROM resizes WHERE project_id = $1) AS BIGINT) \
              + CAST((SELECT coalesce(sum(size_gib), 0) FROM volume_snapshots WHERE project_id = $1) AS BIGINT) \
              FROM volumes WHERE project_id = $1");
    Snapshots "snapshots" Some("SELECT count(*) FROM volume_snapshots WHERE project_id = $1");
    ServerGroups "server-groups" Some("SELECT count(*) FROM server_groups WHERE project_id = $1");
    // Of a group, not of a project: see `server_groups::count_members`.
    ServerGroupMembers "server-group-members" None;
    MetadataItems "metadata-items" None;
}

/// Rows that only name the project needn't wait for who holds it.
fn hold(postgres: bool) -> &'static str {
    if postgres { " FOR NO KEY UPDATE OF p" } else { "" }
}

/// Takes the project for this transaction, so that what is counted stays true until the commit. On SQLite the transaction
/// holds the one writer already.
pub async fn lock_project(tx: &mut Conn, project_id: &str) -> Result<()> {
    if tx.is_postgres() {
        let sql = format!("SELECT p.id FROM projects p WHERE p.id = $1{}", hold(true));
        tx.optional(sql, args![project_id], |row| row.text(0)).await?;
    }
    Ok(())
}

/// Takes the project as [`lock_project`] does, and gives its own [`limits`]. None: there is no such project.
pub async fn limits_locked(tx: &mut Conn, project_id: &str) -> Result<Option<BTreeMap<Quota, i64>>> {
    let sql = format!(
        "SELECT coalesce(q.name, ''), coalesce(q.quota_limit, 0) FROM projects p \
         LEFT JOIN quotas q ON q.project_id = p.id WHERE p.id = $1{}",
        hold(tx.is_postgres())
    );
    let rows = tx.all(reading(&["projects", "quotas"], sql), args![project_id], limit).await?;
    Ok((!rows.is_empty()).then(|| rows.into_iter().flatten().collect()))
}

/// None: an unknown quota's.
fn limit(row: Row<'_>) -> Result<Option<(Quota, i64)>> {
    let quota = Quota::parse(row.text_ref(0)?);
    let limit = row.int(1)?;
    Ok(quota.map(|quota| (quota, limit)))
}

/// What the project uses of each of these, in one query; those that aren't counted by project are 0.
pub async fn used(conn: &mut Conn, project_id: &str, quotas: &[Quota]) -> Result<Vec<i64>> {
    let columns: Vec<String> =
        quotas.iter().map(|quota| quota.count().map_or_else(|| "0".to_owned(), |count| format!("({count})"))).collect();
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    // The last column names the parameter, which none of the others may.
    let sql = format!("SELECT {}, CAST($1 AS TEXT)", columns.join(", "));
    conn.one(sql, args![project_id], |row| {
        (0..quotas.len()).map(|column| if quotas[column].count().is_some() { row.int(column) } else { Ok(0) }).collect()
    })
    .await
}

/// The key pairs of a user.
pub async fn keypairs_of(conn: &mut Conn, user_id: &str) -> Result<i64> {
    conn.one("SELECT count(*) FROM keypairs WHERE user_id = $1", args![user_id], |row| row.int(0)).await
}

/// The project's own limits, where it has any.
pub async fn limits(conn: &mut Conn, project_id: &str) -> Result<BTreeMap<Quota, i64>> {
    let sql = "SELECT name, quota_limit FROM quotas WHERE project_id = $1";
    conn.all(sql, args![project_id], limit).await.map(|rows| rows.into_iter().flatten().collect())
}

/// Gives the project a limit of its own; -1: none.
pub async fn set_limit(tx: &mut Conn, project_id: &str, quota: Quota, limit: i64) -> Result<()> {
    tx.execute(
        insert_into("quotas", "(project_id, name, quota_limit) VALUES ($1, $2, $3)")
            .on_conflict("(project_id, name) DO UPDATE SET quota_limit = $3"),
        args![project_id, quota.as_str(), limit],
    )
    .await?;
    Ok(())
}

/// The project has the deployment's limit again.
pub async fn clear_limit(tx: &mut Conn, project_id: &str, quota: Quota) -> Result<()> {
    let sql = delete_from("quotas", "WHERE project_id = $1 AND name = $2");
    tx.execute(sql, args![project_id, quota.as_str()]).await?;
    Ok(())
}
