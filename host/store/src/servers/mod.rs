//! Servers. The status that people see is derived from the states that stand here.

mod change;
mod list;
mod parts;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use skyloom_model::{PowerState, Reach, Result, TaskState, Timestamp, VmState};

use crate::boot_images::BootImages;
use crate::listing::{Packed, Query};
use crate::metering;
use crate::networks::of_core;
use crate::rows::{self, Members, rows, value, words};
use crate::statement::insert_into;
use crate::{Conn, Row, args};

pub use change::{
    Brief, Change, Recycled, UserFields, brief, change, clear_lock, lock, lock_many, mark_deleted, put_tags,
    put_user_fields, remove, remove_deleted, set_lock,
};
pub use list::{Filter, Life, Looks, list, looks};
pub use parts::Parts;
use parts::{packed, packed_own};

words! {
    /// Who locked a server: somebody of its own project, or an operator.
    LockedBy {
        Owner "owner",
        Operator "operator",
    }
}

/// The flavor as it was when the server was made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FlavorCopy {
    pub name: String,
    pub disk_gib: u32,
    pub ephemeral_gib: u32,
    pub swap_mib: u32,
    #[serde(default)]
    pub extra_specs: BTreeMap<String, String>,
}

rows! {
    /// What stands in the server's own row.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Server in "servers" as "s" {
        id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        user_id: String [sorts, finds],
        name: String [sorts, finds],
        description: Option<String> [sorts_as("coalesce(s.description, '')"), finds],
        vm_state: VmState [sorts, finds],
        task_state: Option<TaskState> as OrEmpty [sorts, finds],
        power_state: PowerState [sorts, finds],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [sorts, finds],
        launched_at: Option<Timestamp> as OrEmpty [sorts, finds],
        /// Deleted, or in the recycle bin, since then.
        terminated_at: Option<Timestamp> as OrEmpty [sorts, finds],
        /// When it is deleted for good, if nobody takes it out of the recycle bin.
        purge_at: Option<Timestamp> as OrEmpty [sorts, finds],
        deleted: bool,
        flavor_id: String [sorts, finds],
        vcpus: u32 [finds],
        memory_mib: u32 [finds],
        image_id: Option<String> as OrEmpty [sorts, finds],
        key_name: Option<String> as OrEmpty [sorts, finds],
        /// Empty: none.
        public_key: String,
        zone: String [sorts, finds],
        /// Empty before placement.
        node: String [sorts, finds],
        hostname: String [sorts, finds],
        locked: bool [sorts, finds],
        locked_by: Option<LockedBy> as OrEmpty [sorts, finds],
        locked_reason: Option<String>,
        progress: u32 [sorts, finds],
        access_ipv4: String [sorts, finds],
        access_ipv6: String [sorts, finds],
        config_drive: bool [sorts, finds],
        reservation_id: String [finds],
        launch_index: u32 [sorts, finds],
        /// The server group that it is in.
        group_id: Option<String> as OrEmpty [finds],
        /// Base64; only where one server is read.
        user_data: Option<String>,
        flavor: FlavorCopy as Json,
        metadata: BTreeMap<String, String> as Json [finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText,
    }
    beside {
        /// A new server has none.
        fault: Option<Fault> as Json,
    }
    written with { admin_password }
    also {
        "tags": Many(Members::new("s.id", &[("server_tags g", "g.server_id")], "g.tag")) [finds] "",
        "addresses": Many(Members::new("s.id", ADDRESSES, "a.address").of_versions()) [finds] "",
    }
}

/// The addresses of a server's cards, and the public ones that reach it.
const ADDRESSES: &[(&str, &str)] = &[
    (concat!("ports p JOIN port_addresses a ON a.port_id = p.id AND ", of_core!()), "p.device_id"),
    ("public_addresses b JOIN port_addresses a ON a.port_id = b.carrier_id", "b.server_id"),
];

/// The order of the fields is the order in which a server's query has them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Fault {
    pub message: String,
    /// 400, 404 or 500 as in HTTP.
    pub code: u32,
    pub created_at: Timestamp,
}

/// An address of a card; a card without one has an empty address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    pub port_id: String,
    pub position: u32,
    pub network_id: String,
    pub network_name: String,
    pub mac: String,
    pub address: Option<String>,
}

/// A public address that leads to one of a server's cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    pub address: String,
    pub port_id: String,
}

/// A volume of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    pub id: String,
    pub boot_index: u32,
    pub device: String,
    /// 0 or 1.
    pub delete_on_termination: u8,
}

/// A server with what belongs to it, read in one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    pub server: Server,
    /// A line for each card and address, in the order of the cards.
    pub nics: Vec<Nic>,
    pub public_addresses: Vec<Public>,
    /// Names.
    pub security_groups: Vec<String>,
    pub volumes: Vec<Attached>,
    pub tags: Vec<String>,
}

