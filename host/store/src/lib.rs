//! All SQL of Skyloom. One text for SQLite and PostgreSQL, with `$1` parameters; only two kinds of column, TEXT and BIGINT
//! (flags are 0 or 1, times microseconds, money whole nano-units, maps JSON text).
//!
//! One file per resource: a function takes a [`Conn`] (reading or in a transaction) and plain values. The rules of the cloud
//! live above, in `cloud`, which composes one transaction from several of these functions.

pub mod aggregates;
pub mod boot_images;
pub mod charges;
pub mod collections;
pub mod collisions;
mod conn;
pub mod db;
mod deferred;
pub mod dialect;
pub mod documents;
mod errors;
pub mod events;
mod fields;
pub mod flavors;
pub mod identity;
pub mod images;
pub mod keypairs;
pub mod listing;
pub mod metering;
pub mod migrate;
pub mod networks;
pub mod node_records;
pub mod nodes;
pub mod operations;
pub mod operations_log;
mod options;
pub mod periods;
mod pieces;
pub mod placements;
mod pool;
mod postgres;
pub mod prices;
pub mod public_addresses;
pub mod quotas;
pub mod rebuilds;
pub mod resizes;
pub mod retired_ids;
mod rows;
pub mod schedules;
pub mod secrets;
pub mod server_groups;
pub mod servers;
pub mod snapshots;
pub mod statement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod volumes;

pub use conn::Conn;
pub use db::{Db, Row, Value};
