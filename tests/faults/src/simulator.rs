//! The simulator's world, read from its own database.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::Value;
use skyloom_store::{Db, db};

use crate::deployment::plugin;
use crate::machine::{Machine, Platform, Sight};

/// The simulator of a deployment whose state is in this folder.
#[derive(Debug)]
pub struct Simulator {
    state: PathBuf,
}

impl Simulator {
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }
}

#[async_trait]
impl Platform for Simulator {
    async fn look(&self) -> Sight {
        let documents = Db::sqlite(&self.state.join("documents.db"), db::Options::default()).await.unwrap();
        let mut conn = documents.read().await.unwrap();
        let bodies = conn.all("SELECT body FROM documents", &[], |row| row.text(0)).await.unwrap();
        drop(conn);
        documents.close().await;
        let mut sight = Sight::default();
        for body in bodies {
            let body: Value = serde_json::from_str(&body).expect("a document");
            let text = |key: &str| body[key].as_str().expect("a text").to_owned();
            let machine = Machine {
                disks: body["disks"]
                    .as_array()
                    .expect("disks")
                    .iter()
                    .map(|disk| disk.as_str().unwrap().to_owned())
                    .collect(),
                defined: (body["defined"] == true).then(|| text("operation")),
                running: body["running"] == true,
                ..Machine::default()
            };
            if let Some(twin) = sight.machines.insert(text("server_id"), machine) {
                sight.strays.push(format!("a second domain: {twin:?}"));
            }
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
