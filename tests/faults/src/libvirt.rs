//! A libvirt daemon of the tests' own, seen with virsh, in its folders and in the list of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use driver_tests::libvirt::{Daemon, NETWORK};

use crate::deployment::{plugin, program};
use crate::gate::Gate;
use crate::machine::{Machine, Platform, Sight};
use crate::tool::Tool;
use crate::walk::Doom;

/// Ends the name of a server's seed.
const SEED: &str = ".seed";
/// What `dominfo` says of a domain whose memory is kept.
const SAVED: [&str; 3] = ["Managed", "save:", "yes"];
/// Of the network that a fresh cloud has: what the core gives out is what libvirt's network holds.
const SUBNET: &str = "10.0.0.0/22";

/// The platform, with a gate before its daemon and our own `qemu-img`.
pub struct Libvirt {
    daemon: Daemon,
    pub gate: Gate,
    pub tool: Tool,
}

impl Libvirt {
    /// Err: why it cannot be tried here.
    pub fn start() -> Result<Self, String> {
        let version = std::process::Command::new(program()).args(["version", "--json"]).output();
        let version = version.map_err(|error| format!("{}: {error}", program().display()))?;
        let version: serde_json::Value = serde_json::from_slice(&version.stdout).expect("a version");
        if version["libvirt"] != true {
            return Err("skyloom was built without libvirt".to_owned());
        }
        let daemon = Daemon::start(SUBNET)?;
        let socket = daemon.folder().join("run/libvirt-sock");
        let gate = Gate::open(&daemon.folder().join("gate"), &socket);
        let tool = Tool::install(daemon.folder()).ok_or("qemu-img is missing")?;
        Ok(Self { daemon, gate, tool })
    }

    fn storage(&self) -> PathBuf {
        self.daemon.folder().join("servers")
    }

    /// Where states and logs may lie; it goes with the daemon.
    pub fn folder(&self) -> &Path {
        self.daemon.folder()
    }

    /// The daemon can't be reached any more by who isn't connected; or it can again.
    pub fn hide(&self, hidden: bool) {
        let (here, away) = (self.folder().join("gate"), self.folder().join("gate.away"));
        let (from, to) = if hidden { (here, away) } else { (away, here) };
        std::fs::rename(from, to).expect("the gate's socket");
    }

    pub fn virsh(&self, arguments: &[&str]) -> String {
        self.daemon.virsh(arguments)
    }

    /// Domains by server, and what of them is wrong in itself.
    fn domains(&self, sight: &mut Sight) -> BTreeMap<String, String> {
        let mut server_of_mac = BTreeMap::new();
        for id in self.virsh(&["list", "--all", "--uuid"]).split_whitespace() {
            let xml = self.virsh(&["dumpxml", id]);
            let state = self.virsh(&["domstate", id]).trim().to_owned();
            let machine = Machine {
                operation: between(&xml, "operation\":\"", "\"")
                    .or(between(&xml, "operation&quot;:&quot;", "&quot;"))
                    .unwrap_or_default(),
                running: ["running", "paused"].contains(&state.as_str()),
                paused: state == "paused",
                suspended: self.virsh(&["dominfo", id]).lines().any(|line| line.split_whitespace().eq(SAVED)),
                memory_mib: between(&xml, "<memory unit='KiB'>", "<")
                    .map_or(0, |kib| kib.parse::<u32>().unwrap() / 1024),
                boots: self.boots(id),
                leases: Some(BTreeSet::new()),
                nics: parts(&xml, "<mac address='").into_iter().collect(),
                disks: parts(&xml, &format!("<source file='{}/", self.storage().join("disks").display()))
                    .into_iter()
                    .filter(|name| !name.ends_with(SEED))
                    .collect(),
            };
            let processes = processes(id);
            if processes != usize::from(machine.running) {
                sight.strays.push(format!("{processes} QEMU processes of {id}, running: {}", machine.running));
            }
            for mac in parts(&xml, "<mac address='") {
                server_of_mac.insert(mac, id.to_owned());
            }
            sight.machines.insert(id.to_owned(), machine);
        }
        server_of_mac
    }

