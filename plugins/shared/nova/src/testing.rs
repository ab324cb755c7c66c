//! What the tests of the faces share: a server, a flavor, an image, a key pair, and cores that know them.

use skyloom_sdk::PageRequest;
use skyloom_sdk::cloud::compute::{
    Address, PowerState, Server, ServerCreate, ServerCreated, ServerFlavor, ServerNic, ServerPage, ServerVolume,
    VmState,
};
use skyloom_sdk::cloud::flavors::Flavor;
use skyloom_sdk::cloud::images::{Image, ImageState, Visibility};
use skyloom_sdk::cloud::keypairs::{KeyKind, Keypair};
use skyloom_sdk::testing::{FakeCloud, Seen};

pub const SERVER: &str = "70a599e0-31e7-49b7-b260-868f441e862b";
pub const IMAGE: &str = "11111111-2222-3333-4444-555555555555";
pub const NETWORK: &str = "99999999-2222-3333-4444-555555555555";
pub const PORT: &str = "88888888-2222-3333-4444-555555555555";
/// 2026-01-31T12:00:00.5Z.
pub const NOON: i64 = 1_769_860_800_500_000;

pub fn server() -> Server {
    Server {
        id: SERVER.to_owned(),
        name: "web-1".to_owned(),
        description: Some("front".to_owned()),
        project_id: "project-1".to_owned(),
        user_id: "user-1".to_owned(),
        vm_state: VmState::Active,
        task_state: None,
        power_state: PowerState::Running,
        created_at: NOON,
        updated_at: NOON + 60_000_000,
        launched_at: Some(NOON),
        terminated_at: None,
        flavor: ServerFlavor {
            id: "1".to_owned(),
            name: "m1.tiny".to_owned(),
            vcpus: 1,
            memory_mib: 512,
            disk_gib: 1,
            ephemeral_gib: 0,
            swap_mib: 0,
            extra_specs: vec![("hw:cpu".to_owned(), "x".to_owned())],
        },
        image_id: Some(IMAGE.to_owned()),
        key_name: Some("key".to_owned()),
        zone: "nova".to_owned(),
        node: "node-1".to_owned(),
        host_id: "abc".to_owned(),
        hostname: "web-1".to_owned(),
        locked: false,
        progress: 100,
        access_ipv4: String::new(),
        access_ipv6: String::new(),
        config_drive: false,
        reservation_id: "r-1".to_owned(),
        launch_index: 0,
        user_data: Some("aGVsbG8=".to_owned()),
        metadata: vec![("role".to_owned(), "web".to_owned())],
        tags: vec!["a=b".to_owned(), "c".to_owned()],
        nics: vec![ServerNic {
            port_id: PORT.to_owned(),
            network_id: NETWORK.to_owned(),
            network_name: "private".to_owned(),
            mac: "fa:16:3e:00:00:01".to_owned(),
            addresses: vec![
                Address { address: "10.0.0.5".to_owned(), ip_version: 4, floating: false },
                Address { address: "203.0.113.7".to_owned(), ip_version: 4, floating: true },
            ],
        }],
        security_groups: vec!["default".to_owned()],
        volumes: vec![ServerVolume {
            id: "vol-1".to_owned(),
            boot_index: 0,
            device: "/dev/vda".to_owned(),
            delete_on_termination: true,
        }],
        fault: None,
        attributes: "{}".to_owned(),
    }
}

/// A core that knows one server.
pub fn with_server(server: Server) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.compute.get_server = Some(Box::new(move |id| {
        if id == server.id { Ok(server.clone()) } else { Err(skyloom_sdk::testing::not_found("server", id)) }
    }));
    cloud
}

/// A core whose list is one page of these servers; what it was asked for is kept.
pub fn with_list(
    servers: Vec<Server>,
    next: Option<&str>,
) -> (FakeCloud, Seen<(Vec<skyloom_sdk::Condition>, PageRequest)>) {
    let seen = Seen::default();
    let (keep, next) = (seen.clone(), next.map(str::to_owned));
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(move |conditions, page| {
        keep.push((conditions.to_vec(), page.clone()));
        Ok(ServerPage { servers: servers.clone(), next: next.clone() })
    }));
    (cloud, seen)
}

/// A core that accepts creations and keeps what it was asked for.
pub fn with_create() -> (FakeCloud, Seen<ServerCreate>) {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = FakeCloud::default();
    cloud.images.get_image = Some(Box::new(|_| Ok(image(&[]))));
    cloud.compute.create_servers = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(ServerCreated {
            server_ids: create.names.iter().map(|_| SERVER.to_owned()).collect(),
            operation_id: "operation-1".to_owned(),
            reservation_id: "r-abc".to_owned(),
            admin_password: "secret:1".to_owned(),
        })
    }));
    (cloud, seen)
}

/// A public flavor.
pub fn flavor(id: &str) -> Flavor {
    Flavor {
        id: id.to_owned(),
        name: "m1.tiny".to_owned(),
        description: Some("small".to_owned()),
        vcpus: 1,
        memory_mib: 512,
        disk_gib: 1,
        ephemeral_gib: 0,
        swap_mib: 0,
        rxtx_factor_milli: 1000,
        is_public: true,
        disabled: false,
        extra_specs: vec![("hw:cpu".to_owned(), "x".to_owned())],
        created_at: NOON,
    }
}

/// An image with these properties.
pub fn image(properties: &[(&str, &str)]) -> Image {
    Image {
        id: IMAGE.to_owned(),
        name: Some("image".to_owned()),
        owner: "project-1".to_owned(),
        state: ImageState::Active,
        visibility: Visibility::Public,
        protected: false,
        hidden: false,
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        min_disk_gib: 0,
        min_memory_mib: 0,
        size: Some(1),
        virtual_size: None,
        checksum: None,
        hash_algorithm: None,
        hash_value: None,
        created_at: NOON,
        updated_at: NOON,
        tags: Vec::new(),
        properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

/// A key pair whose public half has this many bytes.
pub fn keypair(name: &str, bytes: usize) -> Keypair {
    Keypair {
        name: name.to_owned(),
        kind: KeyKind::Ssh,
        user_id: "user-1".to_owned(),
        public_key: "k".repeat(bytes),
        fingerprint: "aa:bb".to_owned(),
        created_at: NOON,
        private_key: None,
    }
}
