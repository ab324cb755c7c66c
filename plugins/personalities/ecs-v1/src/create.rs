//! Creation of servers: the vendor's rules, then one call of the core.

use base64::Engine;
use skyloom_sdk::cloud::compute::{
    NetworkChoice, NicRequest, OnFailure, PublicAddressRequest, ServerCreate, VolumeRequest,
};
use skyloom_sdk::{Cloud, Request, Response, respond};

use crate::create_body::{CreateBody, DataVolume, Device, Hints, Nic, PublicIp, Server};
use crate::errors::{Failure, too_long_name};
use crate::{body, job_answer};

/// Longest name, in English letters; a Chinese one counts twice.
const NAME_UNITS: usize = 128;
/// Longest name when the system appends its mark.
const NAME_UNITS_OF_MANY: usize = 59;
const USER_DATA_BYTES: usize = 32 * 1024;
/// The mark that tells servers of one request apart: a dash and this many digits.
const MARK_DIGITS: usize = 4;

pub fn create<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let CreateBody { server, dry_run } = body(request)?;
    let dry_run = dry_run.unwrap_or(false);
    let create = to_core(cloud, server, dry_run)?;
    let created = cloud.create_servers(&create)?;
    if dry_run {
        return Ok(respond::empty(202));
    }
    Ok(job_answer(&created.operation_id))
}

