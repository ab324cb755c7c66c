//! What personalities keep with each kind of resource, on both databases.

use std::sync::Arc;

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{
    ComputeApi as _, FlavorsApi as _, ImagesApi as _, KeypairsApi as _, NetworksApi as _, VolumesApi as _,
};
use skyloom_runtime::bindings::cloud::{compute, flavors, images, keypairs, networks};
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use crate::Settings;
use crate::bounds;
use crate::compute::testing::{Kind as _, World, context_of, creation, disk_of, page, worlds};

type Context = Arc<CallContext>;

/// What has attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Server,
    Volume,
    Flavor,
    Keypair,
    Image,
    Network,
    Subnet,
    Port,
    Group,
    Rule,
}

use Kind::{Flavor, Group, Image, Keypair, Network, Port, Rule, Server, Subnet, Volume};

const ALL: [Kind; 10] = [Server, Volume, Flavor, Keypair, Image, Network, Subnet, Port, Group, Rule];
/// Those that the contract changes.
const CHANGED: [Kind; 7] = [Server, Flavor, Image, Network, Subnet, Port, Group];

/// Whoever may make one, through a personality.
fn maker(kind: Kind, personality: &str) -> Context {
    context_of("p", kind == Flavor, personality)
}

fn network(attributes: Option<&str>) -> networks::NetworkWrite {
    networks::NetworkWrite {
        name: None,
        description: None,
        project_id: None,
        shared: None,
        external: None,
        enabled: None,
        mtu: None,
        port_security: None,
        is_default: None,
        attributes: attributes.map(ToOwned::to_owned),
    }
}

fn subnet(network_id: Option<String>, attributes: Option<&str>) -> networks::SubnetWrite {
    networks::SubnetWrite {
        name: None,
        description: None,
        project_id: None,
        cidr: network_id.is_some().then(|| "10.9.0.0/24".to_owned()),
        network_id,
        ip_version: None,
        gateway: None,
        dhcp: None,
        dns: None,
        pools: None,
        host_routes: None,
        attributes: attributes.map(ToOwned::to_owned),
    }
}

fn port(network_id: Option<String>, attributes: Option<&str>) -> networks::PortWrite {
    networks::PortWrite {
        name: None,
        description: None,
        project_id: None,
        network_id,
        mac: None,
        enabled: None,
        fixed_ips: None,
        security_group_ids: None,
        device_id: None,
        device_owner: None,
        port_security: None,
        attributes: attributes.map(ToOwned::to_owned),
    }
}

fn group(attributes: Option<&str>) -> networks::GroupWrite {
    let attributes = attributes.map(ToOwned::to_owned);
    networks::GroupWrite { name: None, description: None, project_id: None, stateful: None, attributes }
}

fn rule(group_id: String, port: i32, attributes: &str) -> networks::RuleCreate {
    networks::RuleCreate {
        group_id,
        project_id: None,
        ingress: true,
        ip_version: 4,
        protocol: Some("tcp".to_owned()),
        port_min: Some(port),
        port_max: Some(port),
        remote_cidr: None,
        remote_group_id: None,
        description: String::new(),
        attributes: attributes.to_owned(),
    }
}

fn flavor(attributes: &str) -> flavors::FlavorCreate {
    flavors::FlavorCreate {
        id: None,
        name: skyloom_model::new_id(),
        description: Some("kept".to_owned()),
        vcpus: 1,
        memory_mib: 64,
        disk_gib: 1,
        ephemeral_gib: 0,
        swap_mib: 0,
        rxtx_factor_milli: 1000,
        is_public: true,
        attributes: attributes.to_owned(),
    }
}

fn image(attributes: &str) -> images::ImageCreate {
    images::ImageCreate {
        id: None,
        name: None,
        visibility: None,
        protected: false,
        hidden: false,
        disk_format: None,
        container_format: None,
        min_disk_gib: 0,
        min_memory_mib: 0,
        tags: Vec::new(),
        properties: Vec::new(),
        owner: None,
        attributes: attributes.to_owned(),
    }
}

