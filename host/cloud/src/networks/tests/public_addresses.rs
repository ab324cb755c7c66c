//! Of public addresses.

use skyloom_runtime::api::QuotasApi as _;
use skyloom_store::public_addresses;

use super::*;
use crate::compute::testing::context_of;
use crate::lists::all_parts;

fn address() -> wit::PublicAddressWrite {
    wit::PublicAddressWrite {
        project_id: None,
        network_id: None,
        subnet_id: None,
        address: None,
        description: None,
        port_id: None,
        fixed_address: None,
        attributes: None,
    }
}

/// It leads to this port; none: nowhere.
fn to(port: Option<&str>) -> wit::PublicAddressWrite {
    wit::PublicAddressWrite { port_id: Some(port.map(str::to_owned)), ..address() }
}

async fn external(cloud: &Cloud) -> wit::Network {
    let seen = cloud.list_networks(&member("p"), Vec::new(), page()).await.expect("list").networks;
    seen.into_iter().find(|network| network.external).expect("the external network")
}

async fn listed(cloud: &Cloud, context: &Arc<CallContext>, conditions: Vec<wit::Condition>) -> Vec<String> {
    let page = cloud.list_public_addresses(context, conditions, page()).await.expect("list");
    page.addresses.into_iter().map(|address| address.id).collect()
}

#[tokio::test]
async fn an_address_is_taken_shown_described_and_given_back() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let outside = external(cloud).await;
        let write = wit::PublicAddressWrite {
            network_id: Some(outside.id.clone()),
            description: Some("front".to_owned()),
            attributes: Some(r#"{"a":1}"#.to_owned()),
            ..address()
        };
        let made = cloud.create_public_address(&context, write).await.expect("address");
        assert_eq!((made.network_id.as_str(), made.project_id.as_str()), (outside.id.as_str(), "p"));
        assert_eq!((&made.port_id, &made.fixed_address, &made.server_id), (&None, &None, &None));
        let shown = cloud.get_public_address(&context, made.id.clone()).await.expect("get");
        assert_eq!(
            (&shown.address, shown.attributes.as_str()),
            (&made.address, r#"{"a":1}"#),
            "{}",
            world.database.name
        );
        let other = context_of("p", false, "other-face");
        assert_eq!(cloud.get_public_address(&other, made.id.clone()).await.expect("get").attributes, "{}");
        // Without a network it is from the default one.
        let second = cloud.create_public_address(&context, address()).await.expect("address");
        assert_eq!(second.network_id, outside.id);
        assert_ne!(second.address, made.address);
        let used = cloud.get_quotas(&context, None).await.expect("quotas");
        assert_eq!(used.iter().find(|quota| quota.name == "public-addresses").expect("the quota").used, 2);

        let said = wit::PublicAddressWrite { description: Some("back".to_owned()), ..address() };
        let said = cloud.update_public_address(&context, made.id.clone(), said).await.expect("update");
        assert_eq!((said.description.as_str(), said.revision), ("back", made.revision + 1));
        // A client that sends the whole record back changes nothing.
        let same = wit::PublicAddressWrite {
            network_id: Some(outside.id.clone()),
            address: Some(made.address.clone()),
            project_id: Some("p".to_owned()),
            ..address()
        };
        cloud.update_public_address(&context, made.id.clone(), same).await.expect("the same");
        let another = wit::PublicAddressWrite { address: Some(second.address.clone()), ..address() };
        refused!(cloud.update_public_address(&context, made.id.clone(), another), Invalid, "address");

        cloud.delete_public_address(&context, made.id.clone()).await.expect("delete");
        refused!(cloud.get_public_address(&context, made.id.clone()), NotFound);
        refused!(cloud.delete_public_address(&context, made.id), NotFound);
        assert_eq!(world.count("spans WHERE ended_at = 9223372036854775807 AND meter = 'public-address'").await, 1);
        assert_eq!(listed(cloud, &context, Vec::new()).await, [second.id]);
    }
}

