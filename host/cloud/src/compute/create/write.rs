//! The transaction that makes servers: all rows, or none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use skyloom_jobs::{NewOperation, OnFailure};
use skyloom_model::{Action, Error, ErrorCode, PowerState, Result, TaskState, Timestamp, VmState, new_id};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_store::networks::{self, PortNetwork, PortSpec};
use skyloom_store::public_addresses::{self, NewAddress};
use skyloom_store::servers::{self, Server};
use skyloom_store::volumes::{self, Place, Volume, VolumeState};
use skyloom_store::{Conn, boot_images, snapshots};

use super::references::{Groups, PlannedNic};
use super::{Plan, checks};
use crate::attributes;
use crate::compute::actions::new_operation;
use crate::compute::attachments;
use crate::compute::image;
use crate::compute::update::canonical_ipv6;
use crate::secrets::Sealer;

pub(super) struct Made {
    pub(super) server_ids: Vec<String>,
    pub(super) operation_id: String,
}

/// The groups of new cards, once the default one is there.
struct GroupIds {
    default: Option<String>,
}

impl GroupIds {
    fn of(&self, groups: &Groups) -> Vec<String> {
        let default = self.default.iter().filter(|_| groups.default);
        let mut ids: Vec<String> = default.chain(&groups.ids).cloned().collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

pub(super) async fn servers(tx: &mut Conn, sealer: &Sealer, plan: &Plan<'_>, count: usize) -> Result<Made> {
    // Once each, in an order that two creations share.
    let made = plan.references.disks.iter().filter(|disk| disk.volume_id.is_none() && disk.snapshot_id.is_empty());
    let of_disks = made.map(|disk| &disk.image_id);
    let images: BTreeSet<&String> = of_disks.chain(plan.references.boots_with.ids()).collect();
    for image in images.into_iter().filter(|image| !image.is_empty()) {
        image::still_active(tx, image).await?;
    }
    let networks = networks_of(tx, plan).await?;
    let groups = default_group(tx, plan).await?;
    let batch = plan.create.as_batch || count > 1;
    let parent = if batch { Some(parent(tx, plan).await?) } else { None };
    let mut server_ids = Vec::with_capacity(count);
    let mut last = String::new();
    for (index, name) in plan.create.names.iter().take(count).enumerate() {
        let id = new_id();
        // An empty one leaves the guest as its image is.
        let password = match &*plan.password.value {
            "" => String::new(),
            password => sealer.seal(&id, password)?,
        };
        servers::insert(tx, &server(plan, index, name, &id), &password).await?;
        for tag in &plan.checked.tags {
            servers::insert_tag(tx, &id, tag).await?;
        }
        boot_images::insert(tx, &id, &plan.references.boots_with).await?;
        disks(tx, plan, name, &id).await?;
        cards(tx, plan, &networks, &groups, &id).await?;
        public_address(tx, plan, &networks, &id).await?;
        last = operation(tx, plan, index, &id, parent.as_deref()).await?;
        server_ids.push(id);
    }
    if let Some(parent) = &parent {
        skyloom_jobs::settle_parent(tx, parent).await?;
    }
    Ok(Made { server_ids, operation_id: parent.unwrap_or(last) })
}

/// Made on a project's first use.
async fn default_group(tx: &mut Conn, plan: &Plan<'_>) -> Result<GroupIds> {
    let references = &plan.references;
    let mut of_cards = references.nics.iter().filter(|nic| nic.port_id.is_none());
    let wanted = of_cards.any(|nic| nic.groups.as_ref().unwrap_or(&references.groups).default);
    let default = if wanted { Some(networks::default_group(tx, &plan.project_id, plan.now).await?) } else { None };
    Ok(GroupIds { default })
}

fn server(plan: &Plan<'_>, index: usize, name: &str, id: &str) -> Server {
    let (create, references) = (&plan.create, &plan.references);
    let flavor = &references.flavor;
    Server {
        id: id.to_owned(),
        project_id: plan.project_id.clone(),
        user_id: plan.user_id.clone(),
        name: name.to_owned(),
        description: create.description.clone(),
        vm_state: VmState::Building,
        task_state: Some(TaskState::Scheduling),
        power_state: PowerState::NoState,
        created_at: plan.now,
        updated_at: plan.now,
        launched_at: None,
        terminated_at: None,
        purge_at: None,
        deleted: false,
        flavor_id: flavor.id.clone(),
        vcpus: flavor.vcpus,
        memory_mib: flavor.memory_mib,
        flavor: flavor.copy(),
        image_id: references.image.as_ref().map(|image| image.id.clone()),
        key_name: create.key_name.clone(),
        public_key: references.public_key.clone(),
        zone: references.zone.clone(),
        node: String::new(),
        hostname: checks::hostname(create, index, name, id),
        locked: false,
        locked_by: None,
        locked_reason: None,
        progress: 0,
        access_ipv4: create.access_ipv4.clone(),
        access_ipv6: canonical_ipv6(&create.access_ipv6),
        config_drive: create.config_drive,
        reservation_id: plan.reservation_id.clone(),
        launch_index: u32::try_from(index).unwrap_or(u32::MAX),
        group_id: create.group_id.clone(),
        fault: None,
        metadata: plan.checked.metadata.clone(),
        attributes: plan.checked.attributes.clone(),
        user_data: create.user_data.clone(),
    }
}

async fn disks(tx: &mut Conn, plan: &Plan<'_>, name: &str, server_id: &str) -> Result<()> {
    let given: Vec<String> = plan.references.disks.iter().filter_map(|disk| disk.volume_id.clone()).collect();
    if !given.is_empty() {
        volumes::lock_many(tx, &given).await?;
    }
    let copied = plan.references.disks.iter().map(|disk| &disk.snapshot_id).filter(|id| !id.is_empty());
    let copied: Vec<String> = copied.cloned().collect();
    if !copied.is_empty() {
        snapshots::lock_many(tx, &copied).await?;
    }
    // Where the server has to be.
    let mut node = plan.create.node.clone();
    for (index, disk) in plan.references.disks.iter().enumerate() {
        if let Some(id) = &disk.volume_id {
            let place = Place {
                server_id,
                boot_index: u32::try_from(index).unwrap_or(u32::MAX),
                device: &device(index),
                delete_on_termination: disk.delete_on_termination,
            };
            attachments::give(tx, &plan.project_id, (id, &mut node), place)
                .await
                .map_err(|error| error.with_field("disks"))?;
            continue;
        }
        if !disk.snapshot_id.is_empty() {
            attachments::copy(tx, &plan.project_id, (&disk.snapshot_id, &mut node))
                .await
                .map_err(|error| error.with_field("disks"))?;
        }
        let volume = Volume {
            id: new_id(),
            project_id: plan.project_id.clone(),
            user_id: plan.user_id.clone(),
            name: if index == 0 { name.to_owned() } else { format!("{name}-{index}") },
            size_gib: disk.size_gib,
            volume_type: disk.volume_type.clone(),
            bootable: disk.bootable,
            description: String::new(),
            zone: plan.references.zone.clone(),
            attached_at: None,
            snapshot_id: disk.snapshot_id.clone(),
            source_volume_id: String::new(),
            metadata: BTreeMap::new(),
            state: VolumeState::Creating,
            server_id: server_id.to_owned(),
            boot_index: u32::try_from(index).unwrap_or(u32::MAX),
            device: device(index),
            delete_on_termination: disk.delete_on_termination,
            image_id: disk.image_id.clone(),
            created_at: plan.now,
            updated_at: plan.now,
            // The flavor's disks stand behind those asked for.
            attributes: plan.checked.disk_attributes.get(index).map_or(attributes::NONE, String::as_str).to_owned(),
        };
        volumes::insert(tx, &volume).await?;
    }
    Ok(())
}

/// `/dev/vda` to `/dev/vdz`, then `/dev/vdaa` and so on.
pub(in crate::compute) fn device(index: usize) -> String {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    let letter = |index: usize| LETTERS[index % LETTERS.len()] as char;
    match index / LETTERS.len() {
        0 => format!("/dev/vd{}", letter(index)),
        round => format!("/dev/vd{}{}", letter(round - 1), letter(index)),
    }
}

/// Those that new cards are on, read once for all servers.
async fn networks_of(tx: &mut Conn, plan: &Plan<'_>) -> Result<BTreeMap<String, PortNetwork>> {
    let mut networks = BTreeMap::new();
    let of_cards = plan.references.nics.iter().filter(|nic| nic.port_id.is_none()).map(|nic| &nic.network_id);
    for id in of_cards.chain(&plan.references.outside) {
        if !networks.contains_key(id) {
            networks.insert(id.clone(), PortNetwork::load(tx, id).await?);
        }
    }
    Ok(networks)
}

fn network<'n>(networks: &'n BTreeMap<String, PortNetwork>, id: &str) -> Result<&'n PortNetwork> {
    networks.get(id).ok_or_else(|| Error::internal(format!("network {id} was not read")))
}

