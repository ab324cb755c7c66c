//! What a request for servers names: flavor, image, key pair, zone, networks, groups. Each is looked up as the caller sees it;
//! what isn't there, or isn't the caller's, is `invalid` on its field where the request may be mended, `not-found` else.

use std::net::IpAddr;

use skyloom_model::{Caller, Error, ErrorCode, Reach, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_store::Conn;
use skyloom_store::boot_images::BootImages;
use skyloom_store::flavors::Flavor;
use skyloom_store::snapshots::{self, Snapshot};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{keypairs, networks, nodes, public_addresses};

use super::super::Compute;
use super::super::image::{BootImage, GIB};
use super::super::server_groups;
use super::checks::wrong_disk;

/// All that a request names.
pub(super) struct References {
    pub(super) flavor: Flavor,
    /// Of the system disk; none: a volume that began as no image.
    pub(super) image: Option<BootImage>,
    /// What the image names to boot with.
    pub(super) boots_with: BootImages,
    /// Empty: none.
    pub(super) public_key: String,
    pub(super) zone: String,
    pub(super) nics: Vec<PlannedNic>,
    pub(super) groups: Groups,
    /// The system disk first.
    pub(super) disks: Vec<PlannedDisk>,
    /// The network that new public addresses come from, where one is asked for.
    pub(super) outside: Option<String>,
}

/// Security groups of the server's new cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compute) struct Groups {
    /// The project's default one, which may not exist yet.
    pub(super) default: bool,
    pub(super) ids: Vec<String>,
}

pub(in crate::compute) struct PlannedNic {
    /// Some: an existing port.
    pub(in crate::compute) port_id: Option<String>,
    pub(in crate::compute) network_id: String,
    pub(super) subnet_id: Option<String>,
    pub(super) address: Option<IpAddr>,
    /// None: those of the server.
    pub(in crate::compute) groups: Option<Groups>,
}

pub(super) struct PlannedDisk {
    pub(super) size_gib: u32,
    pub(super) volume_type: String,
    pub(super) delete_on_termination: bool,
    /// What it begins as; empty: an empty disk.
    pub(super) image_id: String,
    /// Some: an existing volume.
    pub(super) volume_id: Option<String>,
    /// What it is a copy of; empty: of none.
    pub(super) snapshot_id: String,
    /// Of a new one.
    pub(super) bootable: bool,
}

impl Compute {
    pub(super) async fn references(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        project_id: &str,
        create: &wit::ServerCreate,
    ) -> Result<References> {
        let flavor = self.flavors.usable_flavor(conn, caller, &create.flavor_id).await?;
        if flavor.disabled {
            return Err(Error::invalid("flavor-id", format!("Flavor {} is not offered any more.", flavor.id)));
        }
        let origins = origins(conn, project_id, create).await?;
        let (image, disks) = self.disks(conn, caller, create, (&flavor, &origins)).await?;
        if image.as_ref().is_some_and(|image| image.min_memory_mib > flavor.memory_mib) {
            return Err(Error::invalid("flavor-id", "Flavor's memory is too small for requested image."));
        }
        if let Some(id) = &create.group_id {
            server_groups::seen(conn, &Reach::project(project_id), id).await?;
        }
        let boots_with = match &image {
            Some(image) => self.boots_with(conn, caller, image).await?,
            None => BootImages::default(),
        };
        Ok(References {
            public_key: public_key(conn, &caller.user.id, create.key_name.as_deref()).await?,
            zone: self.zone_of(conn, create, &origins).await?,
            nics: planned_nics(conn, caller, project_id, &create.networks).await?,
            groups: groups(conn, project_id, &create.security_groups).await?,
            outside: outside(conn, project_id, create.public_address.as_ref()).await?,
            flavor,
            image,
            boots_with,
            disks,
        })
    }

