//! Routers: a project's virtual private cloud. Each project has a default one.

use skyloom_model::{Error, Reach, Result, Timestamp, new_id};

use super::BY_ID;
use crate::Conn;
use crate::listing::{Filter, Listed, Page};
use crate::rows::rows;

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Router in "routers" as "t" {
        id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        name: String [sorts, finds],
        description: String [finds],
        enabled: bool [sorts, finds],
        created_at: Timestamp [sorts],
        updated_at: Timestamp [sorts],
    }
    written with { is_default }
}

/// A project sees its own ones.
pub async fn list_routers(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Router>> {
    let mut query = Router::query();
    query.within(conn.is_postgres(), &[Router::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Router::FIELDS, &filter.conditions)?;
    query.page(conn, Router::FIELDS, BY_ID, page, Router::of_row).await
}

pub async fn get_router(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Router>> {
    let mut query = Router::query();
    query.within(conn.is_postgres(), &[Router::OWNER], reach, None);
    query.of_id(conn, id, Router::of_row).await
}

/// The project's default router; made when it isn't there.
pub async fn default_router(tx: &mut Conn, project_id: &str, now: Timestamp) -> Result<Router> {
    let router = Router {
        id: new_id(),
        project_id: project_id.to_owned(),
        name: "default".to_owned(),
        description: String::new(),
        enabled: true,
        created_at: now,
        updated_at: now,
    };
    router.insert(true)?.unless_there().run(tx).await?;
    let mut query = Router::query();
    query.and_text("t.project_id", Some(project_id));
    query.and_flag("t.is_default", true);
    query.rows(tx, Router::of_row).await?.pop().ok_or_else(|| Error::internal("a default router vanished"))
}
