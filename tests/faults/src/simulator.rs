//! The simulator's world, read from its own database.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::Value;
use skyloom_store::{Db, args, db};

use crate::deployment::plugin;
use crate::machine::{Machine, Platform, Sight};

/// Where the simulator's documents are kept.
#[derive(Debug)]
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

/// The simulator of a deployment.
#[derive(Debug)]
pub struct Simulator {
    place: Place,
}

impl Simulator {
    /// Of a deployment whose state is in this folder, its database too.
    pub fn new(state: &Path) -> Self {
        Self { place: Place::Sqlite(state.join("documents.db")) }
    }

    /// Of a deployment on a PostgreSQL.
    pub fn on_postgres(url: &str) -> Self {
        Self { place: Place::Postgres(url.to_owned()) }
    }
}

impl Simulator {
    /// The bodies of all its documents in a collection.
    async fn documents(&self, collection: &str) -> Vec<Value> {
        let options = db::Options::default();
        let (documents, table) = match &self.place {
            Place::Sqlite(file) => (Db::sqlite(file, options).await, "documents"),
            Place::Postgres(url) => (Db::postgres(url, options).await, "skyloom_documents.documents"),
        };
        let documents = documents.unwrap();
        let mut conn = documents.read().await.unwrap();
        let sql = format!("SELECT body FROM {table} WHERE collection = $1");
        let bodies = conn.all(sql, args![collection], |row| row.text(0)).await.unwrap();
        drop(conn);
        documents.close().await;
        bodies.iter().map(|body| serde_json::from_str(body).expect("a document")).collect()
    }

    /// How often faults of its configuration have struck that have a number of times.
    pub async fn strikes(&self) -> u64 {
        self.documents("faults").await.iter().filter_map(Value::as_u64).sum()
    }
}

#[async_trait]
impl Platform for Simulator {
    async fn look(&self) -> Sight {
        let mut sight = Sight::default();
        for body in self.documents("domains").await {
            let text = |key: &str| body[key].as_str().expect("a text").to_owned();
            let disks = body["disks"].as_array().expect("disks").iter();
            let nics = body["nics"].as_array().expect("cards").iter();
            let machine = Machine {
                disks: disks.map(|disk| disk["id"].as_str().expect("an id").to_owned()).collect(),
                nics: nics.map(|nic| nic["mac"].as_str().expect("an address").to_owned()).collect(),
                operation: text("operation"),
                running: body["running"] == true,
                paused: body["paused"] == true,
                suspended: body["suspended"] == true,
                memory_mib: body["memory_mib"].as_u64().expect("memory") as u32,
                ..Machine::default()
            };
            if let Some(twin) = sight.machines.insert(text("id"), machine) {
                sight.strays.push(format!("a second domain: {twin:?}"));
            }
        }
        for body in self.documents("disks").await {
            sight.disks.insert(body["id"].as_str().expect("an id").to_owned());
        }
        sight
    }

    fn tables(&self) -> String {
        format!(
            r#"
[[plugin]]
id = "simulator"
file = "{}"
grants = ["documents", "clock", "config"]
[[node]]
name = "node-1"
driver = "simulator"
zone = "zone-1"
platform-networks = {{ "*" = "simulated" }}
"#,
            plugin("simulator").display()
        )
    }
}
