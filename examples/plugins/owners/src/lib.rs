//! Who pays for the caller's project, as the company's ledger has it: a face that asks a service outside of the cloud.

use serde_json::Value;
use skyloom_sdk::http::{self, Http};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Error, Personality, Request, Response, host, key, query, respond};

pub struct Owners;

impl Personality for Owners {
    fn handle(request: Request) -> Response {
        handle(&skyloom_sdk::Imports, &host::config::get(), &request)
    }
}

skyloom_sdk::personality!(Owners);

pub fn handle<H: Http>(outside: &H, config: &str, request: &Request) -> Response {
    let project = request.caller.as_ref().and_then(|caller| caller.project_id.as_deref()).unwrap_or_default();
    owner(outside, config, project).map_or_else(
        // What is wrong lies between here and the ledger.
        |error| said(502, key!("error"), Some(&error.message)),
        |owner| said(200, key!("owner"), owner.as_deref()),
    )
}

fn said(status: u16, key: skyloom_sdk::json::Key, text: Option<&str>) -> Response {
    let mut writer = Writer::with_capacity(128);
    writer.begin_object().key(key).optional_string(text).end_object();
    respond::json(status, writer.finish())
}

fn owner<H: Http>(outside: &H, config: &str, project: &str) -> Result<Option<String>, Error> {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let mut url = format!("{}/projects/", config["ledger"].as_str().unwrap_or_default());
    query::encode_segment(&mut url, project);
    let answer = outside.send("ledger", &http::get(url))?;
    let known: Value = match answer.status {
        200 => serde_json::from_slice(&answer.body).unwrap_or_default(),
        _ => Value::Null,
    };
    Ok(known["owner"].as_str().map(str::to_owned))
}
