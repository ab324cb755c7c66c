//! What a platform is told to make: built from the server's records.

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{Disk, DomainSpec, Nic};
use skyloom_store::images::Boot;
use skyloom_store::networks::DevicePort;
use skyloom_store::servers::Server;
use skyloom_store::volumes::Volume;
use skyloom_store::{Conn, images, networks, servers};

use crate::compute::Node;

/// Image properties that name the kernel, the initial ramdisk (ids of images) and the kernel's arguments.
const KERNEL: &str = "kernel_id";
const RAMDISK: &str = "ramdisk_id";
const KERNEL_ARGUMENTS: &str = "os_command_line";

/// The specification of a server on its node. `not-supported` where the node has no way into one of its networks.
pub(super) async fn build(conn: &mut Conn, server_id: &str, node: &Node, volumes: &[Volume]) -> Result<DomainSpec> {
    let full = servers::get(conn, server_id, None).await?.ok_or_else(|| Error::not_found("server", server_id))?;
    let ports = networks::ports_of_device(conn, server_id).await?;
    let image = match &full.server.image_id {
        Some(id) => boot(conn, id).await?,
        None => Boot::default(),
    };
    let kernel = blob_of(conn, image.properties.get(KERNEL)).await?;
    let ramdisk = blob_of(conn, image.properties.get(RAMDISK)).await?;
    let mut disks = Vec::with_capacity(volumes.len());
    for volume in volumes {
        disks.push(disk(conn, volume, &full.server, &image).await?);
    }
    let nics = ports.iter().map(|port| nic(port, node)).collect::<Result<Vec<_>>>()?;
    let server = full.server;
    Ok(DomainSpec {
        server_id: server.id,
        name: server.name,
        hostname: server.hostname,
        vcpus: server.vcpus,
        memory_mib: server.memory_mib,
        disks,
        nics,
        kernel_arguments: kernel.as_ref().and(image.properties.get(KERNEL_ARGUMENTS).cloned()),
        kernel_blob: kernel,
        ramdisk_blob: ramdisk,
        authorized_keys: Some(server.public_key).filter(|key| !key.is_empty()).into_iter().collect(),
        user_data: server.user_data,
        // Whoever asks for the steps gives the handle, because the value is its.
        admin_password: None,
        metadata: server.metadata.into_iter().collect(),
    })
}

async fn disk(conn: &mut Conn, volume: &Volume, server: &Server, image: &Boot) -> Result<Disk> {
    let from = if volume.image_id.is_empty() {
        Boot::default()
    } else if Some(&volume.image_id) == server.image_id.as_ref() {
        image.clone()
    } else {
        boot(conn, &volume.image_id).await?
    };
    // A machine image is the bytes of a disk.
    let format = from.disk_format.map(|format| if format == "ami" { "raw".to_owned() } else { format });
    Ok(Disk {
        id: volume.id.clone(),
        size_gib: volume.size_gib,
        image_format: format.filter(|_| from.blob.is_some()),
        image_blob: from.blob,
        boot_index: volume.boot_index,
    })
}

fn nic(port: &DevicePort, node: &Node) -> Result<Nic> {
    let platform = node.platform_network(&port.port.network_id, &port.network_name).ok_or_else(|| {
        Error::new(ErrorCode::NotSupported, "The server's compute node has no way into one of its networks.")
            .with_resource("network", &port.port.network_id)
            .with_internal(format!("node {}: platform-networks lacks {}", node.settings.name, port.network_name))
    })?;
    let mut dns: Vec<String> = Vec::new();
    for server in port.addresses.iter().flat_map(|address| &address.dns) {
        if !dns.contains(server) {
            dns.push(server.clone());
        }
    }
    Ok(Nic {
        port_id: port.port.id.clone(),
        mac: port.port.mac.clone(),
        platform_network: platform.to_owned(),
        addresses: port.addresses.iter().map(|address| address.address.clone()).collect(),
        prefix_lengths: port.addresses.iter().map(|address| address.prefix).collect(),
        gateway: port.addresses.iter().find_map(|address| address.gateway.clone()),
        dns,
    })
}

async fn blob_of(conn: &mut Conn, image_id: Option<&String>) -> Result<Option<String>> {
    let Some(id) = image_id.filter(|id| !id.is_empty()) else { return Ok(None) };
    boot(conn, id)
        .await?
        .blob
        .map(Some)
        .ok_or_else(|| Error::invalid("image-id", format!("Image {id}, which the image boots with, has no data.")))
}

async fn boot(conn: &mut Conn, image_id: &str) -> Result<Boot> {
    let found = images::boot(conn, image_id).await?;
    found.ok_or_else(|| Error::invalid("image-id", format!("Image {image_id} is gone.")))
}
