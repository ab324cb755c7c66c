//! Servers. The status that people see is derived from the states that stand here.

mod change;
mod list;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use skyloom_model::{Error, PowerState, Result, TaskState, Timestamp, VmState};

use crate::boot_images::BootImages;
use crate::listing::Packed;
use crate::networks::of_core;
use crate::{Conn, Row, args, dialect};

pub use change::{
    Brief, Change, UserFields, brief, change, lock, lock_many, mark_deleted, put_user_fields, remove, remove_deleted,
};
pub use list::{AddressTest, AddressText, Filter, Life, Looks, list, looks};

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

/// What stands in the server's own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub description: Option<String>,
    pub vm_state: VmState,
    pub task_state: Option<TaskState>,
    pub power_state: PowerState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub launched_at: Option<Timestamp>,
    pub terminated_at: Option<Timestamp>,
    pub deleted: bool,
    pub flavor_id: String,
    pub vcpus: u32,
    pub memory_mib: u32,
    pub flavor: FlavorCopy,
    pub image_id: Option<String>,
    pub key_name: Option<String>,
    /// Empty: none.
    pub public_key: String,
    pub zone: String,
    /// Empty before placement.
    pub node: String,
    pub hostname: String,
    pub locked: bool,
    pub progress: u32,
    pub access_ipv4: String,
    pub access_ipv6: String,
    pub config_drive: bool,
    pub reservation_id: String,
    pub launch_index: u32,
    pub fault: Option<Fault>,
    pub metadata: BTreeMap<String, String>,
    /// JSON object of personality to its own JSON object, as text.
    pub attributes: String,
    /// Base64; only where one server is read.
    pub user_data: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub network_id: String,
    pub network_name: String,
    pub mac: String,
    pub address: Option<String>,
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
    pub public_addresses: Vec<String>,
    /// Names.
    pub security_groups: Vec<String>,
    pub volumes: Vec<Attached>,
    pub tags: Vec<String>,
}

/// Columns of a server's own row, in the order of [`Own`].
const OWN: &[&str] = &[
    "id",
    "project_id",
    "user_id",
    "name",
    "description",
    "vm_state",
    "task_state",
    "power_state",
    "created_at",
    "updated_at",
    "launched_at",
    "terminated_at",
    "deleted",
    "flavor_id",
    "vcpus",
    "memory_mib",
    "image_id",
    "key_name",
    "public_key",
    "zone",
    "node",
    "hostname",
    "locked",
    "progress",
    "access_ipv4",
    "access_ipv6",
    "config_drive",
    "reservation_id",
    "launch_index",
    "fault_message",
    "fault_code",
    "fault_at",
];

/// The row's columns that are JSON objects themselves.
const OBJECTS: &[&str] = &["flavor", "metadata", "attributes"];

/// Bytes of a server's row that its owner can make many.
const WEIGHT: &str =
    "octet_length(s.metadata) + octet_length(s.attributes) + octet_length(s.flavor) + octet_length(s.public_key)";

/// What belongs to a server, in the order of [`Full`]: columns, and where they stand. Sorted here and not by the database,
/// which would build a table for each server and list.
const BELONGINGS: [(&[&str], &str); 5] = [
    (
        &["p.position", "p.id", "p.network_id", "n.name", "p.mac", "a.number", "a.address"],
        concat!(
            "ports p JOIN networks n ON n.id = p.network_id LEFT JOIN port_addresses a ON a.port_id = p.id ",
            "WHERE p.device_id = s.id AND ",
            of_core!()
        ),
    ),
    (
        &["a.number", "a.address"],
        "public_addresses b JOIN port_addresses a ON a.port_id = b.port_id WHERE b.server_id = s.id",
    ),
    (
        &["g.name"],
        concat!(
            "ports p JOIN port_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.group_id ",
            "WHERE p.device_id = s.id AND ",
            of_core!()
        ),
    ),
    (&["v.boot_index", "v.id", "v.device", "v.delete_on_termination"], "volumes v WHERE v.server_id = s.id"),
    (&["g.tag"], "server_tags g WHERE g.server_id = s.id"),
];

