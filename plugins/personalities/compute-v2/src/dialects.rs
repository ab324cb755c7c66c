//! The dialects of this face: upstream's, which is the library's own, and that of a vendor's document (`ecs`), which has Nova's paths
//! and bodies with other limits.

use ecs_rules::sale;
use nova::servers::create::CREATE;
use nova::servers::tags::added_as_page;
use nova::unsupported::refusal;
use nova::{Fault, Rules, UPSTREAM};
use skyloom_sdk::cloud::compute::{PasswordChoice, ServerCreate, TaskState, VmState};
use skyloom_sdk::unsupported::{Table, Unsupported};
use skyloom_sdk::{Cloud, ErrorCode};

/// The vendor's table of states.
fn is_listed(vm: VmState, task: Option<TaskState>) -> bool {
    use TaskState::{
        BlockDeviceMapping, Deleting, Migrating, Networking, PoweringOff, PoweringOn, RebootPending, RebootPendingHard,
        RebootStarted, RebootStartedHard, Rebooting, RebootingHard, RebuildBlockDeviceMapping, RebuildSpawning,
        Rebuilding, ResizeFinish, ResizeMigrated, ResizeMigrating, ResizePrep, ResizeReverting, Scheduling, Shelving,
        ShelvingImagePendingUpload, ShelvingImageUploading, ShelvingOffloading, Spawning, Unshelving,
    };
    const REBUILDS: &[TaskState] = &[Rebuilding, RebuildBlockDeviceMapping, RebuildSpawning];
    let Some(task) = task else {
        return !matches!(vm, VmState::Paused | VmState::Suspended | VmState::Rescued | VmState::SoftDeleted);
    };
    let own: &[TaskState] = match vm {
        VmState::Building => &[Scheduling, BlockDeviceMapping, Networking, Spawning],
        VmState::Active => &[
            Rebooting,
            RebootPending,
            RebootStarted,
            RebootingHard,
            RebootPendingHard,
            RebootStartedHard,
            Migrating,
            PoweringOff,
            Deleting,
        ],
        VmState::Stopped => &[ResizePrep, ResizeMigrating, ResizeMigrated, ResizeFinish, PoweringOn, Deleting],
        VmState::Resized => &[ResizeReverting],
        VmState::Error => &[Deleting],
        VmState::Shelved => &[Shelving, ShelvingImagePendingUpload, ShelvingImageUploading, Unshelving],
        VmState::ShelvedOffloaded => &[ShelvingOffloading, Unshelving],
        _ => &[],
    };
    let rebuilds = matches!(vm, VmState::Active | VmState::Stopped | VmState::Error) && REBUILDS.contains(&task);
    own.contains(&task) || rebuilds
}

/// Longest public key in bytes that a new server of the vendor's dialect can get.
const INJECTED_KEY: usize = 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    #[default]
    Upstream,
    Ecs,
}

impl Dialect {
    #[must_use]
    pub fn rules(self) -> &'static Rules {
        match self {
            Self::Upstream => &UPSTREAM,
            Self::Ecs => &ECS,
        }
    }
}

static ECS: Rules = Rules {
    default_page: 25,
    names: nova::Names {
        longest: ecs_rules::NAME_COLUMNS,
        longest_of_many: ecs_rules::NAMES_COLUMNS,
        columns: ecs_rules::columns,
        check: |name| {
            (!ecs_rules::is_plain(name))
                .then_some("It may hold letters, digits, '_', '-', '.' and Chinese characters only")
        },
        numbered: ecs_rules::numbered,
    },
    create_description: ecs_rules::DESCRIPTION,
    not_in_description: ecs_rules::NOT_IN_DESCRIPTION,
    user_data: Some(ecs_rules::USER_DATA),
    console_minor: Some(5),
    typed_stop: true,
    extended_attributes_for_all: true,
    fuzzy_filters: true,
    image_filter_is_void: true,
    filters_for_all: &["tags", "not-tags"],
    // The core orders by no reservation.
    sort_keys: &[("host_name", Some("hostname")), ("reservation_id", None)],
    unlisted: |vm, task| !is_listed(vm, task),
    statuses: &[
        "ACTIVE",
        "BUILD",
        "ERROR",
        "HARD_REBOOT",
        "MIGRATING",
        "REBOOT",
        "REBUILD",
        "RESIZE",
        "REVERT_RESIZE",
        "SHUTOFF",
        "VERIFY_RESIZE",
    ],
    error_is_not_rebuilt: true,
    hosts_may_be_chosen: false,
    primary_interface_stays: true,
    volume_type_always: true,
    private_keypairs: true,
    without_effect: &[
        "OS-DCF:diskConfig",
        "config_drive",
        "rebuild.adminPass",
        "block_device_mapping_v2[].device_name",
        "block_device_mapping_v2[].guest_format",
        "block_device_mapping_v2[].disk_bus",
        "block_device_mapping_v2[].device_type",
        "block_device_mapping_v2[].tag",
        "networks[].tag",
    ],
    hints_without_effect: &["different_host", "same_host", "cidr", "build_near_host_ip"],
    longest_tag: 80,
    reserved_tags: ecs_rules::RESERVED_TAGS,
    tag_added: added_as_page,
    updatable: &["name"],
    // The document has no number for a suspended guest, which is not running: it gets that of one that is shut down.
    power_states: [0, 1, 2, 3, 4, 3],
    limits_end: &[("maxSecurityGroupRules", 34)],
    limits_of_others: false,
    group_policies: &["anti-affinity"],
    group_name_bytes: Some(255),
    groups_without_pages: true,
    new_rules_hide_their_group: true,
    volumes_name_their_zone: true,
    reserved_snapshots: Some("autobk_snapshot"),
    quotas_look_for_users: true,
    ..UPSTREAM
};

