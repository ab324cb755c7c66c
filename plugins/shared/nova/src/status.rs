//! From the core's two halves of a state to Nova's words: one table, total over both.

use skyloom_sdk::cloud::compute::{TaskState, VmState};
use skyloom_sdk::states::{TASK_STATES, VM_STATES};

/// `status`.
#[must_use]
pub fn status(vm: VmState, task: Option<TaskState>) -> &'static str {
    use TaskState::{
        Migrating, RebootPending, RebootPendingHard, RebootStarted, RebootStartedHard, Rebooting, RebootingHard,
        RebuildBlockDeviceMapping, RebuildSpawning, Rebuilding, ResizeFinish, ResizeMigrated, ResizeMigrating,
        ResizePrep, ResizeReverting, UpdatingPassword,
    };
    match (vm, task) {
        (VmState::Active, Some(Rebooting | RebootPending | RebootStarted)) => "REBOOT",
        (VmState::Active, Some(RebootingHard | RebootPendingHard | RebootStartedHard)) => "HARD_REBOOT",
        (VmState::Active, Some(UpdatingPassword)) => "PASSWORD",
        (VmState::Active | VmState::Paused, Some(Migrating)) => "MIGRATING",
        (VmState::Active | VmState::Stopped, Some(ResizePrep | ResizeMigrating | ResizeMigrated | ResizeFinish)) => {
            "RESIZE"
        }
        (
            VmState::Active | VmState::Stopped | VmState::Error,
            Some(Rebuilding | RebuildBlockDeviceMapping | RebuildSpawning),
        ) => "REBUILD",
        (VmState::Resized, Some(ResizeReverting)) => "REVERT_RESIZE",
        (VmState::Building, _) => "BUILD",
        (VmState::Active, _) => "ACTIVE",
        (VmState::Stopped, _) => "SHUTOFF",
        (VmState::Paused, _) => "PAUSED",
        (VmState::Suspended, _) => "SUSPENDED",
        (VmState::Rescued, _) => "RESCUE",
        (VmState::Resized, _) => "VERIFY_RESIZE",
        (VmState::Shelved, _) => "SHELVED",
        (VmState::ShelvedOffloaded, _) => "SHELVED_OFFLOADED",
        (VmState::SoftDeleted, _) => "SOFT_DELETED",
        (VmState::Deleted, _) => "DELETED",
        (VmState::Error, _) => "ERROR",
    }
}

/// `OS-EXT-STS:vm_state`.
#[must_use]
pub fn vm_word(vm: VmState) -> &'static str {
    match vm {
        VmState::Building => "building",
        VmState::Active => "active",
        VmState::Stopped => "stopped",
        VmState::Paused => "paused",
        VmState::Suspended => "suspended",
        VmState::Rescued => "rescued",
        VmState::Resized => "resized",
        VmState::Shelved => "shelved",
        VmState::ShelvedOffloaded => "shelved_offloaded",
        VmState::SoftDeleted => "soft-delete",
        VmState::Deleted => "deleted",
        VmState::Error => "error",
    }
}

/// `OS-EXT-STS:task_state`.
#[must_use]
pub fn task_word(task: TaskState) -> &'static str {
    match task {
        TaskState::Scheduling => "scheduling",
        TaskState::Networking => "networking",
        TaskState::BlockDeviceMapping => "block_device_mapping",
        TaskState::Spawning => "spawning",
        TaskState::ImageSnapshotPending => "image_snapshot_pending",
        TaskState::ImageSnapshot => "image_snapshot",
        TaskState::ImagePendingUpload => "image_pending_upload",
        TaskState::ImageUploading => "image_uploading",
        TaskState::ImageBackup => "image_backup",
        TaskState::UpdatingPassword => "updating_password",
        TaskState::ResizePrep => "resize_prep",
        TaskState::ResizeMigrating => "resize_migrating",
        TaskState::ResizeMigrated => "resize_migrated",
        TaskState::ResizeFinish => "resize_finish",
        TaskState::ResizeConfirming => "resize_confirming",
        TaskState::ResizeReverting => "resize_reverting",
        TaskState::Rebooting => "rebooting",
        TaskState::RebootPending => "reboot_pending",
        TaskState::RebootStarted => "reboot_started",
        TaskState::RebootingHard => "rebooting_hard",
        TaskState::RebootPendingHard => "reboot_pending_hard",
        TaskState::RebootStartedHard => "reboot_started_hard",
        TaskState::Pausing => "pausing",
        TaskState::Unpausing => "unpausing",
        TaskState::Suspending => "suspending",
        TaskState::Resuming => "resuming",
        TaskState::PoweringOn => "powering-on",
        TaskState::PoweringOff => "powering-off",
        TaskState::Rescuing => "rescuing",
        TaskState::Unrescuing => "unrescuing",
        TaskState::Rebuilding => "rebuilding",
        TaskState::RebuildBlockDeviceMapping => "rebuild_block_device_mapping",
        TaskState::RebuildSpawning => "rebuild_spawning",
        TaskState::Migrating => "migrating",
        TaskState::Shelving => "shelving",
        TaskState::ShelvingImagePendingUpload => "shelving_image_pending_upload",
        TaskState::ShelvingImageUploading => "shelving_image_uploading",
        TaskState::ShelvingOffloading => "shelving_offloading",
        TaskState::Unshelving => "unshelving",
        TaskState::SoftDeleting => "soft-deleting",
        TaskState::Restoring => "restoring",
        TaskState::Deleting => "deleting",
    }
}

