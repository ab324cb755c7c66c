//! Of ports.

use super::*;
use crate::lists::all_parts;

#[tokio::test]
async fn ports_get_what_their_owner_may_choose() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, subnet) = made(cloud, &context, "10.9.0.0/24").await;
        let fixed = |address: &str| {
            Some(vec![wit::FixedIpRequest { subnet_id: Some(subnet.id.clone()), address: Some(address.to_owned()) }])
        };
        let write = wit::PortWrite {
            fixed_ips: fixed("10.9.0.50"),
            mac: Some("02-00-00-00-00-0A".to_owned()),
            ..port(&net.id)
        };
        let made = cloud.create_port(&context, write.clone()).await.expect("port");
        assert_eq!((made.fixed_ips[0].address.as_str(), made.mac.as_str()), ("10.9.0.50", "02:00:00:00:00:0a"));
        assert_eq!(made.security_group_ids.len(), 1);
        refused!(cloud.create_port(&context, wit::PortWrite { mac: None, ..write.clone() }), AddressInUse);
        refused!(cloud.create_port(&context, wit::PortWrite { fixed_ips: None, ..write }), AlreadyExists, "mac");
        refused!(
            cloud.create_port(&context, wit::PortWrite { mac: Some("x".to_owned()), ..port(&net.id) }),
            Invalid,
            "mac"
        );
        refused!(
            cloud.create_port(&context, wit::PortWrite { fixed_ips: fixed("10.9.0.1"), ..port(&net.id) }),
            Invalid,
            "fixed-ips"
        );
        refused!(
            cloud.create_port(&context, wit::PortWrite { fixed_ips: fixed("10.8.0.1"), ..port(&net.id) }),
            Invalid,
            "fixed-ips"
        );
        let unknown = wit::PortWrite { security_group_ids: Some(vec!["none".to_owned()]), ..port(&net.id) };
        refused!(cloud.create_port(&context, unknown), NotFound);
        // Nobody makes a port look like a public address', and on a shared network an address is not for choosing.
        let disguised = || wit::PortWrite { device_owner: Some("public-address".to_owned()), ..port(&net.id) };
        refused!(cloud.create_port(&context, disguised()), Invalid, "device-owner");
        refused!(cloud.create_port(&operator("o"), disguised()), Invalid, "device-owner");
        let disguised = wit::PortWrite { network_id: None, ..disguised() };
        refused!(cloud.update_port(&context, made.id.clone(), disguised), Invalid, "device-owner");
        let shared = cloud.list_networks(&context, Vec::new(), page()).await.expect("list").networks;
        let shared = shared.iter().find(|network| network.shared).expect("shared");
        let chosen = wit::FixedIpRequest { subnet_id: None, address: Some("10.0.0.77".to_owned()) };
        let on_shared = || port(&shared.id);
        let chosen = wit::PortWrite { fixed_ips: Some(vec![chosen]), ..on_shared() };
        refused!(cloud.create_port(&context, chosen), Forbidden, "fixed-ips");
        let chosen = wit::PortWrite { mac: Some("fa:16:3e:00:00:01".to_owned()), ..on_shared() };
        refused!(cloud.create_port(&context, chosen), Forbidden, "mac");
        let open = wit::PortWrite { port_security: Some(false), ..on_shared() };
        refused!(cloud.create_port(&context, open), Forbidden, "port-security");
        let routing = wit::PortWrite { device_owner: Some("network:dhcp".to_owned()), ..on_shared() };
        refused!(cloud.create_port(&context, routing), Forbidden, "device-owner");

        let open = wit::PortWrite { port_security: Some(false), ..same_port() };
        refused!(cloud.update_port(&context, made.id.clone(), open), WrongState, "security-group-ids");
        let open = wit::PortWrite { port_security: Some(false), security_group_ids: Some(Vec::new()), ..same_port() };
        let opened = cloud.update_port(&context, made.id.clone(), open).await.expect("without groups");
        assert!(!opened.port_security && opened.security_group_ids.is_empty());
        let disabled = wit::PortWrite { enabled: Some(false), name: Some("n".to_owned()), ..same_port() };
        let disabled = cloud.update_port(&context, made.id.clone(), disabled).await.expect("update");
        assert_eq!((disabled.enabled, disabled.name.as_str(), disabled.fixed_ips.len()), (false, "n", 1));
    }
}

