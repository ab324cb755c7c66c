//! Lists: pages, filters, queries that make no sense.

use network_v2::handle;
use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{GroupPage, Network, NetworkPage, PortPage, RouterPage, RulePage, SubnetPage};
use skyloom_sdk::conditions::{all_of, any_of, is, none_of, not_all_of};
use skyloom_sdk::testing::{FakeCloud, Seen, invalid, json_of};
use skyloom_sdk::{Condition, PageRequest, Response};

use crate::support::*;

/// A core with networks `1` to `5`, paged as the core does it.
fn five(seen: &Seen<PageRequest>) -> FakeCloud {
    in_pages(seen, 1000)
}

/// No page holds more than `most`, as where the networks are large.
fn in_pages(seen: &Seen<PageRequest>, most: usize) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    let log = seen.clone();
    cloud.networks.list_networks = Some(Box::new(move |_, page| {
        log.push(page.clone());
        let mut ids: Vec<u32> = (1..=5).collect();
        if page.sort.last().is_some_and(|key| key.descending) {
            ids.reverse();
        }
        let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
        let start =
            page.marker.as_ref().map_or(0, |marker| 1 + ids.iter().position(|id| id == marker).expect("marker"));
        let end = ids.len().min(start + most.min(page.limit as usize));
        let networks: Vec<Network> = ids[start..end].iter().map(|id| network(id)).collect();
        let next = (end < ids.len()).then(|| ids[end - 1].clone());
        Ok(NetworkPage { networks, next })
    }));
    cloud
}

