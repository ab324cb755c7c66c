//! A server as the contract shows it.

use sha2::{Digest as _, Sha256};
use skyloom_model::{PowerState, Result, TaskState, Timestamp, VmState};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::servers::{FlavorCopy, Full, Nic, Public, Server};

use super::common::pairs;
use crate::attributes;

macro_rules! words {
    ($to:ident, $model:ident => $contract:ident: $($word:ident)*) => {
        pub(super) fn $to(state: $model) -> wit::$contract {
            match state { $($model::$word => wit::$contract::$word,)* }
        }
    };
}

words! { vm_state, VmState => VmState:
    Building Active Stopped Paused Suspended Rescued Resized Shelved ShelvedOffloaded SoftDeleted Deleted Error
}
words! { task_state, TaskState => TaskState:
    Scheduling Networking BlockDeviceMapping Spawning ImageSnapshotPending ImageSnapshot ImagePendingUpload
    ImageUploading ImageBackup UpdatingPassword ResizePrep ResizeMigrating ResizeMigrated ResizeFinish
    ResizeConfirming ResizeReverting Rebooting RebootPending RebootStarted RebootingHard RebootPendingHard
    RebootStartedHard Pausing Unpausing Suspending Resuming PoweringOn PoweringOff Rescuing Unrescuing Rebuilding
    RebuildBlockDeviceMapping RebuildSpawning Migrating Shelving ShelvingImagePendingUpload ShelvingImageUploading
    ShelvingOffloading Unshelving SoftDeleting Restoring Deleting
}
words! { power_state, PowerState => PowerState: NoState Running Paused ShutDown Crashed Suspended }

/// Equal for servers of one project on one node, and telling nothing of the node: 56 hex digits.
fn host_id(project_id: &str, node: &str) -> String {
    if node.is_empty() {
        return String::new();
    }
    let digest = Sha256::new().chain_update(project_id).chain_update([0]).chain_update(node).finalize();
    hex::encode(&digest[..28])
}

fn flavor(server_flavor: FlavorCopy, id: String, vcpus: u32, memory_mib: u32) -> wit::ServerFlavor {
    wit::ServerFlavor {
        id,
        extra_specs: pairs(&server_flavor.extra_specs),
        name: server_flavor.name,
        vcpus,
        memory_mib,
        disk_gib: server_flavor.disk_gib,
        ephemeral_gib: server_flavor.ephemeral_gib,
        swap_mib: server_flavor.swap_mib,
    }
}

fn address(address: String, floating: bool) -> wit::Address {
    wit::Address { ip_version: if address.contains(':') { 6 } else { 4 }, address, floating }
}

/// Lines of one card each stand together, with the public addresses that lead to it.
fn nics(lines: Vec<Nic>, public: Vec<Public>) -> Vec<wit::ServerNic> {
    let mut nics: Vec<wit::ServerNic> = Vec::new();
    for line in lines {
        if nics.last().is_none_or(|nic| nic.port_id != line.port_id) {
            nics.push(wit::ServerNic {
                port_id: line.port_id,
                position: line.position,
                network_id: line.network_id,
                network_name: line.network_name,
                mac: line.mac,
                addresses: Vec::new(),
            });
        }
        if let (Some(nic), Some(text)) = (nics.last_mut(), line.address) {
            nic.addresses.push(address(text, false));
        }
    }
    for Public { address: text, port_id } in public {
        if let Some(nic) = nics.iter_mut().find(|nic| nic.port_id == port_id) {
            nic.addresses.push(address(text, true));
        }
    }
    nics
}

/// `sees_nodes`: whether the caller may know on which node it runs.
pub(super) fn server(context: &CallContext, full: Full, sees_nodes: bool) -> Result<wit::Server> {
    let Full { server, nics: lines, public_addresses, security_groups, volumes, tags } = full;
    let attributes = attributes::own(context, &server.attributes)?;
    let Server { project_id, node, .. } = &server;
    Ok(wit::Server {
        host_id: host_id(project_id, node),
        node: if sees_nodes { node.clone() } else { String::new() },
        id: server.id,
        name: server.name,
        description: server.description,
        project_id: server.project_id,
        user_id: server.user_id,
        vm_state: vm_state(server.vm_state),
        task_state: server.task_state.map(task_state),
        power_state: power_state(server.power_state),
        created_at: server.created_at.0,
        updated_at: server.updated_at.0,
        launched_at: server.launched_at.map(|time: Timestamp| time.0),
        terminated_at: server.terminated_at.map(|time| time.0),
        purge_at: server.purge_at.map(|time| time.0),
        flavor: flavor(server.flavor, server.flavor_id, server.vcpus, server.memory_mib),
        image_id: server.image_id,
        key_name: server.key_name,
        zone: server.zone,
        hostname: server.hostname,
        locked: server.locked,
        locked_reason: server.locked_reason,
        progress: u8::try_from(server.progress.min(100)).unwrap_or(100),
        access_ipv4: server.access_ipv4,
        access_ipv6: server.access_ipv6,
        config_drive: server.config_drive,
        reservation_id: server.reservation_id,
        launch_index: server.launch_index,
        group_id: server.group_id,
        user_data: server.user_data,
        metadata: server.metadata.into_iter().collect(),
        tags,
        nics: nics(lines, public_addresses),
        security_groups,
        volumes: volumes
            .into_iter()
            .map(|volume| wit::ServerVolume {
                id: volume.id,
                boot_index: volume.boot_index,
                device: volume.device,
                delete_on_termination: volume.delete_on_termination != 0,
            })
            .collect(),
        fault: server.fault.map(|fault| wit::Fault {
            message: fault.message,
            code: u16::try_from(fault.code).unwrap_or(500),
            created_at: fault.created_at.0,
        }),
        attributes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_keep_their_addresses_and_order() {
        let line = |port: &str, address: Option<&str>| Nic {
            port_id: port.to_owned(),
            position: 0,
            network_id: "n".to_owned(),
            network_name: "private".to_owned(),
            mac: "fa:16:3e:00:00:01".to_owned(),
            address: address.map(ToOwned::to_owned),
        };
        let lines = vec![line("b", Some("10.0.0.5")), line("b", Some("fd00::5")), line("a", None)];
        let public = |text: &str, port: &str| Public { address: text.to_owned(), port_id: port.to_owned() };
        let nics = nics(lines, vec![public("192.0.2.7", "b"), public("192.0.2.8", "gone")]);
        let ports: Vec<&str> = nics.iter().map(|nic| nic.port_id.as_str()).collect();
        assert_eq!(ports, ["b", "a"]);
        let addresses = |at: usize| -> Vec<(&str, u8, bool)> {
            nics[at].addresses.iter().map(|a| (a.address.as_str(), a.ip_version, a.floating)).collect()
        };
        assert_eq!(addresses(0), [("10.0.0.5", 4, false), ("fd00::5", 6, false), ("192.0.2.7", 4, true)]);
        assert!(addresses(1).is_empty());
    }

    #[test]
    fn a_host_id_tells_nodes_apart_but_not_which() {
        assert_eq!(host_id("p", ""), "");
        assert_eq!(host_id("p", "n"), host_id("p", "n"));
        assert_ne!(host_id("p", "n"), host_id("q", "n"));
        assert_ne!(host_id("p", "n"), host_id("p", "m"));
        assert_eq!(host_id("p", "n").len(), 56);
    }
}
