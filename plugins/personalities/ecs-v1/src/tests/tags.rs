use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerPage};
use skyloom_sdk::testing::{Call, FakeCloud, json_of, not_found};
use skyloom_sdk::{Error, rule};

use super::code_of;

fn tagged(id: &str, tags: &[&str]) -> Server {
    Server { id: id.to_owned(), tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..nova::testing::server() }
}

fn of_server(answer: Result<Server, Error>) -> skyloom_sdk::Response {
    let mut cloud = FakeCloud::default();
    cloud.compute.get_server = Some(Box::new(move |id, parts| {
        assert_eq!((id, parts), ("a", &["tags".to_owned()][..]));
        answer.clone()
    }));
    let call = Call::new("server_tags.list", "GET", "/v1/project-1/servers/a/tags").param("server_id", "a");
    crate::handle(&cloud, &call.build())
}

#[test]
fn a_servers_tags_are_keys_with_values() {
    let response = of_server(Ok(tagged("a", &["key1=value1", "key2", "key3=a=b"])));
    assert_eq!(response.status, 200);
    assert_eq!(
        json_of(&response),
        json!({ "tags": [
            { "key": "key1", "value": "value1" },
            { "key": "key2", "value": "" },
            { "key": "key3", "value": "a=b" },
        ]})
    );
    assert_eq!(json_of(&of_server(Ok(tagged("a", &[])))), json!({ "tags": [] }));
    assert_eq!(code_of(&of_server(Err(not_found("server", "a")))), (404, "Ecs.0114".to_owned()));
    rule!("ecs.server_tags.list", "2313ee74");
}

fn of_project(pages: Vec<Vec<Server>>) -> Value {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(move |conditions, parts, page| {
        assert_eq!((conditions.len(), parts), (0, &["tags".to_owned()][..]), "the caller's project, whole");
        let at = page.marker.as_ref().map_or(0, |marker| marker.parse::<usize>().unwrap());
        let next = (at + 1 < pages.len()).then(|| (at + 1).to_string());
        Ok(ServerPage { servers: pages[at].clone(), next })
    }));
    let call = Call::new("project_tags.list", "GET", "/v1/project-1/servers/tags");
    json_of(&crate::handle(&cloud, &call.build()))
}

#[test]
fn a_projects_tags_are_gathered_by_key_over_all_its_servers() {
    let pages = vec![
        vec![tagged("a", &["key2=value1", "key1=value2"]), tagged("b", &[])],
        vec![tagged("c", &["key1=value1", "key1=value2", "key3"])],
    ];
    assert_eq!(
        of_project(pages),
        json!({ "tags": [
            { "key": "key1", "values": ["value1", "value2"] },
            { "key": "key2", "values": ["value1"] },
            { "key": "key3", "values": [""] },
        ]})
    );
    assert_eq!(of_project(vec![Vec::new()]), json!({ "tags": [] }));
    rule!("ecs.project_tags.list", "e5c0f63c");
}
