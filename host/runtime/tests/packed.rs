//! What crosses packed is what wit/README.md says, and a plugin reads of it what the host wrote.

use std::fmt::Debug;

use skyloom_runtime::bindings::cloud::compute::{
    Address, Fault, PowerState, Server, ServerFlavor, ServerNic, ServerPage, ServerVolume, TaskState, VmState,
};
use skyloom_runtime::packed::pack;
use skyloom_sdk::cloud::compute as guest;
use skyloom_sdk::packed::{Packed, unpack};

/// The bytes at the beginning of the lines of the README's example.
fn example() -> Vec<u8> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/README.md")).unwrap();
    let (_, section) = readme.split_once("## Packed answers").expect("the section");
    let lines = section.split("```").nth(1).expect("an example").trim().lines();
    let bytes = |line: &str| line.split("  ").next().unwrap_or_default().to_owned();
    let byte = |text: &str| u8::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text:?} is no byte"));
    lines.flat_map(|line| bytes(line).split_whitespace().map(byte).collect::<Vec<_>>()).collect()
}

/// The server of the example.
fn server() -> Server {
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    Server {
        id: "s1".into(),
        name: "web".into(),
        description: None,
        project_id: "p1".into(),
        user_id: "u1".into(),
        vm_state: VmState::Active,
        task_state: Some(TaskState::Rebooting),
        power_state: PowerState::Running,
        created_at: 1_790_000_000_000_000,
        updated_at: 1_790_000_000_000_001,
        launched_at: Some(1_790_000_000_000_000),
        terminated_at: None,
        purge_at: None,
        flavor: ServerFlavor {
            id: "1".into(),
            name: "m1.tiny".into(),
            vcpus: 2,
            memory_mib: 512,
            disk_gib: 1,
            ephemeral_gib: 0,
            swap_mib: 0,
            extra_specs: pair("a", "b"),
        },
        image_id: Some("i1".into()),
        key_name: None,
        zone: "east".into(),
        node: String::new(),
        host_id: "h1".into(),
        hostname: "web".into(),
        locked: false,
        locked_reason: None,
        progress: 100,
        access_ipv4: String::new(),
        access_ipv6: "::1".into(),
        config_drive: true,
        reservation_id: "r-1".into(),
        launch_index: 300,
        group_id: Some("g1".into()),
        user_data: None,
        metadata: pair("k", "云"),
        tags: vec!["x".into(), "y".into()],
        nics: vec![ServerNic {
            port_id: "n1".into(),
            position: 64,
            network_id: "n2".into(),
            network_name: "private".into(),
            mac: "fa:16:3e:00:00:01".into(),
            addresses: vec![Address { address: "10.0.0.5".into(), ip_version: 4, floating: true }],
        }],
        security_groups: vec!["default".into()],
        volumes: vec![ServerVolume {
            id: "v1".into(),
            boot_index: 0,
            device: "/dev/vda".into(),
            delete_on_termination: true,
        }],
        fault: Some(Fault { message: "gone".into(), code: 500, created_at: -1 }),
        attributes: "{}".into(),
    }
}

/// Where the example has none it has something, and the other way round.
fn contrary() -> Server {
    Server {
        description: Some("a text of more than a hundred and twenty-seven bytes ".repeat(3)),
        task_state: None,
        launched_at: None,
        terminated_at: Some(i64::MIN),
        purge_at: Some(i64::MAX),
        image_id: None,
        key_name: Some("key".into()),
        node: "node-1".into(),
        locked: true,
        locked_reason: Some("why".into()),
        progress: 200,
        access_ipv4: "192.0.2.1".into(),
        launch_index: u32::MAX,
        group_id: None,
        user_data: Some("I2Nsb3Vk".into()),
        metadata: Vec::new(),
        tags: Vec::new(),
        nics: Vec::new(),
        security_groups: Vec::new(),
        volumes: Vec::new(),
        fault: None,
        ..server()
    }
}

/// Both sides' glue prints names and values of all fields, as the contract has them.
fn printed(page: &impl Debug) -> String {
    format!("{page:#?}")
}

/// As a plugin reads it: with texts of its own, or looking at the page's, which must be the same.
fn read(bytes: Vec<u8>) -> guest::ServerPage {
    let packed = Packed::<guest::ServerPage>::Bytes(bytes);
    let page = packed.clone().unpacked().unwrap();
    assert_eq!(packed.rows().unwrap(), Packed::Whole(page.clone()).rows().unwrap());
    page
}

#[test]
fn the_example_of_the_readme_is_what_the_host_packs() {
    let page = ServerPage { servers: vec![server()], next: Some("s1".into()) };
    let (packed, example) = (pack(&page).unwrap(), example());
    assert!(packed == example, "packed:\n{packed:02x?}\nthe example:\n{example:02x?}");
    assert_eq!(printed(&read(example)), printed(&page));
}

#[test]
fn a_plugin_reads_every_field_of_a_page_as_the_host_wrote_it() {
    for servers in [vec![], vec![server(), contrary(), server()]] {
        let page = ServerPage { servers, next: None };
        assert_eq!(printed(&read(pack(&page).unwrap())), printed(&page));
    }
}

#[test]
fn a_page_that_ends_early_or_late_is_refused() {
    let whole = example();
    for end in 0..whole.len() {
        assert!(unpack::<guest::ServerPage>(&whole[..end]).is_err(), "{end}");
    }
    assert!(unpack::<guest::ServerPage>(&[whole, vec![0]].concat()).is_err());
}
