//! What a request for servers says of itself: sizes, texts, shapes. Nothing here reads the store.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;

use crate::attributes;
use crate::bounds;
use crate::compute::Settings;
use crate::compute::common::{check_name, check_text, items};
use crate::compute::tags;
use crate::compute::update::{check_access, check_hostname};

/// The most servers of one call.
const MAX_SERVERS: usize = 500;
/// The most disks of one server, the system disk among them: as many as the vendor with the most has, and the flavor's two.
pub(in crate::compute) const MAX_DISKS: usize = 62;
/// The largest disk.
const MAX_DISK_GIB: u32 = 65_536;
/// Cards of one server, and security groups that it or a card of it names.
pub(in crate::compute) const MAX_NICS: usize = 64;
const MAX_GROUPS: usize = 128;
/// Of a host name that is made, in letters: the longest label of a domain name.
const MAX_HOSTNAME: usize = 63;
/// Of the user data as it is sent, in base64.
const MAX_USER_DATA: usize = 65_535;

/// What stands firm after the request was looked at.
pub(super) struct Checked {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: BTreeSet<String>,
    /// With the calling personality's part in its place.
    pub(super) attributes: String,
    /// The same of the disks asked for.
    pub(super) disk_attributes: Vec<String>,
}

pub(super) fn check(context: &CallContext, settings: &Settings, create: &wit::ServerCreate) -> Result<Checked> {
    check_names(create)?;
    if let Some(description) = &create.description {
        check_text("description", description)?;
    }
    if let Some(hostname) = &create.hostname {
        check_hostname(hostname)?;
    }
    check_access(&create.access_ipv4, &create.access_ipv6)?;
    check_volumes(settings, create)?;
    if let Some(data) = &create.user_data {
        check_user_data(data)?;
    }
    check_networks(create)?;
    check_single(create)?;
    Ok(Checked {
        metadata: items("metadata", create.metadata.clone())?,
        tags: tags::checked(&create.tags)?,
        attributes: attributes::with(context, attributes::NONE, &create.attributes)?,
        disk_attributes: disk_attributes(context, &create.disks)?,
    })
}

fn disk_attributes(context: &CallContext, disks: &[wit::DiskRequest]) -> Result<Vec<String>> {
    bounds::bytes("attributes", bounds::ATTRIBUTES, disks.iter().map(|disk| disk.attributes.as_str()))?;
    let one = |(place, disk): (usize, &wit::DiskRequest)| {
        let kept = attributes::with(context, attributes::NONE, &disk.attributes);
        kept.map_err(|error| error.with_resource("disk", place.to_string()))
    };
    disks.iter().enumerate().map(one).collect()
}

fn check_names(create: &wit::ServerCreate) -> Result<()> {
    let count = create.names.len();
    if count == 0 || count > MAX_SERVERS {
        return Err(Error::invalid("names", format!("Between 1 and {MAX_SERVERS} servers are made at once.")));
    }
    for name in &create.names {
        check_name("name", name)?;
    }
    let least = create.min_count as usize;
    if least == 0 || least > count {
        return Err(Error::invalid("min-count", "The least count is between 1 and the count."));
    }
    Ok(())
}

fn check_volumes(settings: &Settings, create: &wit::ServerCreate) -> Result<()> {
    for (place, disk) in create.disks.iter().enumerate() {
        match (disk.source.as_str(), &disk.source_id) {
            ("empty", None) | ("image" | "snapshot", Some(_)) => {}
            ("volume", Some(_)) => {
                if disk.size_gib.is_some() || disk.volume_type.is_some() {
                    return Err(wrong_disk(place, "A volume that is there has its size and its type."));
                }
                continue;
            }
            ("empty" | "image" | "snapshot" | "volume", _) => {
                let message = "The id of the image, the snapshot or the volume is wanted, and of those only.";
                return Err(wrong_disk(place, message));
            }
            (other, _) => {
                let message = format!("A disk cannot begin as {other}.");
                return Err(Error::new(ErrorCode::NotSupported, message).with_field("disks"));
            }
        }
        // What is copied has a size.
        let unsized_is_fine = place == 0 || disk.source == "snapshot";
        let sized = disk.size_gib.map_or(unsized_is_fine, |size| (1..=MAX_DISK_GIB).contains(&size));
        if !sized {
            return Err(wrong_disk(place, &format!("A volume has between 1 and {MAX_DISK_GIB} GiB.")));
        }
        if let Some(kind) = &disk.volume_type
            && !settings.volume_types.contains(kind)
        {
            let error = Error::invalid("disks", format!("Volume type {kind} could not be found."));
            return Err(error.with_resource("volume-type", kind));
        }
    }
    // The flavor may add two disks of its own.
    if create.disks.len() + 2 > MAX_DISKS {
        return Err(wrong_disk(create.disks.len() - 1, &format!("A server has at most {MAX_DISKS} disks.")));
    }
    if create.disks.first().is_none_or(|system| system.source == "empty") {
        let message = "A server needs an image or a snapshot that its system disk begins as, or a volume that is one.";
        return Err(Error::invalid("image-id", message));
    }
    let mut given = BTreeSet::new();
    for disk in create.disks.iter().filter(|disk| is_one_servers(disk)) {
        let (kind, id) = (&disk.source, disk.source_id.as_deref().unwrap_or_default());
        if !given.insert(id) {
            return Err(
                Error::invalid("disks", format!("The {kind} {id} stands twice.")).with_resource(kind.as_str(), id)
            );
        }
    }
    Ok(())
}

/// A volume is one server's, and a snapshot is copied once at a time.
fn is_one_servers(disk: &wit::DiskRequest) -> bool {
    matches!(disk.source.as_str(), "volume" | "snapshot")
}

