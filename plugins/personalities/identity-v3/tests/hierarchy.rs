//! What stands above and below a project.

use crate::support::{call, fault, handle, ok, project};
use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Project, ProjectPage};
use skyloom_sdk::conditions::is;
use skyloom_sdk::testing::{FakeCloud, not_found};

/// `default` holds `a`, that holds `b`, that holds `c` and `d`.
fn cloud() -> FakeCloud {
    let all = || {
        [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("b")), ("other", None)].map(|(name, parent)| {
            Project { id: name.to_owned(), parent_id: parent.map(ToOwned::to_owned), ..project(name) }
        })
    };
    let mut cloud = FakeCloud::default();
    cloud.identity.get_project =
        Some(Box::new(move |id| all().into_iter().find(|one| one.id == id).ok_or_else(|| not_found("project", id))));
    cloud.identity.list_projects = Some(Box::new(move |conditions, _| {
        assert_eq!(conditions, [is("domain-id", "default")]);
        Ok(ProjectPage { projects: all().into(), next: None })
    }));
    cloud
}

fn show(id: &str, query: &[(&str, &str)]) -> Value {
    let call = call("projects.show", "GET", "/v3/projects/x").param("project_id", id);
    let call = query.iter().fold(call, |call, (name, value)| call.query(name, value));
    ok(&handle(&cloud(), call.build()), 200)["project"].take()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().filter_map(|one| one["project"]["name"].as_str()).collect()
}

#[test]
fn a_project_is_shown_with_its_parents_and_its_subtree_where_they_are_asked_for() {
    let shown = show("b", &[]);
    assert!(shown.get("parents").is_none() && shown.get("subtree").is_none());
    let shown = show("c", &[("parents_as_ids", ""), ("subtree_as_ids", "")]);
    assert_eq!(shown["parents"], json!({"b": {"a": {"default": null}}}));
    assert_eq!(shown["subtree"], Value::Null);
    assert_eq!(show("a", &[("subtree_as_ids", "")])["subtree"], json!({"b": {"c": null, "d": null}}));
    assert_eq!(names(&show("c", &[("parents_as_list", "")])["parents"]), ["b", "a"]);
    assert_eq!(names(&show("a", &[("subtree_as_list", "")])["subtree"]), ["b", "c", "d"]);
}

#[test]
fn one_form_at_a_time() {
    let both = call("projects.show", "GET", "/v3/projects/x").param("project_id", "b");
    let both = both.query("parents_as_ids", "").query("parents_as_list", "");
    assert_eq!(fault(&handle(&cloud(), both.build())).0, 400);
}
