//! What outlives its server by the vendors' defaults: it is charged for until the operator removes it, and then nothing of it is
//! left, neither in the records nor on the platform.

use serde_json::{Value, json};
use skyloom_resilience::{Server, World, until};
use skyloom_store::documents::Documents;
use skyloom_store::{Db, args, db};

const NULL: Value = Value::Null;

/// A project of its own, to which the server's token is then good.
fn project(server: &mut Server) -> String {
    let made = server.good("identity-v3", "POST", "/v3/projects", &json!({ "project": { "name": "guests" } }));
    let project = made["project"]["id"].as_str().expect("an id").to_owned();
    let id = |list: &str, name: &str| {
        let found = server.good("identity-v3", "GET", &format!("/v3/{list}?name={name}"), &NULL);
        found[list][0]["id"].as_str().expect("an id").to_owned()
    };
    let role = format!("/v3/projects/{project}/users/{}/roles/{}", id("users", "admin"), id("roles", "admin"));
    assert_eq!(server.call("identity-v3", "PUT", &role, &NULL).status, 204);
    let scope = json!({ "auth": {
        "identity": { "methods": ["token"], "token": { "id": server.token } },
        "scope": { "project": { "id": project } },
    }});
    let answer = server.call("identity-v3", "POST", "/v3/auth/tokens", &scope);
    assert_eq!(answer.status, 201, "{}", answer.text);
    server.token = answer.header("x-subject-token").expect("a token").to_owned();
    project
}

/// What `openstack server create --boot-from-volume 1` sends.
fn nova_server(server: &Server, image: &str, network: &str) -> String {
    let device = json!({ "uuid": image, "boot_index": 0, "source_type": "image", "destination_type": "volume",
        "volume_size": 1, "delete_on_termination": false });
    let body = json!({ "server": { "name": "by-nova", "flavorRef": "1", "block_device_mapping_v2": [device],
        "networks": [{ "uuid": network }] } });
    let made = server.good("compute-v2", "POST", "/v2.1/servers", &body);
    let id = made["server"]["id"].as_str().expect("an id").to_owned();
    server.wait_for(&id, "ACTIVE");
    id
}

/// With a data disk and an address of its own, neither of which says that it goes with the server.
fn ecs_server(server: &Server, project: &str, image: &str, network: &str) -> String {
    let routers = server.good("network-v2", "GET", "/v2.0/routers", &NULL);
    let own = |router: &&Value| router["project_id"] == project;
    let vpc = routers["routers"].as_array().expect("routers").iter().find(own).expect("the project's own");
    let flavors = server.good("ecs-v1", "GET", &format!("/v1/{project}/cloudservers/flavors"), &NULL);
    let eip = json!({ "iptype": "5_bgp", "bandwidth": { "size": 10, "sharetype": "PER", "chargemode": "traffic" } });
    let body = json!({ "server": { "name": "by-ecs", "imageRef": image, "flavorRef": flavors["flavors"][0]["id"],
        "vpcid": vpc["id"], "nics": [{ "subnet_id": network }], "root_volume": { "volumetype": "SSD", "size": 1 },
        "data_volumes": [{ "volumetype": "SSD", "size": 10 }], "publicip": { "eip": eip } } });
    let asked = server.good("ecs-v1", "POST", &format!("/v1/{project}/cloudservers"), &body);
    ended(server, project, asked["job_id"].as_str().expect("a job"))["sub_jobs"][0]["entities"]["server_id"]
        .as_str()
        .expect("a server")
        .to_owned()
}

/// The entities of a job of the ECS that has ended well.
fn ended(server: &Server, project: &str, job: &str) -> Value {
    until("the end of the job", || {
        let job = server.good("ecs-v1", "GET", &format!("/v1/{project}/jobs/{job}"), &NULL);
        assert_ne!(job["status"], "FAIL", "{job}");
        (job["status"] == "SUCCESS").then(|| job["entities"].clone())
    })
}

