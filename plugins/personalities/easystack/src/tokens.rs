//! Tokens: Keystone's, of a project always, and with a catalogue that leads back to this mount.

use keystone::tokens::{issue_of, read_login};
use keystone::{Answer, Fault};
use skyloom_sdk::cloud::identity::{Scope, ScopeRequest, TokenInfo};
use skyloom_sdk::{Identity, Request};

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    if let Some(fault) = keystone::violation(request) {
        return Err(fault);
    }
    let login = read_login(request)?;
    if !matches!(login.scope, ScopeRequest::Project(_)) {
        return Err(Fault::missing("project", "scope"));
    }
    issue_of(cloud, request, &login, |info| lead_here(info, &request.base_url))
}

/// The deployment's catalogue names the services of all its vendors; whoever logs in here means this one's.
fn lead_here(info: &mut TokenInfo, base: &str) {
    let Scope::Project(project) = &info.scope else { return };
    for service in &mut info.catalog {
        let url = match service.kind.as_str() {
            "compute" => format!("{base}/v2.1/{}", project.id),
            "identity" => format!("{base}/v3"),
            _ => continue,
        };
        for endpoint in &mut service.endpoints {
            endpoint.url.clone_from(&url);
        }
    }
}
