//! What other tests of the store begin with.

use skyloom_model::Timestamp;

use super::{Domain, Extra, Project, domains, projects};
use crate::Conn;

/// A project of this id, and its domain where that isn't there.
pub(crate) async fn a_project(tx: &mut Conn, domain: &str, id: &str) {
    if domains::get(tx, domain).await.expect("get").is_none() {
        let name = domain.to_owned();
        let domain = Domain { id: name.clone(), name, description: None, enabled: true, extra: Extra::new() };
        domains::insert(tx, &domain, Timestamp(1)).await.expect("domain");
    }
    let project = Project {
        id: id.to_owned(),
        domain_id: domain.to_owned(),
        name: id.to_owned(),
        description: None,
        enabled: true,
        parent_id: None,
        tags: Vec::new(),
        extra: Extra::new(),
    };
    projects::insert(tx, &project, Timestamp(1)).await.expect("project");
}
