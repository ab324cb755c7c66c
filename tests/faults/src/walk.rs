//! The way of one server through the real process, from its creation to its deletion, with a doom for each operation.
//! After each the process is there again, the operation has ended, and the world is counted.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skyloom_jobs::faults::Moment;
use skyloom_store::{Db, args};

use crate::PATIENCE;
use crate::check;
use crate::deployment::Deployment;
use crate::gate::Strike;
use crate::life::Life;
use crate::machine::{Machine, Platform, Sight};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Create,
    Stop,
    Start,
    Reboot,
    Rebuild,
    Resize,
    Revert,
    Delete,
}

impl Kind {
    /// In the order in which one server can go through them.
    pub const ALL: [Self; 8] =
        [Self::Create, Self::Stop, Self::Start, Self::Reboot, Self::Rebuild, Self::Resize, Self::Revert, Self::Delete];

    /// The operation's name in the step log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "server.create",
            Self::Stop => "server.stop",
            Self::Start => "server.start",
            Self::Reboot => "server.reboot",
            Self::Rebuild => "server.rebuild",
            Self::Resize => "server.resize",
            Self::Revert => "server.revert-resize",
            Self::Delete => "server.delete",
        }
    }

    fn rest(self) -> &'static str {
        match self {
            Self::Create | Self::Start | Self::Reboot | Self::Rebuild | Self::Revert => "active",
            Self::Stop => "stopped",
            Self::Resize => "resized",
            Self::Delete => "deleted",
        }
    }

    fn boots(self) -> u32 {
        u32::from(!matches!(self, Self::Stop | Self::Delete))
    }
}

/// What happens during one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// Nothing; but the faults of the whole way stand.
    None,
    /// The process kills itself at a write of the step log, where there is such a write.
    Write(u32, Moment),
    /// At a call to libvirt.
    Gate(Strike),
    /// At a call of `qemu-img`.
    Tool(&'static str, Moment),
    /// `qemu-img` outlives its process and works beside the next one.
    LateTool(&'static str),
}

impl Doom {
    /// The table of faults that a life needs for it.
    fn table(self, kind: Kind) -> String {
        let Self::Write(write, moment) = self else { return String::new() };
        let moment = if moment == Moment::Before { "before" } else { "after" };
        format!("[[faults.crash]]\noperation = \"{}\"\nwrite = {write}\nmoment = \"{moment}\"\n", kind.name())
    }

    /// Whether it must strike: how many writes there are is found out by trying.
    fn is_sure(self) -> bool {
        !matches!(self, Self::None | Self::Write(..))
    }
}

/// One operation of a way.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub kind: Kind,
    pub doom: Doom,
    /// The operation can't succeed under the faults of the way: it ends as failed, and nothing is left.
    pub fails: bool,
}

impl Act {
    pub fn new(kind: Kind, doom: Doom) -> Self {
        Self { kind, doom, fails: false }
    }
}

/// One deployment over all the lives of its process.
pub struct Walk<'p> {
    deployment: Deployment,
    db: Db,
    platform: &'p dyn Platform,
    life: Life,
    /// The faults of this life.
    armed: String,
    image: String,
}

impl<'p> Walk<'p> {
    /// Starts the process for the first time. `url`: of the PostgreSQL database; none: SQLite in the state folder.
    pub async fn begin(deployment: Deployment, platform: &'p dyn Platform, url: Option<&str>) -> Self {
        let life = Life::begin(&deployment, "", None);
        let options = skyloom_store::db::Options { readers: 2, ..skyloom_store::db::Options::default() };
        let db = match url {
            Some(url) => Db::postgres(url, options).await,
            None => Db::sqlite(&deployment.state().join("skyloom.db"), options).await,
        };
        let db = db.expect("the process's database");
        let image = "SELECT id FROM images";
        let image = db.read().await.unwrap().one(image, &[], |row| row.text(0)).await.unwrap();
        Self { deployment, db, platform, life, armed: String::new(), image }
    }

    /// A new life, whether the last one is still there or not.
    fn again(&mut self, faults: &str) {
        self.armed = faults.to_owned();
        let token = Some(self.life.token().to_owned());
        self.life.end();
        self.life = Life::begin(&self.deployment, faults, token);
    }

