//! Faults by configuration: calls that fail before or after their effect, or lose their reply.

use serde::Deserialize;
use skyloom_sdk::driver::types::Progress;
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

use super::{RACES, Simulator, World, failure, written_by_many};

/// How often each fault with `times` has struck: in documents, so that a crash of the host doesn't let it strike again.
pub const COLLECTION: &str = "faults";

/// The calls of the contract that have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Define,
    Reconfigure,
    Undefine,
    Start,
    Stop,
    Pause,
    Unpause,
    Suspend,
    Resume,
    CreateDisk,
    GrowDisk,
    ExportDisk,
    RemoveDisk,
    AttachDisk,
    DetachDisk,
    AttachNic,
    DetachNic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    /// It fails for good, without an effect.
    Before,
    /// It fails for good, though the effect is there.
    After,
    /// It has its effect, and answers `unavailable`: the host will ask again.
    LostReply,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fault {
    call: Call,
    when: When,
    /// Id of a server, or of a disk in calls about disks. None: any.
    of: Option<String>,
    /// None: every time.
    times: Option<u64>,
    /// Tells faults apart that are otherwise the same: another id is counted anew.
    #[serde(default)]
    id: String,
}

impl Fault {
    fn is_of(&self, call: Call, id: &str) -> bool {
        self.call == call && self.of.as_deref().is_none_or(|only| only == id)
    }

    /// Name of its count. Bounded: the manifest's schema bounds the parts.
    fn key(&self) -> String {
        let of = self.of.as_deref().unwrap_or("*");
        format!("{:?} {:?} {of} {} {}", self.call, self.when, self.times.unwrap_or(0), self.id)
    }
}

impl<W: World> Simulator<W> {
    /// A call with the faults that are due to it.
    pub fn faulty(
        &self,
        call: Call,
        id: &str,
        act: impl FnOnce() -> Result<Progress, Error>,
    ) -> Result<Progress, Error> {
        if self.strikes(call, id, |when| when == When::Before)?.is_some() {
            return Err(refused());
        }
        let progress = act()?;
        match self.strikes(call, id, |when| when != When::Before)? {
            None => Ok(progress),
            Some(When::LostReply) => {
                let text = "the simulated platform's reply was lost";
                Err(failure(ErrorCode::Unavailable, ErrorClass::Unavailable, text))
            }
            Some(_) => Err(refused()),
        }
    }

    /// The first fault of this call that has not struck often enough yet; from now on it has once more.
    fn strikes(&self, call: Call, id: &str, at: impl Fn(When) -> bool) -> Result<Option<When>, Error> {
        for fault in self.config.faults.iter().filter(|fault| fault.is_of(call, id) && at(fault.when)) {
            if self.counts(fault)? {
                return Ok(Some(fault.when));
            }
        }
        Ok(None)
    }

    /// False: it has struck as often as it should.
    fn counts(&self, fault: &Fault) -> Result<bool, Error> {
        let Some(times) = fault.times else { return Ok(true) };
        let key = fault.key();
        for _ in 0..RACES {
            let (count, version) = match self.world.get(COLLECTION, &key)? {
                Some((body, version)) => (body.parse().unwrap_or(times), version),
                None => (0, 0),
            };
            if count >= times {
                return Ok(false);
            }
            if self.world.put(COLLECTION, &key, &(count + 1).to_string(), version)? {
                return Ok(true);
            }
        }
        Err(written_by_many())
    }
}

fn refused() -> Error {
    failure(ErrorCode::NotSupported, ErrorClass::Caller, "the simulated platform refuses the call")
}
