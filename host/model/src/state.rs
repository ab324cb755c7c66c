//! What a server is and what is being done to it. The status that people see is derived, never stored.

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word that the store holds.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What the server is, apart from what is being done to it.
    VmState {
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
}

words! {
    /// What is being done to the server; written only together with the operation's step log.
    TaskState {
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
}

words! {
    /// What the hypervisor last said.
    PowerState {
        NoState "no-state",
        Running "running",
        Paused "paused",
        ShutDown "shut-down",
        Crashed "crashed",
        Suspended "suspended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_store() {
        for state in VmState::ALL {
            assert_eq!(VmState::parse(state.as_str()), Some(*state));
        }
        for task in TaskState::ALL {
            assert_eq!(TaskState::parse(task.as_str()), Some(*task));
        }
    }
}
