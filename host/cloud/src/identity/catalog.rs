//! The services that are mounted.

use std::sync::{Arc, PoisonError, RwLock};

use skyloom_model::{Action, Result, Scope};
use skyloom_runtime::bindings::cloud::identity::Service;
use skyloom_runtime::context::CallContext;

use super::Identity;

/// Stands for the project's id in an endpoint's URL.
const PROJECT: &str = "{project_id}";

#[derive(Default)]
pub(super) struct Catalog(RwLock<Arc<Vec<Service>>>);

impl Identity {
    /// The services of this deployment; the wiring says it at start. An endpoint's URL may hold `{project_id}`.
    pub fn set_catalog(&self, services: Vec<Service>) {
        *self.catalog.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(services);
    }

    pub(super) fn catalog(&self, context: &CallContext, project_id: Option<&str>) -> Result<Vec<Service>> {
        self.permit(context.caller.as_deref(), Action::CatalogRead)?;
        Ok(self.catalog_for(project_id))
    }

    pub(super) fn catalog_of(&self, scope: &Scope) -> Vec<Service> {
        match scope {
            Scope::Unscoped => Vec::new(),
            Scope::Project(project) | Scope::ProjectOfDomain(project) => self.catalog_for(Some(&project.id)),
            Scope::Domain(_) | Scope::System => self.catalog_for(None),
        }
    }

    /// Without a project, endpoints that need one are left out.
    fn catalog_for(&self, project_id: Option<&str>) -> Vec<Service> {
        let services = self.catalog.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        services.iter().map(|service| filled(service, project_id)).collect()
    }
}

fn filled(service: &Service, project_id: Option<&str>) -> Service {
    let mut service = service.clone();
    match project_id {
        Some(id) => service.endpoints.iter_mut().for_each(|endpoint| endpoint.url = endpoint.url.replace(PROJECT, id)),
        None => service.endpoints.retain(|endpoint| !endpoint.url.contains(PROJECT)),
    }
    service
}
