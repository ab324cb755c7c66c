//! The core's words of a server's states, as conditions name them.

use crate::cloud::compute::{PowerState, TaskState, VmState};

macro_rules! words {
    ($($kind:ident $all:ident $word:ident { $($state:ident $text:literal,)+ })+) => {
        $(
            /// All of them.
            pub const $all: [$kind; [$($text),+].len()] = [$($kind::$state),+];

            #[must_use]
            pub fn $word(state: $kind) -> &'static str {
                match state { $($kind::$state => $text,)+ }
            }
        )+
    };
}

words! {
    VmState VM_STATES vm_state {
        Building "building",
        Active "active",
        Stopped "stopped",
        Paused "paused",
        Suspended "suspended",
        Rescued "rescued",
        Resized "resized",
        Shelved "shelved",
        ShelvedOffloaded "shelved-offloaded",
        SoftDeleted "soft-deleted",
        Deleted "deleted",
        Error "error",
    }
    TaskState TASK_STATES task_state {
        Scheduling "scheduling",
        Networking "networking",
        BlockDeviceMapping "block-device-mapping",
        Spawning "spawning",
        PoweringOn "powering-on",
        PoweringOff "powering-off",
        Rebooting "rebooting",
        RebootingHard "rebooting-hard",
        Deleting "deleting",
    }
    PowerState POWER_STATES power_state {
        NoState "no-state",
        Running "running",
        Paused "paused",
        ShutDown "shut-down",
        Crashed "crashed",
        Suspended "suspended",
    }
}
