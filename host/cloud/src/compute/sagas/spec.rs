//! What a platform is told to make: built from the server's records.

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{Disk, DiskSource, DomainSpec, ImageBlob, Nic};
use skyloom_store::images::Boot;
use skyloom_store::networks::DevicePort;
use skyloom_store::servers::{ForPlatform, Server};
use skyloom_store::volumes::{Volume, VolumeState};
use skyloom_store::{Conn, images, networks};

use crate::compute::Node;

/// Image property that holds the kernel's arguments.
const KERNEL_ARGUMENTS: &str = "os_command_line";

/// The specification of a server on its node. `not-supported` where the node has no way into one of its networks.
pub(super) async fn build(
    conn: &mut Conn,
    made_of: &ForPlatform,
    node: &Node,
    volumes: &[Volume],
) -> Result<DomainSpec> {
    let ForPlatform { server, boots_with, .. } = made_of;
    let ports = networks::ports_of_device(conn, &server.id).await?;
    let image = match &server.image_id {
        Some(id) => boot(conn, id).await?,
        None => Boot::default(),
    };
    let kernel = blob_of(conn, boots_with.kernel.as_deref()).await?;
    let ramdisk = blob_of(conn, boots_with.ramdisk.as_deref()).await?;
    let mut disks = Vec::with_capacity(volumes.len());
    for volume in volumes {
        disks.push(disk(conn, volume, server, &image).await?);
    }
    disks.sort_by(|one, other| (one.device.len(), &one.device).cmp(&(other.device.len(), &other.device)));
    let nics = ports.iter().map(|port| nic(port, node)).collect::<Result<Vec<_>>>()?;
    Ok(DomainSpec {
        server_id: server.id.clone(),
        name: server.name.clone(),
        hostname: server.hostname.clone(),
        vcpus: server.vcpus,
        memory_mib: server.memory_mib,
        disks,
        nics,
        kernel_arguments: kernel.as_ref().and(image.properties.get(KERNEL_ARGUMENTS).cloned()),
        kernel_blob: kernel,
        ramdisk_blob: ramdisk,
        authorized_keys: keys(&server.public_key),
        user_data: server.user_data.clone(),
        // Whoever asks for the steps gives the handle, because the value is its.
        admin_password: None,
        metadata: server.metadata.clone().into_iter().collect(),
    })
}

/// The keys of a text that has one on each line.
fn keys(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
}

async fn disk(conn: &mut Conn, volume: &Volume, server: &Server, image: &Boot) -> Result<Disk> {
    let (id, size_gib, device) = (volume.id.clone(), volume.size_gib, volume.device.clone());
    if volume.state == VolumeState::Creating && !volume.snapshot_id.is_empty() {
        return Ok(Disk { id, size_gib, source: DiskSource::Disk(volume.snapshot_id.clone()), device });
    }
    let from = if volume.image_id.is_empty() {
        Boot::default()
    } else if Some(&volume.image_id) == server.image_id.as_ref() {
        image.clone()
    } else {
        boot(conn, &volume.image_id).await?
    };
    let source = image_source(from);
    Ok(Disk { id, size_gib, source, device })
}

/// What a disk of the image begins as.
pub(crate) fn image_source(image: Boot) -> DiskSource {
    let Some(blob) = image.blob else { return DiskSource::Empty };
    // A machine image is the bytes of a disk.
    let format = image.disk_format.map(|format| if format == "ami" { "raw".to_owned() } else { format });
    DiskSource::Image(ImageBlob { blob, format: format.unwrap_or_default() })
}

