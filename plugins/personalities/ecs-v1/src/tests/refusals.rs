//! What is refused, and with which code.

use serde_json::{Value, json};
use skyloom_sdk::cloud::images::Image;
use skyloom_sdk::testing::{self, Call, Seen, json_of, not_found};
use skyloom_sdk::{Error, ErrorCode, rule};

use super::creation::{changed, cloud, create, image, refused, set};
use super::{NETWORK, code_of, creation, post};
use crate::unsupported::{CREATE, UNSUPPORTED};

/// A request for each entry of the table.
fn asks_for(field: &str) -> Value {
    let disk = |name: &str, value: Value| {
        let mut disk = json!({ "volumetype": "SSD", "size": 10 });
        disk[name] = value;
        changed("/data_volumes", json!([disk]))
    };
    let eip = json!({ "iptype": "5_bgp", "bandwidth": { "size": 1, "sharetype": "WHOLE" } });
    match field {
        "server.nics[].extra_dhcp_opts" => {
            changed("/nics/0/extra_dhcp_opts", json!([{ "opt_name": "26", "opt_value": 8888 }]))
        }
        "server.root_volume.hw:passthrough" => changed("/root_volume/hw:passthrough", json!(true)),
        "server.root_volume.cluster_id" => changed("/root_volume/cluster_id", json!("pool")),
        "server.data_volumes[].hw:passthrough" => disk("hw:passthrough", json!(true)),
        "server.data_volumes[].cluster_id" => disk("cluster_id", json!("pool")),
        "server.data_volumes[].multiattach" => disk("multiattach", json!(true)),
        "server.data_volumes[].extendparam.snapshotId" => disk("extendparam", json!({ "snapshotId": "x" })),
        "server.data_volumes[].metadata.__system__encrypted" => disk("metadata", json!({ "__system__encrypted": "1" })),
        "server.data_volumes[].metadata.__system__cmkid" => disk("metadata", json!({ "__system__cmkid": "x" })),
        "server.data_volumes[].metadata" => disk("metadata", json!({ "a": "b" })),
        "server.publicip.eip.bandwidth.sharetype (WHOLE)" => changed("/publicip", json!({ "eip": eip })),
        "server.metadata.agency_name" => changed("/metadata", json!({ "agency_name": "a" })),
        "server.metadata.BYOL (True)" => changed("/metadata", json!({ "BYOL": "True" })),
        "server.os:scheduler_hints.tenancy (dedicated)" => {
            changed("/os:scheduler_hints", json!({ "tenancy": "dedicated", "dedicated_host_id": "x" }))
        }
        // Over an image with the property: see `marked`.
        "server.metadata.admin_pass (Windows image)" => changed("/metadata", json!({ "admin_pass": "Handle-1" })),
        "server.imageRef (full-server image)" => creation(),
        other => panic!("no request asks for {other}"),
    }
}

/// The property of the image that makes a request one for the entry.
fn marked(field: &str) -> Option<(String, String)> {
    let (name, value) = match field {
        "server.metadata.admin_pass (Windows image)" => ("os_type", "Windows"),
        "server.imageRef (full-server image)" => ("__whole_image", "true"),
        _ => return None,
    };
    Some((name.to_owned(), value.to_owned()))
}

#[test]
fn what_the_platform_cannot_do_is_refused_by_name() {
    UNSUPPORTED.prove("ecs-v1", include_str!("../../plugin.toml"), |entry| {
        if entry.operation != CREATE {
            return super::disks::refusal(&entry);
        }
        let seen = Seen::default();
        let mut cloud = cloud(&seen);
        let image = Image { properties: marked(entry.what).into_iter().collect(), ..image(4) };
        cloud.images.get_image = Some(Box::new(move |_| Ok(image.clone())));
        let request = post(entry.operation, "/v1/project-1/cloudservers", &asks_for(entry.what)).build();
        let response = crate::handle(&cloud, &request);
        assert_eq!(code_of(&response), (400, entry.code.to_owned()), "{entry:?}");
        assert!(seen.all().is_empty(), "{entry:?} reached the core");
        json_of(&response)["error"]["message"].as_str().unwrap().to_owned()
    });
}

#[test]
fn a_member_that_nobody_knows_is_refused_by_name() {
    for (pointer, name) in [
        ("/auto_terminate_time", "server.auto_terminate_time"),
        ("/nics/0/allowed_address_pairs", "server.nics.0.allowed_address_pairs"),
        ("/root_volume/iops", "server.root_volume.iops"),
    ] {
        let (response, seen) = create(&changed(pointer, json!("x")));
        let body = json_of(&response);
        assert_eq!(body["error"]["code"], "Ecs.0005");
        let message = format!("The parameter {name} is not supported by this platform.");
        assert_eq!(body["error"]["message"], message);
        assert!(seen.all().is_empty());
    }
    let (response, _) = create(&changed("/extendparam", json!({ "regionID": "r", "chargingMode": "postPaid" })));
    assert_eq!(response.status, 200, "what is the case anyhow");
    assert_eq!(refused(&changed("/extendparam", json!({ "chargingMode": "prePaid" }))), (400, "Ecs.0005".to_owned()));
}

