//! Natively, with a ledger that the test makes up.

use serde_json::{Value, json};
use skyloom_sdk::http::{FakeSend, Response};
use skyloom_sdk::testing::{Call, FakeCloud, error, json_of};
use skyloom_sdk::{ErrorCode, Request};

const CONFIG: &str = r#"{"ledger":"https://ledger.test/v1"}"#;

fn call() -> Request {
    Call::new("owner.show", "GET", "/owner").build()
}

fn asked(answer: FakeSend) -> (u16, Value) {
    let outside = FakeCloud { http: answer, ..FakeCloud::default() };
    let answer = owners::handle(&outside, CONFIG, &call());
    (answer.status, json_of(&answer))
}

fn answers(status: u16, body: &'static str) -> FakeSend {
    Some(Box::new(move |label, request| {
        assert_eq!((label, request.method.as_str()), ("ledger", "GET"));
        assert_eq!(request.url, "https://ledger.test/v1/projects/project-1");
        Ok(Response { status, headers: Vec::new(), body: body.into() })
    }))
}

#[test]
fn the_ledger_is_asked_for_the_callers_project() {
    assert_eq!(asked(answers(200, r#"{"owner":"ann"}"#)), (200, json!({"owner": "ann"})));
    assert_eq!(asked(answers(404, "")), (200, json!({"owner": null})));
}

#[test]
fn a_silent_ledger_is_told() {
    let silent: FakeSend = Some(Box::new(|_, _| Err(error(ErrorCode::Unavailable, "The host does not answer."))));
    assert_eq!(asked(silent), (502, json!({"error": "The host does not answer."})));
}
