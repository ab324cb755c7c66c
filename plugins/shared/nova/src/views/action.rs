//! A server's past actions: operations of the core.

use skyloom_sdk::cloud::operations::{Operation, OperationState};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{key, time};

/// What an answer shows of the events of an action.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    pub minor: u32,
    pub admin: bool,
    /// The server's node and its opaque word; empty when unknown.
    pub node: &'a str,
    pub host_id: &'a str,
}

/// Nova's word: `create` of `server.create`.
fn word(kind: &str) -> &str {
    match kind.rsplit('.').next().unwrap_or(kind) {
        "confirm-resize" => "confirmResize",
        "revert-resize" => "revertResize",
        "attach-volume" => "attach_volume",
        "detach-volume" => "detach_volume",
        "attach-nic" => "attach_interface",
        "detach-nic" => "detach_interface",
        // Upstream has one word, wherever the server goes.
        "recycle" => "delete",
        word => word,
    }
}

/// Without the closing brace, so that the events can follow.
pub fn write_open(writer: &mut Writer, operation: &Operation, minor: u32) {
    let failed = matches!(operation.state, OperationState::Failed | OperationState::Stuck | OperationState::Cancelled);
    writer.begin_object();
    writer.key(key!("action")).string(word(&operation.kind));
    writer.key(key!("instance_uuid")).string(&operation.resource_id);
    writer.key(key!("request_id")).string(&operation.request_id);
    writer.key(key!("user_id")).string(&operation.user_id);
    writer.key(key!("project_id")).string(&operation.project_id);
    writer.key(key!("start_time")).plain(|out| time::write_micros(out, operation.created_at));
    writer.key(key!("message"));
    if failed {
        writer.raw("\"Error\"");
    } else {
        writer.null();
    }
    if minor >= 58 {
        let last = operation.steps.iter().filter_map(|step| step.ended_at).max();
        let updated = operation.ended_at.or(last).or(operation.started_at).unwrap_or(operation.created_at);
        writer.key(key!("updated_at")).plain(|out| time::write_micros(out, updated));
    }
}

pub fn write_events(writer: &mut Writer, operation: &Operation, events: &Events<'_>) {
    writer.key(key!("events")).begin_array();
    for step in &operation.steps {
        writer.begin_object();
        writer.key(key!("event")).joined(&["compute_", &step.name.replace('-', "_")]);
        writer.key(key!("start_time")).plain(|out| time::write_micros(out, step.started_at));
        writer.key(key!("finish_time"));
        match step.ended_at {
            Some(end) => writer.plain(|out| time::write_micros(out, end)),
            None => writer.null(),
        };
        writer.key(key!("result"));
        match (&step.error, step.ended_at) {
            (Some(_), _) => writer.raw("\"Error\""),
            (None, Some(_)) => writer.raw("\"Success\""),
            (None, None) => writer.null(),
        };
        if events.admin {
            // The core keeps no traces of code.
            writer.key(key!("traceback")).null();
        }
        if events.minor >= 62 {
            writer.key(key!("hostId")).string(events.host_id);
            if events.admin {
                writer.key(key!("host")).string(events.node);
            }
        }
        if events.minor >= 84 && events.admin {
            writer.key(key!("details")).optional_string(step.error.as_ref().map(|error| error.message.as_str()));
        }
        writer.end_object();
    }
    writer.end_array();
}
