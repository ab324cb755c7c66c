//! Creation of servers: the vendor's rules, then one call of the core.

use skyloom_sdk::cloud::compute::{
    DiskRequest, NetworkChoice, NicRequest, OnFailure, PublicAddressRequest, ServerCreate,
};
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::create_body::{CreateBody, DataVolume, Nic, PublicIp, Server};
use crate::errors::{Failure, bad_address};
use crate::{body, create_checks as checks, job_answer};

/// The group that an entry without an id stands for.
const DEFAULT_GROUP: &str = "default";

pub fn create<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let CreateBody { server, dry_run } = body(request)?;
    let dry_run = dry_run.unwrap_or(false);
    let create = to_core(cloud, request, &server, dry_run)?;
    let created = cloud.create_servers(&create).map_err(|error| refusal(&server, error))?;
    if dry_run {
        return Ok(respond::empty(202));
    }
    Ok(job_answer(&created.operation_id))
}

fn to_core<C: Cloud>(cloud: &C, request: &Request, server: &Server, dry_run: bool) -> Result<ServerCreate, Failure> {
    checks::capabilities(server)?;
    let names = checks::names(&server.name, server.count.unwrap_or(1))?;
    checks::description(server.description.as_deref())?;
    checks::user_data("server.user_data", server.user_data.as_deref())?;
    checks::security_groups(&server.nics)?;
    checks::flavor(cloud, server)?;
    checks::networks(cloud, request, server)?;
    let image = cloud.get_image(&server.image)?;
    checks::image(&image)?;
    let root_size = checks::root_size(&image, server.root_volume.size)?;
    let mut metadata = server.metadata.clone().unwrap_or_default();
    let admin_password = checks::password(server, &image, &mut metadata)?;
    Ok(ServerCreate {
        min_count: u32::try_from(names.len()).unwrap_or(u32::MAX),
        names,
        description: server.description.clone().filter(|text| !text.is_empty()),
        flavor_id: server.flavor.clone(),
        key_name: server.key_name.clone().filter(|name| !name.is_empty()),
        zone: server.zone().map(ToOwned::to_owned),
        node: None,
        group_id: server.scheduler_hints.as_ref().and_then(|hints| hints.group.clone()),
        hostname: None,
        networks: NetworkChoice::Nics(server.nics.iter().map(nic).collect()),
        security_groups: groups(server),
        disks: std::iter::once(system_disk(server, root_size))
            .chain(server.data_volumes.iter().flatten().map(data_disk))
            .collect(),
        public_address: server.publicip.as_ref().map(public_address),
        user_data: server.user_data.clone().filter(|text| !text.is_empty()),
        config_drive: false,
        admin_password,
        metadata: metadata.into_iter().collect(),
        tags: Vec::new(),
        access_ipv4: String::new(),
        access_ipv6: String::new(),
        on_failure: OnFailure::Remove,
        dry_run,
        as_batch: true,
        attributes: "{}".to_owned(),
    })
}

/// None at all means the default one too, but that is the core's own rule.
fn groups(server: &Server) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for group in server.security_groups.iter().flatten() {
        let id = group.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn nic(nic: &Nic) -> NicRequest {
    NicRequest {
        port_id: None,
        network_id: Some(nic.subnet_id.clone()),
        subnet_id: None,
        address: nic.address().map(ToOwned::to_owned),
        security_groups: nic.has_no_groups().then(Vec::new),
    }
}

/// The document says of data disks only that they stay; the system disk goes with its server.
fn system_disk(server: &Server, size_gib: u32) -> DiskRequest {
    DiskRequest {
        source: "image".to_owned(),
        source_id: Some(server.image.clone()),
        size_gib: Some(size_gib),
        volume_type: Some(server.root_volume.volumetype.clone()),
        delete_on_termination: true,
        attributes: "{}".to_owned(),
    }
}

fn data_disk(volume: &DataVolume) -> DiskRequest {
    let image = volume.image();
    DiskRequest {
        source: if image.is_some() { "image" } else { "empty" }.to_owned(),
        source_id: image.map(ToOwned::to_owned),
        size_gib: Some(volume.size),
        volume_type: Some(volume.volumetype.clone()),
        delete_on_termination: false,
        attributes: "{}".to_owned(),
    }
}

fn public_address(public: &PublicIp) -> PublicAddressRequest {
    PublicAddressRequest {
        id: public.id.clone(),
        bandwidth_mbit: public.eip.as_ref().map_or(0, |eip| eip.bandwidth.size),
        delete_on_termination: public.delete_on_termination.unwrap_or(false),
    }
}

/// An address beside its subnet has a finer code.
fn refusal(server: &Server, error: Error) -> Failure {
    if error.code != ErrorCode::Invalid || error.field.as_deref() != Some("address") {
        return error.into();
    }
    let network = error.resource.as_ref().map(|(_, id)| id.as_str());
    let fits = |nic: &&Nic| nic.address().is_some() && network.is_none_or(|network| nic.subnet_id == network);
    let Some(nic) = server.nics.iter().find(fits) else { return error.into() };
    bad_address(nic.address().unwrap_or_default(), &nic.subnet_id, error.message)
}
