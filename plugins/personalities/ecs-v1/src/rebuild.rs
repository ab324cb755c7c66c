//! A new system disk for a server: of the image that it began as (reinstall), or of another one (change of the system). One job each.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::{PasswordChoice, Server, ServerRebuild, VmState};
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::errors::Failure;
use crate::unsupported::{CHANGE_OS, REINSTALL_OS, refuse_of};
use crate::{body, create_checks as checks, job_answer};

/// What both say of the guest.
#[derive(Deserialize)]
struct Guest {
    keyname: Option<String>,
    /// Whose key pair it is; empty: the caller's.
    userid: Option<String>,
    /// A handle: the host keeps the password. The vendor's SDK has it; its document speaks of a login by password and names no field.
    adminpass: Option<String>,
    metadata: Option<Metadata>,
    /// `withStopServer`: one that runs is switched off, and on again afterwards.
    mode: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    user_data: Option<String>,
}

#[derive(Deserialize)]
struct ReinstallBody {
    #[serde(rename = "os-reinstall")]
    reinstall: Guest,
}

#[derive(Deserialize)]
struct Change {
    imageid: String,
    #[serde(flatten)]
    guest: Guest,
}

#[derive(Deserialize)]
struct ChangeBody {
    #[serde(rename = "os-change")]
    change: Change,
}

pub fn reinstall<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let ReinstallBody { reinstall } = body(request)?;
    let server = at_rest(cloud, request, &reinstall, "reinstalled")?;
    // One that the caller doesn't see any more is the server's all the same.
    if let Some(id) = &server.image_id {
        match cloud.get_image(id) {
            Ok(image) => cloud_init(id, &image.properties)?,
            Err(error) if error.code == ErrorCode::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    anew(cloud, request, (None, reinstall))
}

pub fn change<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let ChangeBody { change: Change { imageid, guest } } = body(request)?;
    at_rest(cloud, request, &guest, "changed to another system")?;
    let image = cloud.get_image(&imageid)?;
    if ecs_rules::is_full_server(&image.properties) {
        return Err(refuse_of(CHANGE_OS, "os-change.imageid (full-server image)"));
    }
    cloud_init(&imageid, &image.properties)?;
    anew(cloud, request, (Some(imageid), guest))
}

/// The server, which is off, or in error since the last time that this was tried.
fn at_rest<C: Cloud>(cloud: &C, request: &Request, guest: &Guest, word: &str) -> Result<Server, Failure> {
    let id = respond::param(request, "server_id");
    let server = cloud.get_server(id, &[])?;
    let stops = guest.mode.is_some() && server.vm_state == VmState::Active;
    if stops || matches!(server.vm_state, VmState::Stopped | VmState::Error) {
        return Ok(server);
    }
    Err(Failure::new(400, "Ecs.0100", format!("The ECS {id} must be stopped before it is {word}.")))
}

/// Without it the guest takes no key and no password.
fn cloud_init(id: &str, properties: &[(String, String)]) -> Result<(), Failure> {
    if ecs_rules::has_cloud_init(properties) {
        return Ok(());
    }
    let message = format!("The image {id} does not support Cloud-init or Cloudbase-init.");
    Err(Failure::new(400, "Ecs.0032", message))
}

fn anew<C: Cloud>(
    cloud: &C,
    request: &Request,
    (image_id, guest): (Option<String>, Guest),
) -> Result<Response, Failure> {
    let operation = if image_id.is_some() { CHANGE_OS } else { REINSTALL_OS };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let user_data = given(guest.metadata.and_then(|metadata| metadata.user_data));
    checks::user_data("metadata.user_data", user_data.as_deref())?;
    let (key, password) = (given(guest.keyname), given(guest.adminpass));
    let caller = request.caller.as_ref().map(|caller| caller.user_id.clone());
    let rebuild = ServerRebuild {
        image_id,
        name: None,
        description: None,
        hostname: None,
        metadata: None,
        access_ipv4: None,
        access_ipv6: None,
        // Who logs in with a password has no key; who says neither keeps the one that is there.
        key_name: if key.is_some() || password.is_some() { Some(key) } else { None },
        key_user_id: given(guest.userid).or(caller),
        user_data: user_data.map(Some),
        admin_password: password.map_or(PasswordChoice::Keep, PasswordChoice::Given),
        attributes: None,
    };
    let id = respond::param(request, "server_id");
    let rebuilt = cloud.rebuild_server(id, &rebuild).map_err(|error| refused(operation, error))?;
    Ok(job_answer(&rebuilt.operation_id))
}

fn refused(operation: &str, error: Error) -> Failure {
    let reason = error.reason.as_deref().unwrap_or_default();
    match (&error.code, error.field.as_deref(), reason) {
        (ErrorCode::WrongState, _, "no-system-disk") => Failure::new(400, "Ecs.0105", "The ECS has no system disk."),
        (ErrorCode::Invalid, Some("key-user-id"), _) => {
            Failure::new(400, "Ecs.0314", "The key pair is not that of the caller or of the ECS's user.")
        }
        (ErrorCode::NotSupported, Some("admin-password"), _) => refuse_of(operation, "adminpass (Windows image)"),
        _ => error.into(),
    }
}
