//! Jobs: the core's operations in the vendor's form.

use skyloom_sdk::cloud::operations::{Operation, OperationState, OperationTree};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, ErrorCode, Response, Timestamp, key, respond, time};

use crate::errors::{Failure, code_of_job};

/// 32 hexadecimal digits.
pub fn wire_id(id: &str) -> String {
    id.replace('-', "")
}

/// The core's dashed form of what a client sent; none: it can't be an id.
fn core_id(wire: &str) -> Option<String> {
    let digits: String = wire.chars().filter(|letter| *letter != '-').collect::<String>().to_ascii_lowercase();
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Some(parts.join("-"))
}

pub fn get<C: Cloud>(cloud: &C, wire: &str) -> Response {
    let Some(id) = core_id(wire) else { return failed_query(&unknown(wire)) };
    match cloud.get_operation(&id) {
        Ok(tree) => respond::json(200, write(&tree)),
        Err(error) if error.code == ErrorCode::NotFound => failed_query(&unknown(wire)),
        Err(error) if error.code == ErrorCode::Forbidden => failed_query(&error.into()),
        Err(error) => {
            let message = format!("Query job Error because {}", error.message);
            failed_query(&Failure { code: "Common.0025", message, ..error.into() })
        }
    }
}

fn unknown(wire: &str) -> Failure {
    Failure::new(400, "Common.0011", format!("Failed to query the job {wire}: there is no such job."))
}

/// A failed query is described by `code` and `message` at the top, unlike every other operation: the job's own page says so.
fn failed_query(failure: &Failure) -> Response {
    let mut out = Writer::with_capacity(128);
    out.begin_object()
        .key(key!("code"))
        .string(failure.code)
        .key(key!("message"))
        .string(&failure.message)
        .end_object();
    respond::json(failure.status, out.finish())
}

fn write(tree: &OperationTree) -> Vec<u8> {
    let mut out = Writer::with_capacity(512 + tree.children.len() * 384);
    out.begin_object();
    let is_batch = tree.operation.kind.starts_with("batch.");
    write_head(&mut out, &tree.operation, is_batch);
    out.key(key!("entities")).begin_object();
    if tree.operation.port_ids.len() > 1 {
        write_cards(&mut out, &tree.operation);
    } else if is_batch {
        out.key(key!("sub_jobs_total")).unsigned(tree.children.len() as u64);
        out.key(key!("sub_jobs")).begin_array();
        for child in &tree.children {
            out.begin_object();
            write_sub_job(&mut out, child, |out| write_entity(out, child));
            out.end_object();
        }
        out.end_array();
    } else {
        write_entity(&mut out, &tree.operation);
    }
    out.end_object();
    out.end_object();
    out.finish()
}

/// A sub-job for each card. They are one operation, so each has its id and its state.
fn write_cards(out: &mut Writer, operation: &Operation) {
    out.key(key!("sub_jobs_total")).unsigned(operation.port_ids.len() as u64);
    out.key(key!("sub_jobs")).begin_array();
    for id in &operation.port_ids {
        out.begin_object();
        write_sub_job(out, operation, |out| {
            out.key(key!("nic_id")).string(id);
        });
        out.end_object();
    }
    out.end_array();
}

fn write_sub_job(out: &mut Writer, operation: &Operation, write_entity: impl FnOnce(&mut Writer)) {
    write_head(out, operation, false);
    out.key(key!("entities")).begin_object();
    write_entity(out);
    if let (true, Some(error)) = (is_failed(operation), &operation.error) {
        out.key(key!("errorcode_message")).string(&error.message);
    }
    out.end_object();
}

fn write_entity(out: &mut Writer, operation: &Operation) {
    if let [card] = operation.port_ids.as_slice() {
        out.key(key!("nic_id")).string(card);
        return;
    }
    let name = match operation.resource_kind.as_str() {
        "server" => "server_id",
        "port" => "nic_id",
        _ => return,
    };
    if !operation.resource_id.is_empty() {
        out.dynamic_key(name).string(&operation.resource_id);
    }
}