/// [`Full`] of `servers s` as one text, JSON values one behind the other: [`OWN`] and the user data as one array, the objects,
/// [`BELONGINGS`]. One text is read several times faster than forty columns. The user data is null unless it is asked for: it
/// may be long.
fn packed(postgres: bool, user_data: bool) -> String {
    let mut values = packed_own(postgres, user_data);
    values.extend(BELONGINGS.map(|(values, from)| dialect::json_unordered(postgres, values, from)));
    format!("concat({})", values.join(", "))
}

/// The values of [`packed`] that stand in the server's own row.
fn packed_own(postgres: bool, user_data: bool) -> Vec<String> {
    let mut own: Vec<String> = OWN.iter().map(|column| format!("s.{column}")).collect();
    own.push(if user_data { "s.user_data" } else { "CAST(NULL AS TEXT)" }.to_owned());
    let mut values = vec![dialect::json_array(postgres, &own)];
    values.extend(OBJECTS.iter().map(|column| format!("s.{column}")));
    values
}

/// [`OWN`] and the user data as they are read.
#[derive(serde::Deserialize)]
struct Own<'r> {
    id: String,
    project_id: String,
    user_id: String,
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    vm_state: Cow<'r, str>,
    #[serde(borrow)]
    task_state: Cow<'r, str>,
    #[serde(borrow)]
    power_state: Cow<'r, str>,
    created_at: i64,
    updated_at: i64,
    launched_at: i64,
    terminated_at: i64,
    deleted: u8,
    flavor_id: String,
    vcpus: u32,
    memory_mib: u32,
    image_id: String,
    key_name: String,
    public_key: String,
    zone: String,
    node: String,
    hostname: String,
    locked: u8,
    progress: u32,
    access_ipv4: String,
    access_ipv6: String,
    config_drive: u8,
    reservation_id: String,
    launch_index: u32,
    fault_message: Option<String>,
    fault_code: Option<u32>,
    fault_at: Option<i64>,
    user_data: Option<String>,
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn some_time(time: i64) -> Option<Timestamp> {
    (time != 0).then_some(Timestamp(time))
}

fn word<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| Error::internal(format!("a server's state is {text}")))
}

fn task(text: &str) -> Result<Option<TaskState>> {
    if text.is_empty() { Ok(None) } else { word(text, TaskState::parse).map(Some) }
}

/// The next value of a text of [`packed`].
fn value<'de, T: serde::Deserialize<'de>>(packed: &mut Packed<'de>) -> Result<T> {
    T::deserialize(packed).map_err(|error| Error::internal(format!("a server's record: {error}")))
}

fn own(packed: &mut Packed<'_>) -> Result<Server> {
    let own: Own<'_> = value(packed)?;
    let fault = own.fault_message.map(|message| Fault {
        message,
        code: own.fault_code.unwrap_or(500),
        created_at: Timestamp(own.fault_at.unwrap_or_default()),
    });
    Ok(Server {
        id: own.id,
        project_id: own.project_id,
        user_id: own.user_id,
        name: own.name,
        description: own.description,
        vm_state: word(&own.vm_state, VmState::parse)?,
        task_state: task(&own.task_state)?,
        power_state: word(&own.power_state, PowerState::parse)?,
        created_at: Timestamp(own.created_at),
        updated_at: Timestamp(own.updated_at),
        launched_at: some_time(own.launched_at),
        terminated_at: some_time(own.terminated_at),
        deleted: own.deleted != 0,
        flavor_id: own.flavor_id,
        vcpus: own.vcpus,
        memory_mib: own.memory_mib,
        image_id: some(own.image_id),
        key_name: some(own.key_name),
        public_key: own.public_key,
        zone: own.zone,
        node: own.node,
        hostname: own.hostname,
        locked: own.locked != 0,
        progress: own.progress,
        access_ipv4: own.access_ipv4,
        access_ipv6: own.access_ipv6,
        config_drive: own.config_drive != 0,
        reservation_id: own.reservation_id,
        launch_index: own.launch_index,
        fault,
        user_data: own.user_data,
        flavor: value(packed)?,
        metadata: value(packed)?,
        attributes: value::<&RawValue>(packed)?.get().to_owned(),
    })
}

