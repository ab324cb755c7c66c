//! Where the two dialects differ. `upstream` follows Nova's API reference; `ecs` follows the vendor's document, which has Nova's
//! paths and bodies with other limits.

use skyloom_sdk::cloud::compute::PowerState;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    #[default]
    Upstream,
    Ecs,
}

/// One row for each dialect. Lengths are characters unless said otherwise.
#[derive(Debug)]
pub struct Rules {
    /// Servers of a page whose request names no limit.
    pub default_page: u32,
    pub max_page: u32,
    /// Longest name at creation, in columns: a Chinese character counts for two on `ecs`.
    pub create_name: usize,
    /// The same when more than one server is made.
    pub create_names: usize,
    /// Only letters, digits, `_`, `-`, `.` and Chinese characters in a new name.
    pub plain_names: bool,
    /// Longest description at creation; `<` and `>` are refused where it isn't 255.
    pub create_description: usize,
    /// Longest user data in bytes before it is encoded; none: only the encoded form is limited.
    pub user_data: Option<usize>,
    /// Highest microversion with which a console may be read; none: any.
    pub console_minor: Option<u32>,
    /// `os-stop` may carry a type.
    pub typed_stop: bool,
    /// Extended attributes (host, instance name ...) for everybody, not for operators only.
    pub extended_attributes_for_all: bool,
    /// The filters of lists by flavor and address look for a part, that by name for a part instead of a pattern.
    pub fuzzy_filters: bool,
    /// The image filter finds nothing (servers start from volumes) and makes all other filters void.
    pub image_filter_is_void: bool,
    /// Statuses that the status filter knows.
    pub statuses: &'static [&'static str],
    /// A server may be placed on a host by name.
    pub hosts_may_be_chosen: bool,
    /// The volume type of a disk may be named at every version, not from 2.67 on only.
    pub volume_type_always: bool,
    /// Flavors say in their extra specs whether they are sold.
    pub sale_states: bool,
    /// Longest public key in bytes that a new server can get; none: any.
    pub injected_key: Option<usize>,
    /// Images of whole servers are refused, and a Windows guest's password has a key of its own in the metadata.
    pub image_kinds: bool,
    /// Nobody, operators neither, sees another user's key pairs.
    pub private_keypairs: bool,
    /// Fields of a new server that are accepted, stored where they are shown, and have no effect.
    pub without_effect: &'static [&'static str],
    /// Scheduler hints that are accepted and have no effect.
    pub hints_without_effect: &'static [&'static str],
    /// Fields that an update may change, beside the description.
    pub updatable: &'static [&'static str],
}

static UPSTREAM: Rules = Rules {
    default_page: 1000,
    max_page: 1000,
    create_name: 255,
    create_names: 255,
    plain_names: false,
    create_description: 255,
    user_data: None,
    console_minor: None,
    typed_stop: false,
    extended_attributes_for_all: false,
    fuzzy_filters: false,
    image_filter_is_void: false,
    statuses: &[
        "ACTIVE",
        "BUILD",
        "DELETED",
        "ERROR",
        "HARD_REBOOT",
        "MIGRATING",
        "PASSWORD",
        "PAUSED",
        "REBOOT",
        "REBUILD",
        "RESCUE",
        "RESIZE",
        "REVERT_RESIZE",
        "SHELVED",
        "SHELVED_OFFLOADED",
        "SHUTOFF",
        "SOFT_DELETED",
        "SUSPENDED",
        "VERIFY_RESIZE",
    ],
    hosts_may_be_chosen: true,
    volume_type_always: false,
    sale_states: false,
    injected_key: None,
    image_kinds: false,
    private_keypairs: false,
    without_effect: &[
        "OS-DCF:diskConfig",
        "block_device_mapping_v2[].device_name",
        "block_device_mapping_v2[].disk_bus",
        "block_device_mapping_v2[].device_type",
        "block_device_mapping_v2[].tag",
        "networks[].tag",
    ],
    hints_without_effect: &[],
    updatable: &["name", "OS-DCF:diskConfig", "accessIPv4", "accessIPv6", "hostname"],
};

static ECS: Rules = Rules {
    default_page: 25,
    max_page: 1000,
    create_name: ecs_rules::NAME_COLUMNS,
    create_names: ecs_rules::NAMES_COLUMNS,
    plain_names: true,
    create_description: ecs_rules::DESCRIPTION,
    user_data: Some(ecs_rules::USER_DATA),
    console_minor: Some(5),
    typed_stop: true,
    extended_attributes_for_all: true,
    fuzzy_filters: true,
    image_filter_is_void: true,
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
    hosts_may_be_chosen: false,
    volume_type_always: true,
    sale_states: true,
    injected_key: Some(1024),
    image_kinds: true,
    private_keypairs: true,
    without_effect: &[
        "OS-DCF:diskConfig",
        "config_drive",
        "block_device_mapping_v2[].device_name",
        "block_device_mapping_v2[].guest_format",
        "block_device_mapping_v2[].disk_bus",
        "block_device_mapping_v2[].device_type",
        "block_device_mapping_v2[].tag",
        "networks[].tag",
    ],
    hints_without_effect: &["different_host", "same_host", "cidr", "build_near_host_ip"],
    updatable: &["name"],
};

impl Dialect {
    #[must_use]
    pub fn rules(self) -> &'static Rules {
        match self {
            Self::Upstream => &UPSTREAM,
            Self::Ecs => &ECS,
        }
    }

    /// The number in `OS-EXT-STS:power_state`. The vendor's document has numbers of its own and none for a suspended guest,
    /// which is not running: it gets that of one that is shut down.
    #[must_use]
    pub fn power_state(self, state: PowerState) -> u64 {
        let (upstream, ecs) = match state {
            PowerState::NoState => (0, 0),
            PowerState::Running => (1, 1),
            PowerState::Paused => (3, 2),
            PowerState::ShutDown => (4, 3),
            PowerState::Crashed => (6, 4),
            PowerState::Suspended => (7, 3),
        };
        match self {
            Self::Upstream => upstream,
            Self::Ecs => ecs,
        }
    }
}