fn write_head(out: &mut Writer, operation: &Operation, is_batch: bool) {
    out.key(key!("status")).string(status(operation.state));
    out.key(key!("job_id")).string(&wire_id(&operation.id));
    out.key(key!("job_type")).string(&job_type(&operation.kind, is_batch));
    out.key(key!("begin_time")).string(&time::millis_z(operation.started_at.unwrap_or(operation.created_at)));
    write_time(out, operation.ended_at);
    write_error(out, operation, is_batch);
}

fn write_time(out: &mut Writer, ended: Option<Timestamp>) {
    out.key(key!("end_time")).optional_string(ended.map(time::millis_z).as_deref());
}

/// Both null unless the job failed. A parent fails with its sub-jobs; the finer reason stands in them.
fn write_error(out: &mut Writer, operation: &Operation, is_batch: bool) {
    let (code, reason) = match (&operation.error, is_failed(operation)) {
        (_, true) if is_batch => {
            let (code, reason) = of_failed_batch(&operation.kind);
            (Some(code), Some(reason.to_owned()))
        }
        (Some(error), true) => (Some(code_of_job(operation, error)), Some(error.message.clone())),
        (None, true) => (Some("Common.0999"), Some("The job was ended before it was done.".to_owned())),
        (_, false) => (None, None),
    };
    out.key(key!("error_code")).optional_string(code);
    out.key(key!("fail_reason")).optional_string(reason.as_deref());
}

/// The finer reasons stand in the sub-jobs.
fn of_failed_batch(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "batch.server.start" | "batch.server.stop" | "batch.server.reboot" => ("Ecs.0611", "Batch operation failed."),
        _ => ("Common.0021", "Sub job fail!"),
    }
}

fn is_failed(operation: &Operation) -> bool {
    status(operation.state) == "FAIL"
}

/// The four states of the document. A stuck operation still waits for its operator: RUNNING.
fn status(state: OperationState) -> &'static str {
    match state {
        OperationState::Queued => "INIT",
        OperationState::Running | OperationState::Unwinding | OperationState::Stuck => "RUNNING",
        OperationState::Succeeded => "SUCCESS",
        OperationState::Failed | OperationState::Cancelled => "FAIL",
    }
}

/// `createServer` with sub-jobs `createSingleServer` is all that the document names; the others follow the pattern. What is done to a
/// part of a server is named by that: `attachVolume`.
fn job_type(kind: &str, is_batch: bool) -> String {
    let verb = kind.rsplit('.').next().unwrap_or_default();
    match verb.split_once('-') {
        Some((verb, part)) => {
            let (first, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
            format!("{verb}{}{rest}", first.to_ascii_uppercase())
        }
        None if is_batch => format!("{verb}Server"),
        None => format!("{verb}SingleServer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_what_it_does() {
        for (kind, is_batch, name) in [
            ("batch.server.create", true, "createServer"),
            ("server.create", false, "createSingleServer"),
            ("server.attach-volume", false, "attachVolume"),
            ("server.detach-volume", false, "detachVolume"),
            ("server.attach-nic", false, "attachNic"),
        ] {
            assert_eq!(job_type(kind, is_batch), name);
        }
    }

    #[test]
    fn a_job_id_is_32_digits_on_the_wire_and_dashed_in_the_core() {
        let id = "ff808082-889b-d969-0189-061140c235fe";
        assert_eq!(wire_id(id), "ff808082889bd9690189061140c235fe");
        assert_eq!(core_id(&wire_id(id)).as_deref(), Some(id));
        assert_eq!(core_id(id).as_deref(), Some(id));
        for wrong in ["", "x", "ff808082889bd9690189061140c235f", "ff808082889bd9690189061140c235fé"] {
            assert_eq!(core_id(wrong), None);
        }
    }
}