/// Changes nothing else.
fn image_update(image: images::Image, attributes: &str) -> images::ImageUpdate {
    images::ImageUpdate {
        read_at: image.updated_at,
        name: image.name,
        visibility: image.visibility,
        protected: image.protected,
        hidden: image.hidden,
        disk_format: image.disk_format,
        container_format: image.container_format,
        min_disk_gib: image.min_disk_gib,
        min_memory_mib: image.min_memory_mib,
        tags: image.tags,
        properties: image.properties,
        owner: image.owner,
        attributes: Some(attributes.to_owned()),
    }
}

fn keypair(attributes: &str) -> keypairs::KeypairCreate {
    keypairs::KeypairCreate {
        name: skyloom_model::new_id(),
        kind: keypairs::KeyKind::Ssh,
        public_key: None,
        user_id: None,
        attributes: attributes.to_owned(),
    }
}

/// The attributes of one of the items.
macro_rules! of_id {
    ($items:expr, $id:ident) => {
        $items.into_iter().find(|item| item.id == $id).expect("listed").attributes
    };
}

/// As the contract has it for each kind.
impl World {
    /// Gives the id.
    async fn make(&self, kind: Kind, context: &Context, attributes: &str) -> Result<String, Error> {
        let (cloud, given) = (&self.cloud, Some(attributes));
        Ok(match kind {
            Server => {
                let create = compute::ServerCreate { attributes: attributes.to_owned(), ..self.create(&["a"]) };
                cloud.create_servers(context, create).await?.server_ids.remove(0)
            }
            Volume => {
                let disk = compute::DiskRequest { attributes: attributes.to_owned(), ..disk_of(&self.image) };
                let create = compute::ServerCreate { disks: vec![disk], ..creation(&["a"]) };
                let server = cloud.create_servers(context, create).await?.server_ids.remove(0);
                let parts = vec!["volumes".to_owned()];
                cloud.get_server(context, server, parts).await?.volumes.remove(0).id
            }
            Flavor => cloud.create_flavor(context, flavor(attributes)).await?.id,
            Keypair => cloud.create_keypair(context, keypair(attributes)).await?.name,
            Image => cloud.create_image(context, image(attributes)).await?.id,
            Network => cloud.create_network(context, network(given)).await?.id,
            Subnet => {
                let network = cloud.create_network(context, network(None)).await?.id;
                cloud.create_subnet(context, subnet(Some(network), given)).await?.id
            }
            Port => {
                let network = cloud.create_network(context, network(None)).await?.id;
                cloud.create_port(context, port(Some(network), given)).await?.id
            }
            Group => cloud.create_security_group(context, group(given)).await?.id,
            Rule => {
                let group = cloud.create_security_group(context, group(None)).await?.id;
                cloud.create_security_group_rule(context, rule(group, 80, attributes)).await?.id
            }
        })
    }

    async fn shown(&self, kind: Kind, context: &Context, id: &str) -> Result<String, Error> {
        let (cloud, parts, id) = (&self.cloud, vec!["attributes".to_owned()], id.to_owned());
        Ok(match kind {
            Server => cloud.get_server(context, id, parts).await?.attributes,
            Volume => cloud.get_volume(context, id).await?.attributes,
            Flavor => cloud.get_flavor(context, id).await?.attributes,
            Keypair => cloud.get_keypair(context, id, None).await?.attributes,
            Image => cloud.get_image(context, id).await?.attributes,
            Network => cloud.get_network(context, id).await?.attributes,
            Subnet => cloud.get_subnet(context, id).await?.attributes,
            Port => cloud.get_port(context, id).await?.attributes,
            Group => cloud.get_security_group(context, id).await?.attributes,
            Rule => cloud.get_security_group_rule(context, id).await?.attributes,
        })
    }