#[tokio::test]
async fn what_an_address_may_be_from_is_checked() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (inside, subnet) = made(cloud, &context, "10.9.0.0/24").await;
        let from = |id: &str| wit::PublicAddressWrite { network_id: Some(id.to_owned()), ..address() };
        refused!(cloud.create_public_address(&context, from(&inside.id)), Invalid, "network-id");
        refused!(cloud.create_public_address(&context, from("none")), NotFound);
        let other = wit::PublicAddressWrite { subnet_id: Some(subnet.id), ..address() };
        refused!(cloud.create_public_address(&context, other), Invalid, "subnet-id");
        let long = wit::PublicAddressWrite { description: Some("x".repeat(256)), ..address() };
        refused!(cloud.create_public_address(&context, long), Invalid, "description");
        // Which address it is, only operators and the network's owner say.
        let free = cloud.create_public_address(&context, address()).await.expect("address");
        cloud.delete_public_address(&context, free.id).await.expect("delete");
        let chosen = wit::PublicAddressWrite { address: Some(free.address.clone()), ..address() };
        refused!(cloud.create_public_address(&context, chosen.clone()), Forbidden, "address");
        let for_p = wit::PublicAddressWrite { project_id: Some("p".to_owned()), ..chosen.clone() };
        let given = cloud.create_public_address(&operator("op"), for_p).await.expect("an operator's choice");
        assert_eq!((&given.address, given.project_id.as_str()), (&free.address, "p"), "{}", world.database.name);
        refused!(cloud.create_public_address(&operator("op"), chosen), AddressInUse);
        let outside = wit::PublicAddressWrite { address: Some("10.9.0.9".to_owned()), ..address() };
        refused!(cloud.create_public_address(&operator("op"), outside), Invalid, "address");
        let foreign = wit::PublicAddressWrite { project_id: Some("q".to_owned()), ..address() };
        refused!(cloud.create_public_address(&context, foreign), Forbidden, "project-id");
    }
}

#[tokio::test]
async fn a_network_stays_external_as_long_as_addresses_are_from_it() {
    for world in worlds().await {
        let (cloud, op) = (&world.cloud, operator("op"));
        let outside = external(cloud).await;
        let one = cloud.create_public_address(&member("p"), address()).await.expect("address");
        let inside = wit::NetworkWrite { external: Some(false), ..network(&outside.name) };
        refused!(cloud.update_network(&op, outside.id.clone(), inside.clone()), InUse, "external");
        cloud.delete_public_address(&member("p"), one.id).await.expect("delete");
        let now = cloud.update_network(&op, outside.id, inside).await.expect("no address is from it");
        assert!(!now.external, "{}", world.database.name);
    }
}

