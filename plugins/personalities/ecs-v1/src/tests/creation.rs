use serde_json::json;
use skyloom_sdk::cloud::compute::{NetworkChoice, OnFailure, PasswordChoice, ServerCreate, ServerCreated};
use skyloom_sdk::cloud::images::{Image, ImageState, Visibility};
use skyloom_sdk::cloud::networks::{Network, NetworkPage, Router};
use skyloom_sdk::rule;
use skyloom_sdk::testing::{FakeCloud, Seen, json_of, not_found};

use super::reads::flavor;
use super::{JOB, JOB_ON_THE_WIRE, NETWORK, VPC, code_of, creation, post};

pub const OTHER_NETWORK: &str = "257ee789-03ea-45b1-a698-76c92660dd83";
/// Of another project, whose VPCs an operator sees.
const FOREIGN_VPC: &str = "657ee789-03ea-45b1-a698-76c92660dd83";
/// On the outside of the cloud.
pub const OUTSIDE: &str = "357ee789-03ea-45b1-a698-76c92660dd83";
/// Without a subnet.
pub const BARE: &str = "457ee789-03ea-45b1-a698-76c92660dd83";

fn network(id: &str) -> Network {
    Network {
        id: id.into(),
        name: "n".into(),
        description: String::new(),
        project_id: "project-1".into(),
        shared: false,
        external: false,
        enabled: true,
        mtu: 1500,
        zone: None,
        is_default: false,
        port_security: true,
        subnet_ids: vec!["subnet-1".into()],
        tags: vec![],
        created_at: 0,
        updated_at: 0,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

pub fn image(min_disk_gib: u32) -> Image {
    Image {
        id: "1189efbf-d48b-46ad-a823-94b942e2a000".into(),
        name: None,
        owner: "project-1".into(),
        state: ImageState::Active,
        visibility: Visibility::Public,
        protected: false,
        hidden: false,
        disk_format: Some("qcow2".into()),
        container_format: Some("bare".into()),
        min_disk_gib,
        min_memory_mib: 0,
        size: Some(1),
        virtual_size: None,
        checksum: None,
        hash_algorithm: None,
        hash_value: None,
        created_at: 0,
        updated_at: 0,
        tags: vec![],
        properties: vec![],
        attributes: "{}".to_owned(),
    }
}

pub fn cloud(seen: &Seen<ServerCreate>) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.images.get_image = Some(Box::new(|_| Ok(image(4))));
    cloud.networks.get_router = Some(Box::new(|id| {
        let project = match id {
            FOREIGN_VPC => "project-2",
            VPC => "project-1",
            _ => return Err(not_found("router", id)),
        };
        Ok(Router {
            id: id.into(),
            name: "vpc".into(),
            description: String::new(),
            project_id: project.into(),
            enabled: true,
            created_at: 0,
            updated_at: 0,
        })
    }));
    cloud.networks.list_networks = Some(Box::new(|conditions, _| {
        let known = [network(NETWORK), network(OTHER_NETWORK), Network { external: true, ..network(OUTSIDE) }];
        let without_subnet = Network { subnet_ids: vec![], ..network(BARE) };
        let all = known.into_iter().chain([without_subnet]);
        Ok(NetworkPage {
            networks: all.filter(|network| conditions[0].values.contains(&network.id)).collect(),
            next: None,
        })
    }));
    cloud.flavors.get_flavor = Some(Box::new(|id| {
        Ok(match id {
            "few-cards" => flavor(id, &[("instance_vnic:max_count", "2")]),
            "withdrawn" => flavor(id, &[("cond:operation:status", "abandon")]),
            "sold-out-in-az1" => flavor(id, &[("cond:operation:az", "az1(sellout)")]),
            _ => flavor(id, &[]),
        })
    }));
    let seen = seen.clone();
    cloud.compute.create_servers = Some(Box::new(move |create| {
        seen.push(create.clone());
        Ok(ServerCreated {
            server_ids: vec![],
            operation_id: JOB.into(),
            reservation_id: "r".into(),
            admin_password: String::new(),
        })
    }));
    cloud
}

/// With the change at this pointer below `server`; its parents are there.
pub fn changed(pointer: &str, value: serde_json::Value) -> serde_json::Value {
    let mut body = creation();
    set(&mut body["server"], pointer, value);
    body
}

/// Sets a member that may not be there yet; the parents are.
pub fn set(value: &mut serde_json::Value, pointer: &str, new: serde_json::Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { value } else { value.pointer_mut(parent).unwrap() };
    parent[name] = new;
}

/// What the core was asked for.
pub fn asked(body: &serde_json::Value) -> ServerCreate {
    let (response, seen) = create(body);
    assert!(matches!(response.status, 200 | 202), "{}", json_of(&response));
    seen.only()
}

/// Code of a refusal that never reached the core.
pub fn refused(body: &serde_json::Value) -> (u16, String) {
    let (response, seen) = create(body);
    assert!(seen.all().is_empty(), "{body} reached the core");
    code_of(&response)
}

pub fn create(body: &serde_json::Value) -> (skyloom_sdk::Response, Seen<ServerCreate>) {
    let seen = Seen::default();
    let request = post("servers.create", "/v1/project-1/cloudservers", body).build();
    (crate::handle(&cloud(&seen), &request), seen)
}

#[test]
fn a_creation_answers_a_job_and_asks_the_core_for_a_batch_that_removes_what_fails() {
    let (response, seen) = create(&creation());
    assert_eq!(response.status, 200);
    assert_eq!(json_of(&response), json!({ "job_id": JOB_ON_THE_WIRE }));
    let asked = seen.only();
    assert!(asked.as_batch && !asked.dry_run && asked.on_failure == OnFailure::Remove);
    assert_eq!(asked.names, ["web"]);
    assert_eq!(asked.disks[0].size_gib, Some(4), "absent means the image's least");
    let NetworkChoice::Nics(nics) = &asked.networks else { panic!("no cards") };
    assert_eq!(nics[0].network_id.as_deref(), Some(NETWORK));
    assert!(asked.public_address.is_none() && asked.zone.is_none());
    rule!("ecs.servers.create", "d3fd991c");
    rule!("ecs.servers.create", "c1350c01");
    rule!("ecs.servers.create", "a5c7e9e2");
    rule!("ecs.servers.create", "6a778960");
}

#[test]
fn every_field_reaches_the_core() {
    let mut body = creation();
    let server = &mut body["server"];
    server["count"] = json!(2);
    server["description"] = json!("two of them");
    server["key_name"] = json!("key");
    server["adminPass"] = json!("Secret-1-handle");
    server["availability_zone"] = json!("az1");
    server["metadata"] = json!({ "a": "b", "BYOL": "False" });
    server["security_groups"] = json!([{ "id": "507ca48f-814c-4293-8706-300564d54620" }, {}]);
    server["nics"][0]["ip_address"] = json!("10.0.0.9");
    server["root_volume"]["size"] = json!(40);
    server["data_volumes"] = json!([{ "volumetype": "SATA", "size": 10, "hw:passthrough": "true" }]);
    server["publicip"] = json!({
        "eip": { "iptype": "5_bgp", "bandwidth": { "size": 10, "sharetype": "PER", "chargemode": "traffic" } },
        "delete_on_termination": true,
    });
    let (response, seen) = create(&body);
    assert_eq!(response.status, 200, "{}", json_of(&response));
    let asked = seen.only();
    assert_eq!(asked.names, ["web-0000", "web-0001"]);
    assert_eq!(asked.min_count, 2);
    assert_eq!(asked.description.as_deref(), Some("two of them"));
    assert_eq!(asked.key_name.as_deref(), Some("key"));
    assert_eq!(asked.admin_password, PasswordChoice::Given("Secret-1-handle".to_owned()));
    assert_eq!(asked.zone.as_deref(), Some("az1"));
    assert_eq!(asked.metadata.len(), 2);
    assert_eq!(asked.security_groups, ["507ca48f-814c-4293-8706-300564d54620", "default"]);
    let NetworkChoice::Nics(nics) = &asked.networks else { panic!("no cards") };
    assert_eq!(nics[0].address.as_deref(), Some("10.0.0.9"));
    assert_eq!(asked.disks[0].size_gib, Some(40));
    assert_eq!(asked.disks[1].size_gib, Some(10));
    let address = asked.public_address.unwrap();
    assert!(address.id.is_none() && address.bandwidth_mbit == 10 && address.delete_on_termination);
    rule!("ecs.servers.create", "1a1822f0");
    rule!("ecs.servers.create", "adcd0025");
    rule!("ecs.servers.create", "64e31852");
    rule!("ecs.servers.create", "aebb855e");
}

#[test]
fn a_dry_run_answers_202_and_makes_nothing() {
    let mut body = creation();
    body["dry_run"] = json!(true);
    let (response, seen) = create(&body);
    assert_eq!(response.status, 202);
    assert!(seen.only().dry_run);
    set(&mut body["server"], "/vpcid", json!(NETWORK));
    assert_eq!(refused(&body), (400, "Ecs.0014".to_owned()), "a failed check has its own code");
    rule!("ecs.servers.create", "9036eb04");
    for dry_run in [json!(false), json!(null)] {
        let body = json!({ "server": creation()["server"], "dry_run": dry_run });
        assert!(!asked(&body).dry_run);
    }
    rule!("ecs.servers.create", "e1ace995");
}

#[test]
fn several_servers_have_marks_behind_their_names() {
    let named = |name: &str, count: u32| {
        let mut body = changed("/name", json!(name));
        set(&mut body["server"], "/count", json!(count));
        body
    };
    assert_eq!(asked(&named("web", 3)).names, ["web-0000", "web-0001", "web-0002"]);
    assert_eq!(asked(&named("web-0010", 2)).names, ["web-0010", "web-0011"]);
    assert_eq!(asked(&named("web-0010", 1)).names, ["web-0010"]);
    assert_eq!(asked(&named(&"a".repeat(59), 2)).names.len(), 2);
    assert_eq!(refused(&named(&"a".repeat(60), 2)), (400, "Ecs.0914".to_owned()));
    rule!("ecs.servers.create", "3fb5b8c6");
    // A Chinese character counts for two.
    assert_eq!(asked(&named(&"云".repeat(64), 1)).names.len(), 1);
    assert_eq!(refused(&named(&"云".repeat(65), 1)), (400, "Ecs.0914".to_owned()));
    assert_eq!(refused(&named("a b", 1)), (400, "Ecs.0915".to_owned()));
    assert_eq!(refused(&named("", 1)), (400, "Ecs.0005".to_owned()));

    assert_eq!(asked(&creation()).names.len(), 1);
    let many = asked(&named("web", 500));
    assert_eq!((many.names.len(), many.min_count), (500, 500), "all of them, or none");
    assert_eq!(refused(&named("web", 501)), (400, "Ecs.0913".to_owned()));
    assert_eq!(refused(&named("web", 0)), (400, "Ecs.0005".to_owned()));
    rule!("ecs.servers.create", "da99047f");
}

#[test]
fn cards_lie_in_subnets_of_the_vpc() {
    let on = |networks: &[&str]| {
        let nics: Vec<_> = networks.iter().map(|id| json!({ "subnet_id": id })).collect();
        changed("/nics", json!(nics))
    };
    assert!(matches!(asked(&on(&[NETWORK, OTHER_NETWORK])).networks, NetworkChoice::Nics(nics) if nics.len() == 2));
    let unknown = "557ee789-03ea-45b1-a698-76c92660dd83";
    for (networks, code) in [
        (&[unknown][..], "Ecs.0038"),
        (&[BARE], "Ecs.0038"),
        (&[OUTSIDE], "Ecs.0064"),
        (&[NETWORK, OUTSIDE], "Ecs.0014"),
    ] {
        assert_eq!(refused(&on(networks)), (400, code.to_owned()), "{networks:?}");
    }
    assert_eq!(refused(&changed("/vpcid", json!(unknown))), (400, "Ecs.0014".to_owned()));
    assert_eq!(refused(&changed("/vpcid", json!(FOREIGN_VPC))), (400, "Ecs.0014".to_owned()));
    rule!("ecs.servers.create", "91ed587b");

    assert!(matches!(asked(&on(&[NETWORK; 12])).networks, NetworkChoice::Nics(nics) if nics.len() == 12));
    assert_eq!(refused(&on(&[NETWORK; 13])), (400, "Ecs.0050".to_owned()));
    let mut few = on(&[NETWORK; 3]);
    set(&mut few["server"], "/flavorRef", json!("few-cards"));
    assert_eq!(refused(&few), (400, "Ecs.0050".to_owned()), "the flavor allows fewer");
    rule!("ecs.servers.create", "d0d5de26");
}

#[test]
fn a_flavor_must_be_on_sale_in_the_zone() {
    assert_eq!(refused(&changed("/flavorRef", json!("withdrawn"))), (400, "Ecs.0029".to_owned()));
    let mut body = changed("/flavorRef", json!("sold-out-in-az1"));
    assert_eq!(asked(&body).flavor_id, "sold-out-in-az1");
    set(&mut body["server"], "/availability_zone", json!("az1"));
    assert_eq!(refused(&body), (400, "Ecs.0319".to_owned()));
}

#[test]
fn one_card_but_the_first_may_go_without_security_groups() {
    let without = json!({ "subnet_id": NETWORK, "binding:profile": { "disable_security_groups": true } });
    let with = json!({ "subnet_id": NETWORK });
    let create = asked(&changed("/nics", json!([with, without])));
    let NetworkChoice::Nics(nics) = &create.networks else { panic!("no cards") };
    assert_eq!((&nics[0].security_groups, &nics[1].security_groups), (&None, &Some(vec![])));
    for nics in [json!([without, with]), json!([with, without, without])] {
        assert_eq!(refused(&changed("/nics", nics)), (400, "Ecs.0910".to_owned()));
    }
    rule!("ecs.servers.create", "fa3f5d52");

    let groups = |groups| asked(&changed("/security_groups", groups)).security_groups;
    assert!(groups(json!([])).is_empty(), "the core binds the default group");
    assert_eq!(groups(json!([{}])), ["default"]);
    assert_eq!(groups(json!([{ "id": NETWORK }, { "id": "" }, {}])), [NETWORK, "default"]);
    rule!("ecs.servers.create", "e8f3bec4");
}