    /// QEMU's own log names every start.
    fn boots(&self, id: &str) -> u32 {
        let log = self.daemon.folder().join(format!("log/qemu/skyloom-{id}.log"));
        let text = std::fs::read(log).unwrap_or_default();
        String::from_utf8_lossy(&text).matches(": starting up libvirt").count() as u32
    }

    fn leases(&self, sight: &mut Sight, server_of_mac: &BTreeMap<String, String>) {
        for line in self.virsh(&["net-dumpxml", NETWORK]).lines().filter(|line| line.contains("<host ")) {
            let mac = between(line, "mac='", "'").unwrap_or_default();
            let address = between(line, "ip='", "'").unwrap_or_default();
            let machine = server_of_mac.get(&mac).and_then(|id| sight.machines.get_mut(id));
            let leases = machine.and_then(|machine| machine.leases.as_mut());
            if !leases.is_some_and(|leases| leases.insert((mac, address))) {
                sight.strays.push(format!("a DHCP entry of no domain, or a second one: {line}"));
            }
        }
    }

    /// Disks, seeds and consoles.
    fn files(&self, sight: &mut Sight) {
        for name in names(&self.storage().join("disks")) {
            match name.strip_suffix(SEED) {
                Some(server) if sight.machines.contains_key(server) => {}
                Some(_) => sight.strays.push(format!("a seed of no domain: {name}")),
                None => drop(sight.disks.insert(name)),
            }
        }
        for life in names(&self.storage().join("making")) {
            let half_made = names(&self.storage().join("making").join(life));
            sight.strays.extend(half_made.into_iter().map(|name| format!("a half-made disk: {name}")));
        }
        for name in names(&self.storage().join("consoles")) {
            let server = name.strip_suffix(".log").unwrap_or(&name);
            if !sight.machines.contains_key(server) {
                sight.strays.push(format!("a console of no domain: {name}"));
            }
        }
    }
}

#[async_trait]
impl Platform for Libvirt {
    async fn look(&self) -> Sight {
        let mut sight = Sight::default();
        let server_of_mac = self.domains(&mut sight);
        self.leases(&mut sight, &server_of_mac);
        self.files(&mut sight);
        sight
    }

    fn counts_boots(&self) -> bool {
        true
    }

    fn arm(&self, doom: Doom, pid: u32) {
        match doom {
            Doom::None | Doom::Write(..) => {}
            Doom::Gate(strike) => self.gate.arm(strike, pid),
            Doom::Tool(call, moment) => self.tool.arm(call, moment),
            Doom::LateTool(call) => self.tool.arm_late(call),
        }
    }

    fn struck(&self) -> bool {
        let (gate, tool) = (self.gate.disarm(), self.tool.struck());
        gate || tool
    }

    async fn let_go(&self, doom: Doom) {
        if matches!(doom, Doom::LateTool(_)) {
            self.tool.let_go().await;
        }
    }

    fn tables(&self) -> String {
        let uri = format!("qemu+unix:///system?socket={}", self.daemon.folder().join("gate").display());
        format!(
            r#"
[[plugin]]
id = "libvirt"
file = "{}"
grants = [
  "config",
  {{ name = "libvirt", uri = "{uri}", storage = "{}", networks = ["{NETWORK}"] }},
]
[[node]]
name = "node-1"
driver = "libvirt"
zone = "zone-1"
platform-networks = {{ "*" = "{NETWORK}" }}
[node.config]
domain-type = "qemu"
"#,
            plugin("libvirt").display(),
            self.storage().display(),
        )
    }
}

/// QEMU processes that run this server's guest.
fn processes(id: &str) -> usize {
    let name = format!("guest=skyloom-{id}");
    let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    all.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word.starts_with(name.as_bytes()))
    })
    .count()
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found.to_owned())
}

/// Every value that follows `before`, up to the next quote.
fn parts(text: &str, before: &str) -> Vec<String> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned())).collect()
}
