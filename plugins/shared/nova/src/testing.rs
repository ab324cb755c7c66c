//! What the tests of the faces share: a server, a flavor, an image, a key pair, and cores that know them.

mod rebuilds;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{
    Address, Aggregate, AggregatePage, AggregateUpdate, MetadataMode, NicsAttached, PowerState, Server, ServerCreate,
    ServerCreated, ServerFlavor, ServerGroup, ServerNic, ServerPage, ServerVolume, VmState,
};
use skyloom_sdk::cloud::flavors::Flavor;
use skyloom_sdk::cloud::images::{Image, ImageState, Visibility};
use skyloom_sdk::cloud::keypairs::{KeyKind, Keypair};
use skyloom_sdk::cloud::networks::{FixedIp, Port, PortPage};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, asked, error, not_found};
use skyloom_sdk::unsupported::Unsupported;
use skyloom_sdk::{Error, ErrorCode, PageRequest};

pub use rebuilds::with_rebuild;

pub const SERVER: &str = "70a599e0-31e7-49b7-b260-868f441e862b";
pub const IMAGE: &str = "11111111-2222-3333-4444-555555555555";
pub const NETWORK: &str = "99999999-2222-3333-4444-555555555555";
pub const PORT: &str = "88888888-2222-3333-4444-555555555555";
pub const GROUP: &str = "77777777-2222-3333-4444-555555555555";
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
        purge_at: None,
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
        locked_reason: None,
        progress: 100,
        access_ipv4: String::new(),
        access_ipv6: String::new(),
        config_drive: false,
        reservation_id: "r-1".to_owned(),
        launch_index: 0,
        group_id: None,
        user_data: Some("aGVsbG8=".to_owned()),
        metadata: vec![("role".to_owned(), "web".to_owned())],
        tags: vec!["a=b".to_owned(), "c".to_owned()],
        nics: vec![ServerNic {
            port_id: PORT.to_owned(),
            position: 0,
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

/// The server as the core gives it: what isn't asked for is empty.
fn with_parts(server: &Server, parts: &[String]) -> Server {
    let has = |part: &str| parts.iter().any(|known| known == part);
    fn kept<T: Clone + Default>(value: &T, is_asked: bool) -> T {
        if is_asked { value.clone() } else { T::default() }
    }
    Server {
        nics: kept(&server.nics, has("nics")),
        volumes: kept(&server.volumes, has("volumes")),
        security_groups: kept(&server.security_groups, has("security-groups")),
        tags: kept(&server.tags, has("tags")),
        metadata: kept(&server.metadata, has("metadata")),
        attributes: if has("attributes") { server.attributes.clone() } else { "{}".to_owned() },
        user_data: kept(&server.user_data, has("user-data")),
        ..server.clone()
    }
}

/// A core that knows one server and takes what is done to it, which is kept.
pub fn with_acts(server: Server) -> (FakeCloud, Seen<String>) {
    let (mut cloud, seen, id) = (with_server(server.clone()), Seen::default(), server.id);
    let keep = seen.clone();
    cloud.compute.act_on_servers = Some(Box::new(move |ids, verb, options, as_batch, strict| {
        assert_eq!((ids, as_batch, strict), (&[id.clone()][..], false, true));
        keep.push(asked(verb, options));
        Ok("operation".to_owned())
    }));
    (cloud, seen)
}

/// A core that knows one server, whose tags change as the contract says.
pub fn with_tags(server: Server) -> (FakeCloud, Rc<RefCell<Vec<String>>>) {
    let tags = Rc::new(RefCell::new(server.tags.clone()));
    let mut cloud = FakeCloud::default();
    let shown = tags.clone();
    cloud.compute.get_server = Some(Box::new(move |id, parts| {
        if id != server.id {
            return Err(not_found("server", id));
        }
        Ok(with_parts(&Server { tags: shown.borrow().clone(), ..server.clone() }, parts))
    }));
    let written = tags.clone();
    cloud.compute.set_tags = Some(Box::new(move |_, new, mode| {
        let mut tags = written.borrow_mut();
        if mode == MetadataMode::Replace {
            tags.clear();
        }
        tags.extend(new.iter().cloned());
        tags.sort_unstable();
        tags.dedup();
        Ok(tags.clone())
    }));
    let exchanged = tags.clone();
    cloud.compute.exchange_tags = Some(Box::new(move |_, old, new| {
        if *exchanged.borrow() != old {
            return Err(Error {
                reason: Some("changed".to_owned()),
                ..error(ErrorCode::WrongState, "Others changed it.")
            });
        }
        *exchanged.borrow_mut() = new.to_vec();
        Ok(())
    }));
    let removed = tags.clone();
    cloud.compute.delete_tag = Some(Box::new(move |id, tag| {
        let mut tags = removed.borrow_mut();
        let before = tags.len();
        tags.retain(|known| known != tag);
        if tags.len() < before {
            return Ok(());
        }
        let mut gone = not_found("server", id);
        gone.field = Some("tag".to_owned());
        Err(gone)
    }));
    (cloud, tags)
}

/// A core that knows one server.
pub fn with_server(server: Server) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.compute.get_server = Some(Box::new(move |id, parts| {
        if id != server.id {
            return Err(not_found("server", id));
        }
        Ok(with_parts(&server, parts))
    }));
    cloud
}

/// The port of the server's network card.
pub fn port() -> Port {
    Port {
        id: PORT.to_owned(),
        name: String::new(),
        description: String::new(),
        network_id: NETWORK.to_owned(),
        project_id: "project-1".to_owned(),
        mac: "fa:16:3e:00:00:01".to_owned(),
        enabled: true,
        active: true,
        fixed_ips: vec![FixedIp { subnet_id: "subnet-1".to_owned(), address: "10.0.0.5".to_owned() }],
        security_group_ids: vec!["group-1".to_owned()],
        device_id: SERVER.to_owned(),
        device_owner: "compute".to_owned(),
        node: "node-1".to_owned(),
        port_security: true,
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 1,
        attributes: "{}".to_owned(),
    }
}

/// A core that knows one server, and gives it network cards and takes them; what it is asked for is kept. Each new card has the port
/// [`PORT`], or this refusal.
pub fn with_interfaces(server: Server, refusal: Option<Error>) -> (FakeCloud, Seen<String>) {
    let (mut cloud, seen, id) = (with_server(server.clone()), Seen::default(), server.id);
    cloud.networks.list_ports = Some(Box::new(|_, _| Ok(PortPage { ports: vec![port()], next: None })));
    let (keep, own, refused) = (seen.clone(), id.clone(), refusal.clone());
    cloud.compute.attach_nics = Some(Box::new(move |server, nics, dry_run| {
        assert_eq!((server, dry_run), (own.as_str(), false));
        let told = nics.iter().map(|nic| {
            let parts = [("port", &nic.port_id), ("network", &nic.network_id), ("address", &nic.address)];
            let groups = nic.security_groups.as_ref().map(|groups| format!("groups={}", groups.join(",")));
            let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
            parts.chain(groups).collect::<Vec<_>>().join(" ")
        });
        keep.push(format!("attach {}", told.collect::<Vec<_>>().join("; ")));
        let port_ids = nics.iter().map(|_| PORT.to_owned()).collect();
        refused.clone().map_or(Ok(NicsAttached { operation_id: "operation-1".to_owned(), port_ids }), Err)
    }));
    let keep = seen.clone();
    cloud.compute.detach_nics = Some(Box::new(move |server, ports| {
        assert_eq!(server, id);
        keep.push(format!("detach {}", ports.join(" ")));
        refusal.clone().map_or(Ok("operation-1".to_owned()), Err)
    }));
    (cloud, seen)
}

/// A core whose list is one page of these servers; what it was asked for is kept.
pub fn with_list(
    servers: Vec<Server>,
    next: Option<&str>,
) -> (FakeCloud, Seen<(Vec<skyloom_sdk::Condition>, PageRequest)>) {
    let seen = Seen::default();
    let (keep, next) = (seen.clone(), next.map(str::to_owned));
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(move |conditions, parts, page| {
        keep.push((conditions.to_vec(), page.clone()));
        let servers = servers.iter().map(|server| with_parts(server, parts)).collect();
        Ok(ServerPage { servers, next: next.clone() })
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

/// With one server.
pub fn server_group(id: &str, policy: &str, max_servers_per_node: Option<u32>) -> ServerGroup {
    ServerGroup {
        id: id.to_owned(),
        name: "test".to_owned(),
        project_id: "project-1".to_owned(),
        user_id: "user-1".to_owned(),
        policy: policy.to_owned(),
        max_servers_per_node,
        created_at: NOON,
        members: vec![SERVER.to_owned()],
    }
}

/// The aggregate `1` in the zone `london`.
pub fn aggregate() -> Aggregate {
    Aggregate {
        id: "1".to_owned(),
        uuid: "6ba28ba7-f29b-45cc-a30b-6e3a40c2fb14".to_owned(),
        name: "fast".to_owned(),
        zone: Some("london".to_owned()),
        metadata: vec![("ssd".to_owned(), "yes".to_owned())],
        nodes: vec!["compute".to_owned()],
        created_at: NOON,
        updated_at: None,
    }
}

/// A core with the aggregate `1`, whose changes are kept and shown.
pub fn with_aggregate() -> (FakeCloud, Seen<AggregateUpdate>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let known = |id: &str| if id == "1" { Ok(aggregate()) } else { Err(not_found("aggregate", id)) };
    cloud.compute.get_aggregate = Some(Box::new(known));
    cloud.compute.list_aggregates = Some(Box::new(|_, page| {
        let ids: &[&str] = if page.marker.is_none() { &["1", "10"] } else { &["2"] };
        let aggregates = ids.iter().map(|id| Aggregate { id: (*id).to_owned(), ..aggregate() }).collect();
        Ok(AggregatePage { aggregates, next: page.marker.is_none().then(|| "10".to_owned()) })
    }));
    cloud.compute.create_aggregate = Some(Box::new(|name, zone| match name {
        "twin" => Err(error(ErrorCode::AlreadyExists, "Aggregate twin already exists.")),
        _ => Ok(Aggregate { name: name.to_owned(), zone: zone.map(str::to_owned), ..aggregate() }),
    }));
    let keep = seen.clone();
    cloud.compute.update_aggregate = Some(Box::new(move |id, update| {
        keep.push(update.clone());
        let before = known(id)?;
        let zone = update.zone.clone().or(before.zone.clone());
        Ok(Aggregate {
            name: update.name.clone().unwrap_or(before.name.clone()),
            zone,
            updated_at: Some(NOON + 60_000_000),
            ..before
        })
    }));
    cloud.compute.delete_aggregate = Some(Box::new(move |id| known(id).map(drop)));
    cloud.compute.add_aggregate_node = Some(Box::new(move |id, node| {
        let before = known(id)?;
        Ok(Aggregate { nodes: vec!["compute".to_owned(), node.to_owned()], ..before })
    }));
    cloud.compute.remove_aggregate_node =
        Some(Box::new(move |id, _| Ok(Aggregate { nodes: Vec::new(), ..known(id)? })));
    (cloud, seen)
}

/// A core that refuses every change of an aggregate in this way.
pub fn with_refused_aggregates(refusal: &Error) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    let told = refusal.clone();
    cloud.compute.update_aggregate = Some(Box::new(move |_, _| Err(told.clone())));
    let told = refusal.clone();
    cloud.compute.delete_aggregate = Some(Box::new(move |_| Err(told.clone())));
    let told = refusal.clone();
    cloud.compute.add_aggregate_node = Some(Box::new(move |_, _| Err(told.clone())));
    let told = refusal.clone();
    cloud.compute.remove_aggregate_node = Some(Box::new(move |_, _| Err(told.clone())));
    cloud
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
        attributes: "{}".to_owned(),
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
        attributes: "{}".to_owned(),
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
        attributes: "{}".to_owned(),
    }
}

/// POST /servers of a body whose `server` has at least these members.
pub fn create_call(version: u32, members: Value) -> Call {
    let mut server = json!({ "name": "web", "flavorRef": "1", "imageRef": IMAGE });
    if version >= 37 {
        server["networks"] = json!("auto");
    }
    for (name, value) in members.as_object().expect("members") {
        server[name] = value.clone();
    }
    server.as_object_mut().expect("an object").retain(|_, value| *value != json!("ABSENT"));
    post("servers.create", "/v2.1/servers", &json!({ "server": server })).version(2, version)
}

pub fn get(operation: &str, path: &str) -> Call {
    Call::new(operation, "GET", path).version(2, 1).param("server_id", SERVER)
}

pub fn post(operation: &str, path: &str, body: &Value) -> Call {
    Call::new(operation, "POST", path).version(2, 1).param("server_id", SERVER).body(body)
}

pub fn put(operation: &str, path: &str, body: &Value) -> Call {
    Call::new(operation, "PUT", path).version(2, 1).param("server_id", SERVER).body(body)
}

fn creation(members: Value) -> Call {
    create_call(67, members)
}

fn device(device: Value) -> Call {
    creation(json!({ "block_device_mapping_v2": [device] }))
}

fn hint(name: &str, value: &str) -> Call {
    let server = json!({ "name": "w", "flavorRef": "1", "imageRef": IMAGE, "networks": "auto" });
    let body = json!({ "server": server, "os:scheduler_hints": { name: value } });
    post("servers.create", "/v2.1/servers", &body).version(2, 67)
}

fn new_server(what: &str) -> Call {
    if let Some(hint_name) = what.strip_prefix("os:scheduler_hints.") {
        let (name, value) = hint_name.split_once(' ').unwrap_or((hint_name, SERVER));
        return hint(name, value);
    }
    match what {
        "personality" => create_call(1, json!({ "personality": [{ "path": "/a", "contents": "" }] })),
        "trusted_image_certificates" => creation(json!({ "trusted_image_certificates": ["x"] })),
        "block_device_mapping" => creation(json!({ "block_device_mapping": [{ "volume_id": "v" }] })),
        "source_type snapshot of several servers" => {
            let copied = json!([{ "source_type": "snapshot", "uuid": PORT, "boot_index": -1 }]);
            creation(json!({ "max_count": 2, "block_device_mapping_v2": copied }))
        }
        "destination_type local" => {
            device(json!({ "source_type": "blank", "destination_type": "local", "volume_size": 1 }))
        }
        "guest_format" => device(json!({ "source_type": "blank", "guest_format": "swap", "volume_size": 1 })),
        "no_device" => device(json!({ "no_device": true })),
        other => panic!("no request asks for {other}"),
    }
}

/// A request for an entry of [`crate::unsupported::UNSUPPORTED`].
pub fn asking(entry: Unsupported) -> Call {
    let Unsupported { operation, what, .. } = entry;
    let list = |path: &str, name: &str, value: &str| get(operation, path).query(name, value).admin();
    match (operation, what) {
        ("servers.create", what) => new_server(what),
        ("servers.rebuild", what) => {
            let body = json!({ "rebuild": { "imageRef": IMAGE, what: ["x"] } });
            let call = post(operation, "/v2.1/servers/x/action", &body);
            if what == "personality" { call } else { call.version(2, 63) }
        }
        ("servers.list", "sort_key auto_disk_config") => list("/v2.1/servers", "sort_key", "auto_disk_config"),
        ("servers.list", filter) => list("/v2.1/servers", filter, "1"),
        ("flavors.list", "sort_key updated_at") => list("/v2.1/flavors", "sort_key", "updated_at"),
        ("keypairs.create", "type x509") => {
            let body = json!({ "keypair": { "name": "key", "type": "x509" } });
            post(operation, "/v2.1/os-keypairs", &body).version(2, 2)
        }
        ("flavors.create", "rxtx_factor") => {
            let flavor = json!({ "name": "a", "ram": 1, "vcpus": 1, "disk": 1, "rxtx_factor": 1.0001 });
            post(operation, "/v2.1/flavors", &json!({ "flavor": flavor })).admin()
        }
        (operation, what) => panic!("no request asks for {operation} {what}"),
    }
}
