//! Natively, with a ledger that the test makes up.

use serde_json::{Value, json};
use skyloom_sdk::http::{Request as Asked, Response};
use skyloom_sdk::testing::{Call, FakeCloud, error, json_of};
use skyloom_sdk::{Error, ErrorCode, Request};

const CONFIG: &str = r#"{"ledger":"https://ledger.test/v1"}"#;

fn call() -> Request {
    Call::new("owner.show", "GET", "/owner").build()
}

fn asked(ledger: impl Fn(&str, &Asked) -> Result<Response, Error> + 'static) -> (u16, Value) {
    let outside = FakeCloud { http: Some(Box::new(ledger)), ..FakeCloud::default() };
    let answer = owners::handle(&outside, CONFIG, &call());
    (answer.status, json_of(&answer))
}

fn answers(status: u16, body: &'static str) -> impl Fn(&str, &Asked) -> Result<Response, Error> {
    move |label, request| {
        assert_eq!((label, request.method.as_str()), ("ledger", "GET"));
        assert_eq!(request.url, "https://ledger.test/v1/projects/project-1");
        Ok(Response { status, headers: Vec::new(), body: body.into() })
    }
}

#[test]
fn the_ledger_is_asked_for_the_callers_project() {
    assert_eq!(asked(answers(200, r#"{"owner":"ann"}"#)), (200, json!({"owner": "ann"})));
    assert_eq!(asked(answers(404, "")), (200, json!({"owner": null})));
}

#[test]
fn a_silent_ledger_is_told() {
    let silent = |_: &str, _: &Asked| Err(error(ErrorCode::Unavailable, "The host does not answer."));
    assert_eq!(asked(silent), (502, json!({"error": "The host does not answer."})));
}
