//! `skyloom operation ...`: beside a running `skyloom serve`, or without one.

use std::sync::Arc;

use serde_json::{Value, json};
use skyloom_jobs::{Engine, Faults, Filter, Operation, Page, State, StepRow};

use super::time;
use crate::cli::{DeploymentArgs, OperationCommand};
use crate::failure::Failure;

pub fn run(command: OperationCommand) -> Result<(), Failure> {
    match command {
        OperationCommand::List { deployment, state, limit, json } => with_engine(&deployment, async |engine| {
            let filter = Filter { states: states(state.as_deref())?, ..Filter::all() };
            list(&newest(engine, &filter, limit as usize).await?, json);
            Ok(())
        }),
        OperationCommand::Show { id, deployment, json } => with_engine(&deployment, async |engine| {
            let (operation, steps, children) = engine.show(&id).await?;
            show(&operation, &steps, &children, json);
            Ok(())
        }),
        OperationCommand::Retry { id, deployment } => with_engine(&deployment, async |engine| {
            let operation = engine.retry(&id).await?;
            say!("operation {id} is {} again; a running skyloom goes on with it", operation.state.as_str());
            Ok(())
        }),
    }
}

/// The newest `most` operations, whatever number of pages that is.
async fn newest(engine: &Engine, filter: &Filter, most: usize) -> Result<Vec<Operation>, Failure> {
    let (mut operations, mut page) = (Vec::new(), Page::default());
    while operations.len() < most {
        let listed = engine.list(filter, &page).await?;
        operations.extend(listed.items);
        match listed.next {
            Some(marker) => page.marker = Some(marker),
            None => break,
        }
    }
    operations.truncate(most);
    Ok(operations)
}

fn with_engine(args: &DeploymentArgs, work: impl AsyncFnOnce(&Engine) -> Result<(), Failure>) -> Result<(), Failure> {
    super::with_database(args, async |loaded, db| {
        // Never started: it only asks and marks.
        let engine = Engine::new(db.clone(), loaded.deployment.jobs.clone(), Arc::new(Faults::default()));
        work(&engine).await
    })
}

fn states(text: Option<&str>) -> Result<Vec<State>, Failure> {
    const ALL: [State; 7] = [
        State::Queued,
        State::Running,
        State::Unwinding,
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::Stuck,
    ];
    let Some(text) = text else { return Ok(Vec::new()) };
    let found = ALL.into_iter().find(|state| state.as_str() == text);
    found.map(|state| vec![state]).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|state| state.as_str()).collect();
        Failure::config(vec![format!("--state {text}: one of {}", known.join(", "))])
    })
}

fn list(operations: &[Operation], json: bool) {
    if json {
        super::print_json(&operations.iter().map(operation_json).collect());
        return;
    }
    let header = ["ID", "KIND", "STATE", "RESOURCE", "CREATED", "ERROR"].map(str::to_owned).to_vec();
    let rows = operations.iter().map(|operation| {
        vec![
            operation.id.clone(),
            operation.kind.clone(),
            operation.state.as_str().to_owned(),
            resource(operation),
            time(Some(operation.created_at)),
            operation.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        ]
    });
    super::print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn resource(operation: &Operation) -> String {
    if operation.resource_id.is_empty() {
        return "-".to_owned();
    }
    format!("{} {}", operation.resource_kind, operation.resource_id)
}

fn show(operation: &Operation, steps: &[StepRow], children: &[Operation], json: bool) {
    if json {
        let mut value = operation_json(operation);
        value["steps"] = steps.iter().map(step_json).collect();
        value["children"] = children.iter().map(operation_json).collect();
        super::print_json(&value);
        return;
    }
    let error = operation.error.as_ref().map_or_else(|| "-".to_owned(), skyloom_model::Error::for_log);
    super::print_table(&[
        vec!["operation".to_owned(), operation.id.clone()],
        vec!["kind".to_owned(), operation.kind.clone()],
        vec!["state".to_owned(), format!("{}, {} %", operation.state.as_str(), operation.progress)],
        vec!["resource".to_owned(), resource(operation)],
        vec!["project".to_owned(), operation.project_id.clone()],
        vec!["request".to_owned(), operation.request_id.clone()],
        vec!["created".to_owned(), time(Some(operation.created_at))],
        vec!["ended".to_owned(), time(operation.ended_at)],
        vec!["error".to_owned(), error],
    ]);
    let rows = |step: &StepRow| {
        let error = step.error.as_ref().map(skyloom_model::Error::for_log).unwrap_or_default();
        let state = format!("{:?}", step.state).to_lowercase();
        vec![
            format!("  {}", step.number),
            step.name.clone(),
            state,
            time(Some(step.started_at)),
            time(step.ended_at),
            error,
        ]
    };
    if !steps.is_empty() {
        say!("steps");
        super::print_table(&steps.iter().map(rows).collect::<Vec<_>>());
    }
    if !children.is_empty() {
        say!("children");
        let rows = children.iter().map(|child| {
            vec![format!("  {}", child.id), child.kind.clone(), child.state.as_str().to_owned(), resource(child)]
        });
        super::print_table(&rows.collect::<Vec<_>>());
    }
}

fn operation_json(operation: &Operation) -> Value {
    json!({
        "id": operation.id,
        "kind": operation.kind,
        "state": operation.state.as_str(),
        "progress": operation.progress,
        "resource-kind": operation.resource_kind,
        "resource-id": operation.resource_id,
        "project-id": operation.project_id,
        "user-id": operation.user_id,
        "request-id": operation.request_id,
        "parent-id": operation.parent_id,
        "created-at": time(Some(operation.created_at)),
        "started-at": operation.started_at.map(|at| time(Some(at))),
        "ended-at": operation.ended_at.map(|at| time(Some(at))),
        "error": operation.error.as_ref().map(error_json),
    })
}

fn step_json(step: &StepRow) -> Value {
    json!({
        "number": step.number,
        "name": step.name,
        "state": format!("{:?}", step.state).to_lowercase(),
        "started-at": time(Some(step.started_at)),
        "ended-at": step.ended_at.map(|at| time(Some(at))),
        "plugin-digest": step.plugin_digest,
        "error": step.error.as_ref().map(error_json),
    })
}

/// The operator sees both halves.
fn error_json(error: &skyloom_model::Error) -> Value {
    json!({ "code": error.code.as_str(), "message": error.message, "internal": error.internal_text() })
}