const fn entry(what: &'static str, why: &'static str) -> Unsupported {
    Unsupported { operation: CREATE, what, code: "", why }
}

/// What the vendor's dialect has beyond [`nova::unsupported::UNSUPPORTED`].
pub static UNSUPPORTED: Table = Table(&[
    entry("metadata.admin_pass", "a password does not belong into metadata; adminPass sets it"),
    entry("metadata.admin_pass (Windows image)", "the password of a Windows guest cannot be set"),
]);

/// What the vendor asks of a new server beyond Nova. What isn't there the core refuses by itself.
pub fn check<C: Cloud>(cloud: &C, create: &ServerCreate) -> Result<(), Fault> {
    if let Ok(flavor) = cloud.get_flavor(&create.flavor_id) {
        let state = sale::state(&flavor.extra_specs, create.zone.as_deref());
        if !sale::is_sold(state) {
            return Err(Fault::bad_request(format!("Flavor {} is not sold there: its state is {state}.", flavor.id)));
        }
    }
    if let Some(name) = &create.key_name
        && let Ok(keypair) = cloud.get_keypair(name, None)
        && keypair.public_key.len() > INJECTED_KEY
    {
        return Err(Fault::bad_request(format!(
            "Invalid key_name provided: a public key of more than {INJECTED_KEY} bytes can't be injected."
        )));
    }
    image(cloud, create)
}

/// Images of whole servers are for the vendor's other call; a Windows guest takes its password from the metadata only.
fn image<C: Cloud>(cloud: &C, create: &ServerCreate) -> Result<(), Fault> {
    let system = create.disks.first().filter(|disk| disk.source == "image");
    let properties = match system.and_then(|disk| disk.source_id.as_ref()).map(|id| cloud.get_image(id)) {
        Some(Ok(image)) => image.properties,
        Some(Err(error)) if error.code != ErrorCode::NotFound => return Err(error.into()),
        _ => Vec::new(),
    };
    if ecs_rules::is_full_server(&properties) {
        return Err(Fault::bad_request("Full-ECS images are not supported; use POST /v1/{project_id}/cloudservers."));
    }
    let windows = ecs_rules::is_windows(&properties);
    if create.metadata.iter().any(|(key, _)| key == ecs_rules::WINDOWS_PASSWORD) {
        let what = if windows { "metadata.admin_pass (Windows image)" } else { "metadata.admin_pass" };
        return Err(refusal(UNSUPPORTED.get(CREATE, what)));
    }
    if windows && matches!(create.admin_password, PasswordChoice::Given(_)) {
        return Err(Fault::bad_request("metadata.admin_pass is required for a Windows server with password login."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nova::status::{status, task_of_word, vm_of_word};
    use skyloom_sdk::rule;
    use skyloom_sdk::states::{TASK_STATES, VM_STATES};

    use super::is_listed;

    /// Table A-4: vm state, its tasks with `-` for none, the status.
    const TABLE: &[(&str, &str, &str)] = &[
        ("building", "scheduling block_device_mapping networking spawning -", "BUILD"),
        ("active", "rebooting reboot_pending reboot_started", "REBOOT"),
        ("active", "rebooting_hard reboot_pending_hard reboot_started_hard", "HARD_REBOOT"),
        ("active", "rebuilding rebuild_block_device_mapping rebuild_spawning", "REBUILD"),
        ("active", "migrating", "MIGRATING"),
        ("active", "powering-off deleting -", "ACTIVE"),
        ("stopped", "resize_prep resize_migrating resize_migrated resize_finish", "RESIZE"),
        ("stopped", "rebuilding rebuild_block_device_mapping rebuild_spawning", "REBUILD"),
        ("stopped", "powering-on deleting -", "SHUTOFF"),
        ("resized", "resize_reverting", "REVERT_RESIZE"),
        ("resized", "-", "VERIFY_RESIZE"),
        ("error", "rebuilding rebuild_block_device_mapping rebuild_spawning", "REBUILD"),
        ("error", "deleting -", "ERROR"),
        ("deleted", "-", "DELETED"),
        ("shelved", "shelving shelving_image_pending_upload shelving_image_uploading unshelving -", "SHELVED"),
        ("shelved_offloaded", "shelving_offloading unshelving -", "SHELVED_OFFLOADED"),
    ];

    #[test]
    fn the_vendors_table_of_states_holds_and_nothing_else_is_listed() {
        let mut listed = 0;
        for (vm, tasks, expected) in TABLE {
            let vm = vm_of_word(vm).expect("a state");
            for task in tasks.split(' ') {
                let task = (task != "-").then(|| task_of_word(task).expect("a task"));
                assert_eq!(status(vm, task), *expected, "{vm:?} {task:?}");
                assert!(is_listed(vm, task), "{vm:?} {task:?}");
                listed += 1;
            }
        }
        let tasks = || TASK_STATES.into_iter().map(Some).chain([None]);
        let all = VM_STATES.into_iter().flat_map(|vm| tasks().map(move |task| (vm, task)));
        assert_eq!(all.filter(|(vm, task)| is_listed(*vm, *task)).count(), listed);
        rule!("nova.servers.show", "0b874c25", "d9eab3da", "ef4d610e", "037f2e48", "ea03e049", "d383ad87");
    }
}
