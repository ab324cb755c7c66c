//! From the core's two halves of a state to Nova's words: one table, total over both.

use skyloom_sdk::cloud::compute::{TaskState, VmState};
use skyloom_sdk::states::{TASK_STATES, VM_STATES};

/// `status`.
#[must_use]
pub fn status(vm: VmState, task: Option<TaskState>) -> &'static str {
    match (vm, task) {
        (VmState::Active, Some(TaskState::Rebooting)) => "REBOOT",
        (VmState::Active, Some(TaskState::RebootingHard)) => "HARD_REBOOT",
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
        TaskState::PoweringOn => "powering-on",
        TaskState::PoweringOff => "powering-off",
        TaskState::Rebooting => "rebooting",
        TaskState::RebootingHard => "rebooting_hard",
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
                wanted.vm_states.push(vm);
                whatever = true;
                continue;
            }
            for task in TASK_STATES {
                if status(vm, Some(task)) == status_word {
                    wanted.vm_states.push(vm);
                    wanted.task_states.push(task);
                }
            }
        }
    }
    if whatever {
        wanted.task_states.clear();
    }
    wanted
}

#[cfg(test)]
mod tests {
    use skyloom_sdk::rule;

    use super::*;

    /// Every pair has a word that upstream's list has, and only reboots depend on the task.
    #[test]
    fn the_table_is_total() {
        let words = crate::UPSTREAM.statuses;
        for vm in VM_STATES {
            for task in TASK_STATES.into_iter().map(Some).chain([None]) {
                let word = status(vm, task);
                assert!(words.contains(&word), "{vm:?} {task:?} {word}");
                let reboots =
                    vm == VmState::Active && matches!(task, Some(TaskState::Rebooting | TaskState::RebootingHard));
                assert_eq!(word != status(vm, None), reboots, "{vm:?} {task:?}");
            }
            assert_eq!(vm_of_word(vm_word(vm)), Some(vm));
        }
        for task in TASK_STATES {
            assert_eq!(task_of_word(task_word(task)), Some(task));
        }
    }

    #[test]
    fn the_vendor_table_holds() {
        use TaskState::{
            BlockDeviceMapping, Deleting, Networking, PoweringOff, PoweringOn, Rebooting, RebootingHard, Scheduling,
            Spawning,
        };
        for task in [Some(Scheduling), Some(BlockDeviceMapping), Some(Networking), Some(Spawning), None] {
            assert_eq!(status(VmState::Building, task), "BUILD");
        }
        assert_eq!(status(VmState::Active, Some(Rebooting)), "REBOOT");
        assert_eq!(status(VmState::Active, Some(RebootingHard)), "HARD_REBOOT");
        for task in [Some(PoweringOff), Some(Deleting), None] {
            assert_eq!(status(VmState::Active, task), "ACTIVE");
        }
        for task in [Some(PoweringOn), Some(Deleting), None] {
            assert_eq!(status(VmState::Stopped, task), "SHUTOFF");
        }
        assert_eq!(status(VmState::Resized, None), "VERIFY_RESIZE");
        for task in [Some(Deleting), None] {
            assert_eq!(status(VmState::Error, task), "ERROR");
        }
        assert_eq!(status(VmState::Deleted, None), "DELETED");
        // Of the rows with tasks that the core doesn't have (rebuild, migrate, resize, shelve, reboot_pending) nothing is
        // claimed; they come with their operations.
        rule!("nova.servers.show", "0b874c25", "d9eab3da", "ef4d610e", "037f2e48", "ea03e049", "d383ad87");
    }

    #[test]
    fn a_status_is_filtered_by_its_halves() {
        let reboot = wanted(&["REBOOT".to_owned()]);
        assert_eq!(reboot, Wanted { vm_states: vec![VmState::Active], task_states: vec![TaskState::Rebooting] });
        assert_eq!(
            wanted(&["ACTIVE".to_owned()]),
            Wanted { vm_states: vec![VmState::Active], task_states: Vec::new() }
        );
        assert_eq!(wanted(&["RESIZE".to_owned()]), Wanted::default());
    }
}