    /// A server is where its volumes are.
    async fn zone_of(&self, conn: &mut Conn, create: &wit::ServerCreate, origins: &[Origin]) -> Result<String> {
        let nodes = nodes::all(conn).await?;
        let zone = match (&create.node, &create.zone) {
            (Some(name), zone) => {
                let node = nodes.iter().find(|node| node.name == *name);
                let node =
                    node.ok_or_else(|| Error::invalid("node", format!("Compute node {name} could not be found.")))?;
                if zone.as_ref().is_some_and(|zone| *zone != node.zone) {
                    return Err(Error::invalid("zone", format!("Compute node {name} is not in that zone.")));
                }
                node.zone.clone()
            }
            (None, Some(zone)) => zone.clone(),
            (None, None) => origins.first().map_or(&self.settings.default_zone, |origin| &origin.volume.zone).clone(),
        };
        if let Some(origin) = origins.iter().find(|origin| origin.volume.zone != zone) {
            let (kind, id) = origin.named();
            let message = format!("The {kind} {id} is in the zone {}, the server in {zone}.", origin.volume.zone);
            return Err(Error::invalid("zone", message).with_resource(kind, id));
        }
        if nodes.iter().any(|node| node.zone == zone) {
            return Ok(zone);
        }
        Err(Error::invalid("zone", "The requested availability zone is not available."))
    }

    /// The image of the system disk; that disk, the others asked for, then those that the flavor brings.
    async fn disks(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        create: &wit::ServerCreate,
        (flavor, origins): (&Flavor, &[Origin]),
    ) -> Result<(Option<BootImage>, Vec<PlannedDisk>)> {
        let default_type = || self.settings.default_volume_type.clone();
        let (mut image, mut disks) = (None, Vec::with_capacity(create.disks.len() + 2));
        for (place, asked) in create.disks.iter().enumerate() {
            let origin = origins.iter().find(|origin| origin.of(asked));
            if let Some(origin) = origin {
                if place == 0 {
                    image = self.image_of(conn, &origin.volume).await?;
                }
                disks.push(self.taken_over(place, asked, origin)?);
                continue;
            }
            let begins_as = match &asked.source_id {
                Some(id) => Some(self.boot_image(conn, caller, id).await?),
                None => None,
            };
            let size_gib = size(place, asked, begins_as.as_ref(), flavor)?;
            disks.push(PlannedDisk {
                size_gib,
                volume_type: asked.volume_type.clone().unwrap_or_else(default_type),
                delete_on_termination: asked.delete_on_termination,
                image_id: begins_as.as_ref().map(|image| image.id.clone()).unwrap_or_default(),
                volume_id: None,
                snapshot_id: String::new(),
                bootable: place == 0,
            });
            if place == 0 {
                image = begins_as;
            }
        }
        let of_flavor = [flavor.ephemeral_gib, flavor.swap_mib.div_ceil(1024)];
        disks.extend(of_flavor.into_iter().filter(|size| *size > 0).map(|size_gib| PlannedDisk {
            size_gib,
            volume_type: default_type(),
            delete_on_termination: true,
            image_id: String::new(),
            volume_id: None,
            snapshot_id: String::new(),
            bootable: false,
        }));
        Ok((image, disks))
    }

    /// A volume as it is, or a new one with a snapshot's bytes.
    fn taken_over(&self, place: usize, asked: &wit::DiskRequest, origin: &Origin) -> Result<PlannedDisk> {
        let Origin { volume, snapshot } = origin;
        if place == 0 && !volume.bootable {
            let (kind, id) = origin.named();
            let error = Error::invalid("disks", format!("The {kind} {id} is not bootable.")).with_resource(kind, id);
            return Err(error.with_reason("not-bootable"));
        }
        let least = snapshot.as_ref().map_or(volume.size_gib, |snapshot| snapshot.size_gib);
        let size_gib = asked.size_gib.unwrap_or(least);
        if size_gib < least {
            return Err(wrong_disk(place, &format!("{size_gib} GiB are too small: the snapshot needs {least} GiB.")));
        }
        // Nobody asked for a type that its origin has and that isn't offered any more.
        let taken_over =
            Some(&volume.volume_type).filter(|name| snapshot.is_none() || self.settings.volume_types.contains(*name));
        let volume_type = asked.volume_type.as_ref().or(taken_over).unwrap_or(&self.settings.default_volume_type);
        Ok(PlannedDisk {
            size_gib,
            volume_type: volume_type.clone(),
            delete_on_termination: asked.delete_on_termination,
            image_id: volume.image_id.clone(),
            volume_id: snapshot.is_none().then(|| volume.id.clone()),
            snapshot_id: snapshot.as_ref().map(|snapshot| snapshot.id.clone()).unwrap_or_default(),
            bootable: volume.bootable,
        })
    }
}

