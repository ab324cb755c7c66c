//! The smallest personality: one operation, `GET /fleet`.

use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::{Cloud, Error, Personality, Request, Response, key, respond};

pub struct Fleet;

impl Personality for Fleet {
    fn handle(request: Request) -> Response {
        handle(&skyloom_sdk::Imports, &request)
    }
}

skyloom_sdk::personality!(Fleet);

pub fn handle<C: Cloud>(cloud: &C, request: &Request) -> Response {
    let answer = match request.operation.as_str() {
        "fleet.list" => list(cloud),
        _ => return respond::empty(404),
    };
    answer.unwrap_or_else(|error| {
        // Every code of `ErrorCode` needs a status and a body of your vendor's; see compute-v2's errors.rs for a whole table.
        let mut writer = Writer::with_capacity(128);
        writer.begin_object().key(key!("error")).string(&error.message).end_object();
        respond::json(400, writer.finish())
    })
}

fn list<C: Cloud>(cloud: &C) -> Result<Response, Error> {
    let servers = every_page(|page| {
        let found = cloud.list_servers(&[], &[], &page)?.unpacked()?;
        Ok::<_, Error>((found.servers, found.next))
    })?;
    let mut writer = Writer::with_capacity(64 + servers.len() * 64);
    writer.begin_array();
    for server in &servers {
        writer.begin_object();
        writer.key(key!("name")).string(&server.name);
        writer.key(key!("node")).string(&server.node).end_object();
    }
    writer.end_array();
    Ok(respond::json(200, writer.finish()))
}
