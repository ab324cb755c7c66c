//! Disks come to a server and leave it, as jobs.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::PowerState;
use skyloom_sdk::conditions::parts;
use skyloom_sdk::query::Query;
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::errors::{Failure, not_attached, too_many_disks, unknown_disk_type};
use crate::unsupported::{ATTACH, DETACH, refuse_of};
use crate::{body, job_answer};

/// Data disks that a server has at most, the document says of creations.
const MOST_DATA_DISKS: usize = 59;

#[derive(Deserialize)]
struct Attachment {
    #[serde(rename = "volumeId")]
    volume: String,
    device: Option<String>,
    /// This and the next two say what the disk will be, where it isn't there yet and nothing is attached.
    volume_type: Option<String>,
    count: Option<u32>,
    #[serde(rename = "hw:passthrough")]
    passthrough: Option<String>,
}

#[derive(Deserialize)]
struct AttachBody {
    #[serde(rename = "volumeAttachment")]
    attachment: Attachment,
    #[serde(default)]
    dry_run: bool,
}

pub fn attach<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let AttachBody { attachment, dry_run } = body(request)?;
    let server = respond::param(request, "server_id");
    let mut options = vec![("volume-id".to_owned(), attachment.volume.clone())];
    if let Some(device) = attachment.device.as_deref().filter(|device| !device.is_empty()) {
        options.push(("device".to_owned(), of_kvm(device)));
    }
    options.push(("dry-run".to_owned(), dry_run.to_string()));
    match cloud.act_on_servers(&[server.to_owned()], "attach-volume", &options, false, true) {
        Ok(job) => Ok(if dry_run { respond::empty(202) } else { job_answer(&job) }),
        Err(error) if dry_run && is_about_volume(&error) && error.code == ErrorCode::NotFound => {
            check_planned(cloud, server, &attachment).map(|()| respond::empty(202))
        }
        Err(error) => Err(not_attachable(cloud, server, &attachment.volume, error)),
    }
}

/// Servers are KVM's: a name that means another kind of disk is one of theirs.
fn of_kvm(device: &str) -> String {
    device.strip_prefix("/dev/sd").map_or_else(|| device.to_owned(), |letters| format!("/dev/vd{letters}"))
}

fn is_about_volume(error: &Error) -> bool {
    error.resource.as_ref().is_some_and(|(kind, _)| kind == "volume")
}

/// Whether the server could take disks that are still to be made. The core has looked at the rest already.
fn check_planned<C: Cloud>(cloud: &C, server: &str, planned: &Attachment) -> Result<(), Failure> {
    let missing = |name: &str| {
        let id = &planned.volume;
        Failure::invalid(format!("A required parameter is missing: volumeAttachment.{name} of the disk {id} to come."))
    };
    let kind = planned.volume_type.as_deref().filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| missing("volume_type"))?;
    if planned.passthrough.as_deref().ok_or_else(|| missing("hw:passthrough"))? == "true" {
        return Err(refuse_of(ATTACH, "volumeAttachment.hw:passthrough"));
    }
    if !cloud.list_volume_types()?.iter().any(|known| known.name == kind) {
        return Err(unknown_disk_type());
    }
    let disks = cloud.get_server(server, &parts(&["volumes"]))?.volumes;
    let data = disks.iter().filter(|disk| disk.boot_index != 0).count();
    let more = usize::try_from(planned.count.unwrap_or(1)).unwrap_or(usize::MAX);
    if data.saturating_add(more) > MOST_DATA_DISKS { Err(too_many_disks()) } else { Ok(()) }
}

fn not_attachable<C: Cloud>(cloud: &C, server: &str, volume: &str, error: Error) -> Failure {
    let of_volume = is_about_volume(&error);
    match (&error.code, error.field.as_deref(), error.reason.as_deref()) {
        (ErrorCode::Invalid, Some("device"), _) => Failure::invalid(format!(
            "The value of the parameter volumeAttachment.device is not valid. {}",
            error.message
        )),
        (ErrorCode::NotFound, ..) if of_volume => {
            Failure::new(400, "Ecs.0103", format!("The disk {volume} does not exist."))
        }
        (ErrorCode::WrongState, _, Some("not-available")) => not_available(cloud, server, volume),
        (ErrorCode::WrongState, _, Some("other-node")) => Failure::new(
            400,
            "Ecs.0121",
            "The disk cannot be attached to the ECS because the disk and the ECS are in different failure domains.",
        ),
        (ErrorCode::QuotaExceeded, Some("disks"), _) => Failure::new(400, "Ecs.0104", error.message),
        _ => error.into(),
    }
}

/// Who has the disk, if the caller may see it.
fn not_available<C: Cloud>(cloud: &C, server: &str, volume: &str) -> Failure {
    let holder = cloud.get_volume(volume).ok().and_then(|found| found.server_id);
    let (code, why) = match holder {
        Some(holder) if holder == server => ("Ecs.0057", "has already been attached to the ECS"),
        Some(_) => ("Ecs.0017", "belongs to another ECS"),
        None => ("Ecs.0103", "is not available"),
    };
    Failure::new(400, code, format!("The disk {volume} {why}. Select an available disk for attaching."))
}

pub fn detach<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let (server, volume) = (respond::param(request, "server_id"), respond::param(request, "volume_id"));
    let forced = match Query(&request.query).last("delete_flag") {
        None | Some("" | "0") => false,
        Some("1") => true,
        Some(_) => return Err(Failure::invalid("The value of the parameter delete_flag is not valid: it is 0 or 1.")),
    };
    // A guest that runs gives its disk back itself. From one that is off it is taken.
    if forced && !is_off(cloud.get_server(server, &[])?.power_state) {
        return Err(refuse_of(DETACH, "delete_flag (1, of a running ECS)"));
    }
    let options = [("volume-id".to_owned(), volume.to_owned())];
    let job = cloud.act_on_servers(&[server.to_owned()], "detach-volume", &options, false, true);
    Ok(job_answer(&job.map_err(|error| not_detachable(server, volume, error))?))
}

fn is_off(power: PowerState) -> bool {
    matches!(power, PowerState::ShutDown | PowerState::Crashed | PowerState::NoState)
}

fn not_detachable(server: &str, volume: &str, error: Error) -> Failure {
    match (&error.code, error.reason.as_deref()) {
        (ErrorCode::NotFound, _) if is_about_volume(&error) => not_attached(server, volume),
        (ErrorCode::WrongState, Some("system-disk")) => {
            Failure::new(400, "Ecs.0102", format!("The disk {volume} is the system disk of the ECS {server}."))
        }
        (ErrorCode::WrongState, Some("not-in-use")) => {
            Failure::new(400, "Ecs.0102", format!("The disk {volume} is currently being attached or detached."))
        }
        _ => error.into(),
    }
}
