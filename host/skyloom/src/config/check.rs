//! What the types alone cannot say about a deployment file.

use std::collections::{BTreeSet, HashSet};

use super::{Deployment, Listener, Mount, client_files};

/// Every defect, a line each.
pub fn defects(deployment: &Deployment) -> Vec<String> {
    let mut found = Vec::new();
    names(&mut found, deployment);
    unique(&mut found, "listener", deployment.listeners.iter().map(|listener| listener.name.as_str()));
    unique(&mut found, "plugin", deployment.plugins.iter().map(|plugin| plugin.id.as_str()));
    unique(&mut found, "node", deployment.nodes.iter().map(|node| node.name.as_str()));
    unique(&mut found, "client-file", deployment.client_files.iter().map(|file| file.name.as_str()));
    same_mounts(&mut found, deployment);
    clock(&mut found, deployment);
    internal(&mut found, deployment);
    addresses(&mut found, deployment);
    for listener in &deployment.listeners {
        check_listener(&mut found, listener);
    }
    for mount in &deployment.mounts {
        check_mount(&mut found, deployment, mount);
    }
    for node in &deployment.nodes {
        let place = format!("node `{}`", node.name);
        known_plugin(&mut found, deployment, &place, &node.driver);
        if node.vcpus == Some(0) || node.memory_mib == Some(0) {
            found.push(format!("{place}: vcpus and memory-mib are at least 1; enabled = false keeps servers away"));
        }
    }
    if let Some(tariff) = &deployment.tariff {
        known_plugin(&mut found, deployment, "the tariff", &tariff.plugin);
    }
    for plugin in &deployment.plugins {
        unique(
            &mut found,
            &format!("grant of plugin `{}`", plugin.id),
            plugin.grants.iter().map(|grant| grant.capability.as_str()),
        );
    }
    for file in &deployment.client_files {
        client_files::check(&mut found, deployment, file);
    }
    default_zone(&mut found, deployment);
    if deployment.images.shared && deployment.images.folder.is_relative() {
        found.push("[images] shared: nobody else may enter the state folder; give folder an absolute path".to_owned());
    }
    let loopback = deployment.listeners.iter().all(|listener| listener.address.is_loopback());
    if let Some(faults) = &deployment.faults
        && let Err(error) = skyloom_jobs::Faults::validate(faults, loopback)
    {
        found.push(error.message);
    }
    let tables = [
        deployment.limits.check(),
        deployment.internal.limits.check(),
        deployment.jobs.check(),
        deployment.reconcile.check(),
        deployment.schedules.check(),
    ];
    for checked in tables {
        found.extend(checked.err().map(|error| error.message));
    }
    if deployment.database.readers == 0 {
        found.push("[database] readers is at least 1".to_owned());
    }
    if deployment.sandbox.instances == Some(0) {
        found.push("[sandbox] instances is at least 1".to_owned());
    }
    if !deployment.database.is_known() {
        found.push("[database] url: `sqlite` or `postgres://...`".to_owned());
    }
    found
}

/// What is looked for by its name would be missed for a blank that nobody sees.
fn names(found: &mut Vec<String>, deployment: &Deployment) {
    let mut check = |place: &str, name: &str| {
        if name.trim() != name {
            found.push(format!("{place} `{name}`: a name has no blanks at its ends"));
        }
    };
    deployment.listeners.iter().for_each(|listener| check("listener", &listener.name));
    deployment.plugins.iter().for_each(|plugin| check("plugin", &plugin.id));
    deployment.client_files.iter().for_each(|file| check("client-file", &file.name));
    for node in &deployment.nodes {
        check("node", &node.name);
        check(&format!("node `{}`: zone", node.name), &node.zone);
    }
    for mount in &deployment.mounts {
        check("mount", &mount.prefix);
        check(&format!("mount `{}`: region", mount.prefix), &mount.region);
    }
    check("[compute] default-zone", &deployment.compute.default_zone);
}

/// Nodes without the memory or the disk for any flavor that a fresh database gets.
pub fn idle_nodes(deployment: &Deployment) -> Vec<String> {
    let flavors = &deployment.seed.compute.flavors;
    let mut found = Vec::new();
    for node in deployment.nodes.iter().filter(|node| node.enabled) {
        let mut check = |name: &str, given: Option<u64>, needed: Option<u32>| {
            if let (Some(given), Some(needed)) = (given, needed)
                && given < needed.into()
            {
                let node = &node.name;
                found.push(format!(
                    "node `{node}`: {name} = {given} is too little for every flavor of the seed, {needed} is the least"
                ));
            }
        };
        check("memory-mib", node.memory_mib, flavors.iter().map(|flavor| flavor.memory_mib).min());
        check("disk-gib", node.disk_gib, flavors.iter().map(|flavor| flavor.disk_gib).min());
    }
    found
}

