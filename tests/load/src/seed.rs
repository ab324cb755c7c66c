//! Many servers in a database at once. They are rows like those that the core writes, made by set-based copies of one server
//! that the core itself made, so that no field is ours to guess.

use anyhow::{Result, anyhow};
use skyloom_model::{Error, new_id};
use skyloom_store::{Conn, Db, args};

/// Rows of one commit.
const BATCH: u32 = 5000;

/// Where copies go.
pub struct Place {
    pub db: Db,
    /// Has the simulator's world, in the table `documents`.
    pub world: Db,
    pub documents: &'static str,
}

impl Place {
    pub async fn close(&self) {
        self.db.close().await;
        self.world.close().await;
    }
}

/// Copies `server` until the project holds `total` servers. Volumes, ports and addresses are copied with it, and its machine
/// in the simulator's world: a look at the platform finds what the database says.
pub async fn grow(place: &Place, server: &str, have: u32, total: u32) -> Result<()> {
    let db = &place.db;
    let machine = Machine::of(place, server).await.map_err(shown)?;
    let mut from = have;
    while from < total {
        let until = total.min(from + BATCH);
        let mut tx = db.begin().await.map_err(shown)?;
        let mut made = Vec::new();
        for number in from..until {
            made.push(copy(&mut tx, server, number).await.map_err(shown)?);
        }
        tx.commit().await.map_err(shown)?;
        let mut tx = place.world.begin().await.map_err(shown)?;
        for (id, own) in &made {
            machine.copy(&mut tx, place.documents, id, own).await.map_err(shown)?;
        }
        tx.commit().await.map_err(shown)?;
        from = until;
    }
    if db.is_postgres() {
        // What its own housekeeping does some time after such a growth.
        let mut connection = db.read().await.map_err(shown)?;
        connection.execute("ANALYZE", &[]).await.map_err(shown)?;
    }
    Ok(())
}

/// A server's document in the simulator's world.
struct Machine {
    owner: String,
    collection: String,
    body: String,
    version: i64,
    server: String,
    volume: String,
}

impl Machine {
    async fn of(place: &Place, server: &str) -> skyloom_model::Result<Self> {
        let mut conn = place.db.read().await?;
        let volumes = "SELECT id FROM volumes WHERE server_id = $1";
        let volume = conn.one(volumes, args![server], |row| row.text(0)).await?;
        let sql = format!("SELECT owner, collection, body, version FROM {} WHERE id = $1", place.documents);
        let mut conn = place.world.read().await?;
        conn.one(sql, args![server], |row| {
            Ok(Self {
                owner: row.text(0)?,
                collection: row.text(1)?,
                body: row.text(2)?,
                version: row.int(3)?,
                server: server.to_owned(),
                volume: volume.clone(),
            })
        })
        .await
    }

    async fn copy(&self, tx: &mut Conn, documents: &str, id: &str, volume: &str) -> skyloom_model::Result<()> {
        let body = self.body.replace(&self.server, id).replace(&self.volume, volume);
        let sql = format!("INSERT INTO {documents} (owner, collection, id, body, version) VALUES ($1, $2, $3, $4, $5)");
        tx.execute(sql, args![&self.owner, &self.collection, id, &body, self.version]).await.map(|_| ())
    }
}

/// The ids of the copy and of its volume.
async fn copy(tx: &mut Conn, server: &str, number: u32) -> skyloom_model::Result<(String, String)> {
    let (id, volume, port) = (new_id(), new_id(), new_id());
    let name = format!("load-{number:06}");
    // Ages differ, so that lists in order of creation mean something.
    let age = i64::from(number) * 1000;
    let [_, a, b, c] = number.to_be_bytes();
    let (mac, address) = (format!("fa:16:3f:{a:02x}:{b:02x}:{c:02x}"), format!("11.{a}.{b}.{c}"));
    copy_row(tx, "servers", "id", server, &[("id", &id), ("name", &name), ("hostname", &name)], age).await?;
    copy_row(tx, "volumes", "server_id", server, &[("id", &volume), ("server_id", &id)], 0).await?;
    copy_row(tx, "ports", "device_id", server, &[("id", &port), ("device_id", &id), ("mac", &mac)], 0).await?;
    let sort_key = format!("{:032x}", u32::from_be_bytes([11, a, b, c]));
    tx.execute(
        "INSERT INTO port_addresses (subnet_id, address, number, port_id) \
         SELECT subnet_id, $1, $2, $3 FROM port_addresses WHERE port_id = (SELECT id FROM ports WHERE device_id = $4)",
        args![&address, &sort_key, &port, server],
    )
    .await?;
    tx.execute(
        "INSERT INTO port_groups (port_id, group_id) \
         SELECT $1, group_id FROM port_groups WHERE port_id = (SELECT id FROM ports WHERE device_id = $2)",
        args![&port, server],
    )
    .await?;
    Ok((id, volume))
}

/// Copies the rows of a table where `key` is `of`, with other values in some columns and another time of creation.
async fn copy_row(
    tx: &mut Conn,
    table: &str,
    key: &str,
    of: &str,
    replaced: &[(&str, &String)],
    age: i64,
) -> skyloom_model::Result<()> {
    let columns = columns(table);
    let values: Vec<String> = columns
        .iter()
        .map(|column| match replaced.iter().position(|(name, _)| name == column) {
            Some(index) => format!("${}", index + 2),
            None if *column == "created_at" => format!("created_at - {age}"),
            None => (*column).to_owned(),
        })
        .collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE {key} = $1",
        columns.join(", "),
        values.join(", ")
    );
    let mut parameters = vec![skyloom_store::Value::from(of)];
    parameters.extend(replaced.iter().map(|(_, value)| skyloom_store::Value::from(*value)));
    tx.execute(sql, &parameters).await.map(|_| ())
}

/// Of the tables that are copied, as the migrations have them.
fn columns(table: &str) -> Vec<&'static str> {
    const COMPUTE: &str = include_str!("../../../host/store/migrations/0004_compute.sql");
    const NETWORKS: &str = include_str!("../../../host/store/migrations/0003_networks.sql");
    let head = format!("CREATE TABLE {table} (");
    let text = if COMPUTE.contains(&head) { COMPUTE } else { NETWORKS };
    let body = text.split_once(&head).map_or("", |(_, rest)| rest.split_once(");").map_or("", |(body, _)| body));
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let names = lines.filter_map(|line| line.split(' ').next());
    names
        .filter(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter)))
        .collect()
}

fn shown(error: Error) -> anyhow::Error {
    anyhow!(error.for_log())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_those_of_the_schema() {
        let servers = columns("servers");
        assert!(servers.contains(&"id") && servers.contains(&"created_at") && servers.contains(&"user_data"));
        assert!(columns("ports").contains(&"device_id"));
        assert!(columns("volumes").contains(&"server_id"));
    }
}
