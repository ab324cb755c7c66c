//! Addresses of the outside that projects hold. The address itself is a port's on an external network.

use skyloom_model::{Result, Timestamp};

use crate::args;
use crate::metering::{self, NewSpan, meter};
use crate::{Conn, Row};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    pub id: String,
    pub project_id: String,
    /// On the external network; device of the port is this record's id.
    pub port_id: String,
    /// Empty: bound to none.
    pub server_id: String,
    pub bandwidth_mbit: u32,
    pub delete_on_termination: bool,
    pub created_at: Timestamp,
}

/// Owner of the ports that carry them.
pub const DEVICE_OWNER: &str = "public-address";

const COLUMNS: &str = "id, project_id, port_id, server_id, bandwidth_mbit, delete_on_termination, created_at";

fn of_row(row: Row<'_>) -> Result<PublicAddress> {
    Ok(PublicAddress {
        id: row.text(0)?,
        project_id: row.text(1)?,
        port_id: row.text(2)?,
        server_id: row.text(3)?,
        bandwidth_mbit: row.u32(4)?,
        delete_on_termination: row.flag(5)?,
        created_at: row.time(6)?,
    })
}

/// Writes one and begins to meter it.
pub async fn insert(tx: &mut Conn, address: &PublicAddress) -> Result<()> {
    tx.execute(
        format!("INSERT INTO public_addresses ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"),
        args![
            &address.id,
            &address.project_id,
            &address.port_id,
            &address.server_id,
            address.bandwidth_mbit,
            address.delete_on_termination,
            address.created_at,
        ],
    )
    .await?;
    let span = NewSpan {
        project_id: &address.project_id,
        resource_kind: "public-address",
        resource_id: &address.id,
        meter: meter::PUBLIC_ADDRESS,
        class: "",
        quantity: 1,
    };
    metering::open_span(tx, &span, address.created_at).await
}

/// An address with what it is on the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub record: PublicAddress,
    /// Empty: its port is gone.
    pub address: String,
}

/// The newest of a project's (none: of all), or only of those that no server has.
pub async fn newest(conn: &mut Conn, project_id: Option<&str>, free: bool, limit: u32) -> Result<Vec<Held>> {
    let sql = format!(
        "SELECT {COLUMNS}, coalesce((SELECT min(a.address) FROM port_addresses a WHERE a.port_id = p.port_id), '') \
         FROM public_addresses p WHERE ($1 = '' OR project_id = $1) AND ($2 = 0 OR server_id = '') \
         ORDER BY created_at DESC, id DESC LIMIT $3"
    );
    let held = |row: Row<'_>| Ok(Held { address: row.text(7)?, record: of_row(row)? });
    conn.all(sql, args![project_id.unwrap_or(""), free, limit], held).await
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<PublicAddress>> {
    conn.optional(format!("SELECT {COLUMNS} FROM public_addresses WHERE id = $1"), args![id], of_row).await
}

/// Binds a free one to a server; gives false when it isn't free any more.
pub async fn bind(tx: &mut Conn, id: &str, server_id: &str, delete_on_termination: bool) -> Result<bool> {
    let done = tx
        .execute(
            "UPDATE public_addresses SET server_id = $2, delete_on_termination = $3 WHERE id = $1 AND server_id = ''",
            args![id, server_id, delete_on_termination],
        )
        .await?;
    Ok(done == 1)
}

/// A server's, oldest first.
pub async fn of_server(conn: &mut Conn, server_id: &str) -> Result<Vec<PublicAddress>> {
    let sql = format!("SELECT {COLUMNS} FROM public_addresses WHERE server_id = $1 ORDER BY created_at, id");
    conn.all(sql, args![server_id], of_row).await
}

/// Before the release of a server whose creation failed: addresses that were made for it, since `since`, go with it, and those
/// that it took over stay the project's.
pub async fn mark_made_for(tx: &mut Conn, server_id: &str, since: Timestamp) -> Result<()> {
    tx.defer(
        "UPDATE public_addresses SET delete_on_termination = CASE WHEN created_at >= $2 THEN 1 ELSE 0 END \
         WHERE server_id = $1",
        args![server_id, since],
    )
    .await?;
    Ok(())
}

/// The end of a server's hold: those that go with it go, with their ports and their metering, the others stay the project's.
/// `all`: go or stay whatever each says itself. May be repeated.
pub async fn release_of_server(tx: &mut Conn, server_id: &str, all: Option<bool>, now: Timestamp) -> Result<()> {
    for address in of_server(tx, server_id).await? {
        tx.defer("UPDATE public_addresses SET server_id = '' WHERE id = $1", args![&address.id]).await?;
        if all.unwrap_or(address.delete_on_termination) {
            release(tx, &address.id, now).await?;
        }
    }
    Ok(())
}

/// The end of an address that no server has, with its port and its metering. False: a server has it, or it wasn't there.
pub async fn release(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    if tx.execute("DELETE FROM public_addresses WHERE id = $1 AND server_id = ''", args![id]).await? == 0 {
        return Ok(false);
    }
    metering::close_spans(tx, id, &[], now).await?;
    crate::networks::release_ports_of_device(tx, id).await?;
    Ok(true)
}
