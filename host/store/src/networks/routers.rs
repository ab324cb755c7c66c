//! Routers: a project's virtual private cloud. Each project has a default one.

use skyloom_model::{Error, Result, Timestamp, new_id};

use super::{BY_ID, ROUTER_KEYS};
use crate::listing::{Listed, Page, Query};
use crate::{Conn, Row, args};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

fn query() -> Query {
    Query::new("t.id, t.project_id, t.name, t.description, t.enabled, t.created_at, t.updated_at", "routers t", "t.id")
}

fn router(row: Row<'_>) -> Result<Router> {
    Ok(Router {
        id: row.text(0)?,
        project_id: row.text(1)?,
        name: row.text(2)?,
        description: row.text(3)?,
        enabled: row.flag(4)?,
        created_at: row.time(5)?,
        updated_at: row.time(6)?,
    })
}

/// All that are set must hold; lists mean any of them.
#[derive(Clone, Debug, Default)]
pub struct RouterFilter {
    /// The project that looks. None: all.
    pub viewer: Option<String>,
    pub ids: Vec<String>,
    pub names: Vec<String>,
    pub project_id: Option<String>,
    pub enabled: Option<bool>,
}

pub async fn list_routers(conn: &mut Conn, filter: &RouterFilter, page: &Page) -> Result<Listed<Router>> {
    let mut query = query();
    if let Some(viewer) = &filter.viewer {
        let viewer = query.text(viewer);
        query.scope(format!("t.project_id = {viewer}"));
    }
    query.and_any("t.id", &filter.ids);
    query.and_any("t.name", &filter.names);
    query.and_text("t.project_id", filter.project_id.as_deref());
    query.and_flag("t.enabled", filter.enabled);
    query.page(conn, ROUTER_KEYS, BY_ID, page, router).await
}

pub async fn get_router(conn: &mut Conn, id: &str) -> Result<Option<Router>> {
    let mut query = query();
    query.and_text("t.id", Some(id));
    Ok(query.rows(conn, router).await?.pop())
}

/// The project's default router; made when it isn't there.
pub async fn default_router(tx: &mut Conn, project_id: &str, now: Timestamp) -> Result<Router> {
    tx.execute(
        "INSERT INTO routers (id, project_id, name, description, enabled, is_default, created_at, updated_at) \
         VALUES ($1, $2, 'default', '', 1, 1, $3, $3) ON CONFLICT DO NOTHING",
        args![&new_id(), project_id, now],
    )
    .await?;
    let mut query = query();
    query.and_text("t.project_id", Some(project_id));
    query.and_flag("t.is_default", Some(true));
    query.rows(tx, router).await?.pop().ok_or_else(|| Error::internal("a default router vanished"))
}
