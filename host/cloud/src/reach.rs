//! Whose resources a caller reaches, where a call names a project.

use skyloom_model::{Error, Reach, Result};
use skyloom_store::Conn;
use skyloom_store::identity::projects;

/// Whether what belongs to the project is within the reach. An operator's holds projects that aren't there (yet), too.
pub(crate) async fn holds(conn: &mut Conn, reach: &Reach, project_id: &str) -> Result<bool> {
    match reach {
        Reach::Domain(domain) => Ok(projects::domain_of(conn, project_id).await?.as_ref() == Some(domain)),
        _ => Ok(reach.holds(project_id, "")),
    }
}

/// A project outside of the reach is not there.
pub(crate) async fn check(conn: &mut Conn, reach: &Reach, field: &str, project_id: &str) -> Result<()> {
    if holds(conn, reach, project_id).await? {
        return Ok(());
    }
    Err(Error::not_found("project", project_id).with_field(field))
}
