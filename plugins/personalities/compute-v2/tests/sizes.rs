//! Another flavor for a server: resize, its confirmation, the way back.

use crate::support::*;
use serde_json::json;
use skyloom_sdk::testing::{Seen, error, not_found};
use skyloom_sdk::{Error, ErrorCode};

#[test]
fn a_resize_names_a_flavor_by_its_id_or_its_address() {
    for (flavor, id) in [(json!("2"), "2"), (json!("http://here/v2.1/flavors/2"), "2"), (json!(2), "2")] {
        assert_eq!(
            act("servers.resize", json!({ "resize": { "flavorRef": flavor } }), upstream()),
            format!("resize flavor-id={id}")
        );
    }
    let revert = json!({ "revertResize": null });
    assert_eq!(act("servers.revert_resize", revert, upstream()), "revert-resize");
    let (cloud, seen) = with_actions();
    let confirm = post("servers.confirm_resize", "/v2.1/servers/x/action", &json!({ "confirmResize": null }));
    assert_eq!(call(&cloud, upstream(), confirm).status, 204);
    assert_eq!(seen.only().1, "confirm-resize");
    for body in [json!({ "resize": null }), json!({ "resize": {} }), json!({ "resize": { "flavorRef": "" } })] {
        refused(&cloud, upstream(), post("servers.resize", "/v2.1/servers/x/action", &body), 400);
    }
    assert_eq!(seen.all().len(), 1);
}

#[test]
fn a_resize_keeps_how_the_disk_is_configured() {
    let (mut cloud, _) = with_actions();
    let seen = Seen::default();
    let keep = seen.clone();
    cloud.compute.update_server = Some(Box::new(move |id, update| {
        keep.push((id.to_owned(), update.attributes.clone()));
        Ok(server())
    }));
    let body = json!({ "resize": { "flavorRef": "2", "OS-DCF:diskConfig": "AUTO" } });
    assert_eq!(call(&cloud, upstream(), post("servers.resize", "/v2.1/servers/x/action", &body)).status, 202);
    let (id, attributes) = seen.only();
    assert_eq!(id, SERVER);
    assert!(attributes.is_some_and(|text| text.contains("AUTO")));
}

#[test]
fn what_is_wrong_with_a_resize_is_told_in_novas_words() {
    let (mut cloud, _) = with_actions();
    let wrong = |reason: &str| Error { reason: Some(reason.to_owned()), ..error(ErrorCode::Invalid, "Why.") };
    for (refusal, status, told) in [
        (not_found("flavor", "2"), 400, "Flavor 2 could not be found."),
        (not_found("server", SERVER), 404, "could not be found"),
        (wrong("unchanged"), 400, "When resizing, instances must change flavor!"),
        (wrong("disk-too-small"), 400, "Server disk was unable to be resized because: Why."),
        (error(ErrorCode::WrongState, "no"), 409, "Cannot 'resize' instance"),
    ] {
        cloud.compute.act_on_servers = Some(Box::new(move |_, _, _, _, _| Err(refusal.clone())));
        let body = json!({ "resize": { "flavorRef": "2" } });
        let message = refused(&cloud, upstream(), post("servers.resize", "/v2.1/servers/x/action", &body), status);
        assert!(message.contains(told), "{message}");
    }
}
