//! Delete, start, stop and reboot of many servers: one job with a sub-job for each.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::DeleteOptions;
use skyloom_sdk::{Cloud, Request, Response};

use crate::errors::Failure;
use crate::{body, job_answer};

#[derive(Deserialize)]
struct ServerRef {
    id: String,
}

#[derive(Deserialize)]
struct DeleteBody {
    servers: Vec<ServerRef>,
    delete_publicip: Option<bool>,
    delete_volume: Option<bool>,
}

#[derive(Deserialize)]
struct Batch {
    servers: Vec<ServerRef>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Batch {
    fn is_hard(&self) -> bool {
        self.kind.as_deref() == Some("HARD")
    }
}

#[derive(Deserialize)]
struct ActionBody {
    #[serde(rename = "os-start", alias = "os-stop", alias = "reboot")]
    batch: Batch,
}

pub fn delete<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let wanted: DeleteBody = body(request)?;
    let ids = ids(wanted.servers);
    let options = DeleteOptions {
        delete_volumes: wanted.delete_volume.unwrap_or(false),
        delete_public_addresses: wanted.delete_publicip,
    };
    Ok(job_answer(&cloud.delete_servers(&ids, options, true, false)?))
}

pub fn start<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    act(cloud, request, "start", false)
}

pub fn stop<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    act(cloud, request, "stop", true)
}

pub fn reboot<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    act(cloud, request, "reboot", true)
}

/// `typed`: the body says whether the plug is pulled.
fn act<C: Cloud>(cloud: &C, request: &Request, verb: &str, typed: bool) -> Result<Response, Failure> {
    let ActionBody { batch } = body(request)?;
    let options = if typed { vec![("hard".to_owned(), batch.is_hard().to_string())] } else { Vec::new() };
    Ok(job_answer(&cloud.act_on_servers(&ids(batch.servers), verb, &options, true, false)?))
}

fn ids(servers: Vec<ServerRef>) -> Vec<String> {
    servers.into_iter().map(|server| server.id).collect()
}
