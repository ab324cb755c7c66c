//! Simulated servers.

use serde::{Deserialize, Serialize};
use skyloom_sdk::Error;
use skyloom_sdk::driver::types::{Disk, Domain, DomainSpec, Nic, Power, Progress, StepKey};

use super::{Call, Kept, Simulator, World, absent, wrong_state};

/// The console keeps the last so many bytes.
const CONSOLE_LIMIT: usize = 16 * 1024;
/// Token of a soft stop that its guest ignores; the server's id follows.
pub const IGNORED: &str = "ignored ";

/// One server's part of the world.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    pub id: String,
    /// The operation that defined it.
    operation: String,
    /// It has its memory on the node.
    pub running: bool,
    /// While it is running: its guest stands still.
    #[serde(default)]
    paused: bool,
    /// While it is off: its memory is kept.
    #[serde(default)]
    suspended: bool,
    disks: Vec<Attached>,
    #[serde(default)]
    nics: Vec<Card>,
    /// The guest was given an administrator's password.
    has_password: bool,
    vcpus: u32,
    memory_mib: u32,
    /// What a guest would find on its seed disk.
    seed: String,
    console: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Attached {
    id: String,
    device: String,
}

/// A network card, which the guest knows by its hardware address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Card {
    mac: String,
    network: String,
    addresses: Vec<String>,
}

impl Kept for Server {
    const COLLECTION: &'static str = "domains";
}

impl Server {
    pub fn has_disk(&self, id: &str) -> bool {
        self.disks.iter().any(|disk| disk.id == id)
    }

    fn power(&self) -> Power {
        match (self.running, self.paused, self.suspended) {
            (true, true, _) => Power::Paused,
            (true, false, _) => Power::Running,
            (false, _, true) => Power::Suspended,
            (false, _, false) => Power::Stopped,
        }
    }

    /// Whether its guest hears what it is asked.
    pub fn is_awake(&self) -> bool {
        self.power() == Power::Running
    }

    /// The guest goes on where it was.
    fn go_on(&mut self) {
        (self.running, self.paused, self.suspended) = (true, false, false);
        self.print("simulated guest: goes on");
    }

    fn to_domain(&self) -> Domain {
        Domain { server_id: self.id.clone(), power: self.power(), operation: self.operation.clone() }
    }

    fn take(&mut self, spec: &DomainSpec) {
        self.vcpus = spec.vcpus;
        self.memory_mib = spec.memory_mib;
        self.disks = spec.disks.iter().map(attached).collect();
        self.nics = spec.nics.iter().map(card).collect();
    }

    fn require_running(&self) -> Result<(), Error> {
        if self.running {
            return Ok(());
        }
        Err(wrong_state(&format!("server {} does not run", self.id)))
    }

    fn print(&mut self, line: &str) {
        self.console.push_str(line);
        self.console.push('\n');
        if self.console.len() > CONSOLE_LIMIT {
            let mut from = self.console.len() - CONSOLE_LIMIT;
            while !self.console.is_char_boundary(from) {
                from += 1;
            }
            self.console.drain(..from);
        }
    }
}

fn attached(disk: &Disk) -> Attached {
    Attached { id: disk.id.clone(), device: disk.device.clone() }
}

fn card(nic: &Nic) -> Card {
    Card { mac: nic.mac.clone(), network: nic.platform_network.clone(), addresses: nic.addresses.clone() }
}

impl<W: World> Simulator<W> {
    pub fn server(&self, id: &str) -> Result<Option<Server>, Error> {
        Ok(self.read(id)?.map(|(server, _)| server))
    }

    /// A change of a server that is there; else `not-found`.
    fn change_server(
        &self,
        call: Call,
        id: &str,
        apply: impl Fn(&mut Server) -> Result<(), Error>,
    ) -> Result<Progress, Error> {
        if self.server(id)?.is_none() {
            return Err(absent("domain", id));
        }
        self.change(call, id, |kept| apply(kept.as_mut().ok_or_else(|| absent("domain", id))?))
    }

    fn require_disks(&self, spec: &DomainSpec) -> Result<(), Error> {
        spec.disks.iter().try_for_each(|disk| self.require_disk(&disk.id))
    }

    pub fn define(&self, key: &StepKey, spec: &DomainSpec) -> Result<Progress, Error> {
        self.require_disks(spec)?;
        self.change(Call::Define, &spec.server_id, |kept: &mut Option<Server>| {
            let server = kept.get_or_insert_with(|| Server { id: spec.server_id.clone(), ..Server::default() });
            server.operation.clone_from(&key.operation);
            server.has_password = spec.admin_password.is_some();
            server.seed = seed(spec);
            server.take(spec);
            Ok(())
        })
    }

    pub fn reconfigure(&self, spec: &DomainSpec) -> Result<Progress, Error> {
        self.change_server(Call::Reconfigure, &spec.server_id, |server| {
            self.require_disks(spec)?;
            server.take(spec);
            Ok(())
        })
    }

    pub fn undefine(&self, server_id: &str) -> Result<Progress, Error> {
        self.change(Call::Undefine, server_id, |kept: &mut Option<Server>| {
            *kept = None;
            Ok(())
        })
    }