fn same_mounts(found: &mut Vec<String>, deployment: &Deployment) {
    let (mut seen, mut told) = (HashSet::new(), HashSet::new());
    for mount in &deployment.mounts {
        let place = (mount.listener.as_str(), mount.prefix(), mount.plugin.as_str());
        if !seen.insert(place) && told.insert(place) {
            let Mount { prefix, plugin, listener, .. } = mount;
            found.push(format!("two mounts `{prefix}` of plugin `{plugin}` on listener `{listener}`"));
        }
    }
}

fn unique<'a>(found: &mut Vec<String>, kind: &str, names: impl Iterator<Item = &'a str>) {
    let (mut seen, mut told) = (HashSet::new(), HashSet::new());
    for name in names {
        if seen.insert(name) {
            if name.is_empty() {
                found.push(format!("a {kind} has an empty name"));
            }
        } else if told.insert(name) {
            found.push(format!("two entries {kind} `{name}`"));
        }
    }
}

/// Whoever turns the clock ends every token.
fn clock(found: &mut Vec<String>, deployment: &Deployment) {
    if deployment.operator.as_ref().is_some_and(|operator| operator.turns_clock && !operator.address.is_loopback()) {
        found.push("[operator] turns-clock is for tests: its address is not on loopback".to_owned());
    }
}

/// Whoever is told an address must be able to go there.
fn internal(found: &mut Vec<String>, deployment: &Deployment) {
    let internal = &deployment.internal;
    let Some(address) = &internal.address else {
        if internal.advertise.is_some() {
            found.push("[internal] advertise: there is no address to be told of: set address, too".to_owned());
        }
        return;
    };
    let (key, told) = internal.advertise.as_ref().map_or(("address", address), |told| ("advertise", told));
    if told.is_wildcard() {
        found.push(format!(
            "[internal] {key}: other processes cannot go to {told}: say in advertise where they find this one"
        ));
    }
}

/// Port 0 (any free one) may stand more than once. A second entry of one name was told already.
fn addresses(found: &mut Vec<String>, deployment: &Deployment) {
    let (mut names, mut seen, mut told) = (HashSet::new(), HashSet::new(), HashSet::new());
    let named = deployment.listeners.iter().filter(|listener| names.insert(listener.name.as_str()));
    let all = named.map(|listener| &listener.address);
    let beside = deployment.operator.iter().map(|operator| &operator.address).chain(&deployment.internal.address);
    for address in all.chain(beside) {
        if address.port != 0 && !seen.insert(address) && told.insert(address) {
            found.push(format!("two listeners on {address}"));
        }
    }
}

fn check_listener(found: &mut Vec<String>, listener: &Listener) {
    let Some(url) = &listener.public_url else {
        if listener.address.is_wildcard() {
            let (name, address) = (&listener.name, &listener.address);
            found.push(format!(
                "listener `{name}`: clients cannot go to {address}: say in public-url where they find it"
            ));
        }
        return;
    };
    if !(url.starts_with("http://") || url.starts_with("https://")) || url.contains(['?', '#', ' ']) {
        found.push(format!("listener `{}`: public-url is not an http(s) URL: {url}", listener.name));
    }
}

/// Where several processes share a database, another one may have the nodes of the zone.
fn default_zone(found: &mut Vec<String>, deployment: &Deployment) {
    let zone = &deployment.compute.default_zone;
    let zones: BTreeSet<&str> = deployment.nodes.iter().map(|node| node.zone.as_str()).collect();
    if deployment.database.url == "sqlite" && !zones.is_empty() && !zones.contains(zone.as_str()) && !zone.is_empty() {
        let zones: Vec<String> = zones.into_iter().map(|zone| format!("`{zone}`")).collect();
        found.push(format!("[compute] default-zone: no node is in `{zone}`, they are in {}", zones.join(", ")));
    }
}