/// What a disk is, or is a copy of: a volume of the project, or a snapshot with the volume that it is of.
struct Origin {
    volume: Volume,
    snapshot: Option<Snapshot>,
}

impl Origin {
    /// As the request names it.
    fn named(&self) -> (&'static str, &String) {
        match &self.snapshot {
            Some(snapshot) => ("snapshot", &snapshot.id),
            None => ("volume", &self.volume.id),
        }
    }

    fn of(&self, disk: &wit::DiskRequest) -> bool {
        let (kind, id) = self.named();
        disk.source == kind && disk.source_id.as_ref() == Some(id)
    }
}

/// What is there of the disks that the server is made with.
async fn origins(conn: &mut Conn, project_id: &str, create: &wit::ServerCreate) -> Result<Vec<Origin>> {
    let reach = Reach::project(project_id);
    let mut origins = Vec::new();
    for disk in &create.disks {
        let id = disk.source_id.as_deref().unwrap_or_default();
        let missing = || Error::not_found(disk.source.as_str(), id).with_field("disks");
        let (volume_id, snapshot) = match disk.source.as_str() {
            "volume" => (id.to_owned(), None),
            "snapshot" => {
                let snapshot = snapshots::get(conn, id, &reach).await?.ok_or_else(missing)?;
                (snapshot.volume_id.clone(), Some(snapshot))
            }
            _ => continue,
        };
        let volume = volumes::get(conn, &volume_id, &reach).await?.ok_or_else(missing)?;
        origins.push(Origin { volume, snapshot });
    }
    Ok(origins)
}

/// Of a disk, in GiB. It holds the image that it begins as.
fn size(place: usize, asked: &wit::DiskRequest, image: Option<&BootImage>, flavor: &Flavor) -> Result<u32> {
    let least = image.map_or(1, BootImage::least_gib);
    let size = asked.size_gib.unwrap_or(if flavor.disk_gib == 0 { least } else { flavor.disk_gib });
    if size >= least {
        return Ok(size);
    }
    let bytes = u64::from(least) * GIB;
    Err(match (place, asked.size_gib, image) {
        (0, Some(_), _) => {
            wrong_disk(0, &format!("The system disk is too small for requested image: it needs {bytes} bytes."))
        }
        (0, None, _) => {
            let message = format!("Flavor's disk is too small for requested image: it needs {bytes} bytes.");
            Error::invalid("flavor-id", message)
        }
        (_, _, image) => {
            let image = image.map_or("", |image| &image.id);
            wrong_disk(place, &format!("A data disk is too small for image {image}: it needs {least} GiB."))
        }
    })
}

/// Copied, so that the key pair may go before the server is built.
pub(in crate::compute) async fn public_key(conn: &mut Conn, user_id: &str, name: Option<&str>) -> Result<String> {
    let Some(name) = name else { return Ok(String::new()) };
    let keypair = keypairs::get(conn, user_id, name).await?;
    keypair.map(|keypair| keypair.public_key).ok_or_else(|| Error::invalid("key-name", "Invalid key_name provided."))
}

async fn groups(conn: &mut Conn, project_id: &str, named: &[String]) -> Result<Groups> {
    let others: Vec<String> = named.iter().filter(|name| *name != "default").cloned().collect();
    let default = named.is_empty() || others.len() < named.len();
    let ids = if others.is_empty() {
        Vec::new()
    } else {
        networks::resolve_groups(conn, project_id, &others)
            .await
            .map_err(|error| error.with_field("security-groups"))?
    };
    Ok(Groups { default, ids })
}

/// What cards of a project's server name.
pub(in crate::compute) async fn planned_nics(
    conn: &mut Conn,
    caller: &Caller,
    project_id: &str,
    choice: &wit::NetworkChoice,
) -> Result<Vec<PlannedNic>> {
    match choice {
        wit::NetworkChoice::None => Ok(Vec::new()),
        wit::NetworkChoice::Automatic => {
            let mut found = networks::networks_for_servers(conn, project_id).await?;
            match found.len() {
                1 => Ok(found.pop().map(|network| on_network(network.id)).into_iter().collect()),
                0 => Err(Error::invalid("networks", "No network is available to the project; name one.")),
                _ => {
                    let message = "Multiple possible networks found, use a Network ID to be more specific.";
                    Err(Error::new(ErrorCode::WrongState, message).with_field("networks"))
                }
            }
        }
        wit::NetworkChoice::Nics(requests) => {
            let mut nics = Vec::with_capacity(requests.len());
            for request in requests {
                nics.push(planned_nic(conn, caller, project_id, request).await?);
            }
            let mut ports: Vec<&String> = nics.iter().filter_map(|nic: &PlannedNic| nic.port_id.as_ref()).collect();
            let all = ports.len();
            ports.sort();
            ports.dedup();
            if ports.len() < all {
                return Err(Error::invalid("networks", "A port stands twice."));
            }
            Ok(nics)
        }
    }
}

