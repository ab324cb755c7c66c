//! Disks that a server has, as its guest finds them.

use skyloom_sdk::cloud::compute::{Server, ServerVolume};
use skyloom_sdk::cloud::volumes::Volume;
use skyloom_sdk::conditions::{is, parts};
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::{Cloud, Request, Response, key, respond};

use crate::errors::{Failure, not_attached};

pub fn list<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let server = server(cloud, request)?;
    let volumes = volumes_of(cloud, request, &server)?;
    let mut out = Writer::with_capacity(64 + volumes.len() * 320);
    out.begin_object().key(key!("volumeAttachments")).begin_array();
    for disk in &server.volumes {
        if let Some(volume) = volumes.iter().find(|volume| volume.id == disk.id).filter(|volume| is_attached(volume)) {
            write(&mut out, &server, disk, volume);
        }
    }
    out.end_array().end_object();
    Ok(respond::json(200, out.finish()))
}

pub fn get<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let id = respond::param(request, "volume_id");
    let server = server(cloud, request)?;
    let missing = || not_attached(&server.id, id);
    let disk = server.volumes.iter().find(|disk| disk.id == id).ok_or_else(missing)?;
    let volume = cloud.get_volume(id)?;
    if !is_attached(&volume) {
        return Err(missing());
    }
    let mut out = Writer::with_capacity(384);
    out.begin_object().key(key!("volumeAttachment"));
    write(&mut out, &server, disk, &volume);
    out.end_object();
    Ok(respond::json(200, out.finish()))
}

fn server<C: Cloud>(cloud: &C, request: &Request) -> Result<Server, Failure> {
    Ok(cloud.get_server(respond::param(request, "server_id"), &parts(&["volumes"]))?)
}

/// Those of the server's project, which need not be the caller's: an operator sees other projects' servers.
fn volumes_of<C: Cloud>(cloud: &C, request: &Request, server: &Server) -> Result<Vec<Volume>, Failure> {
    let own = request.caller.as_ref().and_then(|caller| caller.project_id.as_deref());
    let mut conditions = vec![is("server-id", &server.id)];
    if own.is_some_and(|own| own != server.project_id) {
        conditions.push(is("project-id", &server.project_id));
    }
    every_page(|page| {
        let found = cloud.list_volumes(&conditions, &page)?;
        Ok((found.volumes, found.next))
    })
}

/// One that is on its way to the server isn't there yet; one on its way out still is.
fn is_attached(volume: &Volume) -> bool {
    matches!(volume.state.as_str(), "in-use" | "detaching")
}

/// Numbers are numbers: so the document's table and the vendor's clients have them, though its example has a text. No platform tells
/// where on the bus it put a disk.
fn write(out: &mut Writer, server: &Server, disk: &ServerVolume, volume: &Volume) {
    out.begin_object();
    out.key(key!("serverId")).string(&server.id);
    out.key(key!("volumeId")).string(&disk.id);
    out.key(key!("id")).string(&disk.id);
    out.key(key!("size")).unsigned(u64::from(volume.size_gib));
    out.key(key!("device")).string(&disk.device);
    out.key(key!("pciAddress")).string("");
    out.key(key!("bootIndex")).unsigned(u64::from(disk.boot_index));
    out.key(key!("bus")).string(if disk.device.starts_with("/dev/vd") { "virtio" } else { "scsi" });
    out.end_object();
}
