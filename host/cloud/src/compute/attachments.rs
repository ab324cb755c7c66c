//! What a request for a volume at a server does at once: it looks whether the two fit, and takes the volume.

use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_store::Conn;
use skyloom_store::placements::{self, Purpose};
use skyloom_store::servers::Brief;
use skyloom_store::snapshots::{self, SnapshotState};
use skyloom_store::volumes::{self, Place, Volume, VolumeState};

use super::create::{MAX_DISKS, device};

const FIELD: &str = "volume-id";

/// A volume that a server is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comer {
    pub id: String,
    /// Where the caller expects it: the next free one. None: wherever that is.
    pub device: Option<String>,
    pub delete_on_termination: bool,
}

fn not_found(id: &str) -> Error {
    Error::not_found("volume", id).with_field(FIELD)
}

fn wrong(volume: &Volume, reason: &str, message: String) -> Error {
    Error::new(ErrorCode::WrongState, message).with_resource("volume", &volume.id).with_field(FIELD).with_reason(reason)
}

/// An operator gives a server only what its project has.
async fn available(tx: &mut Conn, project_id: &str, id: &str) -> Result<Volume> {
    let volume = volumes::lock(tx, id).await?.filter(|volume| volume.project_id == project_id);
    let volume = volume.ok_or_else(|| not_found(id))?;
    if volume.state != VolumeState::Available {
        let message = format!("The volume {id} is {}; it has to be available.", volume.state.as_str());
        return Err(wrong(&volume, "not-available", message));
    }
    Ok(volume)
}

/// The volume goes to a server that is made with it. `node`: where the server has to be, once something says so.
pub(super) async fn give(
    tx: &mut Conn,
    project_id: &str,
    (id, node): (&str, &mut Option<String>),
    place: Place<'_>,
) -> Result<()> {
    available(tx, project_id, id).await?;
    on_one_node(tx, ("volume", id), node).await?;
    volumes::attach(tx, id, place, Timestamp::now()).await
}

/// A snapshot whose bytes a server's new disk begins with.
pub(super) async fn copy(tx: &mut Conn, project_id: &str, (id, node): (&str, &mut Option<String>)) -> Result<()> {
    let snapshot = snapshots::lock(tx, id).await?.filter(|snapshot| snapshot.project_id == project_id);
    let snapshot = snapshot.ok_or_else(|| Error::not_found("snapshot", id))?;
    if snapshot.state != SnapshotState::Available {
        let message = format!("The snapshot {id} is {}; it has to be available.", snapshot.state.as_str());
        let error = Error::new(ErrorCode::WrongState, message).with_resource("snapshot", id);
        return Err(error.with_reason("not-available"));
    }
    on_one_node(tx, ("snapshot", id), node).await
}

async fn on_one_node(tx: &mut Conn, (kind, id): (&str, &str), node: &mut Option<String>) -> Result<()> {
    let own = placements::place_of(tx, id, Purpose::Home).await?;
    if node.is_some() && *node != own {
        let message = format!("The {kind} {id} is on another compute node than the server has to be on.");
        let error = Error::new(ErrorCode::WrongState, message).with_resource(kind, id);
        return Err(error.with_reason("other-node"));
    }
    *node = own;
    Ok(())
}

/// The volume goes to the server with the operation. What the server has no place for is said before what is wrong with the volume.
pub(super) async fn begin(tx: &mut Conn, operation: &str, server: &Brief, comer: &Comer) -> Result<()> {
    let id = comer.id.as_str();
    let others = volumes::of_server(tx, &server.id).await?;
    if others.len() >= MAX_DISKS {
        let message = format!("The server {} has {MAX_DISKS} disks, the most that there may be.", server.id);
        return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("disks"));
    }
    let is_used = |name: &str| others.iter().any(|other| other.device == name);
    let free = (0..=MAX_DISKS).map(device).find(|name| !is_used(name)).unwrap_or_default();
    match &comer.device {
        Some(wanted) if is_used(wanted) => {
            let message = format!("The device {wanted} is another volume's; the next free one is {free}.");
            return Err(Error::invalid("device", message).with_reason("used"));
        }
        Some(wanted) if *wanted != free => {
            let message = format!("The device {wanted} is not the next free one, which is {free}.");
            return Err(Error::invalid("device", message));
        }
        _ => {}
    }
    let volume = available(tx, &server.project_id, id).await?;
    let node = placements::place_of(tx, id, Purpose::Home).await?;
    if node.as_ref() != Some(&server.node) {
        let message = format!("The volume {id} and the server {} are on different compute nodes.", server.id);
        return Err(wrong(&volume, "other-node", message));
    }
    skyloom_jobs::lock_resource(tx, "volume", id, operation).await?;
    let place = Place {
        server_id: &server.id,
        boot_index: others.iter().map(|other| other.boot_index + 1).max().unwrap_or(0),
        device: &free,
        delete_on_termination: comer.delete_on_termination,
    };
    volumes::attach(tx, id, place, Timestamp::now()).await
}

/// The volume leaves the server with the operation.
pub(super) async fn end(tx: &mut Conn, operation: &str, server: &Brief, id: &str) -> Result<()> {
    let volume =
        volumes::lock(tx, id).await?.filter(|volume| volume.server_id == server.id).ok_or_else(|| not_found(id))?;
    if volume.boot_index == 0 {
        let message = format!("The volume {id} is the system disk of the server {}.", server.id);
        return Err(wrong(&volume, "system-disk", message));
    }
    if volume.state != VolumeState::InUse {
        let message = format!("The volume {id} is {}; it has to be in-use.", volume.state.as_str());
        return Err(wrong(&volume, "not-in-use", message));
    }
    skyloom_jobs::lock_resource(tx, "volume", id, operation).await?;
    volumes::set_state(tx, id, VolumeState::Detaching, Timestamp::now()).await
}