#[must_use]
pub fn vm_of_word(word: &str) -> Option<VmState> {
    VM_STATES.into_iter().find(|vm| vm_word(*vm).eq_ignore_ascii_case(word))
}

#[must_use]
pub fn task_of_word(word: &str) -> Option<TaskState> {
    TASK_STATES.into_iter().find(|task| task_word(*task).eq_ignore_ascii_case(word))
}

/// Whether `progress` is shown.
#[must_use]
pub fn shows_progress(status: &str) -> bool {
    matches!(status, "ACTIVE" | "BUILD" | "REBUILD" | "RESIZE" | "VERIFY_RESIZE" | "MIGRATING")
}

/// Whether `fault` is shown.
#[must_use]
pub fn shows_fault(status: &str) -> bool {
    matches!(status, "ERROR" | "DELETED")
}

/// What a filter by statuses asks of the two halves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    pub vm_states: Vec<VmState>,
    /// Empty: whatever is being done.
    pub task_states: Vec<TaskState>,
}

/// The halves that have this status. A status that is the word of its vm state also finds servers on which something is being
/// done, as in Nova: ACTIVE finds those that reboot. Empty: no server can have the status here.
#[must_use]
pub fn wanted(statuses: &[String]) -> Wanted {
    let mut wanted = Wanted::default();
    let mut whatever = false;
    for status_word in statuses {
        for vm in VM_STATES {
            if status(vm, None) == status_word {
                push(&mut wanted.vm_states, vm);
                whatever = true;
                continue;
            }
            for task in TASK_STATES {
                if status(vm, Some(task)) == status_word {
                    push(&mut wanted.vm_states, vm);
                    push(&mut wanted.task_states, task);
                }
            }
        }
    }
    if whatever {
        wanted.task_states.clear();
    }
    wanted
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair has a word that upstream's list has.
    #[test]
    fn the_table_is_total() {
        let words = crate::UPSTREAM.statuses;
        for vm in VM_STATES {
            for task in TASK_STATES.into_iter().map(Some).chain([None]) {
                let word = status(vm, task);
                assert!(words.contains(&word), "{vm:?} {task:?} {word}");
            }
            assert_eq!(vm_of_word(vm_word(vm)), Some(vm));
        }
        for task in TASK_STATES {
            assert_eq!(task_of_word(task_word(task)), Some(task));
        }
        assert_eq!(task_word(TaskState::RebuildBlockDeviceMapping), "rebuild_block_device_mapping");
        assert_eq!(task_word(TaskState::PoweringOff), "powering-off");
    }

    #[test]
    fn a_status_is_filtered_by_its_halves() {
        let reboot = wanted(&["REBOOT".to_owned()]);
        let tasks = vec![TaskState::Rebooting, TaskState::RebootPending, TaskState::RebootStarted];
        assert_eq!(reboot, Wanted { vm_states: vec![VmState::Active], task_states: tasks });
        assert_eq!(
            wanted(&["ACTIVE".to_owned()]),
            Wanted { vm_states: vec![VmState::Active], task_states: Vec::new() }
        );
        let resize = wanted(&["RESIZE".to_owned()]);
        assert!(resize.vm_states.contains(&VmState::Stopped) && resize.task_states.contains(&TaskState::ResizePrep));
        assert_eq!(wanted(&["NONE".to_owned()]), Wanted::default());
    }
}