#[tokio::test]
async fn an_address_leads_to_one_address_of_a_port_and_no_other_leads_there() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
        let fixed = |addresses: &[&str]| -> Option<Vec<wit::FixedIpRequest>> {
            let one = |text: &&str| wit::FixedIpRequest { subnet_id: None, address: Some((*text).to_owned()) };
            Some(addresses.iter().map(one).collect())
        };
        let several = wit::PortWrite { fixed_ips: fixed(&["10.9.0.7", "10.9.0.8"]), ..port(&net.id) };
        let several = cloud.create_port(&context, several).await.expect("port");
        let single = cloud.create_port(&context, port(&net.id)).await.expect("port");
        let bare = cloud.create_port(&context, wit::PortWrite { fixed_ips: Some(vec![]), ..port(&net.id) }).await;
        let bare = bare.expect("port");

        let one = cloud.create_public_address(&context, to(Some(&single.id))).await.expect("bound at once");
        assert_eq!((one.port_id.as_ref(), &one.server_id), (Some(&single.id), &None));
        assert_eq!(one.fixed_address.as_ref(), Some(&single.fixed_ips[0].address), "{}", world.database.name);
        let two = cloud.create_public_address(&context, address()).await.expect("address");
        let lead = |write| cloud.update_public_address(&context, two.id.clone(), write);
        refused!(lead(to(Some(&single.id))), InUse);
        refused!(lead(to(Some(&bare.id))), Invalid, "port-id");
        refused!(lead(to(Some("none"))), NotFound);
        refused!(lead(to(Some(&several.id))), Invalid, "fixed-address");
        let at = |text: &str| wit::PublicAddressWrite { fixed_address: Some(text.to_owned()), ..to(Some(&several.id)) };
        refused!(lead(at("10.9.0.9")), Invalid, "fixed-address");
        refused!(lead(at("x")), Invalid, "fixed-address");
        refused!(lead(wit::PublicAddressWrite { port_id: None, ..at("10.9.0.7") }), Invalid, "fixed-address");
        let led = lead(at("10.9.0.8")).await.expect("bind");
        assert_eq!((led.port_id.as_ref(), led.fixed_address.as_deref()), (Some(&several.id), Some("10.9.0.8")));
        let moved = lead(wit::PublicAddressWrite { port_id: None, ..at("10.9.0.7") }).await.expect("of the same port");
        assert_eq!((moved.port_id.as_ref(), moved.fixed_address.as_deref()), (Some(&several.id), Some("10.9.0.7")));
        lead(at("10.9.0.7")).await.expect("it leads there already");
        assert_eq!(listed(cloud, &context, is("port-id", &several.id)).await, std::slice::from_ref(&two.id));

        // The port loses the address, and then goes itself.
        let fewer = wit::PortWrite { fixed_ips: fixed(&["10.9.0.8"]), ..same_port() };
        cloud.update_port(&context, several.id.clone(), fewer).await.expect("update");
        let free = cloud.get_public_address(&context, two.id.clone()).await.expect("get");
        assert_eq!((free.port_id, free.fixed_address), (None, None), "{}", world.database.name);
        cloud.delete_port(&context, single.id.clone()).await.expect("delete the port");
        assert_eq!(cloud.get_public_address(&context, one.id.clone()).await.expect("get").port_id, None);
        // An unbound one leads nowhere, and a bound one may be given back.
        lead(at("10.9.0.8")).await.expect("bind");
        assert_eq!(lead(to(None)).await.expect("unbind").port_id, None);
        lead(at("10.9.0.8")).await.expect("bind");
        cloud.delete_public_address(&context, two.id.clone()).await.expect("delete");
        assert_eq!(cloud.get_port(&context, several.id).await.expect("the port stays").fixed_ips.len(), 1);
    }
}

#[tokio::test]
async fn foreign_projects_see_no_address_and_no_port() {
    for world in worlds().await {
        let (cloud, owner, other) = (&world.cloud, member("p"), member("q"));
        let mine = cloud.create_public_address(&owner, address()).await.expect("address");
        refused!(cloud.get_public_address(&other, mine.id.clone()), NotFound);
        refused!(cloud.update_public_address(&other, mine.id.clone(), to(None)), NotFound);
        refused!(cloud.delete_public_address(&other, mine.id.clone()), NotFound);
        assert_eq!(listed(cloud, &other, Vec::new()).await, Vec::<String>::new());
        assert_eq!(listed(cloud, &operator("op"), is("id", &mine.id)).await, std::slice::from_ref(&mine.id));
        let (net, _) = made(cloud, &other, "10.9.0.0/24").await;
        let theirs = cloud.create_port(&other, port(&net.id)).await.expect("port");
        refused!(cloud.update_public_address(&owner, mine.id.clone(), to(Some(&theirs.id))), NotFound);
        // An operator sees both, and they stay apart.
        let op = operator("op");
        refused!(cloud.update_public_address(&op, mine.id.clone(), to(Some(&theirs.id))), Invalid, "port-id");
        refused!(cloud.create_public_address(&owner, to(Some(&theirs.id))), NotFound);
        // Its carrier is a port outside, to which nothing leads.
        let carriers = cloud.list_ports(&owner, is("device-owner", public_addresses::DEVICE_OWNER), page()).await;
        let carrier = carriers.expect("list").ports.remove(0);
        assert_eq!((&carrier.device_id, &carrier.fixed_ips[0].address), (&mine.id, &mine.address));
        refused!(cloud.update_public_address(&owner, mine.id, to(Some(&carrier.id))), Invalid, "port-id");
    }
}