fn nic(port: &DevicePort, node: &Node) -> Result<Nic> {
    let platform = node.platform_network(port).ok_or_else(|| {
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

async fn blob_of(conn: &mut Conn, image_id: Option<&str>) -> Result<Option<String>> {
    let Some(id) = image_id else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skyloom_model::Timestamp;
    use skyloom_runtime::api::{ComputeApi as _, ImagesApi as _};
    use skyloom_runtime::bindings::cloud::{compute, images as wit, networks};
    use skyloom_runtime::context::CallContext;

    use super::*;
    use crate::Settings;
    use crate::compute::NodeSettings;
    use crate::compute::sagas::release;
    use crate::compute::testing::{Kind as _, World, creation, disk_of, member, operator, worlds};

    #[test]
    fn a_guest_gets_each_key_by_itself() {
        assert_eq!(keys("ssh-rsa AAAA me\r\n\nssh-rsa BBBB you\n"), ["ssh-rsa AAAA me", "ssh-rsa BBBB you"]);
        assert!(keys("").is_empty());
    }

    /// The world's node with these ways into its platform's networks.
    fn node(world: &World, names: &[(&str, &str)]) -> Node {
        let node = world.cloud.compute.node("node-1").expect("the node");
        let platform_networks = names.iter().map(|(name, way)| ((*name).to_owned(), (*way).to_owned())).collect();
        let settings = NodeSettings { platform_networks, ..(*node.settings).clone() };
        Node { settings: Arc::new(settings), ..node }
    }

    async fn built(world: &World, server: &str, node: &Node) -> Result<DomainSpec> {
        let mut conn = world.database.db.read().await.expect("read");
        let made_of = skyloom_store::servers::for_platform(&mut conn, server).await.expect("read").expect("a server");
        build(&mut conn, &made_of, node, &[]).await
    }

    #[tokio::test]
    async fn a_disk_that_is_made_of_a_snapshot_begins_as_its_copy() {
        for world in worlds(Settings::default()).await {
            let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
            let id = &made.server_ids[0];
            let mut tx = world.database.db.begin().await.expect("begin");
            for (state, copied) in [("creating", true), ("in-use", false)] {
                let sql = "UPDATE volumes SET snapshot_id = 'n1', state = $2 WHERE server_id = $1";
                tx.execute(sql, skyloom_store::args![id, state]).await.expect(sql);
                let made_of = skyloom_store::servers::for_platform(&mut tx, id).await.expect("read").expect("a server");
                let volumes = skyloom_store::volumes::of_server(&mut tx, id).await.expect("volumes");
                let spec = build(&mut tx, &made_of, &node(&world, &[("*", "x")]), &volumes).await.expect("a spec");
                let of_snapshot = matches!(&spec.disks[0].source, DiskSource::Disk(of) if of == "n1");
                assert_eq!(of_snapshot, copied, "{} {state}: what is there is not made again", world.database.name);
            }
        }
    }

    /// A network with a subnet; its id.
    async fn network(world: &World, context: &Arc<CallContext>, name: &str, shared: bool) -> String {
        let network = networks::NetworkWrite {
            name: Some(name.to_owned()),
            description: None,
            project_id: None,
            shared: Some(shared),
            external: None,
            enabled: None,
            mtu: None,
            port_security: None,
            is_default: None,
            attributes: None,
        };
        let network = world.cloud.create_network(context, network).await.expect("network").id;
        let subnet = networks::SubnetWrite {
            name: None,
            description: None,
            project_id: None,
            network_id: Some(network.clone()),
            ip_version: None,
            cidr: Some("10.9.0.0/24".to_owned()),
            gateway: None,
            dhcp: None,
            dns: None,
            pools: None,
            host_routes: None,
            attributes: None,
        };
        world.cloud.create_subnet(context, subnet).await.expect("subnet");
        network
    }

    async fn server_on(world: &World, context: &Arc<CallContext>, network: &str) -> String {
        let nic = compute::NicRequest {
            port_id: None,
            network_id: Some(network.to_owned()),
            subnet_id: None,
            address: None,
            security_groups: None,
        };
        let create =
            compute::ServerCreate { networks: compute::NetworkChoice::Nics(vec![nic]), ..world.create(&["a"]) };
        world.cloud.create_servers(context, create).await.expect("creation").server_ids.remove(0)
    }

    #[tokio::test]
    async fn a_name_leads_to_a_platforms_network_only_from_an_operators() {
        for world in worlds(Settings::default()).await {
            let own = network(&world, &member("p"), "private", false).await;
            let server = server_on(&world, &member("p"), &own).await;
            let error =
                built(&world, &server, &node(&world, &[("private", "bridge")])).await.expect_err("an own network");
            assert_eq!(error.code, ErrorCode::NotSupported, "{}", world.database.name);
            // What an operator says of every network, or of this one, holds.
            let all = [("private", "bridge"), ("*", "isolated")];
            let spec = built(&world, &server, &node(&world, &all)).await.expect("for every network");
            assert_eq!(spec.nics[0].platform_network, "isolated");
            let spec = built(&world, &server, &node(&world, &[(&own, "theirs")])).await.expect("by its id");
            assert_eq!(spec.nics[0].platform_network, "theirs");

            let shared = network(&world, &operator("o"), "private", true).await;
            let server = server_on(&world, &member("p"), &shared).await;
            let spec = built(&world, &server, &node(&world, &[("private", "bridge")])).await.expect("a shared network");
            assert_eq!(spec.nics[0].platform_network, "bridge");
        }
    }

    #[tokio::test]
    async fn a_server_boots_with_what_its_image_named_at_its_creation() {
        for world in worlds(Settings::default()).await {
            let (cloud, context) = (&world.cloud, member("p"));
            let foreign = world.upload(&member("q"), &[]).await;
            let (kernel, ramdisk) = (world.upload(&context, &[]).await, world.upload(&context, &[]).await);
            let properties = [("kernel_id", &*kernel.id), ("ramdisk_id", &*ramdisk.id)];
            let image = world.upload(&context, &properties).await;
            let create = compute::ServerCreate { disks: vec![disk_of(&image.id)], ..creation(&["a"]) };
            let server = cloud.create_servers(&context, create).await.expect("creation").server_ids.remove(0);
            let changed = wit::ImageUpdate {
                read_at: image.updated_at,
                name: image.name,
                visibility: image.visibility,
                protected: false,
                hidden: false,
                disk_format: image.disk_format,
                container_format: image.container_format,
                min_disk_gib: 0,
                min_memory_mib: 0,
                tags: Vec::new(),
                properties: vec![("ramdisk_id".to_owned(), foreign.id)],
                owner: image.owner,
                attributes: None,
            };
            cloud.update_image(&context, image.id.clone(), changed).await.expect("update");
            let spec = built(&world, &server, &node(&world, &[("private", "bridge")])).await.expect("spec");
            for (blob, of) in [(spec.kernel_blob, &kernel), (spec.ramdisk_blob, &ramdisk)] {
                let download = cloud.open_download(&context, of.id.clone()).await.expect("open").expect("bytes");
                assert_eq!(blob, Some(download.blob), "{}", world.database.name);
                let error = cloud.delete_image(&context, of.id.clone()).await.expect_err("in use");
                assert_eq!(error.kind(), ErrorCode::InUse);
            }
            let mut tx = world.database.db.begin().await.expect("begin");
            release::all_of_server(&mut tx, &server, release::Volumes::All, None, Timestamp::now())
                .await
                .expect("release");
            tx.commit().await.expect("commit");
            cloud.delete_image(&context, kernel.id).await.expect("kernel");
            cloud.delete_image(&context, ramdisk.id).await.expect("ramdisk");
        }
    }
}
