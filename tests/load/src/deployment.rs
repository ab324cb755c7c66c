//! A deployment for the load: the laptop's, on free ports, with room for many servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::client::{self, Connection};

const LAPTOP: &str = include_str!("../../../examples/deployments/laptop/skyloom.toml");
const PASSWORD: &str = "load-and-nothing-else";
const ANY_PORT: &str = "127.0.0.1:0";
const START_DEADLINE: Duration = Duration::from_mins(3);

/// A folder with a configuration, and the server that was last started on it.
pub struct Deployment {
    folder: PathBuf,
    binary: PathBuf,
    /// Of the process that runs; each has its own.
    pub api: SocketAddr,
    operator: SocketAddr,
    process: Option<Child>,
}

impl Deployment {
    /// `database`: `sqlite` or a URL.
    pub fn new(folder: &Path, binary: &Path, plugins: &Path, database: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let plugins = std::fs::canonicalize(plugins).context("packed plugins (make build)")?;
        let mut config: toml::Table = toml::from_str(LAPTOP)?;
        for listener in array(&mut config, "listener")? {
            set(listener, "address", ANY_PORT.into())?;
            listener.as_table_mut().context("listener")?.remove("public-url");
        }
        set_in(&mut config, "operator", "address", ANY_PORT.into())?;
        let addresses = toml::toml! {
            name = "addresses"
            text = "{listener:cloud} {operator}"
        };
        array(&mut config, "client-file")?.push(addresses.into());
        for plugin in array(&mut config, "plugin")? {
            let file = Path::new(plugin["file"].as_str().context("file")?).file_name().context("file")?.to_owned();
            let file = plugins.join(file).to_string_lossy().into_owned();
            set(plugin, "file", file.into())?;
        }
        set_in(&mut config, "database", "url", database.into())?;
        // No limit stands in the way of what is measured.
        let quotas = ["servers", "vcpus", "memory-mib", "volumes", "volume-gib", "ports"];
        let unlimited = quotas.iter().map(|name| ((*name).to_owned(), toml::Value::Integer(-1))).collect();
        set_in(&mut config, "compute", "quotas", toml::Value::Table(unlimited))?;
        set_in(&mut config, "limits", "project-rate", toml::Value::Integer(0))?;
        let network = toml::toml! {
            name = "private"
            cidr = "10.0.0.0/12"
        };
        let seed = config.entry("seed").or_insert_with(|| toml::Table::new().into()).as_table_mut().context("seed")?;
        set_in(seed, "networks", "shared", toml::Value::Table(network))?;
        std::fs::write(folder.join("skyloom.toml"), toml::to_string(&config)?)?;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Self {
            folder: folder.to_owned(),
            binary: binary.to_owned(),
            api: nowhere,
            operator: nowhere,
            process: None,
        })
    }

    /// A file in the state folder.
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.folder.join("state").join(name)
    }

    pub fn id(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).unwrap_or_default()
    }

    pub async fn start(&mut self) -> Result<()> {
        let log = std::fs::File::create(self.folder.join("log"))?;
        let _ = std::fs::remove_file(self.addresses_file());
        let child = Command::new(&self.binary)
            .arg("serve")
            .arg("--config")
            .arg(self.folder.join("skyloom.toml"))
            .arg("--state-dir")
            .arg(self.folder.join("state"))
            .env("SKYLOOM_ADMIN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} (make build)", self.binary.display()))?;
        self.process = Some(child);
        let ready = client::request("GET", "/readyz", "", None);
        tokio::time::timeout(START_DEADLINE, async {
            loop {
                if self.read_addresses().is_some()
                    && let Ok(mut connection) = Connection::open(self.operator).await
                    && let Ok((200, _)) = connection.send(&ready).await
                {
                    return Ok(());
                }
                if let Some(status) = self.process.as_mut().and_then(|child| child.try_wait().transpose()) {
                    let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                    bail!("the server ended: {}\n{log}", status?);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .context("the server is not ready in time")?
    }

    fn addresses_file(&self) -> PathBuf {
        self.state_file("addresses")
    }

    /// None: the server has not said yet where it listens.
    fn read_addresses(&mut self) -> Option<()> {
        let text = std::fs::read_to_string(self.addresses_file()).ok()?;
        let (api, operator) = text.split_once(' ')?;
        let address = |url: &str| url.strip_prefix("http://")?.parse().ok();
        (self.api, self.operator) = (address(api)?, address(operator)?);
        Some(())
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.process.take() {
            let id = child.id().context("the server is gone")?;
            Command::new("kill").arg(id.to_string()).status().await?;
            child.wait().await?;
        }
        Ok(())
    }

    /// A token of the administrator, and its project's id.
    pub async fn login(&self) -> Result<(String, String)> {
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": "admin", "domain": { "id": "default" }, "password": PASSWORD } } },
            "scope": { "project": { "name": "admin", "domain": { "id": "default" } } },
        }});
        let mut connection = Connection::open(self.api).await?;
        let request = client::request("POST", "/identity/v3/auth/tokens", "", Some(&body.to_string()));
        let (status, body) = connection.send(&request).await?;
        let body: Value = serde_json::from_slice(body)?;
        if status != 201 {
            bail!("login: {status} {body}");
        }
        let project = body["token"]["project"]["id"].as_str().context("project of the token")?.to_owned();
        let token = connection.header("x-subject-token").context("no token")?;
        Ok((token, project))
    }
}

fn array<'a>(config: &'a mut toml::Table, key: &str) -> Result<&'a mut Vec<toml::Value>> {
    config
        .get_mut(key)
        .and_then(toml::Value::as_array_mut)
        .with_context(|| format!("the laptop's deployment has no {key}"))
}

fn set(entry: &mut toml::Value, key: &str, value: toml::Value) -> Result<()> {
    entry.as_table_mut().context("a table")?.insert(key.to_owned(), value);
    Ok(())
}

fn set_in(config: &mut toml::Table, table: &str, key: &str, value: toml::Value) -> Result<()> {
    set(config.entry(table).or_insert_with(|| toml::Table::new().into()), key, value)
}
