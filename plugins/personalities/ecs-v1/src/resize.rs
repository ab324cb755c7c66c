//! Another flavor for a server that is off. The job does all of it: nobody confirms.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::VmState;
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::errors::Failure;
use crate::{body, job_answer};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resize {
    flavor_ref: String,
    /// `withStopServer`: one that runs is switched off, and on again afterwards. The vendor's SDK has it, its document doesn't.
    mode: Option<String>,
}

#[derive(Deserialize)]
struct ResizeBody {
    resize: Resize,
    #[serde(default)]
    dry_run: bool,
}

pub fn resize<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let ResizeBody { resize, dry_run } = body(request)?;
    let id = respond::param(request, "server_id");
    if resize.mode.is_none() && cloud.get_server(id, &[])?.vm_state != VmState::Stopped {
        return Err(Failure::new(400, "Ecs.0100", format!("The ECS {id} must be stopped before it is resized.")));
    }
    let options = [
        ("flavor-id".to_owned(), resize.flavor_ref),
        ("confirmed".to_owned(), "true".to_owned()),
        ("dry-run".to_owned(), dry_run.to_string()),
    ];
    let job = cloud.act_on_servers(&[id.to_owned()], "resize", &options, false, true).map_err(refused)?;
    Ok(if dry_run { respond::empty(202) } else { job_answer(&job) })
}

fn refused(error: Error) -> Failure {
    match (&error.code, error.reason.as_deref()) {
        (ErrorCode::Invalid, Some("unchanged")) => {
            Failure::new(400, "Ecs.0810", "The ECS flavor is the same as the target flavor.")
        }
        _ => error.into(),
    }
}
