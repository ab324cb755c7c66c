//! Operations as people follow them.

use std::collections::HashMap;
use std::sync::Arc;

use skyloom_jobs as jobs;
use skyloom_model::{Action, Error, Result};
use skyloom_runtime::api::OperationsApi;
use skyloom_runtime::bindings::cloud::operations as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::operations as store;

use super::common::page;
use crate::base::{Base, stands_on_base};
use crate::lists::{conditions, names};

fn state(state: jobs::State) -> wit::OperationState {
    match state {
        jobs::State::Queued => wit::OperationState::Queued,
        jobs::State::Running => wit::OperationState::Running,
        jobs::State::Unwinding => wit::OperationState::Unwinding,
        jobs::State::Succeeded => wit::OperationState::Succeeded,
        jobs::State::Failed => wit::OperationState::Failed,
        jobs::State::Cancelled => wit::OperationState::Cancelled,
        jobs::State::Stuck => wit::OperationState::Stuck,
    }
}

/// What an operation's parameters say that people may know.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct About {
    port_ids: Vec<String>,
}

fn view(operation: jobs::Operation, steps: Vec<store::Step>) -> wit::Operation {
    // What is written there of other operations tells nothing of ports.
    let about: About = serde_json::from_str(&operation.params).unwrap_or_default();
    wit::Operation {
        state: state(operation.state),
        progress: u8::try_from(operation.progress.clamp(0, 100)).unwrap_or(0),
        id: operation.id,
        kind: operation.kind,
        resource_kind: operation.resource_kind,
        resource_id: operation.resource_id,
        port_ids: about.port_ids,
        project_id: operation.project_id,
        user_id: operation.user_id,
        request_id: operation.request_id,
        parent_id: operation.parent_id,
        created_at: operation.created_at.0,
        started_at: operation.started_at.map(|time| time.0),
        ended_at: operation.ended_at.map(|time| time.0),
        error: operation.error.map(Into::into),
        steps: steps.into_iter().map(step).collect(),
    }
}

fn step(step: store::Step) -> wit::Step {
    wit::Step {
        name: step.name,
        started_at: step.started_at.0,
        ended_at: step.ended_at.map(|time| time.0),
        error: step.error.map(Into::into),
    }
}

/// What has been asked for, and how far it is.
pub struct Operations {
    base: Base,
}

stands_on_base!(Operations);

impl Operations {
    pub(crate) fn new(base: Base) -> Self {
        Self { base }
    }

    async fn show_operation(&self, context: &CallContext, id: &str) -> Result<wit::OperationTree> {
        let reach = self.permit(context.caller.as_deref(), Action::OperationsRead)?;
        let mut conn = self.db().read().await?;
        let operation = store::seen(&mut conn, id, &reach).await?;
        let operation = operation.ok_or_else(|| Error::not_found("operation", id))?;
        let steps = store::steps(&mut conn, id).await?;
        // Only a parent has children.
        let children =
            if operation.resource_id.is_empty() { store::children(&mut conn, id).await? } else { Vec::new() };
        let mut steps_of: HashMap<String, Vec<store::Step>> = HashMap::new();
        if !children.is_empty() {
            for step in store::steps_of_children(&mut conn, id).await? {
                steps_of.entry(step.operation_id.clone()).or_default().push(step);
            }
        }
        let child = |child: jobs::Operation| {
            let steps = steps_of.remove(&child.id).unwrap_or_default();
            view(child, steps)
        };
        Ok(wit::OperationTree {
            operation: view(operation, steps),
            children: children.into_iter().map(child).collect(),
        })
    }

    async fn operation_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::OperationPage> {
        let reach = self.permit(context.caller.as_deref(), Action::OperationsRead)?;
        let conditions = conditions(asked)?;
        let with_steps = names(&conditions, "request-id");
        let wanted = store::Filter { reach, states: Vec::new(), conditions };
        let mut conn = self.db().read().await?;
        let found = store::list(&mut conn, &wanted, &page(request)).await?;
        let mut operations = Vec::with_capacity(found.items.len());
        let single = found.items.len() == 1;
        for operation in found.items {
            let steps = match &operation.id {
                id if with_steps && single => store::steps(&mut conn, id).await?,
                _ => Vec::new(),
            };
            operations.push(view(operation, steps));
        }
        Ok(wit::OperationPage { operations, next: found.next })
    }
}

#[async_trait::async_trait]
impl OperationsApi for Operations {
    async fn get_operation(&self, context: &Arc<CallContext>, id: String) -> Result<wit::OperationTree, WitError> {
        Ok(self.show_operation(context, &id).await?)
    }

    async fn list_operations(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::OperationPage, WitError> {
        Ok(self.operation_page(context, conditions, page).await?)
    }
}
