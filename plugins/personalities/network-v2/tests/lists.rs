//! Lists: pages, filters, queries that make no sense.

mod support;

use network_v2::handle;
use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{
    GroupPage, Network, NetworkPage, PortPage, RouterFilter, RouterPage, RulePage, SubnetPage,
};
use skyloom_sdk::testing::{FakeCloud, Seen, invalid, json_of};
use skyloom_sdk::{PageRequest, Response};

use support::*;

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
        &[("project_id", "a"), ("project_id", "b")],
    ] {
        let mut request = call("networks.list");
        for (name, value) in query {
            request = request.query(name, value);
        }
        let (status, kind, _) = fault(&handle(&cloud, request.build()));
        assert_eq!((status, kind.as_str(), seen.all().len()), (400, "HTTPBadRequest", 0), "{query:?}");
    }
}

#[test]
fn filters_reach_the_core() {
    let mut cloud = FakeCloud::default();
    let ports = Seen::default();
    let log = ports.clone();
    cloud.networks.list_ports = Some(Box::new(move |filter, _| {
        log.push(filter.clone());
        Ok(PortPage { ports: vec![port(true)], next: None })
    }));
    let request = call("ports.list")
        .query("device_id", "server-1")
        .query("network_id", "a")
        .query("network_id", "b")
        .query("fixed_ips", "ip_address=10.0.0.7")
        .query("fixed_ips", "subnet_id=subnet-1")
        .query("mac_address", "fa:16:3e:00:00:01")
        .query("tenant_id", "p");
    let response = handle(&cloud, request.build());
    assert_eq!(json_of(&response)["ports"][0]["id"], "port-1");
    let filter = ports.only();
    assert_eq!(filter.device_ids, ["server-1"]);
    assert_eq!(filter.network_ids, ["a", "b"]);
    assert_eq!((filter.address.as_deref(), filter.subnet_id.as_deref()), (Some("10.0.0.7"), Some("subnet-1")));
    assert_eq!((filter.macs.len(), filter.project_id.as_deref()), (1, Some("p")));
    for wrong in ["10.0.0.7", "ip_address_substr=10"] {
        assert_eq!(handle(&cloud, call("ports.list").query("fixed_ips", wrong).build()).status, 400);
    }

    let subnets = Seen::default();
    let log = subnets.clone();
    cloud.networks.list_subnets = Some(Box::new(move |filter, _| {
        log.push(filter.clone());
        Ok(SubnetPage { subnets: vec![subnet()], next: None })
    }));
    handle(
        &cloud,
        call("subnets.list").query("ip_version", "6").query("enable_dhcp", "False").query("cidr", "c").build(),
    );
    let filter = subnets.only();
    assert_eq!((filter.ip_version, filter.dhcp, filter.cidr.as_deref()), (Some(6), Some(false), Some("c")));
    assert_eq!(handle(&cloud, call("subnets.list").query("ip_version", "5").build()).status, 400);

    let rules = Seen::default();
    let log = rules.clone();
    cloud.networks.list_security_group_rules = Some(Box::new(move |filter, _| {
        log.push(filter.clone());
        Ok(RulePage { rules: vec![rule()], next: None })
    }));
    let request = call("security-group-rules.list").query("direction", "egress").query("ethertype", "IPv4");
    let response = handle(&cloud, request.query("security_group_id", "g").build());
    assert_eq!(json_of(&response)["security_group_rules"][0]["id"], "rule-1");
    let filter = rules.only();
    assert_eq!((filter.ingress, filter.ip_version, filter.group_id.as_deref()), (Some(false), Some(4), Some("g")));
    assert_eq!(handle(&cloud, call("security-group-rules.list").query("direction", "up").build()).status, 400);

    cloud.networks.list_security_groups = Some(Box::new(|_, _| Ok(GroupPage { groups: vec![group()], next: None })));
    let groups = |value: &str| json_of(&handle(&cloud, call("security-groups.list").query("shared", value).build()));
    assert_eq!(groups("False")["security_groups"].as_array().map(Vec::len), Some(1));
    assert_eq!(groups("True")["security_groups"], json!([]));
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

#[test]
fn routers_are_filtered_and_paged() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<(RouterFilter, PageRequest)> = Seen::default();
    let asked = seen.clone();
    cloud.networks.list_routers = Some(Box::new(move |filter, page| {
        asked.push((filter.clone(), page.clone()));
        Ok(RouterPage { routers: vec![router("a", "one")], next: page.marker.is_none().then(|| "a".to_owned()) })
    }));
    let request = call("routers.list").query("id", "a").query("name", "one").query("admin_state_up", "true");
    let body = json_of(&handle(&cloud, request.query("tenant_id", "p").query("limit", "1").build()));
    assert_eq!(body["routers"][0]["id"], "a");
    assert_eq!(body["routers_links"][0]["rel"], "next");
    let (filter, page) = seen.only();
    assert_eq!((filter.ids, filter.names), (vec!["a".to_owned()], vec!["one".to_owned()]));
    assert_eq!((filter.project_id.as_deref(), filter.enabled, page.limit), (Some("p"), Some(true), 1));
}