fn check_mount(found: &mut Vec<String>, deployment: &Deployment, mount: &Mount) {
    for plugin in std::iter::once(&mount.plugin).chain(&mount.signature) {
        known_plugin(found, deployment, &format!("mount `{}`", mount.prefix), plugin);
    }
    let place = format!("mount `{}` of plugin `{}`", mount.prefix, mount.plugin);
    if !deployment.listeners.iter().any(|listener| listener.name == mount.listener) {
        found.push(format!("{place}: there is no listener `{}`", mount.listener));
    }
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if !mount.prefix.starts_with('/') || !(mount.prefix == "/" || mount.prefix().split('/').skip(1).all(plain)) {
        found.push(format!("{place}: a prefix is `/` or `/segment/...` of letters, digits and -._~"));
    }
}

fn known_plugin(found: &mut Vec<String>, deployment: &Deployment, place: &str, id: &str) {
    if !deployment.plugins.iter().any(|plugin| plugin.id == id) {
        found.push(format!("{place}: there is no plugin `{id}`"));
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::Deployment;

    const BASE: &str = "
        [[listener]]
        name = \"main\"
        address = \"127.0.0.1:7000\"
        [[plugin]]
        id = \"one\"
        file = \"one.wasm\"
    ";

    pub fn defects(more: &str) -> Vec<String> {
        of(&format!("{BASE}{more}"))
    }

    fn of(text: &str) -> Vec<String> {
        Deployment::parse(text).map_or_else(|defect| vec![defect], |(_, defects)| defects)
    }

    #[test]
    fn a_sound_file_has_no_defect() {
        assert_eq!(
            defects("[[mount]]\nplugin = \"one\"\nlistener = \"main\"\nprefix = \"/a/v1.0\"\n"),
            Vec::<String>::new()
        );
        assert_eq!(defects("[[mount]]\nplugin = \"one\"\nlistener = \"main\"\nprefix = \"/\"\n"), Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let found = of("[state]\ndir = \"x\"\ncolour = \"red\"\n");
        assert!(found[0].starts_with("line 3:") && found[0].contains("colour"), "{found:?}");
    }

    #[test]
    fn every_defect_is_told_at_once() {
        let found = defects(
            "[[mount]]\nplugin = \"two\"\nlistener = \"side\"\nprefix = \"a//b\"\n[tariff]\nplugin = \"three\"\n",
        );
        for part in ["no plugin `two`", "no listener `side`", "a prefix is", "no plugin `three`"] {
            assert!(found.iter().any(|line| line.contains(part)), "{part} in {found:?}");
        }
    }

    #[test]
    fn each_defect_is_told_once() {
        let listener = "[[listener]]\nname = \"main\"\naddress = \"127.0.0.1:7000\"\n";
        assert_eq!(defects(&listener.repeat(2)), ["two entries listener `main`"]);
        let other = "[[listener]]\nname = \"other\"\naddress = \"127.0.0.1:7000\"\n";
        assert_eq!(defects(other), ["two listeners on 127.0.0.1:7000"]);
        let plugin = "[[plugin]]\nid = \"one\"\nfile = \"one.wasm\"\n";
        assert_eq!(defects(&plugin.repeat(2)), ["two entries plugin `one`"]);
        let mount = "[[mount]]\nplugin = \"two\"\nlistener = \"main\"\nprefix = \"/\"\n";
        assert_eq!(defects(mount), ["mount `/`: there is no plugin `two`"]);
        let signed = mount.replace("two", "one") + "signature = \"two\"\n";
        assert_eq!(defects(&signed), ["mount `/`: there is no plugin `two`"]);
    }

    #[test]
    fn a_name_has_no_blanks_at_its_ends() {
        let more = "[[listener]]\nname = \"b \"\naddress = \"127.0.0.1:1\"\n[[plugin]]\nid = \" two\"\nfile = \"f\"\n\
                    [[node]]\nname = \"\\tn\"\ndriver = \"one\"\nzone = \"z \"\n\
                    [[mount]]\nplugin = \"one\"\nlistener = \"main\"\nprefix = \"/a \"\nregion = \" r\"\n\
                    [[client-file]]\nname = \"c \"\ntext = \"\"\n[compute]\ndefault-zone = \"z \"\n";
        let found = defects(more);
        let says = "a name has no blanks at its ends";
        for place in [
            "listener `b `",
            "plugin ` two`",
            "node `\tn`",
            "node `\tn`: zone `z `",
            "mount `/a `",
            "mount `/a `: region ` r`",
            "client-file `c `",
            "[compute] default-zone `z `",
        ] {
            assert!(found.contains(&format!("{place}: {says}")), "{place} in {found:?}");
        }
    }

    #[test]
    fn two_mounts_in_one_place_are_told_with_their_names() {
        let mount = "[[mount]]\nplugin = \"one\"\nlistener = \"main\"\nprefix = \"/a\"\n";
        assert_eq!(defects(&mount.repeat(3)), ["two mounts `/a` of plugin `one` on listener `main`"]);
        let slash = mount.replace("/a", "/a/");
        assert_eq!(defects(&format!("{mount}{slash}")).len(), 1, "the same place");
    }

    #[test]
    fn a_node_has_room_for_something() {
        let node =
            |more: &str| defects(&format!("[[node]]\nname = \"n\"\ndriver = \"one\"\nzone = \"zone-1\"\n{more}\n"));
        for more in ["vcpus = 0", "memory-mib = 0"] {
            assert!(node(more).iter().any(|line| line.contains("at least 1")), "{more}");
        }
        assert!(!node("disk-gib = 0").iter().any(|line| line.contains("at least 1")), "its servers may have volumes");
    }

    #[test]
    fn the_examples_are_sound() {
        for text in [
            include_str!("../../../../examples/deployments/laptop/skyloom.toml"),
            include_str!("../../../../examples/deployments/libvirt/skyloom.toml"),
        ] {
            assert_eq!(of(text), Vec::<String>::new());
        }
    }

    /// `explain` says of the others that they have no effect: an example shouldn't teach them.
    #[test]
    fn the_examples_grant_only_what_is_asked_for() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for example in ["laptop", "libvirt", "plugins"] {
            let file = root.join("examples/deployments").join(example).join("skyloom.toml");
            let deployment = Deployment::parse(&std::fs::read_to_string(file).unwrap()).unwrap().0;
            for plugin in &deployment.plugins {
                let kinds = ["plugins/personalities", "plugins/drivers", "plugins/tariffs", "examples/plugins"];
                let manifest = kinds.iter().find_map(|kind| {
                    std::fs::read_to_string(root.join(kind).join(&plugin.id).join("plugin.toml")).ok()
                });
                let manifest = skyloom_runtime::manifest::Manifest::parse(&manifest.unwrap()).unwrap();
                for grant in &plugin.grants {
                    let asked = manifest.capabilities.iter().any(|asked| asked.name == grant.capability);
                    assert!(asked, "{example} grants {} to {}", grant.capability.as_str(), plugin.id);
                }
            }
        }
    }

    #[test]
    fn limits_that_let_nothing_through_are_refused() {
        for (table, key) in [
            ("limits", "max-connections"),
            ("limits", "max-connections-per-address"),
            ("limits", "max-calls"),
            ("limits", "anonymous-calls"),
            ("limits", "anonymous-body-kib"),
            ("limits", "idle-timeout-ms"),
            ("limits", "max-headers"),
            ("limits", "max-json-depth"),
            ("limits", "max-json-nodes"),
            ("limits", "head-timeout-ms"),
            ("limits", "body-timeout-ms"),
            ("limits", "stall-timeout-ms"),
            ("jobs", "driver-calls"),
            ("jobs", "in-hand"),
            ("jobs", "claim-batch"),
            ("jobs", "write-batch"),
            ("jobs", "attempts"),
            ("jobs", "undo-attempts"),
            ("jobs", "poll-ms"),
            ("jobs", "lease-ms"),
            ("jobs", "call-timeout-ms"),
            ("reconcile", "interval-ms"),
            ("reconcile", "sweep-ms"),
            ("database", "readers"),
            ("sandbox", "instances"),
            ("internal.limits", "reads"),
            ("internal.limits", "timeout-ms"),
            ("internal.limits", "window-seconds"),
            ("internal.limits", "remembered"),
        ] {
            let found = defects(&format!("[{table}]\n{key} = 0\n"));
            assert!(
                matches!(&found[..], [line] if line.contains(&format!("[{table}]")) && line.contains(key)),
                "{found:?}"
            );
            assert_eq!(defects(&format!("[{table}]\n{key} = 1\n")), Vec::<String>::new());
        }
    }

    #[test]
    fn a_default_zone_without_a_node_is_found() {
        let node = |zone: &str| format!("[[node]]\nname = \"n\"\ndriver = \"one\"\nzone = \"{zone}\"\n");
        let zone = "[compute]\ndefault-zone = \"here\"\n";
        assert_eq!(
            defects(&format!("{}{zone}", node("there"))),
            ["[compute] default-zone: no node is in `here`, they are in `there`"]
        );
        assert_eq!(defects(&node("there")).len(), 1, "the zone that is taken where none is said");
        assert_eq!(defects(&format!("{}{zone}", node("here"))), Vec::<String>::new());
        // Without nodes there are no servers to place; with more processes another one may have them.
        assert_eq!(defects(zone), Vec::<String>::new());
        let shared = format!("{}{zone}[database]\nurl = \"postgres://u@h/d\"\n", node("there"));
        assert_eq!(defects(&shared), Vec::<String>::new());
    }

    #[test]
    fn a_listener_on_every_address_says_where_clients_find_it() {
        let listener =
            |address: &str, more: &str| format!("[[listener]]\nname = \"all\"\naddress = \"{address}\"\n{more}");
        for address in ["0.0.0.0:1", "[::]:1"] {
            let found = defects(&listener(address, ""));
            assert!(
                matches!(&found[..], [line] if line.starts_with("listener `all`: ") && line.contains("public-url"))
            );
            let url = "public-url = \"https://cloud.example.org\"\n";
            assert_eq!(defects(&listener(address, url)), Vec::<String>::new());
        }
        assert_eq!(defects(&listener("cloud.example.org:1", "")), Vec::<String>::new());
    }

    #[test]
    fn other_processes_are_told_an_address_that_they_can_go_to() {
        let internal = |lines: &str| defects(&format!("[internal]\n{lines}\n"));
        for lines in [
            "",
            "address = \"127.0.0.1:0\"",
            "address = \"0.0.0.0:7010\"\nadvertise = \"node-1.internal:7010\"",
            "address = \"[::]:0\"\nadvertise = \"10.0.0.5:0\"",
        ] {
            assert_eq!(internal(lines), Vec::<String>::new(), "{lines}");
        }
        for (lines, key) in [
            ("address = \"0.0.0.0:7010\"", "address"),
            ("address = \"10.0.0.5:7010\"\nadvertise = \"[::]:7010\"", "advertise"),
        ] {
            let found = internal(lines);
            let begin = format!("[internal] {key}: other processes cannot go to ");
            assert!(matches!(&found[..], [line] if line.starts_with(&begin)), "{found:?}");
        }
        let found = internal("advertise = \"10.0.0.5:7010\"");
        assert!(matches!(&found[..], [line] if line.contains("set address")), "{found:?}");
        assert_eq!(internal("address = \"127.0.0.1:7000\""), ["two listeners on 127.0.0.1:7000"]);
        let found = internal("listen = \"127.0.0.1:0\"");
        assert!(matches!(&found[..], [line] if line.contains("listen")), "{found:?}");
    }

    #[test]
    fn what_others_are_told_has_the_port_that_the_listener_got() {
        let told = |lines: &str| {
            let text = format!("{BASE}[internal]\n{lines}\n");
            let internal = Deployment::parse(&text).expect("a deployment").0.internal;
            internal.told(5).map(|address| address.to_string())
        };
        assert_eq!(told(""), None);
        assert_eq!(told("address = \"127.0.0.1:0\"").as_deref(), Some("127.0.0.1:5"));
        assert_eq!(told("address = \"0.0.0.0:0\"\nadvertise = \"10.0.0.5:0\"").as_deref(), Some("10.0.0.5:5"));
        assert_eq!(told("address = \"0.0.0.0:5\"\nadvertise = \"nat.test:9\"").as_deref(), Some("nat.test:9"));
    }

    #[test]
    fn images_for_everybody_lie_outside_the_state_folder() {
        assert_eq!(defects("[images]\nshared = true\n").len(), 1);
        assert_eq!(defects("[images]\nshared = true\nfolder = \"/srv/images\"\n"), Vec::<String>::new());
    }

    #[test]
    fn the_clock_is_turned_on_loopback_alone() {
        let operator = |address: &str| format!("[operator]\naddress = \"{address}\"\nturns-clock = true\n");
        assert_eq!(defects(&operator("127.0.0.1:7009")), Vec::<String>::new());
        assert!(matches!(&defects(&operator("10.0.0.1:7009"))[..], [line] if line.contains("turns-clock")));
        assert_eq!(defects("[schedules]\ninterval-ms = 0\n"), ["[schedules] interval-ms is at least 1"]);
    }

    #[test]
    fn faults_stay_on_loopback() {
        let crash = "[[faults.crash]]\noperation = \"server.create\"\nwrite = 1\nmoment = \"before\"\n";
        let text = BASE.replace("127.0.0.1", "0.0.0.0");
        let found = of(&format!("{text}{crash}"));
        assert!(found.iter().any(|line| line.contains("loopback")), "{found:?}");
        assert_eq!(defects(crash), Vec::<String>::new());
    }
}
