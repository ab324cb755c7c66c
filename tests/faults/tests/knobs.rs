//! The simulator's own faults, in the real process over the real component, set by the operator's call: each kind at each call
//! of a creation and a deletion, and while a creation unwinds.

use driver_tests::skip;
use serde_json::{Value, json};
use skyloom_faults::deployment::{Deployment, missing};
use skyloom_faults::simulator::Simulator;
use skyloom_faults::walk::{Kind, Walk};

const WHENS: [&str; 3] = ["before", "after", "lost-reply"];
const MAKING: [&str; 3] = ["create-disk", "define", "start"];
const REMOVING: [&str; 3] = ["stop", "undefine", "remove-disk"];

struct World<'s> {
    walk: Walk<'s>,
    simulator: &'s Simulator,
    /// Each fault has an id of its own, so that its count begins anew.
    faults: u64,
}

impl World<'_> {
    /// One operation under faults that strike once each, and must. Gives the server and how the operation ended.
    async fn under(&mut self, faults: &[(&str, &str)], kind: Kind, server: &str) -> (String, String) {
        let once = |(index, (call, when)): (usize, &(&str, &str))| {
            let id = (self.faults + index as u64).to_string();
            json!({ "call": call, "when": when, "times": 1, "id": id })
        };
        let set: Vec<Value> = faults.iter().enumerate().map(once).collect();
        let (server, ended) = self.walk.under(&json!(set), kind, server).await;
        self.faults += faults.len() as u64;
        assert_eq!(self.simulator.strikes().await, self.faults, "{} {faults:?}: all of them strike", kind.name());
        (server, ended)
    }

    async fn clear(&mut self, server: &str, case: &str) {
        let (_, ended) = self.under(&[], Kind::Delete, server).await;
        assert_eq!(ended, "succeeded", "{case}");
        self.walk.nothing_left(case).await;
    }

    async fn creation(&mut self, call: &str, when: &str) {
        let case = format!("a creation, {when} {call}");
        let (server, ended) = self.under(&[(call, when)], Kind::Create, "").await;
        assert_eq!(ended, if when == "lost-reply" { "succeeded" } else { "failed" }, "{case}");
        self.clear(&server, &case).await;
    }

    /// A refusal of the power-off comes before the point of no return: the server stays. After it there is only forward.
    async fn deletion(&mut self, call: &str, when: &str) {
        let case = format!("a deletion, {when} {call}");
        let (server, _) = self.under(&[], Kind::Create, "").await;
        let (_, ended) = self.under(&[(call, when)], Kind::Delete, &server).await;
        let stays = call == "stop" && when != "lost-reply";
        assert_eq!(ended, if stays { "failed" } else { "succeeded" }, "{case}");
        if stays {
            self.clear(&server, &case).await;
        }
        self.walk.nothing_left(&case).await;
    }

    async fn unwinding(&mut self, call: &str, when: &str) {
        let case = format!("a creation unwinds, {when} {call}");
        let (server, ended) = self.under(&[("start", "after"), (call, when)], Kind::Create, "").await;
        assert_eq!(ended, "failed", "{case}");
        self.clear(&server, &case).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_call_of_a_creation_or_deletion_leaves_nothing_behind() {
    if let Some(reason) = missing("simulator") {
        return skip("the simulator's faults by the operator's call", &reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::new(&folder.path().join("state"));
    let walk = Walk::begin(Deployment::new(folder.path(), &simulator, None), &simulator, None).await;
    let mut world = World { walk, simulator: &simulator, faults: 0 };
    for when in WHENS {
        for call in MAKING {
            world.creation(call, when).await;
        }
        for call in REMOVING {
            world.deletion(call, when).await;
            world.unwinding(call, when).await;
        }
    }
}
