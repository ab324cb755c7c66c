use serde_json::json;
use skyloom_sdk::cloud::compute::{NetworkChoice, OnFailure, ServerCreate, ServerCreated};
use skyloom_sdk::cloud::images::{Image, ImageState, Visibility};
use skyloom_sdk::cloud::networks::Router;
use skyloom_sdk::testing::{self, FakeCloud, Seen, json_of, not_found};
use skyloom_sdk::{ErrorCode, rule};

use super::{JOB, JOB_ON_THE_WIRE, NETWORK, VPC, code_of, creation, post};

fn image(min_disk_gib: u32) -> Image {
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
    }
}

fn cloud(seen: &Seen<ServerCreate>) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.images.get_image = Some(Box::new(|_| Ok(image(4))));
    cloud.networks.list_routers = Some(Box::new(|_| {
        let router = |id: &str| Router {
            id: id.into(),
            name: "vpc".into(),
            description: String::new(),
            project_id: "project-1".into(),
            enabled: true,
            created_at: 0,
            updated_at: 0,
        };
        Ok(vec![router("other"), router(VPC)])
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

fn create(body: &serde_json::Value) -> (skyloom_sdk::Response, Seen<ServerCreate>) {
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
    assert_eq!(asked.root_volume.as_ref().map(|volume| volume.size_gib), Some(4), "absent means the image's least");
    let NetworkChoice::Nics(nics) = &asked.networks else { panic!("no cards") };
    assert_eq!(nics[0].network_id.as_deref(), Some(NETWORK));
    assert!(asked.public_address.is_none());
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
    server["user_data"] = json!("I2Nsb3Vk");
    server["adminPass"] = json!("secret:1:0");
    server["availability_zone"] = json!("az1");
    server["metadata"] = json!({ "a": "b", "BYOL": "True" });
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
    assert_eq!(asked.names, ["web-0001", "web-0002"]);
    assert_eq!(asked.min_count, 2);
    assert_eq!(asked.description.as_deref(), Some("two of them"));
    assert_eq!(asked.key_name.as_deref(), Some("key"));
    assert_eq!(asked.admin_password.as_deref(), Some("secret:1:0"));
    assert_eq!(asked.zone.as_deref(), Some("az1"));
    assert_eq!(asked.metadata.len(), 2);
    assert_eq!(asked.security_groups, ["507ca48f-814c-4293-8706-300564d54620"]);
    let NetworkChoice::Nics(nics) = &asked.networks else { panic!("no cards") };
    assert_eq!(nics[0].address.as_deref(), Some("10.0.0.9"));
    assert_eq!(asked.root_volume.as_ref().map(|volume| volume.size_gib), Some(40));
    assert_eq!(asked.data_volumes[0].size_gib, 10);
    let address = asked.public_address.unwrap();
    assert!(address.id.is_none() && address.bandwidth_mbit == 10 && address.delete_on_termination);
    rule!("ecs.servers.create", "1a1822f0");
    rule!("ecs.servers.create", "adcd0025");
    rule!("ecs.servers.create", "64e31852");
    rule!("ecs.servers.create", "1a5d1dac");
    rule!("ecs.servers.create", "aebb855e");
}

#[test]
fn a_password_of_windows_is_taken_from_its_reserved_key_and_not_kept_there() {
    let mut body = creation();
    body["server"]["metadata"] = json!({ "admin_pass": "secret:1:0", "a": "b" });
    let asked = create(&body).1.only();
    assert_eq!(asked.admin_password.as_deref(), Some("secret:1:0"));
    assert_eq!(asked.metadata, [("a".to_owned(), "b".to_owned())]);
    rule!("ecs.servers.create", "c53afb3a");
}

#[test]
fn a_dry_run_answers_202_and_makes_nothing() {
    let mut body = creation();
    body["dry_run"] = json!(true);
    let (response, seen) = create(&body);
    assert_eq!(response.status, 202);
    assert!(seen.only().dry_run);
    rule!("ecs.servers.create", "9036eb04");
}

#[test]
fn what_the_platform_cannot_do_is_refused_by_name() {
    let cases = [
        ("/nics/0/extra_dhcp_opts", json!([{ "opt_name": "26", "opt_value": 8888 }]), "Ecs.0005"),
        ("/nics/0/binding:profile", json!({ "disable_security_groups": true }), "Ecs.0910"),
        ("/root_volume/hw:passthrough", json!(true), "Ecs.0037"),
        ("/root_volume/cluster_id", json!("pool"), "Ecs.0911"),
        ("/data_volumes", json!([{ "volumetype": "SSD", "size": 10, "multiattach": true }]), "Ecs.0005"),
        ("/data_volumes", json!([{ "volumetype": "SSD", "size": 10, "data_image_id": "x" }]), "Ecs.0005"),
        (
            "/data_volumes",
            json!([{ "volumetype": "SSD", "size": 10, "metadata": { "__system__encrypted": "1" } }]),
            "Ecs.0912",
        ),
        (
            "/data_volumes",
            json!([{ "volumetype": "SSD", "size": 10, "extendparam": { "snapshotId": "x" } }]),
            "Ecs.0005",
        ),
        ("/os:scheduler_hints", json!({ "group": "x" }), "Ecs.0313"),
        ("/os:scheduler_hints", json!({ "tenancy": "dedicated", "dedicated_host_id": "x" }), "Ecs.0005"),
        ("/vpcid", json!("157ee789-03ea-45b1-a698-76c92660dd83"), "Ecs.0014"),
        ("/root_volume/size", json!(3), "Ecs.0005"),
        ("/user_data", json!("%%%"), "Ecs.0005"),
    ];
    for (pointer, value, code) in cases {
        let mut body = creation();
        set(&mut body["server"], pointer, value);
        let (response, seen) = create(&body);
        assert_eq!(code_of(&response), (400, code.to_owned()), "{pointer}");
        assert!(seen.all().is_empty(), "{pointer} reached the core");
        let message = json_of(&response)["error"]["message"].to_string();
        if message.contains("not support") || message.contains("on this platform") {
            println!("UNSUPPORTED ecs-v1 servers.create /server{pointer}: {message}");
        }
    }
    rule!("ecs.servers.create", "fa3f5d52");
}

/// Sets a member that may not be there yet; the parents are.
fn set(value: &mut serde_json::Value, pointer: &str, new: serde_json::Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { value } else { value.pointer_mut(parent).unwrap() };
    parent[name] = new;
}

#[test]
fn the_cores_refusals_have_the_vendors_codes() {
    let quota = |field: &str| {
        let mut error = testing::error(ErrorCode::QuotaExceeded, "quota");
        error.field = Some(field.to_owned());
        error
    };
    let cases = [
        (not_found("flavor", "x"), 400, "Ecs.0029"),
        (not_found("image", "x"), 400, "Ecs.0031"),
        (not_found("keypair", "x"), 400, "Ecs.0314"),
        (not_found("network", "x"), 400, "Ecs.0038"),
        (not_found("security-group", "x"), 400, "Ecs.0014"),
        (quota("servers"), 400, "Ecs.0001"),
        (quota("volume-gib"), 400, "Ecs.0021"),
        (quota("public-addresses"), 400, "Ecs.0013"),
        (testing::error(ErrorCode::AddressInUse, "taken"), 400, "Ecs.0010"),
        (testing::error(ErrorCode::NoAddress, "full"), 400, "Ecs.0012"),
        (testing::invalid("address", "outside"), 400, "Ecs.0039"),
        (testing::error(ErrorCode::NoCapacity, "full"), 400, "Ecs.0319"),
        (testing::error(ErrorCode::Forbidden, "no"), 403, "Pdp.0001"),
    ];
    for (error, status, code) in cases {
        let mut cloud = cloud(&Seen::default());
        let told = error.clone();
        cloud.compute.create_servers = Some(Box::new(move |_| Err(told.clone())));
        let request = post("servers.create", "/v1/project-1/cloudservers", &creation()).build();
        assert_eq!(code_of(&crate::handle(&cloud, &request)), (status, code.to_owned()), "{error:?}");
    }
}

#[test]
fn a_body_that_is_empty_or_no_json_is_refused() {
    let cloud = cloud(&Seen::default());
    let empty = skyloom_sdk::testing::Call::new("servers.create", "POST", "/").build();
    assert_eq!(code_of(&crate::handle(&cloud, &empty)), (400, "Common.0002".to_owned()));
    let broken = skyloom_sdk::testing::Call::new("servers.create", "POST", "/").raw_body(b"{").build();
    assert_eq!(code_of(&crate::handle(&cloud, &broken)), (400, "Ecs.0005".to_owned()));
}