#[test]
fn a_missing_member_is_named() {
    for name in ["imageRef", "flavorRef", "name", "vpcid", "nics", "root_volume"] {
        let mut body = creation();
        body["server"].as_object_mut().unwrap().remove(name);
        let (response, _) = create(&body);
        let message = format!("A required parameter is missing: server.{name}.");
        assert_eq!(json_of(&response)["error"], json!({ "code": "Ecs.0005", "message": message }));
    }
}

fn told(error: &Error) -> skyloom_sdk::Response {
    let mut cloud = cloud(&Seen::default());
    let error = error.clone();
    cloud.compute.create_servers = Some(Box::new(move |_| Err(error.clone())));
    let mut body = creation();
    set(&mut body["server"], "/nics/0/ip_address", json!("192.0.2.1"));
    crate::handle(&cloud, &post("servers.create", "/v1/project-1/cloudservers", &body).build())
}

fn of(kind: &str, error: Error) -> Error {
    Error { resource: Some((kind.to_owned(), "x".to_owned())), ..error }
}

#[test]
fn a_full_quota_has_a_name_that_users_know() {
    let said = "Quota exceeded for memory-mib: requested 512, but already used 0 of 1 memory-mib.";
    let full = Error { field: Some("memory-mib".to_owned()), ..testing::error(ErrorCode::QuotaExceeded, said) };
    let expected = "Quota exceeded for RAM: requested 512, but already used 0 of 1 RAM.";
    assert_eq!(json_of(&told(&full))["error"]["message"], expected);
}

#[test]
fn the_cores_refusals_have_the_vendors_codes() {
    let quota = |field: &str| {
        let mut error = testing::error(ErrorCode::QuotaExceeded, "quota");
        error.field = Some(field.to_owned());
        error
    };
    let used = |kind: &str| of(kind, testing::error(ErrorCode::InUse, "used"));
    let cases = [
        (not_found("flavor", "x"), 400, "Ecs.0029"),
        (testing::invalid("flavor-id", "not offered"), 400, "Ecs.0027"),
        (not_found("image", "x"), 400, "Ecs.0031"),
        (of("image", testing::invalid("image-id", "not active")), 400, "Ecs.0032"),
        (testing::invalid("key-name", "none"), 400, "Ecs.0314"),
        (not_found("network", "x"), 400, "Ecs.0038"),
        (not_found("security-group", "x"), 400, "Ecs.0014"),
        (not_found("public-address", "x"), 400, "Ecs.0005"),
        (used("public-address"), 400, "Ecs.0005"),
        (used("port"), 400, "Ecs.0919"),
        (quota("servers"), 400, "Ecs.0001"),
        (quota("volume-gib"), 400, "Ecs.0021"),
        (quota("public-addresses"), 400, "Ecs.0013"),
        (testing::error(ErrorCode::AddressInUse, "taken"), 400, "Ecs.0010"),
        (testing::error(ErrorCode::NoAddress, "full"), 400, "Ecs.0012"),
        (testing::error(ErrorCode::NoCapacity, "full"), 400, "Ecs.0319"),
        (testing::error(ErrorCode::Forbidden, "no"), 403, "Pdp.0001"),
    ];
    for (error, status, code) in cases {
        assert_eq!(code_of(&told(&error)), (status, code.to_owned()), "{error:?}");
    }
    let kind = of("volume-type", testing::invalid("disks", "none"));
    assert_eq!(code_of(&told(&kind)), (400, "Ecs.0043".to_owned()));
    rule!("ecs.servers.create", "4ff91c88");
}

#[test]
fn an_address_beside_its_subnet_is_told_as_in_the_documents_example() {
    let mut error = testing::invalid("address", "not of any subnet");
    error.resource = Some(("network".to_owned(), NETWORK.to_owned()));
    let response = told(&error);
    assert_eq!(response.status, 400);
    assert_eq!(
        json_of(&response),
        json!({ "error": {
            "message": format!("privateIp [192.0.2.1] is not in this subnet [{NETWORK}]"),
            "code": "Ecs.0005",
            "details": [{ "code": "Ecs.0039", "message": "not of any subnet" }],
        }})
    );
    rule!("ecs.servers.create", "030815d1");
}

#[test]
fn a_body_that_is_empty_or_no_json_is_refused() {
    let cloud = cloud(&Seen::default());
    let empty = Call::new("servers.create", "POST", "/").build();
    assert_eq!(code_of(&crate::handle(&cloud, &empty)), (400, "Common.0002".to_owned()));
    let broken = Call::new("servers.create", "POST", "/").raw_body(b"{").build();
    assert_eq!(code_of(&crate::handle(&cloud, &broken)), (400, "Ecs.0005".to_owned()));
}
