//! What a face may have in another way than Nova's API reference: data, which each face gives. [`UPSTREAM`] is the reference itself;
//! a face writes what its vendor's document says otherwise, and `..UPSTREAM`.

use skyloom_sdk::Response;
use skyloom_sdk::cloud::compute::{PowerState, TaskState, VmState};

use crate::errors::{Fault, by_status};
use crate::servers::tags::added;

/// Lengths are characters unless said otherwise.
#[derive(Debug)]
pub struct Rules {
    /// How a refusal looks.
    pub envelope: fn(&Fault) -> Response,
    /// Servers of a page whose request names no limit.
    pub default_page: u32,
    pub max_page: u32,
    pub names: Names,
    /// Longest description at creation.
    pub create_description: usize,
    /// Letters that a description at creation may not hold.
    pub not_in_description: &'static [char],
    /// Longest user data in bytes before it is encoded; none: only the encoded form is limited.
    pub user_data: Option<usize>,
    /// Highest microversion with which a console may be read; none: any.
    pub console_minor: Option<u32>,
    /// `os-stop` may carry a type.
    pub typed_stop: bool,
    /// A resize waits for nobody to confirm it.
    pub resizes_are_final: bool,
    /// A server in error stays as it is: it cannot be rebuilt.
    pub error_is_not_rebuilt: bool,
    /// Extended attributes (host, instance name ...) for everybody, not for operators only.
    pub extended_attributes_for_all: bool,
    /// The filters of lists by flavor and address look for a part, that by name for a part instead of a pattern.
    pub fuzzy_filters: bool,
    /// The image filter finds nothing (servers start from volumes) and makes all other filters void.
    pub image_filter_is_void: bool,
    /// A server in the recycle bin, and a deleted one, is shown with the time at which it went and the one at which it is deleted.
    pub shows_deletion: bool,
    /// Filters of servers that are for everybody at every version, beside those that upstream gives to everybody.
    pub filters_for_all: &'static [&'static str],
    /// Keys beside upstream's that lists of servers are ordered by, the core's field of each; none: it orders nothing.
    pub sort_keys: &'static [(&'static str, Option<&'static str>)],
    /// Whether the vendor's table of states lacks a pair, whose status is then UNKNOWN.
    pub unlisted: fn(VmState, Option<TaskState>) -> bool,
    /// Statuses that the status filter knows.
    pub statuses: &'static [&'static str],
    /// A server may be placed on a host by name.
    pub hosts_may_be_chosen: bool,
    /// A subnet may be named for an interface of a new server.
    pub nic_subnets: bool,
    /// Nobody takes the first interface of a server away.
    pub primary_interface_stays: bool,
    /// The volume type of a disk may be named at every version, not from 2.67 on only.
    pub volume_type_always: bool,
    /// Nobody, operators neither, sees another user's key pairs.
    pub private_keypairs: bool,
    /// Fields and parameters of key pairs are known at every version, not from theirs on.
    pub unversioned_keypairs: bool,
    /// Members that bodies may have at every version, whatever their schemas say: where, and which.
    pub unversioned_members: &'static [(&'static str, &'static str)],
    /// What a deletion of a key pair answers before 2.2.
    pub keypair_deleted: u16,
    /// Fields of a new server, and of a rebuild, that are accepted, stored where they are shown, and have no effect.
    pub without_effect: &'static [&'static str],
    /// Scheduler hints that are accepted and have no effect.
    pub hints_without_effect: &'static [&'static str],
    /// In characters.
    pub longest_tag: usize,
    /// Tags that say what kind of server it is: nobody gives them.
    pub reserved_tags: &'static [&'static str],
    /// The answer to a tag that was added, as who asks accepts it.
    pub tag_added: fn(Option<&str>) -> Response,
    /// Fields that an update may change, beside the description.
    pub updatable: &'static [&'static str],
    /// The numbers in `OS-EXT-STS:power_state` of no state, running, paused, shut down, crashed, suspended.
    pub power_states: [u64; 6],
    /// Limits that end, by their names, and the last minor version that shows each.
    pub limits_end: &'static [(&'static str, u32)],
    /// Operators may ask for another project's limits.
    pub limits_of_others: bool,
    /// Of new server groups, in the order in which a refusal names them.
    pub group_policies: &'static [&'static str],
    /// The soft ones are known at every version, not from 2.15 on only.
    pub soft_policies_always: bool,
    /// Longest name of a server group in bytes, beside that in characters.
    pub group_name_bytes: Option<usize>,
    /// Who is no operator and asks for the server groups of all projects is refused, not overlooked.
    pub all_groups_are_refused: bool,
    /// Lists of security groups know no limit and no offset.
    pub groups_without_pages: bool,
    /// A new rule of a security group is answered without the group that it lets in.
    pub new_rules_hide_their_group: bool,
    /// A volume that is made through this interface names its zone.
    pub volumes_name_their_zone: bool,
    /// What no name of a snapshot may begin with.
    pub reserved_snapshots: Option<&'static str>,
    /// Aggregates show their UUID at every version, not from 2.41 on only.
    pub aggregate_uuid_always: bool,
    /// A quota is asked for a user, too: of one that isn't there it is the default one.
    pub quotas_look_for_users: bool,
}