/// The next list of belongings.
fn belongings<'de, T: serde::Deserialize<'de> + Ord>(packed: &mut Packed<'de>) -> Result<Vec<T>> {
    let mut list: Vec<T> = value(packed)?;
    list.sort_unstable();
    Ok(list)
}

/// Position of the card, port, network, its name, hardware address, number of the address, address.
type NicRow = (i64, String, String, String, String, Option<String>, Option<String>);

/// The next server of a text of [`packed`].
fn unpack(packed: &mut Packed<'_>) -> Result<Full> {
    let server = own(packed)?;
    let nics =
        belongings::<NicRow>(packed)?.into_iter().map(|(_, port_id, network_id, network_name, mac, _, address)| Nic {
            port_id,
            network_id,
            network_name,
            mac,
            address,
        });
    let public_addresses = belongings::<(String, String)>(packed)?.into_iter().map(|(_, address)| address);
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

/// A server with all of its own, the user data too. `project_id` none: of any project.
pub async fn get(conn: &mut Conn, id: &str, project_id: Option<&str>) -> Result<Option<Full>> {
    let sql = format!("SELECT {} FROM servers s WHERE s.id = $1", packed(conn.is_postgres(), true));
    let found = conn.optional(sql, args![id], |row| unpack(&mut Packed::from_str(row.text_ref(0)?))).await?;
    Ok(found.filter(|full| project_id.is_none_or(|project| full.server.project_id == project)))
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
        "SELECT concat({}), (SELECT r.node FROM node_reservations r WHERE r.server_id = s.id), {}, {}, s.admin_password \
         FROM servers s WHERE s.id = $1",
        packed_own(conn.is_postgres(), true).join(", "),
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
    let sql = format!(
        "INSERT INTO servers ({}, {}, user_data, admin_password) VALUES ({})",
        OWN.join(", "),
        OBJECTS.join(", "),
        dialect::placeholders(1, OWN.len() + OBJECTS.len() + 2)
    );
    let flavor = serde_json::to_string(&server.flavor).map_err(Error::internal)?;
    let metadata = serde_json::to_string(&server.metadata).map_err(Error::internal)?;
    let fault = server.fault.as_ref();
    tx.defer(
        sql,
        args![
            &server.id,
            &server.project_id,
            &server.user_id,
            &server.name,
            &server.description,
            server.vm_state.as_str(),
            server.task_state.map_or("", TaskState::as_str),
            server.power_state.as_str(),
            server.created_at,
            server.updated_at,
            server.launched_at.unwrap_or_default(),
            server.terminated_at.unwrap_or_default(),
            server.deleted,
            &server.flavor_id,
            server.vcpus,
            server.memory_mib,
            server.image_id.as_deref().unwrap_or_default(),
            server.key_name.as_deref().unwrap_or_default(),
            &server.public_key,
            &server.zone,
            &server.node,
            &server.hostname,
            server.locked,
            server.progress,
            &server.access_ipv4,
            &server.access_ipv6,
            server.config_drive,
            &server.reservation_id,
            server.launch_index,
            fault.map(|fault| fault.message.as_str()),
            fault.map(|fault| i64::from(fault.code)),
            fault.map(|fault| fault.created_at),
            &flavor,
            &metadata,
            &server.attributes,
            &server.user_data,
            admin_password,
        ],
    )
    .await
}

pub async fn insert_tag(tx: &mut Conn, server_id: &str, tag: &str) -> Result<()> {
    tx.defer("INSERT INTO server_tags (server_id, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING", args![server_id, tag])
        .await
}