/// A verb of the program with JSON.
fn listed(world: &World, verb: &[&str]) -> Vec<Value> {
    let output = world.run(&[verb, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a list")
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

/// Exit code and what was said.
fn delete(world: &World, what: &str, id: &str) -> (Option<i32>, String) {
    let output = world.run(&[what, "delete", id]);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Open spans, volumes, addresses and ports of the project, and everything that is held of the nodes.
fn held(world: &World, project: &str) -> Vec<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let records = Db::sqlite(&world.state("skyloom.db"), db::Options::default()).await.expect("the database");
        let mut conn = records.read().await.expect("a connection");
        let mut counts = Vec::new();
        for sql in [
            "SELECT count(*) FROM spans WHERE project_id = $1 AND ended_at = 9223372036854775807",
            "SELECT count(*) FROM volumes WHERE project_id = $1",
            "SELECT count(*) FROM public_addresses WHERE project_id = $1",
            "SELECT count(*) FROM ports WHERE project_id = $1",
            "SELECT count(*) FROM placements WHERE $1 <> ''",
            "SELECT sum(vcpus) + sum(memory_mib) + sum(disk_gib) FROM node_usage WHERE $1 <> ''",
        ] {
            counts.push(conn.one(sql, args![project], |row| row.int(0)).await.expect("a count"));
        }
        drop(conn);
        records.close().await;
        counts
    })
}

/// Disks that the simulated platform has.
fn on_the_platform(world: &World) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let documents = Documents::sqlite(&world.state("documents.db")).await.expect("the documents");
        let found = documents.list("simulator/node-1", "disks", None, 0).await.expect("a list");
        documents.close().await;
        found.len()
    })
}

#[test]
fn what_outlives_its_server_is_removed_by_the_operator_and_then_the_project_can_go() {
    let Some(world) = World::new("what outlives its server", "[reconcile]\ninterval-ms = 50\n") else { return };
    let mut server = world.start();
    let image = server.image();
    let networks = server.good("network-v2", "GET", "/v2.0/networks?router:external=false", &NULL);
    let network = networks["networks"][0]["id"].as_str().expect("an id").to_owned();
    let admin = server.token.clone();
    let project = project(&mut server);
    let by_nova = nova_server(&server, &image, &network);
    let by_ecs = ecs_server(&server, &project, &image, &network);

    let of_project = ["volume", "list", "--project", &project];
    let volumes = listed(&world, &of_project);
    assert_eq!(volumes.len(), 3, "{volumes:?}");
    assert_eq!(listed(&world, &[&of_project[..], &["--free"]].concat()), [NULL; 0]);
    for id in ids(&volumes) {
        let (code, said) = delete(&world, "volume", &id);
        assert!(code == Some(1) && said.contains("is in use by server"), "{said}");
    }
    let addresses = listed(&world, &["address", "list", "--project", &project]);
    let (code, said) = delete(&world, "address", &ids(&addresses)[0]);
    assert!(code == Some(1) && said.contains("is in use by server"), "{said}");

    server.delete_server(&by_nova);
    let body = json!({ "servers": [{ "id": by_ecs }] });
    let asked = server.good("ecs-v1", "POST", &format!("/v1/{project}/cloudservers/delete"), &body);
    ended(&server, &project, asked["job_id"].as_str().expect("a job"));
    let volumes = listed(&world, &[&of_project[..], &["--free"]].concat());
    let sizes: Vec<_> = volumes.iter().map(|volume| volume["size-gib"].clone()).collect();
    assert_eq!(sizes, [10, 1], "the data disk and the disk that was booted from: {volumes:?}");
    let addresses = listed(&world, &["address", "list", "--project", &project, "--free"]);
    assert!(addresses.len() == 1 && addresses[0]["address"].as_str() > Some("203.0.113."), "{addresses:?}");
    assert_eq!(held(&world, &project), [3, 2, 1, 1, 2, 11], "they are paid for, and fill the node");
    assert_eq!(on_the_platform(&world), 2);

    server.token = admin;
    let way = format!("/v3/projects/{project}");
    let refused = server.call("identity-v3", "DELETE", &way, &NULL);
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("volumes (2), public addresses (1)"), "{}", refused.text);

    for (what, ids) in [("volume", ids(&volumes)), ("address", ids(&addresses))] {
        for id in ids {
            assert_eq!(delete(&world, what, &id).0, Some(0), "{what} {id}");
            let (code, said) = delete(&world, what, &id);
            assert!(code == Some(1) && said.contains("could not be found"), "{said}");
        }
    }
    assert_eq!(held(&world, &project), [0; 6]);
    until("the disks go from the platform", || (on_the_platform(&world) == 0).then_some(()));
    let gone = server.call("identity-v3", "DELETE", &way, &NULL);
    assert_eq!(gone.status, 204, "{}", gone.text);
    server.stop();
}
