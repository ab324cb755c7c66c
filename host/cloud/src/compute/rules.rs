//! Which server allows what: one table.

use skyloom_model::{Caller, Error, ErrorCode, Result, TaskState, VmState};
use skyloom_store::servers::Brief;

/// What people ask of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    SoftReboot,
    HardReboot,
    Delete,
    Metadata,
    Console,
}

impl Verb {
    #[cfg(test)]
    const ALL: &'static [Verb] =
        &[Self::Start, Self::Stop, Self::SoftReboot, Self::HardReboot, Self::Delete, Self::Metadata, Self::Console];

    /// For people: "Cannot `...` server".
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::SoftReboot | Self::HardReboot => "reboot",
            Self::Delete => "delete",
            Self::Metadata => "update the metadata of",
            Self::Console => "read the console of",
        }
    }

    /// The table: whether a server in this state allows it.
    fn allowed(self, state: VmState) -> bool {
        use VmState as S;
        match self {
            Self::Start => matches!(state, S::Stopped),
            Self::Stop => matches!(state, S::Active | S::Error),
            Self::SoftReboot => matches!(state, S::Active),
            Self::HardReboot => matches!(state, S::Active | S::Stopped | S::Paused | S::Suspended | S::Error),
            Self::Delete => !matches!(state, S::Deleted),
            Self::Metadata => matches!(state, S::Active | S::Paused | S::Suspended | S::Stopped),
            Self::Console => !matches!(state, S::Building | S::Deleted | S::SoftDeleted | S::ShelvedOffloaded),
        }
    }

    /// Whether nothing else may be under way.
    fn needs_rest(self) -> bool {
        !matches!(self, Self::Delete | Self::Metadata | Self::Console)
    }

    /// Whether the owner's lock keeps it away.
    fn respects_lock(self) -> bool {
        !matches!(self, Self::Console)
    }

    /// What then stands as being done; none: it is done at once.
    pub(super) fn task(self) -> Option<TaskState> {
        match self {
            Self::Start => Some(TaskState::PoweringOn),
            Self::Stop => Some(TaskState::PoweringOff),
            Self::SoftReboot => Some(TaskState::Rebooting),
            Self::HardReboot => Some(TaskState::RebootingHard),
            Self::Delete => Some(TaskState::Deleting),
            Self::Metadata | Self::Console => None,
        }
    }
}

/// `locked`, `wrong-state` or `busy`. An operator passes the owner's lock.
pub(super) fn check(verb: Verb, server: &Brief, caller: &Caller) -> Result<()> {
    let id = &server.id;
    if verb.respects_lock() && server.locked && !caller.admin {
        return Err(Error::new(ErrorCode::Locked, format!("Server {id} is locked.")).with_resource("server", id));
    }
    if !verb.allowed(server.vm_state) {
        let message =
            format!("Cannot '{}' server {id} while it is in vm_state {}.", verb.word(), server.vm_state.as_str());
        return Err(Error::new(ErrorCode::WrongState, message).with_resource("server", id));
    }
    match server.task_state {
        Some(task) if verb.needs_rest() => {
            let message = format!("Cannot '{}' server {id} while it is in task_state {}.", verb.word(), task.as_str());
            Err(Error::new(ErrorCode::Busy, message).with_resource("server", id))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_gone_allows_nothing() {
        for verb in Verb::ALL {
            assert!(!verb.allowed(VmState::Deleted), "{verb:?}");
        }
    }

    #[test]
    fn power_follows_the_state() {
        let allowing = |verb: Verb| -> Vec<VmState> {
            VmState::ALL.iter().copied().filter(|state| verb.allowed(*state)).collect()
        };
        assert_eq!(allowing(Verb::Start), [VmState::Stopped]);
        assert_eq!(allowing(Verb::Stop), [VmState::Active, VmState::Error]);
        assert_eq!(allowing(Verb::SoftReboot), [VmState::Active]);
        assert_eq!(allowing(Verb::Delete).len(), VmState::ALL.len() - 1);
    }
}
