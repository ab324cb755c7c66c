//! What Nova has and the core has no capability for yet: each entry of the table is refused by name, and reaches no core.

use crate::support::*;
use compute_v2::{Settings, dialects};
use nova::unsupported::UNSUPPORTED;
use serde_json::json;
use skyloom_sdk::testing::Call;
use skyloom_sdk::unsupported::Unsupported;

const MANIFEST: &str = include_str!("../plugin.toml");

#[test]
fn what_the_core_cannot_do_is_refused_by_name() {
    UNSUPPORTED.prove("compute-v2", MANIFEST, |entry| refusal(entry, upstream(), asking(entry)));
    dialects::UNSUPPORTED.prove("compute-v2", MANIFEST, |entry| {
        refusal(entry, ecs(), create_call(1, json!({ "metadata": { "admin_pass": "x" } })))
    });
    // The library has nothing that this face doesn't serve.
    assert!(UNSUPPORTED.0.iter().all(|entry| MANIFEST.contains(&format!("id = \"{}\"", entry.operation))));
}

fn refusal(entry: Unsupported, settings: Settings, call: Call) -> String {
    let (mut cloud, seen) = with_create();
    if entry.what.ends_with("(Windows image)") {
        cloud.images.get_image = Some(Box::new(|_| Ok(image(&[("os_type", "Windows")]))));
    }
    let message = refused(&cloud, settings, call, 400);
    assert!(seen.all().is_empty(), "{entry:?} reached the core");
    message
}
