//! The dialects of this face: upstream's, which is the library's own, and that of a vendor's document (`ecs`), which has Nova's paths
//! and bodies with other limits.

use ecs_rules::sale;
use nova::servers::create::CREATE;
use nova::unsupported::refusal;
use nova::{Fault, Rules, UPSTREAM};
use skyloom_sdk::Pair;
use skyloom_sdk::cloud::compute::{PasswordChoice, ServerCreate};
use skyloom_sdk::cloud::flavors::Flavor;
use skyloom_sdk::unsupported::{Table, Unsupported};

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
    flavor: Some(sold),
    image: Some(image),
    injected_key: Some(1024),
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
    // The document has no number for a suspended guest, which is not running: it gets that of one that is shut down.
    power_states: [0, 1, 2, 3, 4, 3],
    limits_end: &[("maxSecurityGroupRules", 34)],
    limits_of_others: false,
    ..UPSTREAM
};

/// Flavors say in their extra specs whether they are sold.
fn sold(flavor: &Flavor, zone: Option<&str>) -> Option<Fault> {
    let state = sale::state(&flavor.extra_specs, zone);
    let refusal = || Fault::bad_request(format!("Flavor {} is not sold there: its state is {state}.", flavor.id));
    (!sale::is_sold(state)).then(refusal)
}

const fn entry(what: &'static str, why: &'static str) -> Unsupported {
    Unsupported { operation: CREATE, what, code: "", why }
}

/// What the vendor's dialect has beyond [`nova::unsupported::UNSUPPORTED`].
pub static UNSUPPORTED: Table = Table(&[
    entry("metadata.admin_pass", "a password does not belong into metadata; adminPass sets it"),
    entry("metadata.admin_pass (Windows image)", "the password of a Windows guest cannot be set"),
]);

/// Images of whole servers are for the vendor's other call; a Windows guest takes its password from the metadata only.
fn image(create: &ServerCreate, properties: &[Pair]) -> Option<Fault> {
    if ecs_rules::is_full_server(properties) {
        return Some(Fault::bad_request("Full-ECS images are not supported; use POST /v1/{project_id}/cloudservers."));
    }
    let windows = ecs_rules::is_windows(properties);
    if create.metadata.iter().any(|(key, _)| key == ecs_rules::WINDOWS_PASSWORD) {
        let what = if windows { "metadata.admin_pass (Windows image)" } else { "metadata.admin_pass" };
        return Some(refusal(UNSUPPORTED.get(CREATE, what)));
    }
    (windows && matches!(create.admin_password, PasswordChoice::Given(_)))
        .then(|| Fault::bad_request("metadata.admin_pass is required for a Windows server with password login."))
}
