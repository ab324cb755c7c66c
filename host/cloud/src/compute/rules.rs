//! Which server allows what: one table.

use skyloom_model::{Caller, Error, ErrorCode, Result, TaskState, VmState};
use skyloom_store::servers::Brief;

macro_rules! verbs {
    ($($variant:ident $word:literal [$($state:ident)*] $(=> $task:ident)?;)*) => {
        /// What people ask of a server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Verb { $($variant,)* }

        impl Verb {
            #[cfg(test)]
            const ALL: &'static [Verb] = &[$(Self::$variant,)*];

            /// For people: "Cannot `...` server".
            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Whether a server in this state allows it.
            fn allowed(self, state: VmState) -> bool {
                match self { $(Self::$variant => matches!(state, $(VmState::$state)|*),)* }
            }

            /// What then stands as being done; none: it is done at once.
            pub(super) fn task(self) -> Option<TaskState> {
                match self { $(Self::$variant => None$(.or(Some(TaskState::$task)))?,)* }
            }
        }
    };
}

// The states that allow it, and the task that it then is.
verbs! {
    Start "start" [Stopped] => PoweringOn;
    Stop "stop" [Active Error] => PoweringOff;
    SoftReboot "reboot" [Active] => Rebooting;
    HardReboot "reboot" [Active Stopped Paused Suspended Error] => RebootingHard;
    Pause "pause" [Active] => Pausing;
    Unpause "unpause" [Paused] => Unpausing;
    Suspend "suspend" [Active] => Suspending;
    Resume "resume" [Suspended] => Resuming;
    Resize "resize" [Active Stopped] => ResizePrep;
    Rebuild "rebuild" [Active Stopped Error] => Rebuilding;
    ConfirmResize "confirm the resize of" [Resized] => ResizeConfirming;
    RevertResize "revert the resize of" [Resized] => ResizeReverting;
    AttachVolume "attach a volume to" [Active Stopped Resized];
    DetachVolume "detach a volume from" [Active Stopped Resized SoftDeleted];
    AttachNics "attach a network card to" [Active Stopped Paused];
    DetachNics "detach a network card from" [Active Stopped Paused];
    Delete "delete" [Building Active Stopped Paused Suspended Rescued Resized Shelved ShelvedOffloaded SoftDeleted Error] => Deleting;
    // Into the recycle bin; see `Verb::on`.
    Recycle "delete" [Active Stopped Paused Suspended Rescued Resized Shelved ShelvedOffloaded Error] => SoftDeleting;
    Restore "restore" [SoftDeleted] => Restoring;
    Purge "delete for good" [SoftDeleted] => Deleting;
    Metadata "update the metadata of" [Active Paused Suspended Stopped];
    Tags "change the tags of" [Active Paused Suspended Stopped];
    Lock "lock" [Building Active Stopped Paused Suspended Rescued Resized Shelved ShelvedOffloaded SoftDeleted Error];
    Unlock "unlock" [Building Active Stopped Paused Suspended Rescued Resized Shelved ShelvedOffloaded SoftDeleted Error];
    // A guest that runs stays where it is: only one that is off could be placed elsewhere.
    JoinGroup "change the group of" [Stopped];
    LeaveGroup "change the group of" [Building Active Stopped Paused Suspended Rescued Resized Shelved ShelvedOffloaded SoftDeleted Error];
    Console "read the console of" [Active Stopped Paused Suspended Rescued Resized Shelved Error];
}

impl Verb {
    /// What is done with this server: one that never ran has nothing that the recycle bin could give back, and is deleted.
    pub(super) fn on(self, server: &Brief) -> Self {
        if self == Self::Recycle && server.launched_at.is_none() { Self::Delete } else { self }
    }

    /// Whether nothing else may be under way.
    fn needs_rest(self) -> bool {
        !self.in_records()
            && !matches!(self, Self::Delete | Self::Metadata | Self::Tags | Self::LeaveGroup | Self::Console)
    }

    /// Whether its operation is over with the write that asks for it.
    pub(super) fn in_records(self) -> bool {
        matches!(self, Self::Lock | Self::Unlock)
    }

    /// Whether it is refused while nobody drives the server's node. What takes a server away waits for the node instead.
    pub(super) fn needs_node(self) -> bool {
        matches!(
            self,
            Self::Start
                | Self::Stop
                | Self::SoftReboot
                | Self::HardReboot
                | Self::Pause
                | Self::Unpause
                | Self::Suspend
                | Self::Resume
                | Self::Resize
                | Self::RevertResize
                | Self::Rebuild
                | Self::AttachVolume
                | Self::DetachVolume
                | Self::AttachNics
                | Self::DetachNics
                | Self::Restore
        )
    }

    /// Whether a lock keeps it away.
    fn respects_lock(self) -> bool {
        !self.in_records() && !matches!(self, Self::Tags | Self::Console)
    }
}

/// `locked`, `wrong-state` or `busy`. An operator passes every lock.
pub(super) fn check(verb: Verb, server: &Brief, caller: &Caller) -> Result<()> {
    let id = &server.id;
    if verb.respects_lock() && server.locked && !caller.admin {
        return Err(Error::new(ErrorCode::Locked, format!("Server {id} is locked.")).with_resource("server", id));
    }
    allows(verb, server)
}

/// `wrong-state` or `busy`, whoever asks.
pub(super) fn allows(verb: Verb, server: &Brief) -> Result<()> {
    let (verb, id) = (verb.on(server), &server.id);
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
        assert_eq!([Verb::Pause, Verb::Suspend].map(allowing), [[VmState::Active], [VmState::Active]]);
        assert_eq!([Verb::Unpause, Verb::Resume].map(allowing), [[VmState::Paused], [VmState::Suspended]]);
        // Of one that stands still; a card can still be plugged into one whose memory is on the node.
        let of_still = |still: VmState| -> Vec<Verb> {
            Verb::ALL.iter().filter(|verb| verb.allowed(still) && verb.needs_node()).copied().collect()
        };
        let paused = [Verb::HardReboot, Verb::Unpause, Verb::AttachNics, Verb::DetachNics];
        assert_eq!(of_still(VmState::Paused), paused);
        assert_eq!(of_still(VmState::Suspended), [Verb::HardReboot, Verb::Resume]);
        let bin = Verb::ALL.iter().filter(|verb| verb.allowed(VmState::SoftDeleted)).copied();
        assert_eq!(
            bin.collect::<Vec<_>>(),
            [Verb::DetachVolume, Verb::Delete, Verb::Restore, Verb::Purge, Verb::Lock, Verb::Unlock, Verb::LeaveGroup]
        );
        assert_eq!(allowing(Verb::JoinGroup), [VmState::Stopped]);
        assert_eq!(allowing(Verb::Delete).len(), VmState::ALL.len() - 1);
    }
}
