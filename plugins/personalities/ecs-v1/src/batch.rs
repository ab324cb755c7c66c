//! Delete, start, stop and reboot of many servers: one job with a sub-job for each.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::{DeleteOptions, PowerChange};
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
    change(cloud, request, |_| PowerChange::Start)
}

pub fn stop<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    change(cloud, request, |batch| PowerChange::Stop(batch.is_hard()))
}

pub fn reboot<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    change(cloud, request, |batch| PowerChange::Reboot(batch.is_hard()))
}

fn change<C: Cloud>(cloud: &C, request: &Request, choose: impl Fn(&Batch) -> PowerChange) -> Result<Response, Failure> {
    let ActionBody { batch } = body(request)?;
    let change = choose(&batch);
    Ok(job_answer(&cloud.change_power(&ids(batch.servers), change, true, false)?))
}

fn ids(servers: Vec<ServerRef>) -> Vec<String> {
    servers.into_iter().map(|server| server.id).collect()
}