    /// Brings one server through these operations. `faults`: TOML that every life gets. Gives for each operation whether its
    /// doom struck.
    pub async fn way(&mut self, faults: &str, acts: &[Act]) -> Vec<bool> {
        let table =
            |act: Option<&Act>| format!("{faults}{}", act.map(|act| act.doom.table(act.kind)).unwrap_or_default());
        let (mut server, mut boots) = (String::new(), 0);
        let mut struck = Vec::new();
        let first = table(acts.first());
        if self.armed != first {
            self.again(&first);
        }
        for (index, act) in acts.iter().enumerate() {
            let case = format!("{} {:?} {faults}", act.kind.name(), act.doom);
            self.platform.arm(act.doom, self.life.pid());
            let (operation, asked) = self.ask(act.kind, &server).await;
            server = asked;
            let killed = self.killed(&operation, act.doom, &case).await;
            let strike = self.platform.struck() || killed;
            assert!(strike || !act.doom.is_sure(), "{case}: it never came to this point");
            struck.push(strike);
            let next = table(acts.get(index + 1));
            if killed || next != self.armed {
                self.again(&next);
            }
            let ended = self.ended(&operation, &case).await;
            assert_eq!(
                ended,
                if act.fails { "failed" } else { "succeeded" },
                "{case}: {}",
                self.told(&operation).await
            );
            boots += act.kind.boots();
            self.platform.let_go(act.doom).await;
            self.check(act, &server, boots, &case).await;
        }
        let sight = self.platform.look().await;
        check::nothing_left(&self.db, &sight, "at the way's end").await;
        struck
    }

    /// One operation under faults of the simulator's own, set by the operator's call: however it ends, the world and the
    /// records agree. Gives the server and how it ended.
    pub async fn under(&self, faults: &Value, kind: Kind, server: &str) -> (String, String) {
        let case = format!("{} {faults}", kind.name());
        self.life.configure("node-1", &json!({ "faults": faults }));
        let (operation, server) = self.ask(kind, server).await;
        let ended = self.ended(&operation, &case).await;
        let sight = self.platform.look().await;
        check::server(&self.db, &sight, 1, &server, &case).await;
        check::at_rest(&self.db, &case).await;
        (server, ended)
    }

    /// Every server was deleted: neither records nor platform hold anything.
    pub async fn nothing_left(&self, case: &str) {
        check::nothing_left(&self.db, &self.platform.look().await, case).await;
    }

    /// How often a fault of a driver call has struck, over all lives.
    pub fn strikes(&self) -> usize {
        let log = std::fs::read_to_string(self.deployment.log()).expect("the process's log");
        log.matches("an armed fault strikes").count()
    }