#[tokio::test]
async fn a_servers_port_stays_with_its_server() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
        let mut tx = world.database.db.begin().await.expect("begin");
        let port = skyloom_model::new_id();
        let spec = skyloom_store::networks::PortSpec {
            id: port.clone(),
            project_id: "p".to_owned(),
            device_id: "server".to_owned(),
            device_owner: "compute:zone".to_owned(),
            ..Default::default()
        };
        let network = skyloom_store::networks::PortNetwork::load(&mut tx, &net.id).await.expect("network");
        skyloom_store::networks::allocate_port(&mut tx, &network, spec).await.expect("allocate");
        tx.commit().await.expect("commit");
        refused!(cloud.delete_port(&context, port.clone()), InUse);
        let away = wit::PortWrite { device_id: Some(String::new()), ..same_port() };
        refused!(cloud.update_port(&context, port.clone(), away), InUse);
        let named = wit::PortWrite { name: Some("web".to_owned()), ..same_port() };
        assert_eq!(cloud.update_port(&context, port.clone(), named).await.expect("name").name, "web");
    }
}

#[tokio::test]
async fn a_port_is_a_servers_only_by_the_servers_creation() {
    for world in worlds().await {
        let cloud = &world.cloud;
        let made_servers = cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
        let server = &made_servers.server_ids[0];
        let before = cloud.get_server(&member("p"), server.clone(), all_parts()).await.expect("server");
        // Its id is a text to a port, as any other: the same answers, and the server has nothing of it.
        for context in [member("q"), member("p"), operator("q")] {
            let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
            for device in [server.as_str(), "nobody's"] {
                let naming = wit::PortWrite { device_id: Some(device.to_owned()), ..port(&net.id) };
                let naming = cloud.create_port(&context, naming).await.expect("a port that names a device");
                assert_eq!((naming.device_id.as_str(), naming.active), (device, false));
                let other = wit::PortWrite { device_id: Some("a router".to_owned()), ..same_port() };
                cloud.update_port(&context, naming.id.clone(), other).await.expect("another device");
                let again = wit::PortWrite { device_id: Some(device.to_owned()), ..same_port() };
                cloud.update_port(&context, naming.id.clone(), again).await.expect("the device again");
                let mine = cloud.list_ports(&context, is("device-id", device), page()).await.expect("list").ports;
                assert!(mine.iter().any(|port| port.id == naming.id));
                cloud.delete_port(&context, naming.id).await.expect("it is its owner's to delete");
            }
        }
        let (net, _) = made(cloud, &member("p"), "10.9.0.0/24").await;
        // Nor is it one by what it says its owner is: the server has nothing of it, and it goes at its owner's wish.
        let owner = "compute:zone-1".to_owned();
        let naming =
            wit::PortWrite { device_id: Some(server.clone()), device_owner: Some(owner.clone()), ..port(&net.id) };
        let naming = cloud.create_port(&member("p"), naming).await.expect("of the server's project");
        assert_eq!((&naming.device_id, &naming.device_owner, naming.active), (server, &owner, false));
        let after = cloud.get_server(&member("p"), server.clone(), all_parts()).await.expect("server");
        assert_eq!((after.nics.len(), before.nics.len()), (1, 1), "{}", world.database.name);
        let other = wit::PortWrite { device_owner: Some("compute:elsewhere".to_owned()), ..same_port() };
        cloud.update_port(&member("p"), naming.id.clone(), other).await.expect("another owner");
        cloud.delete_port(&member("p"), naming.id).await.expect("it is its owner's to delete");
        // A client that sends the whole port back changes nothing.
        let own = before.nics[0].port_id.clone();
        let port = cloud.get_port(&member("p"), own.clone()).await.expect("the server's port");
        let fixed = |fixed: &wit::FixedIp| wit::FixedIpRequest {
            subnet_id: Some(fixed.subnet_id.clone()),
            address: Some(fixed.address.clone()),
        };
        let same = wit::PortWrite {
            device_id: Some(server.clone()),
            device_owner: Some(port.device_owner.clone()),
            mac: Some(port.mac.to_ascii_uppercase()),
            fixed_ips: Some(port.fixed_ips.iter().map(fixed).collect()),
            ..same_port()
        };
        let same = cloud.update_port(&member("p"), own.clone(), same).await.expect("the same");
        assert_eq!((&same.device_id, same.fixed_ips.len()), (server, port.fixed_ips.len()));
        let fewer = wit::PortWrite { fixed_ips: Some(Vec::new()), ..same_port() };
        refused!(cloud.update_port(&member("p"), own, fewer), InUse);
    }
}

/// Creations and the deletion of what they need, side by side: each is done or refused, none meets a fault of the database.
#[tokio::test]
async fn a_network_is_deleted_while_ports_are_made_on_it() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        for _ in 0..20 {
            let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
            let make = || cloud.create_port(&context, port(&net.id));
            let (one, two, gone, three) =
                tokio::join!(make(), make(), cloud.delete_network(&context, net.id.clone()), make());
            for answer in [one.map(drop), two.map(drop), three.map(drop), gone] {
                let code = answer.err().map(|error| error.code);
                let fine = matches!(code, None | Some(ErrorCode::NotFound | ErrorCode::InUse));
                assert!(fine, "{}: {code:?}", world.database.name);
            }
        }
    }
}
