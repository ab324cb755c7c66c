//! Addresses of the outside that projects hold. The address itself is a port's on an external network.

use skyloom_model::{Result, Timestamp};

use crate::args;
use crate::metering::{self, NewSpan, meter};
use crate::rows::rows;
use crate::statement::{delete_from, update};
use crate::{Conn, Row};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PublicAddress in "public_addresses" as "p" {
        id: String,
        project_id: String [owner],
        /// On the external network; device of the port is this record's id.
        port_id: String,
        /// Empty: bound to none.
        server_id: String,
        bandwidth_mbit: u32,
        delete_on_termination: bool,
        created_at: Timestamp,
    }
}

/// Owner of the ports that carry them.
pub const DEVICE_OWNER: &str = "public-address";

/// Writes one and begins to meter it.
pub async fn insert(tx: &mut Conn, address: &PublicAddress) -> Result<()> {
    address.insert()?.run(tx).await?;
    open_span(tx, address, address.created_at).await
}

async fn open_span(tx: &mut Conn, address: &PublicAddress, now: Timestamp) -> Result<()> {
    let span = NewSpan {
        project_id: &address.project_id,
        resource_kind: "public-address",
        resource_id: &address.id,
        meter: meter::PUBLIC_ADDRESS,
        class: "",
        server_id: &address.server_id,
        quantity: 1,
    };
    metering::open_span(tx, &span, now).await
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
        "SELECT {}, coalesce((SELECT min(a.address) FROM port_addresses a WHERE a.port_id = p.port_id), '') \
         FROM public_addresses p WHERE ($1 = '' OR p.project_id = $1) AND ($2 = 0 OR p.server_id = '') \
         ORDER BY p.created_at DESC, p.id DESC LIMIT $3",
        PublicAddress::COLUMNS
    );
    let held =
        |row: Row<'_>| Ok(Held { address: row.text(PublicAddress::WIDTH)?, record: PublicAddress::of_row(row)? });
    conn.all(sql, args![project_id.unwrap_or(""), free, limit], held).await
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<PublicAddress>> {
    conn.optional(PublicAddress::select("WHERE p.id = $1"), args![id], PublicAddress::of_row).await
}

/// Binds a free one to a server, whose state its price may depend on; gives false when it isn't free any more.
pub async fn bind(
    tx: &mut Conn,
    id: &str,
    server_id: &str,
    delete_on_termination: bool,
    now: Timestamp,
) -> Result<bool> {
    let done = tx
        .execute(
            update(
                "public_addresses",
                "SET server_id = $2, delete_on_termination = $3 WHERE id = $1 AND server_id = ''",
            ),
            args![id, server_id, delete_on_termination],
        )
        .await?;
    if done == 0 {
        return Ok(false);
    }
    metering::close_spans(tx, id, &[], now).await?;
    if let Some(address) = get(tx, id).await? {
        open_span(tx, &address, now).await?;
    }
    Ok(true)
}

/// A server's, oldest first.
pub async fn of_server(conn: &mut Conn, server_id: &str) -> Result<Vec<PublicAddress>> {
    let sql = PublicAddress::select("WHERE p.server_id = $1 ORDER BY p.created_at, p.id");
    conn.all(sql, args![server_id], PublicAddress::of_row).await
}

/// Before the release of a server whose creation failed: addresses that were made for it, since `since`, go with it, and those
/// that it took over stay the project's.
pub async fn mark_made_for(tx: &mut Conn, server_id: &str, since: Timestamp) -> Result<()> {
    tx.defer(
        update(
            "public_addresses",
            "SET delete_on_termination = CASE WHEN created_at >= $2 THEN 1 ELSE 0 END \
             WHERE server_id = $1",
        ),
        args![server_id, since],
    )
    .await?;
    Ok(())
}

/// The end of a server's hold: those that go with it go, with their ports and their metering, the others stay the project's.
/// `all`: go or stay whatever each says itself. May be repeated.
pub async fn release_of_server(tx: &mut Conn, server_id: &str, all: Option<bool>, now: Timestamp) -> Result<()> {
    for address in of_server(tx, server_id).await? {
        tx.defer(update("public_addresses", "SET server_id = '' WHERE id = $1"), args![&address.id]).await?;
        if all.unwrap_or(address.delete_on_termination) {
            release(tx, &address.id, now).await?;
        } else {
            metering::leave_server(tx, &address.id, now).await?;
        }
    }
    Ok(())
}

/// The end of an address that no server has, with its port and its metering. False: a server has it, or it wasn't there.
pub async fn release(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    if tx.execute(delete_from("public_addresses", "WHERE id = $1 AND server_id = ''"), args![id]).await? == 0 {
        return Ok(false);
    }
    metering::close_spans(tx, id, &[], now).await?;
    crate::networks::release_ports_of_device(tx, id).await?;
    Ok(true)
}