async fn cards(
    tx: &mut Conn,
    plan: &Plan<'_>,
    networks: &BTreeMap<String, PortNetwork>,
    groups: &GroupIds,
    server_id: &str,
) -> Result<()> {
    let references = &plan.references;
    for (position, nic) in references.nics.iter().enumerate() {
        let slot = Slot {
            project_id: &plan.project_id,
            server_id,
            zone: &references.zone,
            position: u32::try_from(position).unwrap_or(u32::MAX),
            now: plan.now,
        };
        if let Some(port_id) = &nic.port_id {
            slot.take(tx, port_id).await?;
            continue;
        }
        let ids = groups.of(nic.groups.as_ref().unwrap_or(&references.groups));
        card(tx, network(networks, &nic.network_id)?, nic, (new_id(), Some(ids)), &slot).await?;
    }
    Ok(())
}

/// A card's place at a server.
pub(in crate::compute) struct Slot<'s> {
    pub(in crate::compute) project_id: &'s str,
    pub(in crate::compute) server_id: &'s str,
    pub(in crate::compute) zone: &'s str,
    pub(in crate::compute) position: u32,
    pub(in crate::compute) now: Timestamp,
}

impl Slot<'_> {
    fn owner(&self) -> String {
        format!("compute:{}", self.zone)
    }

    /// With a port that is there, and with the public addresses that lead to it.
    pub(in crate::compute) async fn take(&self, tx: &mut Conn, port_id: &str) -> Result<()> {
        let owner = self.owner();
        networks::take_port(tx, port_id, self.project_id, self.server_id, &owner, self.position).await?;
        public_addresses::join_server(tx, port_id, self.server_id, self.now).await
    }
}