#[tokio::test]
async fn an_address_leads_to_a_servers_card_and_is_shown_there() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
        let before = cloud.create_port(&context, port(&net.id)).await.expect("port");
        let kept = cloud.create_public_address(&context, to(Some(&before.id))).await.expect("address");
        let nic = skyloom_runtime::bindings::cloud::compute::NicRequest {
            port_id: Some(before.id.clone()),
            network_id: None,
            subnet_id: None,
            address: None,
            security_groups: None,
        };
        let create = skyloom_runtime::bindings::cloud::compute::ServerCreate {
            networks: skyloom_runtime::bindings::cloud::compute::NetworkChoice::Nics(vec![nic]),
            ..world.create(&["a"])
        };
        let server = cloud.create_servers(&context, create).await.expect("creation").server_ids.remove(0);
        let shown = || async {
            let server = cloud.get_server(&context, server.clone(), all_parts()).await.expect("server");
            let floating = server.nics[0].addresses.iter().filter(|address| address.floating);
            floating.map(|address| address.address.clone()).collect::<Vec<_>>()
        };
        assert_eq!(shown().await, std::slice::from_ref(&kept.address), "{}", world.database.name);
        let told = cloud.get_public_address(&context, kept.id.clone()).await.expect("get");
        assert_eq!(told.server_id.as_ref(), Some(&server), "it follows the port");
        assert_eq!(listed(cloud, &context, is("server-id", &server)).await, std::slice::from_ref(&kept.id));
        let away = cloud.update_public_address(&context, kept.id.clone(), to(None)).await.expect("unbind");
        assert_eq!((away.server_id, shown().await.len()), (None, 0));
        let back = cloud.update_public_address(&context, kept.id.clone(), to(Some(&before.id))).await.expect("bind");
        assert_eq!((back.server_id.as_ref(), shown().await.len()), (Some(&server), 1));
        cloud.delete_public_address(&context, kept.id).await.expect("delete");
        assert_eq!(shown().await.len(), 0, "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_projects_quota_bounds_its_addresses() {
    let mut settings = Settings::default();
    settings.compute.quotas.insert("public-addresses".to_owned(), 2);
    for world in crate::compute::testing::worlds(settings).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let both = cloud.create_public_addresses(&context, vec![address(), address()]).await.expect("two");
        assert_eq!(both.len(), 2, "{}", world.database.name);
        refused!(cloud.create_public_address(&context, address()), QuotaExceeded, "public-addresses");
        refused!(cloud.create_public_addresses(&context, vec![address(); 129]), Invalid);
    }
}

/// Side by side on one address of a port: one gets it, the others are told.
#[tokio::test]
async fn a_ports_address_is_led_to_once_whoever_asks_at_the_same_time() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
        for _ in 0..10 {
            let port = cloud.create_port(&context, port(&net.id)).await.expect("port");
            let make = || cloud.create_public_address(&context, to(Some(&port.id)));
            let (one, two, gone) = tokio::join!(make(), make(), cloud.delete_port(&context, port.id.clone()));
            let of_port = listed(cloud, &context, is("port-id", &port.id)).await;
            gone.expect("the port is its owner's to delete");
            assert_eq!(of_port.len(), 0, "{}: what led there leads nowhere", world.database.name);
            for answer in [one, two] {
                match answer {
                    Ok(made) => cloud.delete_public_address(&context, made.id).await.expect("delete"),
                    Err(error) => {
                        let fine = matches!(error.code, ErrorCode::InUse | ErrorCode::NotFound);
                        assert!(fine, "{}: {error:?}", world.database.name);
                    }
                }
            }
        }
    }
}