    /// A figure of the process's metrics, by its name and labels.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.life.metrics();
        let line = text.lines().find(|line| line.contains(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    async fn check(&self, act: &Act, server: &str, boots: u32, case: &str) {
        let sight: Sight = self.platform.look().await;
        assert!(sight.strays.is_empty(), "{case}: {:?}", sight.strays);
        let machine: Option<&Machine> = sight.machines.get(server);
        assert_eq!(sight.machines.len(), usize::from(machine.is_some()), "{case}: {:?}", sight.machines);
        check::server(&self.db, &sight, 1, server, case).await;
        check::at_rest(&self.db, case).await;
        let sql = "SELECT vm_state FROM servers WHERE id = $1";
        let state = self.db.read().await.unwrap().one(sql, args![server], |row| row.text(0)).await.unwrap();
        assert_eq!(state, if act.fails { "error" } else { act.kind.rest() }, "{case}");
        if let Some(machine) = machine.filter(|_| self.platform.counts_boots()) {
            assert_eq!(machine.boots, boots, "{case}: the guest was switched on so many times");
        }
        self.quota(act, case);
    }

    /// What the process itself says is used of the project's quota: the larger of the one server's flavors, or nothing.
    fn quota(&self, act: &Act, case: &str) {
        let (_, head, body) = self.life.call("GET", "/compute/v2.1/limits", &Value::Null).expect("the process lives");
        let used = &body["limits"]["absolute"];
        let used = ["totalInstancesUsed", "totalCoresUsed", "totalRAMUsed"].map(|name| used[name].as_i64());
        let wanted = match act.kind {
            Kind::Delete => [0; 3],
            Kind::Resize if !act.fails => [1, 1, 2048],
            _ => [1, 1, 512],
        };
        let wanted = wanted.map(Some);
        assert_eq!(used, wanted, "{case}: quota: {head}");
    }

    /// Sends the request; the process may die before it answers. Gives operation and server.
    async fn ask(&self, kind: Kind, server: &str) -> (String, String) {
        let before = self.newest().await.map(|newest| newest.0);
        let action = format!("/compute/v2.1/servers/{server}/action");
        let (method, path, body) = match kind {
            Kind::Create => {
                let server = json!({ "server": { "name": "guest", "flavorRef": "1", "imageRef": self.image } });
                ("POST", "/compute/v2.1/servers".to_owned(), server)
            }
            Kind::Delete => ("DELETE", format!("/compute/v2.1/servers/{server}"), Value::Null),
            Kind::Start => ("POST", action, json!({ "os-start": null })),
            Kind::Stop => ("POST", action, json!({ "os-stop": null })),
            Kind::Reboot => ("POST", action, json!({ "reboot": { "type": "HARD" } })),
            Kind::Rebuild => ("POST", action, json!({ "rebuild": { "imageRef": self.image } })),
            Kind::Resize => ("POST", action, json!({ "resize": { "flavorRef": "2" } })),
            Kind::Revert => ("POST", action, json!({ "revertResize": null })),
        };
        let answer = self.life.call(method, &path, &body);
        if let Some((status, head, body)) = &answer {
            assert!((200..300).contains(status), "{}: {head} {body}", kind.name());
        }
        let asked = self.newest().await.expect("an operation");
        assert_ne!(Some(&asked.0), before.as_ref(), "{}: nothing was written, and {answer:?}", kind.name());
        asked
    }

    /// The operation that was written last, and its server; each request writes one.
    async fn newest(&self) -> Option<(String, String)> {
        let sql = "SELECT id, resource_id FROM operations ORDER BY created_at DESC, id LIMIT 1";
        let mut conn = self.db.read().await.unwrap();
        conn.optional(sql, &[], |row| Ok((row.text(0)?, row.text(1)?))).await.unwrap()
    }

    async fn state(&self, operation: &str) -> String {
        let sql = "SELECT state FROM operations WHERE id = $1";
        self.db.read().await.unwrap().one(sql, args![operation], |row| row.text(0)).await.unwrap()
    }

    /// The operation's error, for messages.
    async fn told(&self, operation: &str) -> String {
        let found = skyloom_store::operations::get(&mut self.db.read().await.unwrap(), operation).await.unwrap();
        found.and_then(|operation| operation.error).map_or_else(String::new, |error| error.for_log())
    }

    /// Waits until the process is dead (true), or the operation has ended and the process lives on.
    async fn killed(&mut self, operation: &str, doom: Doom, case: &str) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if self.life.killed() {
                return true;
            }
            let over = ["succeeded", "failed"].contains(&self.state(operation).await.as_str());
            // After its last write a process dies before it lets go of the operation.
            if over && (doom == Doom::None || self.life.in_hand() == Some(0)) {
                return false;
            }
            assert!(Instant::now() < end, "{case}: neither dead nor done, but {}", self.state(operation).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until it has ended; gives how.
    async fn ended(&self, operation: &str, case: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let state = self.state(operation).await;
            if ["succeeded", "failed", "cancelled", "stuck"].contains(&state.as_str()) {
                return state;
            }
            assert!(Instant::now() < end, "{case}: it stays {state}: {}", self.told(operation).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Which of the points at which a process can be killed are tried.
#[derive(Clone, Copy, Debug)]
pub enum Points {
    All,
    /// One of three, by this seed.
    Sample(u64),
}

impl Points {
    /// Over a platform whose servers take their time: a sample, another one each day; `SKYLOOM_FAULTS=all` tries all, and
    /// `SKYLOOM_FAULTS=<seed>` an earlier day's.
    pub fn of_a_slow_platform() -> Self {
        let days = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / (24 * 60 * 60));
        match std::env::var("SKYLOOM_FAULTS") {
            Ok(text) if text == "all" => Self::All,
            Ok(text) => Self::Sample(text.parse().expect("SKYLOOM_FAULTS is all or a seed")),
            Err(_) => Self::Sample(days()),
        }
    }

    fn has(self, write: u32, moment: Moment) -> bool {
        let Self::Sample(seed) = self else { return true };
        let point = seed.wrapping_mul(31).wrapping_add(u64::from(write) * 2 + u64::from(moment == Moment::After));
        // Multiplied by the golden ratio, neighbours lie far apart.
        point.wrapping_mul(0x9E37_79B9_7F4A_7C15) < u64::MAX / 3
    }
}

/// Each kind of operation killed before and after each of its writes, or a part of them, on as many servers as that takes. Gives
/// the number of deaths.
pub async fn every_write(walk: &mut Walk<'_>, points: Points) -> usize {
    let mut open = Kind::ALL.map(|kind| (kind, true));
    let mut deaths = 0;
    for write in 0.. {
        for moment in [Moment::Before, Moment::After] {
            if !points.has(write, moment) {
                continue;
            }
            let acts =
                open.map(|(kind, open)| Act::new(kind, if open { Doom::Write(write, moment) } else { Doom::None }));
            let struck = walk.way("", &acts).await;
            deaths += struck.iter().filter(|struck| **struck).count();
            for ((kind, open), struck) in open.iter_mut().zip(struck) {
                assert!(struck || !*open || write > 1, "{}: it was never killed", kind.name());
                *open &= struck;
            }
        }
        if open.iter().all(|(_, open)| !open) {
            break;
        }
    }
    deaths
}