/// With the fault.
const JSON: usize = rows::json_columns(Server::FIELDS) + 1;

/// The server at the beginning of a text of [`packed`].
fn own(packed: &mut Packed<'_>) -> Result<Server> {
    rows::unpack(packed, JSON)
}

/// The next list of belongings.
fn belongings<'de, T: serde::Deserialize<'de> + Ord>(packed: &mut Packed<'de>) -> Result<Vec<T>> {
    let mut list: Vec<T> = value(packed)?;
    list.sort_unstable();
    Ok(list)
}

/// Position of the card, port, network, its name, hardware address, number of the address, address.
type NicRow = (u32, String, String, String, String, Option<String>, Option<String>);

/// The next server of a text of [`packed`].
fn unpack(packed: &mut Packed<'_>) -> Result<Full> {
    let server = own(packed)?;
    let nics = belongings::<NicRow>(packed)?.into_iter().map(
        |(position, port_id, network_id, network_name, mac, _, address)| Nic {
            port_id,
            position,
            network_id,
            network_name,
            mac,
            address,
        },
    );
    let public_addresses = belongings::<(String, String, String)>(packed)?
        .into_iter()
        .map(|(_, address, port_id)| Public { address, port_id });
    let mut groups = belongings::<(String,)>(packed)?;
    groups.dedup();
    let volumes = belongings::<(u32, String, String, u8)>(packed)?.into_iter().map(
        |(boot_index, id, device, delete_on_termination)| Attached { id, boot_index, device, delete_on_termination },
    );
    Ok(Full {
        server,
        nics: nics.collect(),
        public_addresses: public_addresses.collect(),
        security_groups: groups.into_iter().map(|(name,)| name).collect(),
        volumes: volumes.collect(),
        tags: belongings::<(String,)>(packed)?.into_iter().map(|(tag,)| tag).collect(),
    })
}

pub async fn get(conn: &mut Conn, id: &str, reach: &Reach, parts: Parts) -> Result<Option<Full>> {
    let mut query = Query::new(packed(conn.is_postgres(), parts), "servers s", "s.id");
    query.within(conn.is_postgres(), &[Server::OWNER], reach, None);
    query.of_id(conn, id, |row| unpack(&mut Packed::from_str(row.text_ref(0)?))).await
}

/// What a server is made of on its platform, beside its disks and cards.
#[derive(Clone, Debug)]
pub struct ForPlatform {
    /// With its user data.
    pub server: Server,
    /// The node on which it has its place. None: nowhere.
    pub node: Option<String>,
    pub boots_with: BootImages,
    /// Of its administrator, sealed; empty: none.
    pub admin_password: String,
}

/// None: there is no such server.
pub async fn for_platform(conn: &mut Conn, id: &str) -> Result<Option<ForPlatform>> {
    let part =
        |part: &str| format!("(SELECT b.image_id FROM boot_images b WHERE b.server_id = s.id AND b.part = '{part}')");
    let sql = format!(
        "SELECT concat({}), (SELECT p.node FROM placements p WHERE p.holder_id = s.id AND p.purpose = 'home'), {}, {}, s.admin_password \
         FROM servers s WHERE s.id = $1",
        packed_own(conn.is_postgres(), Parts::ALL),
        part("kernel"),
        part("ramdisk"),
    );
    let found = |row: Row<'_>| {
        Ok(ForPlatform {
            server: own(&mut Packed::from_str(row.text_ref(0)?))?,
            node: row.opt_text(1)?,
            boots_with: BootImages { kernel: row.opt_text(2)?, ramdisk: row.opt_text(3)? },
            admin_password: row.text(4)?,
        })
    };
    conn.optional(sql, args![id], found).await
}

/// Writes a new server. `admin_password` is sealed; empty: none.
pub async fn insert(tx: &mut Conn, server: &Server, admin_password: &str) -> Result<()> {
    server.insert(admin_password)?.defer(tx).await?;
    metering::server_state(tx, &server.id, server.vm_state, server.created_at).await
}

/// The tags that the server has.
pub async fn tags(conn: &mut Conn, server_id: &str) -> Result<BTreeSet<String>> {
    let tags =
        conn.all("SELECT tag FROM server_tags WHERE server_id = $1", args![server_id], |row| row.text(0)).await?;
    Ok(tags.into_iter().collect())
}

pub async fn insert_tag(tx: &mut Conn, server_id: &str, tag: &str) -> Result<()> {
    tx.defer(
        insert_into("server_tags", "(server_id, tag) VALUES ($1, $2)").on_conflict("DO NOTHING"),
        args![server_id, tag],
    )
    .await
}