fn ids(response: &Response) -> Vec<String> {
    let body = json_of(response);
    let list = body["networks"].as_array().expect("a list");
    list.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn what_one_answer_does_not_hold_is_behind_a_link() {
    let cloud = in_pages(&Seen::default(), 2);
    let next =
        |query: &str| json!([{"rel": "next", "href": format!("http://cloud.test/network/v2.0/networks?{query}")}]);
    let first = handle(&cloud, call("networks.list").query("name", "x").build());
    assert_eq!(
        (ids(&first), &json_of(&first)["networks_links"]),
        (vec!["1".to_owned(), "2".to_owned()], &next("name=x&marker=2"))
    );
    let second = handle(&cloud, call("networks.list").query("marker", "2").build());
    assert_eq!(ids(&second), ["3", "4"]);
    let last = handle(&cloud, call("networks.list").query("marker", "4").build());
    assert_eq!((ids(&last), &json_of(&last)["networks_links"]), (vec!["5".to_owned()], &Value::Null));
    let short = handle(&cloud, call("networks.list").query("limit", "4").build());
    assert_eq!((ids(&short).len(), &json_of(&short)["networks_links"]), (2, &next("limit=4&marker=2")));
}

#[test]
fn lists_are_whole_or_in_pages_with_links() {
    let seen = Seen::default();
    let cloud = five(&seen);
    let all = handle(&cloud, call("networks.list").build());
    assert_eq!(ids(&all), ["1", "2", "3", "4", "5"]);
    assert_eq!(json_of(&all)["networks_links"], Value::Null);
    let links = |response: &Response| {
        let body = json_of(response);
        let links = body["networks_links"].as_array().cloned().unwrap_or_default();
        links
            .iter()
            .map(|link| {
                (
                    link["rel"].as_str().unwrap_or_default().to_owned(),
                    link["href"].as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect::<Vec<_>>()
    };
    let own = |rel: &str, query: &str| (rel.to_owned(), format!("http://cloud.test/network/v2.0/networks?{query}"));
    let first = handle(&cloud, call("networks.list").query("limit", "2").query("fields", "id").build());
    assert_eq!(ids(&first), ["1", "2"]);
    assert_eq!(links(&first), [own("next", "limit=2&fields=id&marker=2")]);
    let middle = handle(&cloud, call("networks.list").query("limit", "2").query("marker", "2").build());
    assert_eq!(ids(&middle), ["3", "4"]);
    assert_eq!(
        links(&middle),
        [own("next", "limit=2&marker=4"), own("previous", "limit=2&marker=3&page_reverse=True")]
    );
    let last = handle(&cloud, call("networks.list").query("limit", "2").query("marker", "4").build());
    assert_eq!(links(&last), [own("previous", "limit=2&marker=5&page_reverse=True")]);
    let back = call("networks.list").query("limit", "2").query("marker", "5").query("page_reverse", "True");
    let back = handle(&cloud, back.build());
    assert_eq!(ids(&back), ["3", "4"]);
    assert_eq!(links(&back), [own("next", "limit=2&marker=4"), own("previous", "limit=2&marker=3&page_reverse=True")]);
    // Empty fields and keys ask for nothing.
    let bare = call("networks.list").query("fields", "").query("sort_key", "").query("sort_dir", "");
    assert_eq!(json_of(&handle(&cloud, bare.build())), json_of(&all));
    handle(&cloud, call("networks.list").query("sort_key", "name").query("sort_dir", "desc").build());
    let sort = seen.all().pop().expect("a call").sort;
    let sort: Vec<_> = sort.iter().map(|key| (key.field.as_str(), key.descending)).collect();
    assert_eq!(sort, [("name", true), ("id", false)]);
}

#[test]
fn a_list_is_ordered_by_each_of_upstreams_keys() {
    let seen = Seen::default();
    let cloud = five(&seen);
    for (key, core) in [
        ("mtu", Some("mtu")),
        ("admin_state_up", Some("enabled")),
        ("tenant_id", Some("project-id")),
        ("updated_at", Some("updated-at")),
        // The same of all.
        ("status", None),
    ] {
        let request = call("networks.list").query("sort_key", key).query("sort_dir", "desc");
        assert_eq!(handle(&cloud, request.build()).status, 200, "{key}");
        let sort = seen.all().pop().expect("a call").sort;
        let sort: Vec<_> = sort.iter().map(|key| (key.field.as_str(), key.descending)).collect();
        let expected: Vec<_> = core.map(|core| (core, true)).into_iter().chain([("id", false)]).collect();
        assert_eq!(sort, expected, "{key}");
    }
    let said = |key: &str, direction: &str| {
        fault(&handle(&cloud, call("networks.list").query("sort_key", key).query("sort_dir", direction).build())).2
    };
    assert_eq!(said("it's", "asc"), r#"["it's"] is invalid attribute for sort_keys"#);
    let wrong = "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'";
    assert_eq!(said("name", "up"), wrong);
}

#[test]
fn queries_that_make_no_sense_are_refused() {
    let seen = Seen::default();
    let cloud = five(&seen);
    for query in [
        &[("limit", "-1")][..],
        &[("limit", "x")],
        &[("sort_key", "mac_address"), ("sort_dir", "asc")],
        &[("sort_key", "name"), ("sort_dir", "up")],
        &[("sort_key", "name"), ("sort_key", "id"), ("sort_dir", "asc")],
        &[("unknown", "x")],
        &[("shared", "maybe")],
    ] {
        let mut request = call("networks.list");
        for (name, value) in query {
            request = request.query(name, value);
        }
        let (status, kind, _) = fault(&handle(&cloud, request.build()));
        assert_eq!((status, kind.as_str(), seen.all().len()), (400, "HTTPBadRequest", 0), "{query:?}");
    }
}

/// What the core is asked for by a list of each resource; all lists are empty.
fn asked(operation: &str, query: &[(&str, &str)]) -> (u16, Vec<Condition>) {
    let seen: Seen<Vec<Condition>> = Seen::default();
    let mut cloud = FakeCloud::default();
    macro_rules! empty {
        ($($function:ident $page:ident { $items:ident })+) => {$(
            let log = seen.clone();
            cloud.networks.$function = Some(Box::new(move |conditions, _| {
                log.push(conditions.to_vec());
                Ok($page { $items: Vec::new(), next: None })
            }));
        )+};
    }
    empty! {
        list_networks NetworkPage { networks }
        list_subnets SubnetPage { subnets }
        list_ports PortPage { ports }
        list_security_groups GroupPage { groups }
        list_security_group_rules RulePage { rules }
        list_routers RouterPage { routers }
    }
    let request = query.iter().fold(call(operation), |request, (name, value)| request.query(name, value));
    let response = handle(&cloud, request.build());
    (response.status, seen.all().pop().unwrap_or_default())
}

/// An operation, its query, and what it asks of the core.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<Condition>);

#[test]
fn filters_reach_the_core() {
    let nothing = || any_of::<&str>("id", []);
    let cases: Vec<Case> = vec![
        ("networks.list", &[("name", "a"), ("name", "b")], vec![any_of("name", ["a", "b"])]),
        ("networks.list", &[("description", "x"), ("mtu", "1400")], vec![is("description", "x"), is("mtu", 1400)]),
        (
            "networks.list",
            &[("shared", "True"), ("router:external", "0")],
            vec![is("shared", true), is("external", false)],
        ),
        ("networks.list", &[("status", "ACTIVE")], vec![]),
        ("networks.list", &[("status", "BUILD")], vec![nothing()]),
        ("networks.list", &[("project_id", "a"), ("project_id", "b")], vec![any_of("project-id", ["a", "b"])]),
        (
            "networks.list",
            &[("tags", "a,b"), ("tags-any", "c,d"), ("not-tags", "e,f"), ("not-tags-any", "g,h")],
            vec![
                all_of("tags", ["a", "b"]),
                any_of("tags", ["c", "d"]),
                not_all_of("tags", ["e", "f"]),
                none_of("tags", ["g", "h"]),
            ],
        ),
        (
            "subnets.list",
            &[("ip_version", "6"), ("enable_dhcp", "False"), ("cidr", "c"), ("description", "")],
            vec![is("description", ""), is("ip-version", 6), is("cidr", "c"), is("dhcp", false)],
        ),
        ("subnets.list", &[("ipv6_ra_mode", "slaac")], vec![nothing()]),
        ("subnets.list", &[("subnetpool_id", "x")], vec![nothing()]),
        ("subnets.list", &[("segment_id", "x")], vec![nothing()]),
        (
            "ports.list",
            &[
                ("device_id", "server-1"),
                ("network_id", "a"),
                ("network_id", "b"),
                ("fixed_ips", "ip_address=10.0.0.7"),
                ("fixed_ips", "ip_address=10.0.0.8"),
                ("fixed_ips", "subnet_id=subnet-1"),
                ("mac_address", "fa:16:3e:00:00:01"),
                ("tenant_id", "p"),
            ],
            vec![
                is("project-id", "p"),
                any_of("network-id", ["a", "b"]),
                is("mac", "fa:16:3e:00:00:01"),
                any_of("address", ["10.0.0.7", "10.0.0.8"]),
                is("subnet-id", "subnet-1"),
                is("device-id", "server-1"),
            ],
        ),
        ("ports.list", &[("status", "DOWN"), ("admin_state_up", "yes")], vec![is("enabled", true), is("down", true)]),
        ("ports.list", &[("status", "ACTIVE"), ("status", "DOWN")], vec![any_of("down", [false, true])]),
        ("ports.list", &[("status", "BUILD")], vec![any_of::<&str>("down", [])]),
        ("ports.list", &[("ip_allocation", "immediate")], vec![is("addressed", true)]),
        (
            "ports.list",
            &[("ip_allocation", "none"), ("description", "d")],
            vec![is("description", "d"), is("addressed", false)],
        ),
        ("ports.list", &[("security_groups", "g")], vec![is("security-group-ids", "g")]),
        (
            "security-group-rules.list",
            &[("direction", "egress"), ("ethertype", "IPv4"), ("security_group_id", "g"), ("port_range_min", "22")],
            vec![is("group-id", "g"), is("ingress", false), is("ip-version", 4), is("port-min", 22)],
        ),
        (
            "security-group-rules.list",
            &[("port_range_max", "80"), ("description", "web")],
            vec![is("port-max", 80), is("description", "web")],
        ),
        ("security-groups.list", &[("shared", "False"), ("stateful", "true")], vec![is("stateful", true)]),
        ("security-groups.list", &[("shared", "True"), ("description", "d")], vec![is("description", "d"), nothing()]),
        (
            "routers.list",
            &[("id", "a"), ("name", "one"), ("admin_state_up", "true"), ("tenant_id", "p"), ("revision_number", "0")],
            vec![is("id", "a"), is("name", "one"), is("project-id", "p"), is("enabled", true)],
        ),
    ];
    for (operation, query, expected) in cases {
        assert_eq!(asked(operation, query), (200, expected), "{operation} {query:?}");
    }
    for (operation, name, value) in [
        ("ports.list", "fixed_ips", "10.0.0.7"),
        ("ports.list", "fixed_ips", "ip_address_substr=10"),
        ("subnets.list", "ip_version", "5"),
        ("networks.list", "mtu", "large"),
        ("networks.list", "subnets", "x"),
        ("security-group-rules.list", "direction", "up"),
        ("security-group-rules.list", "port_range_min", "ssh"),
    ] {
        assert_eq!(asked(operation, &[(name, value)]).0, 400, "{operation} {name}={value}");
    }
}

/// A core of 2500 networks whose page ends with `gone` of them, which are deleted before the next one is asked for.
fn losing(gone: usize) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    let lost = std::cell::Cell::new(false);
    let rows: std::cell::RefCell<Vec<String>> =
        std::cell::RefCell::new((0..2500).map(|number| format!("{number:04}")).collect());
    cloud.networks.list_networks = Some(Box::new(move |_, page| {
        let mut rows = rows.borrow_mut();
        let start = match page.marker.as_deref() {
            None => 0,
            Some(marker) => match rows.iter().position(|id| id == marker) {
                Some(at) => at + 1,
                None if page.sort.len() == 1 => rows.iter().position(|id| id.as_str() > marker).unwrap_or(rows.len()),
                None => return Err(invalid("marker", "The marker could not be found.")),
            },
        };
        let end = rows.len().min(start + page.limit as usize);
        let networks: Vec<Network> = rows[start..end].iter().map(|id| network(id)).collect();
        let next = (end < rows.len()).then(|| rows[end - 1].clone());
        if !lost.replace(true) {
            rows.drain(end - gone..end);
        }
        Ok(NetworkPage { networks, next })
    }));
    cloud
}

#[test]
fn a_whole_list_goes_on_where_rows_are_deleted_between_two_pages() {
    for gone in [1, 3, 1000] {
        for (sort, seen) in [(None, 2500), (Some("name"), 2500 - gone)] {
            let request = call("networks.list");
            let request = sort.into_iter().fold(request, |request, key| request.query("sort_key", key));
            let response = handle(&losing(gone), request.build());
            let mut ids = ids(&response);
            assert_eq!((response.status, ids.len()), (200, seen), "{gone} {sort:?}");
            ids.dedup();
            assert_eq!((ids.len(), ids.last().map(String::as_str)), (seen, Some("2499")));
        }
    }
}

#[test]
fn a_marker_without_a_place_is_not_found_in_upstreams_words() {
    for (operation, expected) in [
        ("networks.list", ("NetworkNotFound", "Network gone could not be found.")),
        ("security-groups.list", ("SecurityGroupNotFound", "Security group gone does not exist")),
    ] {
        let mut cloud = FakeCloud::default();
        cloud.networks.list_networks = Some(Box::new(|_, _| Err(invalid("marker", "what the core says"))));
        cloud.networks.list_security_groups = Some(Box::new(|_, _| Err(invalid("marker", "what the core says"))));
        let request = call(operation).query("marker", "gone").query("sort_key", "name").query("limit", "1");
        let (status, kind, message) = fault(&handle(&cloud, request.build()));
        assert_eq!((status, kind.as_str(), message.as_str()), (404, expected.0, expected.1));
    }
}
