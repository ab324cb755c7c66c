//! `skyloom event ...`: beside a running `skyloom serve`, or without one.

use serde_json::{Value, json};
use skyloom_store::events::{self, Event, Filter};
use skyloom_store::listing::{Listed, Page};

use super::{or_dash, parse_time, print_json, print_table, time, with_database};
use crate::cli::EventCommand;
use crate::failure::Failure;

pub fn run(command: EventCommand) -> Result<(), Failure> {
    let EventCommand::List { deployment, project, resource, since, limit, marker, json } = command;
    let since = since.as_deref().map(parse_time).transpose()?;
    let filter = Filter { project_id: project, resource_id: resource, since };
    let page = Page { limit, marker, ..Page::default() };
    with_database(&deployment, async |_, db| {
        list(&events::list(&mut db.read().await?, &filter, &page).await?, json);
        Ok(())
    })
}

fn list(listed: &Listed<Event>, json: bool) {
    if json {
        let events: Vec<Value> = listed.items.iter().map(event_json).collect();
        print_json(&json!({ "events": events, "next": listed.next }));
        return;
    }
    let header = ["AT", "ACTION", "RESOURCE", "PROJECT", "USER", "OUTCOME", "OPERATION"].map(str::to_owned).to_vec();
    let rows = listed.items.iter().map(|event| {
        vec![
            time(Some(event.at)),
            event.action.clone(),
            format!("{} {}", event.resource_kind, event.resource_id),
            or_dash(&event.project_id),
            or_dash(&event.user_id),
            or_dash(event.outcome.as_str()),
            or_dash(&event.operation_id),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    if let Some(next) = &listed.next {
        say!("there are more: --marker {next}");
    }
}

fn event_json(event: &Event) -> Value {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "id": event.id,
        "at": time(Some(event.at)),
        "action": event.action,
        "resource-kind": event.resource_kind,
        "resource-id": event.resource_id,
        "project-id": known(&event.project_id),
        "domain-id": known(&event.domain_id),
        "user-id": known(&event.user_id),
        "request-id": known(&event.request_id),
        "operation-id": known(&event.operation_id),
        "outcome": known(event.outcome.as_str()),
    })
}
