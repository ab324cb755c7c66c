//! The core's words of a server's states, as conditions name them. Generated, with a test that says how to renew it:
//! host/runtime/tests/signatures.rs.

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
        ImageSnapshotPending "image-snapshot-pending",
        ImageSnapshot "image-snapshot",
        ImagePendingUpload "image-pending-upload",
        ImageUploading "image-uploading",
        ImageBackup "image-backup",
        UpdatingPassword "updating-password",
        ResizePrep "resize-prep",
        ResizeMigrating "resize-migrating",
        ResizeMigrated "resize-migrated",
        ResizeFinish "resize-finish",
        ResizeConfirming "resize-confirming",
        ResizeReverting "resize-reverting",
        Rebooting "rebooting",
        RebootPending "reboot-pending",
        RebootStarted "reboot-started",
        RebootingHard "rebooting-hard",
        RebootPendingHard "reboot-pending-hard",
        RebootStartedHard "reboot-started-hard",
        Pausing "pausing",
        Unpausing "unpausing",
        Suspending "suspending",
        Resuming "resuming",
        PoweringOn "powering-on",
        PoweringOff "powering-off",
        Rescuing "rescuing",
        Unrescuing "unrescuing",
        Rebuilding "rebuilding",
        RebuildBlockDeviceMapping "rebuild-block-device-mapping",
        RebuildSpawning "rebuild-spawning",
        Migrating "migrating",
        Shelving "shelving",
        ShelvingImagePendingUpload "shelving-image-pending-upload",
        ShelvingImageUploading "shelving-image-uploading",
        ShelvingOffloading "shelving-offloading",
        Unshelving "unshelving",
        SoftDeleting "soft-deleting",
        Restoring "restoring",
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