    async fn listed(&self, kind: Kind, context: &Context, id: &str) -> Result<String, Error> {
        let (cloud, all, page, parts) = (&self.cloud, Vec::new(), page(0, None), vec!["attributes".to_owned()]);
        Ok(match kind {
            Server => of_id!(cloud.list_servers(context, all, parts, page).await?.servers, id),
            Volume => of_id!(cloud.list_volumes(context, all, page).await?.volumes, id),
            Flavor => of_id!(cloud.list_flavors(context, all, page).await?.flavors, id),
            Keypair => {
                let mut listed = cloud.list_keypairs(context, None, page).await?.keypairs.into_iter();
                listed.find(|keypair| keypair.name == id).expect("listed").attributes
            }
            Image => of_id!(cloud.list_images(context, all, page).await?.images, id),
            Network => of_id!(cloud.list_networks(context, all, page).await?.networks, id),
            Subnet => of_id!(cloud.list_subnets(context, all, page).await?.subnets, id),
            Port => of_id!(cloud.list_ports(context, all, page).await?.ports, id),
            Group => of_id!(cloud.list_security_groups(context, all, page).await?.groups, id),
            Rule => {
                let groups = cloud.list_security_groups(context, all.clone(), page.clone()).await?.groups;
                let within = of_id!(groups.into_iter().flat_map(|group| group.rules), id);
                let alone = of_id!(cloud.list_security_group_rules(context, all, page).await?.rules, id);
                assert_eq!(within, alone);
                alone
            }
        })
    }

    /// Gives the answer's. Of those that can be [`CHANGED`].
    async fn set(&self, kind: Kind, context: &Context, id: &str, attributes: &str) -> Result<String, Error> {
        let (cloud, given, id) = (&self.cloud, Some(attributes), id.to_owned());
        Ok(match kind {
            Server => {
                let update = compute::ServerUpdate {
                    name: None,
                    description: None,
                    hostname: None,
                    access_ipv4: None,
                    access_ipv6: None,
                    attributes: given.map(ToOwned::to_owned),
                };
                cloud.update_server(context, id, update).await?.attributes
            }
            Flavor => {
                let update = flavors::FlavorUpdate { description: None, attributes: given.map(ToOwned::to_owned) };
                let flavor = cloud.update_flavor(context, id, update).await?;
                assert_eq!(flavor.description.as_deref(), Some("kept"));
                flavor.attributes
            }
            Image => {
                let image = cloud.get_image(context, id.clone()).await?;
                cloud.update_image(context, id, image_update(image, attributes)).await?.attributes
            }
            Network => cloud.update_network(context, id, network(given)).await?.attributes,
            Subnet => cloud.update_subnet(context, id, subnet(None, given)).await?.attributes,
            Port => cloud.update_port(context, id, port(None, given)).await?.attributes,
            Group => cloud.update_security_group(context, id, group(given)).await?.attributes,
            Volume | Keypair | Rule => panic!("{kind:?} is not changed"),
        })
    }

    /// What a personality sees of the resource, alone and in a list.
    async fn assert_seen(&self, kind: Kind, personality: &str, id: &str, expected: &str) {
        let context = maker(kind, personality);
        let shown = self.shown(kind, &context, id).await.expect("get");
        let listed = self.listed(kind, &context, id).await.expect("list");
        let database = self.database.name;
        assert_eq!((&*shown, &*listed), (expected, expected), "{kind:?} {personality} {database}");
    }
}

