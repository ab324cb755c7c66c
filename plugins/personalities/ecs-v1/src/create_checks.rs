//! The vendor's rules of a creation that its schema cannot say.

use std::collections::BTreeMap;

use ecs_rules::sale;
use skyloom_sdk::cloud::compute::PasswordChoice;
use skyloom_sdk::cloud::images::Image;
use skyloom_sdk::conditions::any_of;
use skyloom_sdk::{Cloud, ErrorCode, PageRequest, Pair, Request, base64};

use crate::create_body::{DataVolume, Device, Hints, Nic, Server};
use crate::errors::{Failure, too_long_name};
use crate::unsupported::{refuse, refuse_if};

/// Extra spec of a flavor: the most cards of a server.
const MOST_NICS: &str = "instance_vnic:max_count";

/// Fields whose capability isn't there yet are refused by name, never dropped.
pub fn capabilities(server: &Server) -> Result<(), Failure> {
    let dhcp = |nic: &Nic| nic.extra_dhcp_opts.as_ref().is_some_and(|options| !options.is_empty());
    refuse_if(server.nics.iter().any(dhcp), "server.nics[].extra_dhcp_opts")?;
    device("server.root_volume", &server.root_volume.device)?;
    server.data_volumes.iter().flatten().try_for_each(data_volume)?;
    let eip = server.publicip.as_ref().and_then(|public| public.eip.as_ref());
    let shared = eip.is_some_and(|eip| eip.bandwidth.sharetype == "WHOLE");
    refuse_if(shared, "server.publicip.eip.bandwidth.sharetype (WHOLE)")?;
    let metadata = server.metadata.iter().flatten();
    for (key, value) in metadata {
        refuse_if(key == "agency_name", "server.metadata.agency_name")?;
        refuse_if(key == "BYOL" && value.eq_ignore_ascii_case("true"), "server.metadata.BYOL (True)")?;
    }
    server.scheduler_hints.as_ref().map_or(Ok(()), hints)
}

/// The storage class alone asks for nothing: only with a pool is a disk of that class made.
fn device(path: &str, device: &Device) -> Result<(), Failure> {
    let in_pool = device.cluster_id.as_ref().is_some_and(|id| !id.is_empty());
    refuse_if(in_pool, &format!("{path}.cluster_id"))?;
    refuse_if(device.is_scsi(), &format!("{path}.hw:passthrough"))
}

fn data_volume(volume: &DataVolume) -> Result<(), Failure> {
    device("server.data_volumes[]", &volume.device)?;
    refuse_if(volume.multiattach == Some(true), "server.data_volumes[].multiattach")?;
    let restored = volume.extendparam.as_ref().is_some_and(|params| params.snapshot_id.is_some());
    refuse_if(restored, "server.data_volumes[].extendparam.snapshotId")?;
    let metadata = volume.metadata.as_ref().filter(|metadata| !metadata.is_empty());
    if metadata.is_some() && volume.image().is_some() {
        return Err(Failure::invalid(
            "The parameter server.data_volumes.metadata is not allowed together with data_image_id.",
        ));
    }
    for (key, value) in metadata.into_iter().flatten() {
        match (key.as_str(), value.as_str()) {
            ("__system__encrypted", "0") => {}
            ("__system__encrypted", "1") => return Err(refuse("server.data_volumes[].metadata.__system__encrypted")),
            ("__system__encrypted", _) => {
                return Err(Failure::new(400, "Ecs.0912", "The parameter __system__encrypted must be 0 or 1."));
            }
            ("__system__cmkid", _) => return Err(refuse("server.data_volumes[].metadata.__system__cmkid")),
            _ => return Err(refuse("server.data_volumes[].metadata")),
        }
    }
    Ok(())
}

/// `dedicated_host_id` takes effect only with tenancy `dedicated`, so it may stand alone or beside `shared`.
fn hints(hints: &Hints) -> Result<(), Failure> {
    let dedicated = hints.tenancy.as_deref() == Some("dedicated");
    refuse_if(dedicated, "server.os:scheduler_hints.tenancy (dedicated)")
}

/// Names of the servers.
pub fn names(name: &str, count: u32) -> Result<Vec<String>, Failure> {
    let longest = if count > 1 { ecs_rules::NAMES_COLUMNS } else { ecs_rules::NAME_COLUMNS };
    if ecs_rules::columns(name) > longest {
        return Err(too_long_name());
    }
    if !ecs_rules::is_plain(name) {
        return Err(Failure::new(400, "Ecs.0915", "The name of the ECS has characters that are not allowed."));
    }
    Ok(ecs_rules::numbered(name, count))
}

pub fn description(text: Option<&str>) -> Result<(), Failure> {
    if text.is_none_or(ecs_rules::is_description) {
        return Ok(());
    }
    Err(Failure::new(400, "Ecs.0041", "Invalid description field."))
}

/// `name`: of the parameter.
pub fn user_data(name: &str, text: Option<&str>) -> Result<(), Failure> {
    let Some(text) = text else { return Ok(()) };
    match base64::length(text) {
        None => Err(Failure::invalid(format!("The parameter {name} is not valid base64."))),
        Some(bytes) if bytes > ecs_rules::USER_DATA => {
            Err(Failure::invalid(format!("The parameter {name} is longer than 32 KB before encoding.")))
        }
        Some(_) => Ok(()),
    }
}