/// With a new port of this id, in these groups; none: in those that the network gives.
pub(in crate::compute) async fn card(
    tx: &mut Conn,
    network: &PortNetwork,
    nic: &PlannedNic,
    (id, security_groups): (String, Option<Vec<String>>),
    slot: &Slot<'_>,
) -> Result<()> {
    let spec = PortSpec {
        id,
        project_id: slot.project_id.to_owned(),
        subnet_id: nic.subnet_id.clone(),
        address: nic.address,
        security_groups,
        device_id: slot.server_id.to_owned(),
        device_owner: slot.owner(),
        mac: None,
        position: slot.position,
    };
    networks::allocate_port(tx, network, spec).await.map_err(|error| match error.field.as_deref() {
        // An address that doesn't fit: the request has it on this network.
        Some("fixed-ips") => error.with_field("address").with_resource("network", &nic.network_id),
        _ => error,
    })
}

/// The groups that a card names; the default one is made where it isn't there yet.
pub(in crate::compute) async fn groups_of(
    tx: &mut Conn,
    project_id: &str,
    groups: &Groups,
    now: Timestamp,
) -> Result<Vec<String>> {
    let default = if groups.default { Some(networks::default_group(tx, project_id, now).await?) } else { None };
    Ok(GroupIds { default }.of(groups))
}

async fn public_address(
    tx: &mut Conn,
    plan: &Plan<'_>,
    networks: &BTreeMap<String, PortNetwork>,
    server_id: &str,
) -> Result<()> {
    let Some(wanted) = &plan.create.public_address else { return Ok(()) };
    let target = public_addresses::free_target(tx, server_id).await?.ok_or_else(|| {
        let message = "The server has no IPv4 address that a public address could lead to.";
        Error::invalid("public-address", message)
    })?;
    if let Some(id) = &wanted.id {
        if public_addresses::bind(tx, id, target, wanted.delete_on_termination, plan.now).await? {
            return Ok(());
        }
        let message = format!("Public address {id} is bound already.");
        return Err(Error::new(ErrorCode::InUse, message).with_resource("public-address", id));
    }
    let Some(network_id) = &plan.references.outside else { return Ok(()) };
    let new = NewAddress {
        project_id: plan.project_id.clone(),
        target: Some(target),
        bandwidth_mbit: wanted.bandwidth_mbit,
        delete_on_termination: wanted.delete_on_termination,
        attributes: attributes::NONE.to_owned(),
        ..NewAddress::default()
    };
    public_addresses::make(tx, network(networks, network_id)?, new, plan.now).await.map(drop)
}

fn on_failure(create: &wit::ServerCreate) -> OnFailure {
    match create.on_failure {
        wit::OnFailure::Keep => OnFailure::Keep,
        wit::OnFailure::Remove => OnFailure::Remove,
    }
}

async fn parent(tx: &mut Conn, plan: &Plan<'_>) -> Result<String> {
    let parent = NewOperation::parent("batch.server.create", "server");
    let parent = new_operation(plan.context, Action::ServersCreate, parent, &plan.project_id, plan.now)?;
    skyloom_jobs::enqueue(tx, NewOperation { on_failure: on_failure(&plan.create), ..parent }).await
}

async fn operation(
    tx: &mut Conn,
    plan: &Plan<'_>,
    index: usize,
    server_id: &str,
    parent: Option<&str>,
) -> Result<String> {
    let operation = NewOperation::new("server.create", "server", server_id);
    let held = plan.references.disks.iter().filter_map(|disk| match (&disk.volume_id, &disk.snapshot_id) {
        (Some(volume), _) => Some(("volume", volume)),
        (None, snapshot) if !snapshot.is_empty() => Some(("snapshot", snapshot)),
        _ => None,
    });
    let params = json!({ "node": plan.create.node });
    let operation = NewOperation {
        params,
        on_failure: on_failure(&plan.create),
        parent_id: parent.map(ToOwned::to_owned),
        position: u32::try_from(index).unwrap_or(u32::MAX),
        ..new_operation(plan.context, Action::ServersCreate, operation, &plan.project_id, plan.now)?
    };
    skyloom_jobs::lock_new_resource(tx, "server", server_id, &operation.id).await?;
    for (kind, id) in held {
        skyloom_jobs::lock_resource(tx, kind, id, &operation.id).await.map_err(|error| error.with_field("disks"))?;
    }
    skyloom_jobs::enqueue(tx, operation).await
}