fn to_core<C: Cloud>(cloud: &C, server: Server, dry_run: bool) -> Result<ServerCreate, Failure> {
    refuse_what_is_missing(&server)?;
    let names = names(&server.name, server.count.unwrap_or(1))?;
    check_user_data(server.user_data.as_deref())?;
    check_vpc(cloud, &server.vpcid)?;
    let root_size = root_size(cloud, &server)?;
    let mut metadata = server.metadata.unwrap_or_default();
    let windows_password = metadata.remove("admin_pass");
    Ok(ServerCreate {
        min_count: u32::try_from(names.len()).unwrap_or(u32::MAX),
        names,
        description: server.description.filter(|text| !text.is_empty()),
        flavor_id: server.flavor,
        image_id: Some(server.image),
        key_name: server.key_name.filter(|name| !name.is_empty()),
        zone: server.availability_zone.filter(|zone| !zone.is_empty()),
        node: None,
        hostname: None,
        networks: NetworkChoice::Nics(server.nics.iter().map(nic).collect()),
        security_groups: server.security_groups.unwrap_or_default().into_iter().filter_map(|group| group.id).collect(),
        root_volume: Some(VolumeRequest {
            size_gib: root_size,
            volume_type: Some(server.root_volume.volumetype),
            // The document says of data disks only that they stay; the system disk goes with its server.
            delete_on_termination: true,
        }),
        data_volumes: server.data_volumes.iter().flatten().map(data_volume).collect(),
        public_address: server.publicip.map(public_address),
        user_data: server.user_data.filter(|text| !text.is_empty()),
        config_drive: false,
        admin_password: server.admin_password.or(windows_password),
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

/// Fields whose capability isn't there yet are refused by name, never dropped.
fn refuse_what_is_missing(server: &Server) -> Result<(), Failure> {
    for nic in &server.nics {
        if nic.extra_dhcp_opts.as_ref().is_some_and(|options| !options.is_empty()) {
            return Err(Failure::unsupported("server.nics.extra_dhcp_opts"));
        }
    }
    let without_groups = server.nics.iter().map(has_no_groups).collect::<Vec<_>>();
    if without_groups.first() == Some(&true) || without_groups.iter().filter(|without| **without).count() > 1 {
        return Err(Failure::new(
            400,
            "Ecs.0910",
            "The primary NIC needs a security group, and at most one NIC may go without.",
        ));
    }
    check_device("server.root_volume", &server.root_volume.device)?;
    for volume in server.data_volumes.iter().flatten() {
        check_data_volume(volume)?;
    }
    let eip = server.publicip.as_ref().and_then(|public| public.eip.as_ref());
    if eip.is_some_and(|eip| eip.bandwidth.sharetype == "WHOLE") {
        return Err(Failure::unsupported("server.publicip.eip.bandwidth.sharetype (WHOLE)"));
    }
    server.scheduler_hints.as_ref().map_or(Ok(()), check_hints)
}

fn check_device(path: &str, device: &Device) -> Result<(), Failure> {
    if device.cluster_id.as_ref().is_some_and(|id| !id.is_empty()) {
        return Err(Failure::new(
            400,
            "Ecs.0911",
            format!("Invalid dedicated storage type of the disk: {path}.cluster_id is not supported."),
        ));
    }
    if device.is_scsi() {
        return Err(Failure::new(400, "Ecs.0037", "The flavor does not support SCSI disks."));
    }
    Ok(())
}

fn check_data_volume(volume: &DataVolume) -> Result<(), Failure> {
    check_device("server.data_volumes", &volume.device)?;
    if volume.data_image_id.as_ref().is_some_and(|id| !id.is_empty()) {
        return Err(Failure::unsupported("server.data_volumes.data_image_id"));
    }
    if volume.multiattach == Some(true) {
        return Err(Failure::unsupported("server.data_volumes.multiattach"));
    }
    if volume.extendparam.as_ref().is_some_and(|params| params.contains_key("snapshotId")) {
        return Err(Failure::unsupported("server.data_volumes.extendparam.snapshotId"));
    }
    let metadata = volume.metadata.iter().flatten();
    for (key, value) in metadata {
        match (key.as_str(), value.as_str()) {
            ("__system__encrypted", "0") => {}
            ("__system__encrypted" | "__system__cmkid", _) => {
                return Err(Failure::new(
                    400,
                    "Ecs.0912",
                    "Invalid disk encryption key: disks are not encrypted on this platform.",
                ));
            }
            _ => return Err(Failure::unsupported(&format!("server.data_volumes.metadata.{key}"))),
        }
    }
    Ok(())
}

/// `dedicated_host_id` takes effect only with tenancy `dedicated`, so it may stand beside `shared`.
fn check_hints(hints: &Hints) -> Result<(), Failure> {
    if hints.group.is_some() {
        return Err(Failure::new(
            400,
            "Ecs.0313",
            "ECS group query failed: server groups are not supported by this platform.",
        ));
    }
    if hints.tenancy.as_deref() == Some("dedicated") {
        let host = hints.dedicated_host_id.as_deref().unwrap_or("none");
        return Err(Failure::unsupported(&format!("server.os:scheduler_hints.tenancy (dedicated, host {host})")));
    }
    Ok(())
}

/// The vendor counts a Chinese character as two English ones.
fn units(name: &str) -> usize {
    name.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum()
}

/// Names of the servers. Several get a mark `-0001` and upwards; a name that ends in a mark is numbered on from it.
fn names(name: &str, count: u32) -> Result<Vec<String>, Failure> {
    let longest = if count > 1 { NAME_UNITS_OF_MANY } else { NAME_UNITS };
    if units(name) > longest {
        return Err(too_long_name());
    }
    if count == 1 {
        return Ok(vec![name.to_owned()]);
    }
    let (stem, first) = split_mark(name).unwrap_or((name, 1));
    Ok((0..count).map(|index| format!("{stem}-{:0width$}", first + index, width = MARK_DIGITS)).collect())
}

fn split_mark(name: &str) -> Option<(&str, u32)> {
    let (stem, digits) = name.rsplit_once('-')?;
    let is_mark = digits.len() == MARK_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_mark && !stem.is_empty()).then(|| (stem, digits.parse().unwrap_or(0)))
}

fn check_user_data(user_data: Option<&str>) -> Result<(), Failure> {
    let Some(text) = user_data else { return Ok(()) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| Failure::invalid("The parameter server.user_data is not valid base64."))?;
    if bytes.len() > USER_DATA_BYTES {
        return Err(Failure::invalid("The parameter server.user_data is longer than 32 KB before encoding."));
    }
    Ok(())
}

/// Networks of the project all hang on its routers, so the VPC only has to be one of them.
fn check_vpc<C: Cloud>(cloud: &C, vpc: &str) -> Result<(), Failure> {
    let routers = cloud.list_routers(None)?;
    if routers.iter().any(|router| router.id == vpc) {
        return Ok(());
    }
    Err(Failure::new(
        400,
        "Ecs.0014",
        format!("Incorrect VPC, subnet, or security group parameter values: the VPC {vpc} does not exist."),
    ))
}

/// The size asked for; absent or 0 means what the image asks for, and never less than that.
fn root_size<C: Cloud>(cloud: &C, server: &Server) -> Result<u32, Failure> {
    let image = cloud.get_image(&server.image)?;
    let least = image.min_disk_gib.max(1);
    match server.root_volume.size.unwrap_or(0) {
        0 => Ok(least),
        size if size < image.min_disk_gib => Err(Failure::invalid(format!(
            "The system disk of {size} GB is smaller than the {} GB that the image needs.",
            image.min_disk_gib
        ))),
        size => Ok(size),
    }
}

fn has_no_groups(nic: &Nic) -> bool {
    nic.profile.as_ref().is_some_and(|profile| profile.disable_security_groups == Some(true))
}

fn nic(nic: &Nic) -> NicRequest {
    NicRequest {
        port_id: None,
        network_id: Some(nic.subnet_id.clone()),
        subnet_id: None,
        address: nic.ip_address.clone().filter(|address| !address.is_empty()),
        security_groups: has_no_groups(nic).then(Vec::new),
    }
}

fn data_volume(volume: &DataVolume) -> VolumeRequest {
    VolumeRequest { size_gib: volume.size, volume_type: Some(volume.volumetype.clone()), delete_on_termination: false }
}

fn public_address(public: PublicIp) -> PublicAddressRequest {
    PublicAddressRequest {
        id: public.id,
        bandwidth_mbit: public.eip.map_or(0, |eip| eip.bandwidth.size),
        delete_on_termination: public.delete_on_termination.unwrap_or(false),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn several_servers_are_numbered_and_a_given_mark_goes_on() {
        assert_eq!(names("web", 1).unwrap(), ["web"]);
        assert_eq!(names("web", 3).unwrap(), ["web-0001", "web-0002", "web-0003"]);
        assert_eq!(names("web-0010", 2).unwrap(), ["web-0010", "web-0011"]);
        assert_eq!(names("web-0010", 1).unwrap(), ["web-0010"]);
        assert_eq!(names("web-12", 2).unwrap(), ["web-12-0001", "web-12-0002"]);
    }

    #[test]
    fn a_chinese_character_counts_as_two_letters() {
        assert!(names(&"云".repeat(64), 1).is_ok());
        assert_eq!(names(&"云".repeat(65), 1).unwrap_err().code, "Ecs.0914");
        assert_eq!(names(&"a".repeat(60), 2).unwrap_err().code, "Ecs.0914");
        assert!(names(&"a".repeat(59), 2).is_ok());
    }

    #[test]
    fn user_data_is_base64_of_at_most_32_kilobytes() {
        let encode = |bytes: usize| base64::engine::general_purpose::STANDARD.encode(vec![b'a'; bytes]);
        assert!(check_user_data(Some(&encode(USER_DATA_BYTES))).is_ok());
        assert!(check_user_data(Some(&encode(USER_DATA_BYTES + 1))).is_err());
        assert!(check_user_data(Some("%")).is_err());
    }
}