fn on_network(network_id: String) -> PlannedNic {
    PlannedNic { port_id: None, network_id, subnet_id: None, address: None, groups: None }
}

async fn planned_nic(
    conn: &mut Conn,
    caller: &Caller,
    project_id: &str,
    request: &wit::NicRequest,
) -> Result<PlannedNic> {
    if let Some(port_id) = &request.port_id {
        return planned_port(conn, project_id, port_id).await;
    }
    let network_id = match (&request.network_id, &request.subnet_id) {
        (Some(network_id), _) => network_id.clone(),
        (None, Some(subnet_id)) => {
            let subnet = networks::get_subnet(conn, subnet_id, &Reach::project(project_id)).await?;
            subnet.ok_or_else(|| Error::not_found("subnet", subnet_id))?.network_id
        }
        (None, None) => return Err(Error::invalid("networks", "A card names a port, a network or a subnet.")),
    };
    let network = networks::get_network(conn, &network_id, &Reach::project(project_id)).await?;
    let network = network.ok_or_else(|| Error::not_found("network", &network_id))?;
    if network.external && !caller.admin {
        let message = format!("It is not allowed to create an interface on external network {network_id}.");
        return Err(Error::new(ErrorCode::Forbidden, message).with_resource("network", &network_id));
    }
    let address = match &request.address {
        Some(text) => Some(
            text.parse::<IpAddr>()
                .map_err(|_| Error::invalid("address", format!("{text} is not a valid IP address.")))?,
        ),
        None => None,
    };
    // As for a port: whose network it is says who has which address.
    if address.is_some() && network.project_id != project_id && !caller.admin {
        let message =
            format!("It is not allowed to choose an address on network {network_id}: it is another project's.");
        return Err(Error::new(ErrorCode::Forbidden, message).with_resource("network", &network_id));
    }
    let groups = match &request.security_groups {
        // An empty list is none at all, unlike the server's own, which is the default one.
        Some(named) if named.is_empty() => Some(Groups { default: false, ids: Vec::new() }),
        Some(named) => Some(groups(conn, project_id, named).await?),
        None => None,
    };
    Ok(PlannedNic { port_id: None, network_id, subnet_id: request.subnet_id.clone(), address, groups })
}

async fn planned_port(conn: &mut Conn, project_id: &str, id: &str) -> Result<PlannedNic> {
    let port = networks::get_port(conn, id, &Reach::project(project_id)).await?;
    let port = port.ok_or_else(|| Error::not_found("port", id))?;
    if !port.device_id.is_empty() {
        return Err(Error::new(ErrorCode::InUse, format!("Port {id} is still in use.")).with_resource("port", id));
    }
    Ok(PlannedNic { port_id: Some(port.id), ..on_network(port.network_id) })
}

/// The network of new public addresses; of an existing one only that it is the project's and free.
async fn outside(
    conn: &mut Conn,
    project_id: &str,
    wanted: Option<&wit::PublicAddressRequest>,
) -> Result<Option<String>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let Some(id) = &wanted.id else {
        let network = networks::external_network(conn).await?;
        let message = "There is no network that public addresses come from.";
        return match network {
            Some(network) => Ok(Some(network.id)),
            None => Err(Error::new(ErrorCode::NotSupported, message).with_field("public-address")),
        };
    };
    let address = public_addresses::get(conn, id, &Reach::project(project_id)).await?;
    let address = address.ok_or_else(|| Error::not_found("public-address", id))?;
    if !address.port_id.is_empty() {
        let message = format!("Public address {id} is bound already.");
        return Err(Error::new(ErrorCode::InUse, message).with_resource("public-address", id));
    }
    Ok(None)
}
