//! The microversions whose differences on the served operations exist, in one table. Handlers ask `context.since(n)`; each number
//! they ask for stands here (a test compares).

/// Without a header, and on `/v2`.
pub const LEGACY: u32 = 1;
/// The highest one that is offered: 2.96.
pub const MAX: u32 = 96;

/// Microversion 2.`minor`, and what it changes on an operation that is served here.
#[derive(Debug)]
pub struct Difference {
    pub minor: u32,
    pub what: &'static str,
}

const fn difference(minor: u32, what: &'static str) -> Difference {
    Difference { minor, what }
}

pub static DIFFERENCES: &[Difference] = &[
    difference(2, "key pairs have a type; create answers 201, delete 204"),
    difference(3, "more extended attributes of a server; volumes_attached say delete_on_termination"),
    difference(5, "the filter ip6 is for everybody"),
    difference(6, "the ecs dialect reads no console from here on"),
    difference(9, "a server says whether it is locked"),
    difference(10, "operators name another user's key pairs"),
    difference(13, "a server group names its project and its user"),
    difference(15, "the soft policies of server groups"),
    difference(16, "host_status of a server, for operators"),
    difference(
        19,
        "a server has a description of its own, also at a rebuild; before, a new server's name is its description",
    ),
    difference(21, "the actions of a deleted server can be read"),
    difference(26, "a server's tags are shown and changed; filters tags, tags-any, not-tags, not-tags-any"),
    difference(
        32,
        "networks[].tag and block_device_mapping_v2[].tag at creation (the latter in 2.32 alone, then from 2.42 on)",
    ),
    difference(35, "key pairs are listed in pages"),
    difference(
        36,
        "limits and quotas leave out addresses and security groups (the ecs dialect: maxSecurityGroupRules from 2.35 on); what other services do \
         is not passed on any more",
    ),
    difference(37, "networks must be named at creation and may be auto or none"),
    difference(38, "an unknown status in the filter is refused"),
    difference(39, "limits leave out maxImageMeta; the metadata of images is not passed on any more"),
    difference(41, "an aggregate has a UUID"),
    difference(42, "tags of networks and disks at creation are back"),
    difference(44, "floating IPs are no longer given to servers through Nova"),
    difference(47, "a server holds its flavor's figures"),
    difference(
        49,
        "a tag at the attachment of a disk or an interface (refused: what comes to a server later has none here)",
    ),
    difference(51, "events of an action are for everybody"),
    difference(52, "tags at creation"),
    difference(54, "key_name at a rebuild"),
    difference(55, "a flavor has a description; it can be changed"),
    difference(
        57,
        "no personality at creation and rebuild, but user_data at a rebuild; limits leave out maxPersonality, quotas the injected files",
    ),
    difference(58, "actions in pages, with updated_at and the filter changes-since"),
    difference(61, "a flavor holds its extra specs"),
    difference(62, "events of an action name the host"),
    difference(63, "trusted_image_certificates of a server, also at a rebuild"),
    difference(64, "a server group has one policy with rules, not a list of policies"),
    difference(66, "the filter changes-before"),
    difference(67, "the volume type of a new disk"),
    difference(70, "tags of interfaces and volume attachments are shown"),
    difference(71, "server_groups of one server"),
    difference(73, "locked_reason; locked as a filter"),
    difference(74, "host and hypervisor_hostname at creation, for operators"),
    difference(
        75,
        "unknown query parameters are refused; an update and a rebuild answer with the whole server; swap of a flavor is 0, not ''",
    ),
    difference(79, "volume attachments say delete_on_termination"),
    difference(83, "more filters of servers are for everybody"),
    difference(84, "events of an action have details, for operators"),
    difference(89, "volume attachments have attachment_id and bdm_uuid and no id"),
    difference(90, "hostname at creation, at a rebuild and in updates, shown to everybody"),
    difference(92, "no key pair is generated; its name may hold @ and ."),
    difference(93, "a server whose system disk is a volume can be rebuilt"),
    difference(94, "a hostname may be a whole domain name"),
    difference(96, "the availability zone that was asked for is shown"),
];

/// The minor part of the version that the host negotiated.
#[must_use]
pub fn minor_of(version: Option<(u32, u32)>) -> u32 {
    match version {
        Some((2, minor)) => minor.clamp(LEGACY, MAX),
        _ => LEGACY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_rise_to_the_offered_maximum() {
        assert!(DIFFERENCES.is_sorted_by_key(|difference| difference.minor));
        assert_eq!(DIFFERENCES.last().map(|difference| difference.minor), Some(MAX));
        assert!(DIFFERENCES.iter().all(|difference| !difference.what.is_empty()));
    }

    #[test]
    fn the_schemas_know_no_other_versions() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for version in text.split("\"x-min\": \"2.").skip(1) {
                let minor: u32 = version.split('"').next().unwrap_or_default().parse().unwrap();
                assert!(DIFFERENCES.iter().any(|difference| difference.minor == minor), "2.{minor}");
                seen += 1;
            }
        }
        assert!(seen > 10);
    }

    #[test]
    fn the_handlers_ask_for_no_other_versions() {
        fn ask(folder: &std::path::Path, seen: &mut Vec<u32>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    ask(&path, seen);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for asked in ["since(", "knows(context, ", "minor >= ", "minor < "] {
                    let number =
                        |rest: &str| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok();
                    seen.extend(text.split(asked).skip(1).filter_map(number));
                }
            }
        }
        let mut seen = Vec::new();
        ask(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut seen);
        assert!(seen.len() > 50, "{seen:?}");
        for minor in seen {
            assert!(DIFFERENCES.iter().any(|difference| difference.minor == minor), "2.{minor}");
        }
    }

    #[test]
    fn no_version_is_the_first() {
        assert_eq!(minor_of(None), 1);
        assert_eq!(minor_of(Some((2, 47))), 47);
        assert_eq!(minor_of(Some((2, 400))), MAX);
    }
}