/// `place`: of the disk in the request.
pub(super) fn wrong_disk(place: usize, message: &str) -> Error {
    Error::invalid("disks", message).with_resource("disk", place.to_string())
}

fn check_networks(create: &wit::ServerCreate) -> Result<()> {
    if let wit::NetworkChoice::Nics(nics) = &create.networks {
        if nics.len() > MAX_NICS {
            return Err(Error::invalid("networks", format!("A server has at most {MAX_NICS} network cards.")));
        }
        check_groups(nics)?;
    }
    few_groups(&create.security_groups)
}

/// Of each card.
pub(in crate::compute) fn check_groups(nics: &[wit::NicRequest]) -> Result<()> {
    nics.iter().filter_map(|nic| nic.security_groups.as_deref()).try_for_each(few_groups)
}

fn few_groups(groups: &[String]) -> Result<()> {
    if groups.len() <= MAX_GROUPS {
        return Ok(());
    }
    let message = format!("A network card is in at most {MAX_GROUPS} security groups.");
    Err(Error::invalid("security-groups", message))
}

pub(in crate::compute) fn check_user_data(data: &str) -> Result<()> {
    if data.len() > MAX_USER_DATA {
        let message = format!("User data too large. User data must be no larger than {MAX_USER_DATA} bytes.");
        return Err(Error::invalid("user-data", message));
    }
    // Line breaks within base64 are usual in what people send.
    let compact: String = data.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    match STANDARD.decode(compact) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid("user-data", "User data needs to be valid base 64.")),
    }
}

/// What only one server can have.
fn check_single(create: &wit::ServerCreate) -> Result<()> {
    if create.names.len() == 1 {
        return Ok(());
    }
    if let wit::NetworkChoice::Nics(nics) = &create.networks
        && nics.iter().any(|nic| nic.port_id.is_some() || nic.address.is_some())
    {
        return Err(Error::invalid("networks", "A port or an address can't be given to several servers."));
    }
    if create.disks.iter().any(is_one_servers) {
        return Err(Error::invalid("disks", "A volume or a snapshot can't be given to several servers."));
    }
    if create.public_address.as_ref().is_some_and(|address| address.id.is_some()) {
        return Err(Error::invalid("public-address", "A public address can't be given to several servers."));
    }
    Ok(())
}

/// The name of the machine within, made of the server's name where none is given.
pub(super) fn hostname(create: &wit::ServerCreate, index: usize, name: &str, id: &str) -> String {
    if let Some(given) = &create.hostname {
        return if create.names.len() == 1 { given.clone() } else { format!("{given}-{}", index + 1) };
    }
    // The number that tells servers of one request apart stays.
    let number = name.rsplit_once('-').map(|(_, number)| number).filter(|number| {
        create.names.len() > 1
            && !number.is_empty()
            && number.len() < 10
            && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let stem = number.map_or(name, |number| &name[..name.len() - number.len() - 1]);
    let room = MAX_HOSTNAME - number.map_or(0, |number| number.len() + 1);
    let made = label(stem, room);
    match number {
        _ if made.is_empty() => format!("Server-{id}"),
        Some(number) => format!("{made}-{number}"),
        None => made,
    }
}

/// A label of the name's letters and digits, as far as Latin-1 has them; what separates words becomes a hyphen. Signs that fall
/// out count against the room all the same.
fn label(name: &str, room: usize) -> String {
    let latin = name.chars().filter(|letter| u32::from(*letter) <= 0xFF).take(room);
    let made = latin.filter_map(|letter| match letter {
        ' ' | '_' | '.' | '-' => Some('-'),
        letter if letter.is_alphanumeric() => Some(letter),
        _ => None,
    });
    made.flat_map(char::to_lowercase).collect::<String>().trim_matches('-').to_owned()
}

/// `r-` and eight letters or digits.
pub(super) fn reservation_id() -> String {
    const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let letters = (0..8).map(|_| LETTERS[rand::random_range(0..LETTERS.len())] as char);
    format!("r-{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::testing::creation;

    #[test]
    fn user_data_is_base64_of_a_bounded_length() {
        check_user_data("I2Nsb3VkLWNvbmZpZwo=").expect("base64");
        check_user_data("I2Nsb3Vk\nLWNvbmZpZwo=\n").expect("base64 in lines");
        check_user_data("#cloud-config").expect_err("text");
        check_user_data(&"A".repeat(MAX_USER_DATA + 1)).expect_err("too long");
    }

    #[test]
    fn cards_and_their_groups_are_bounded() {
        let nic = |groups: Option<usize>| wit::NicRequest {
            port_id: None,
            network_id: None,
            subnet_id: None,
            address: None,
            security_groups: groups.map(|count| vec!["web".to_owned(); count]),
        };
        let with = |nics: Vec<wit::NicRequest>, groups: usize| wit::ServerCreate {
            networks: wit::NetworkChoice::Nics(nics),
            security_groups: vec!["web".to_owned(); groups],
            ..creation(&["a"])
        };
        check_networks(&with(vec![nic(Some(MAX_GROUPS)); MAX_NICS], MAX_GROUPS)).expect("as many as there may be");
        for (wrong, field) in [
            (with(vec![nic(None); MAX_NICS + 1], 0), "networks"),
            (with(vec![nic(Some(MAX_GROUPS + 1))], 0), "security-groups"),
            (with(Vec::new(), MAX_GROUPS + 1), "security-groups"),
        ] {
            assert_eq!(check_networks(&wrong).expect_err(field).field.as_deref(), Some(field));
        }
    }
}