#[tokio::test]
async fn each_personality_sees_and_replaces_its_own_alone() {
    for world in worlds(Settings::default()).await {
        for kind in ALL {
            let id = world.make(kind, &maker(kind, "a"), r#"{"mine": [1, null], "b": "\u0000"}"#).await.expect("made");
            world.assert_seen(kind, "a", &id, r#"{"b":"\u0000","mine":[1,null]}"#).await;
            world.assert_seen(kind, "b", &id, "{}").await;
            if !CHANGED.contains(&kind) {
                continue;
            }
            let set = async |personality: &str, attributes: &str| {
                world.set(kind, &maker(kind, personality), &id, attributes).await.expect("update")
            };
            assert_eq!(set("b", r#"{"a":{}}"#).await, r#"{"a":{}}"#, "{kind:?}");
            world.assert_seen(kind, "a", &id, r#"{"b":"\u0000","mine":[1,null]}"#).await;
            set("a", r#"{"other":2}"#).await;
            world.assert_seen(kind, "a", &id, r#"{"other":2}"#).await;
            world.assert_seen(kind, "b", &id, r#"{"a":{}}"#).await;
            assert_eq!(set("a", "{}").await, "{}", "{kind:?}");
            world.assert_seen(kind, "a", &id, "{}").await;
            world.assert_seen(kind, "b", &id, r#"{"a":{}}"#).await;
        }
    }
}

/// An object of this many bytes.
fn large(bytes: usize) -> String {
    format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8))
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(done: Result<T, Error>, kind: Kind) {
    let error = done.expect_err("refused");
    assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("attributes")), "{kind:?} {error:?}");
}

#[tokio::test]
async fn what_is_no_object_or_too_large_is_refused() {
    for world in worlds(Settings::default()).await {
        for kind in ALL {
            let most = large(bounds::ATTRIBUTES);
            let id = world.make(kind, &maker(kind, "a"), &most).await.expect("as large as it may be");
            world.assert_seen(kind, "a", &id, &most).await;
            for wrong in ["", "[]", "1", "null", "{", r#"{"a":1}x"#, &large(bounds::ATTRIBUTES + 1)] {
                assert_refused(world.make(kind, &maker(kind, "a"), wrong).await, kind);
                if CHANGED.contains(&kind) {
                    assert_refused(world.set(kind, &maker(kind, "a"), &id, wrong).await, kind);
                }
            }
            world.assert_seen(kind, "a", &id, &most).await;
        }
    }
}

#[tokio::test]
async fn all_personalities_together_are_bounded() {
    for world in worlds(Settings::default()).await {
        for kind in CHANGED {
            let own = large(bounds::ALL_ATTRIBUTES / 5);
            let id = world.make(kind, &maker(kind, "0"), &own).await.expect("made");
            for personality in ["1", "2", "3"] {
                world.set(kind, &maker(kind, personality), &id, &own).await.expect("within the bound");
            }
            assert_refused(world.set(kind, &maker(kind, "4"), &id, &own).await, kind);
            world.set(kind, &maker(kind, "0"), &id, "{}").await.expect("room");
            world.set(kind, &maker(kind, "4"), &id, &own).await.expect("within the bound");
        }
    }
}

#[tokio::test]
async fn those_of_a_group_s_rules_and_of_a_server_s_disks_are_bounded_together() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, maker(Rule, "a"));
        let group = cloud.create_security_group(&context, group(None)).await.expect("a group").id;
        let own = large(bounds::ATTRIBUTES - 100);
        let rules = |ports: std::ops::Range<i32>| ports.map(|port| rule(group.clone(), port, &own)).collect::<Vec<_>>();
        assert_refused(cloud.create_security_group_rules(&context, rules(1..18)).await, Rule);
        cloud.create_security_group_rules(&context, rules(1..17)).await.expect("within the bound");
        assert_refused(cloud.create_security_group_rules(&context, rules(17..18)).await, Rule);
        cloud.create_security_group_rule(&context, rule(group.clone(), 17, "{}")).await.expect("without");

        let disk =
            |bytes| compute::DiskRequest { attributes: large(bytes), size_gib: Some(1), ..disk_of(&world.image) };
        let half = bounds::ATTRIBUTES / 2;
        let create = |second| compute::ServerCreate { disks: vec![disk(half), disk(second)], ..creation(&["a"]) };
        cloud.create_servers(&context, create(half)).await.expect("within the bound");
        let create = create(half + 1);
        assert_refused(cloud.create_servers(&context, create).await, Volume);
    }
}

#[tokio::test]
async fn a_stranger_sets_none() {
    for world in worlds(Settings::default()).await {
        let stranger = context_of("q", false, "a");
        for kind in CHANGED {
            let id = world.make(kind, &maker(kind, "a"), r#"{"a":1}"#).await.expect("made");
            let error = world.set(kind, &stranger, &id, "{}").await.expect_err("a stranger");
            let expected = if kind == Flavor { ErrorCode::Forbidden } else { ErrorCode::NotFound };
            assert_eq!(error.kind(), expected, "{kind:?}");
            world.assert_seen(kind, "a", &id, r#"{"a":1}"#).await;
        }
        let group = world.make(Group, &maker(Group, "a"), "{}").await.expect("a group");
        let error =
            world.cloud.create_security_group_rule(&stranger, rule(group, 80, "{}")).await.expect_err("foreign");
        assert_eq!(error.kind(), ErrorCode::NotFound);
        // Seen by everybody.
        let operator = context_of("op", true, "a");
        let shared = networks::NetworkWrite { shared: Some(true), ..network(Some(r#"{"a":1}"#)) };
        let shared = world.cloud.create_network(&operator, shared).await.expect("a shared network").id;
        let error = world.set(Network, &stranger, &shared, "{}").await.expect_err("a stranger");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
    }
}