/// The first card needs a security group, and at most one may go without.
pub fn security_groups(nics: &[Nic]) -> Result<(), Failure> {
    let primary = nics.first().is_some_and(Nic::has_no_groups);
    if primary || nics.iter().filter(|nic| nic.has_no_groups()).count() > 1 {
        return Err(Failure::new(
            400,
            "Ecs.0910",
            "The primary NIC needs a security group, and at most one NIC may go without.",
        ));
    }
    Ok(())
}

/// The flavor is there, on sale in the zone, and has room for so many cards.
pub fn flavor<C: Cloud>(cloud: &C, server: &Server) -> Result<(), Failure> {
    let flavor = cloud.get_flavor(&server.flavor)?;
    match sale::state(&flavor.extra_specs, server.zone()) {
        "abandon" => return Err(Failure::new(400, "Ecs.0029", format!("The flavor {} does not exist.", flavor.id))),
        "sellout" | "obt_sellout" => {
            return Err(Failure::new(400, "Ecs.0319", "Insufficient resources for this flavor. Try another flavor."));
        }
        _ => {}
    }
    match most_nics(&flavor.extra_specs) {
        Some(most) if server.nics.len() > most => Err(too_many_nics()),
        _ => Ok(()),
    }
}

pub fn most_nics(extra_specs: &[Pair]) -> Option<usize> {
    let (_, value) = extra_specs.iter().find(|(key, _)| key == MOST_NICS)?;
    value.trim().parse().ok()
}

pub fn too_many_nics() -> Failure {
    Failure::new(400, "Ecs.0050", "The number of NICs attached to the ECS exceeds the quota.")
}

/// Every network lies in the VPC: all that the project may use inside the cloud hang on its one router, those of the outside don't.
/// A network without a subnet has no place for a card.
pub fn networks<C: Cloud>(cloud: &C, request: &Request, server: &Server) -> Result<(), Failure> {
    let wrong = |what: String| {
        let message = format!("Incorrect VPC, subnet, or security group parameter values: {what}");
        Failure::new(400, "Ecs.0014", message)
    };
    let project = request.caller.as_ref().and_then(|caller| caller.project_id.as_deref());
    let vpc = server.vpcid.as_str();
    match cloud.get_router(vpc) {
        Ok(router) if Some(router.project_id.as_str()) == project => {}
        Err(error) if error.code != ErrorCode::NotFound => return Err(error.into()),
        _ => return Err(wrong(format!("the VPC {vpc} does not exist."))),
    }
    let mut ids: Vec<String> = server.nics.iter().map(|nic| nic.subnet_id.clone()).collect();
    ids.sort();
    ids.dedup();
    let found = cloud
        .list_networks(&[any_of("id", ids)], &PageRequest { limit: 1000, marker: None, sort: Vec::new() })?
        .networks;
    for (position, nic) in server.nics.iter().enumerate() {
        let id = &nic.subnet_id;
        match found.iter().find(|network| network.id == *id) {
            Some(network) if network.external && position == 0 => {
                let message = format!("The VPC ID {vpc} is inconsistent with that of the main subnet {id}.");
                return Err(Failure::new(400, "Ecs.0064", message));
            }
            Some(network) if network.external => {
                return Err(wrong(format!("the subnet {id} is not in the VPC {vpc}.")));
            }
            Some(network) if !network.subnet_ids.is_empty() => {}
            _ => return Err(Failure::new(400, "Ecs.0038", format!("The subnet {id} does not exist."))),
        }
    }
    Ok(())
}

/// One of a whole server would bring its own data disks, not the system disk alone.
pub fn image(image: &Image) -> Result<(), Failure> {
    refuse_if(ecs_rules::is_full_server(&image.properties), "server.imageRef (full-server image)")
}

/// The size asked for; absent or 0 means what the image asks for, and never less than that.
pub fn root_size(image: &Image, wanted: Option<u32>) -> Result<u32, Failure> {
    match wanted.unwrap_or(0) {
        0 => Ok(image.min_disk_gib.max(1)),
        size if size < image.min_disk_gib => Err(Failure::invalid(format!(
            "The system disk of {size} GB is smaller than the {} GB that the image needs.",
            image.min_disk_gib
        ))),
        size => Ok(size),
    }
}

/// Whose password is set: that of `adminPass`, on Windows that of the reserved key, which never stays in the metadata. Without
/// one the image's own is kept. User data does it instead where it is given.
pub fn password(
    server: &Server,
    image: &Image,
    metadata: &mut BTreeMap<String, String>,
) -> Result<PasswordChoice, Failure> {
    let reserved = metadata.remove(ecs_rules::WINDOWS_PASSWORD);
    let windows = ecs_rules::is_windows(&image.properties);
    if windows && reserved.is_some() {
        return Err(refuse("server.metadata.admin_pass (Windows image)"));
    }
    if windows && server.admin_password.is_some() {
        return Err(Failure::invalid(
            "A required parameter is missing: server.metadata.admin_pass holds the password of a Windows ECS.",
        ));
    }
    let by_user_data = server.user_data.as_ref().is_some_and(|text| !text.is_empty());
    let given = server.admin_password.clone().or(reserved).filter(|_| !by_user_data);
    Ok(given.map_or(PasswordChoice::Keep, PasswordChoice::Given))
}