    pub fn start(&self, server_id: &str) -> Result<Progress, Error> {
        self.change_server(Call::Start, server_id, |server| {
            if server.paused || server.suspended {
                server.go_on();
            } else if !server.running {
                server.running = true;
                server.print(&format!(
                    "simulated guest {server_id}: boot with {} vCPU, {} MiB",
                    server.vcpus, server.memory_mib
                ));
                server.print(&format!("simulated guest: {}", server.seed));
                for disk in server.disks.clone() {
                    server.print(&seen(&disk));
                }
                for card in server.nics.clone() {
                    server.print(&seen_card(&card));
                }
                server.print("simulated guest: login: ");
            }
            Ok(())
        })
    }

    pub fn stop(&self, server_id: &str, soft: bool) -> Result<Progress, Error> {
        let server = self.server(server_id)?.ok_or_else(|| absent("domain", server_id))?;
        if soft && self.config.ignore_soft_stop && server.is_awake() {
            return Ok(Progress::Pending(format!("{IGNORED}{server_id}")));
        }
        self.change_server(Call::Stop, server_id, |server| {
            if server.power() != Power::Stopped {
                (server.running, server.paused, server.suspended) = (false, false, false);
                server.print("simulated guest: power down");
            }
            Ok(())
        })
    }

    pub fn pause(&self, server_id: &str) -> Result<Progress, Error> {
        self.change_server(Call::Pause, server_id, |server| {
            server.require_running()?;
            server.paused = true;
            Ok(())
        })
    }

    pub fn unpause(&self, server_id: &str) -> Result<Progress, Error> {
        self.change_server(Call::Unpause, server_id, |server| {
            server.require_running()?;
            if server.paused {
                server.go_on();
            }
            Ok(())
        })
    }

    pub fn suspend(&self, server_id: &str) -> Result<Progress, Error> {
        self.change_server(Call::Suspend, server_id, |server| {
            if !server.suspended {
                server.require_running()?;
                (server.running, server.paused, server.suspended) = (false, false, true);
            }
            Ok(())
        })
    }

    pub fn resume(&self, server_id: &str) -> Result<Progress, Error> {
        self.change_server(Call::Resume, server_id, |server| match server.power() {
            Power::Running => Ok(()),
            Power::Suspended => {
                server.go_on();
                Ok(())
            }
            _ => Err(wrong_state(&format!("server {} is not suspended", server.id))),
        })
    }

    pub fn attach_disk(&self, server_id: &str, disk: &Disk) -> Result<Progress, Error> {
        self.change_server(Call::AttachDisk, server_id, |server| {
            server.require_running()?;
            self.require_disk(&disk.id)?;
            if !server.has_disk(&disk.id) {
                let disk = attached(disk);
                server.print(&seen(&disk));
                server.disks.push(disk);
            }
            Ok(())
        })
    }

    pub fn detach_disk(&self, server_id: &str, id: &str) -> Result<Progress, Error> {
        self.change_server(Call::DetachDisk, server_id, |server| {
            server.require_running()?;
            if server.has_disk(id) {
                server.disks.retain(|disk| disk.id != id);
                server.print(&format!("simulated guest: disk {id} is gone"));
            }
            Ok(())
        })
    }

    pub fn attach_nic(&self, server_id: &str, nic: &Nic) -> Result<Progress, Error> {
        self.change_server(Call::AttachNic, server_id, |server| {
            server.require_running()?;
            if !server.nics.iter().any(|card| card.mac == nic.mac) {
                let card = card(nic);
                server.print(&seen_card(&card));
                server.nics.push(card);
            }
            Ok(())
        })
    }

    pub fn detach_nic(&self, server_id: &str, nic: &Nic) -> Result<Progress, Error> {
        self.change_server(Call::DetachNic, server_id, |server| {
            server.require_running()?;
            if server.nics.iter().any(|card| card.mac == nic.mac) {
                server.nics.retain(|card| card.mac != nic.mac);
                server.print(&format!("simulated guest: card {} is gone", nic.mac));
            }
            Ok(())
        })
    }

    pub fn inspect(&self, server_id: &str) -> Result<Option<Domain>, Error> {
        Ok(self.server(server_id)?.map(|server| server.to_domain()))
    }

    pub fn servers(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>, Error> {
        Ok(self.page::<Server>(after, limit)?.iter().map(Server::to_domain).collect())
    }

    pub fn console(&self, server_id: &str, max_bytes: u32) -> Result<String, Error> {
        let server = self.server(server_id)?.ok_or_else(|| absent("domain", server_id))?;
        let mut from = server.console.len().saturating_sub(max_bytes as usize);
        while !server.console.is_char_boundary(from) {
            from += 1;
        }
        Ok(server.console[from..].to_owned())
    }
}

fn seen(disk: &Attached) -> String {
    format!("simulated guest: disk {} is {}", disk.id, disk.device)
}

fn seen_card(card: &Card) -> String {
    format!("simulated guest: card {} is on {} with {}", card.mac, card.network, card.addresses.join(", "))
}

/// How one can log in.
fn seed(spec: &DomainSpec) -> String {
    let password = if spec.admin_password.is_some() { "a password" } else { "no password" };
    let user_data = if spec.user_data.is_some() { ", user data" } else { "" };
    format!("host name {}, {} keys, {password}{user_data}", spec.hostname, spec.authorized_keys.len())
}