/// Names of new servers.
#[derive(Debug)]
pub struct Names {
    /// Longest name, in columns.
    pub longest: usize,
    /// The same when more than one server is made.
    pub longest_of_many: usize,
    /// How long a name is.
    pub columns: fn(&str) -> usize,
    /// What is wrong with a name beyond its length; none: nothing.
    pub check: fn(&str) -> Option<&'static str>,
    /// The names of so many servers of one request.
    pub numbered: fn(&str, u32) -> Vec<String>,
}

impl Rules {
    #[must_use]
    pub fn power_state(&self, state: PowerState) -> u64 {
        self.power_states[match state {
            PowerState::NoState => 0,
            PowerState::Running => 1,
            PowerState::Paused => 2,
            PowerState::ShutDown => 3,
            PowerState::Crashed => 4,
            PowerState::Suspended => 5,
        }]
    }
}

pub const UPSTREAM: Rules = Rules {
    envelope: by_status,
    default_page: 1000,
    max_page: 1000,
    names: Names {
        longest: 255,
        longest_of_many: 255,
        columns: |name| name.chars().count(),
        check: |_| None,
        numbered,
    },
    create_description: 255,
    not_in_description: &[],
    user_data: None,
    console_minor: None,
    typed_stop: false,
    resizes_are_final: false,
    error_is_not_rebuilt: false,
    extended_attributes_for_all: false,
    fuzzy_filters: false,
    image_filter_is_void: false,
    shows_deletion: false,
    filters_for_all: &[],
    sort_keys: &[],
    unlisted: |_, _| false,
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
    nic_subnets: false,
    primary_interface_stays: false,
    volume_type_always: false,
    private_keypairs: false,
    unversioned_keypairs: false,
    unversioned_members: &[],
    keypair_deleted: 202,
    without_effect: &[
        "OS-DCF:diskConfig",
        "block_device_mapping_v2[].device_name",
        "block_device_mapping_v2[].disk_bus",
        "block_device_mapping_v2[].device_type",
        "block_device_mapping_v2[].tag",
        "networks[].tag",
    ],
    hints_without_effect: &[],
    longest_tag: 60,
    reserved_tags: &[],
    tag_added: added,
    updatable: &["name", "OS-DCF:diskConfig", "accessIPv4", "accessIPv6", "hostname"],
    power_states: [0, 1, 3, 4, 6, 7],
    limits_end: &[
        ("maxImageMeta", 38),
        ("maxTotalFloatingIps", 35),
        ("maxSecurityGroups", 35),
        ("maxSecurityGroupRules", 35),
        ("totalFloatingIpsUsed", 35),
        ("totalSecurityGroupsUsed", 35),
        ("maxPersonality", 56),
        ("maxPersonalitySize", 56),
    ],
    limits_of_others: true,
    group_policies: &["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"],
    soft_policies_always: false,
    group_name_bytes: None,
    all_groups_are_refused: false,
    groups_without_pages: false,
    new_rules_hide_their_group: false,
    volumes_name_their_zone: false,
    reserved_snapshots: None,
    aggregate_uuid_always: false,
    quotas_look_for_users: false,
};

fn numbered(name: &str, count: u32) -> Vec<String> {
    if count == 1 {
        return vec![name.to_owned()];
    }
    (1..=count).map(|number| format!("{name}-{number}")).collect()
}
