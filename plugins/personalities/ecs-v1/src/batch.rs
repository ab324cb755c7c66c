//! Delete, start, stop and reboot of many servers: one job with a sub-job for each.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::{DeleteOptions, PowerChange};
use skyloom_sdk::conditions::any_of;
use skyloom_sdk::paging::every_page;
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
    let ids = existing(cloud, &wanted.servers)?;
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
    let ids = existing(cloud, &batch.servers)?;
    Ok(job_answer(&cloud.change_power(&ids, choose(&batch), true, false)?))
}

/// The ids once each, in order. One that doesn't exist fails the whole request (404), before anything is begun.
fn existing<C: Cloud>(cloud: &C, servers: &[ServerRef]) -> Result<Vec<String>, Failure> {
    let mut ids: Vec<String> = Vec::with_capacity(servers.len());
    for server in servers {
        if !ids.contains(&server.id) {
            ids.push(server.id.clone());
        }
    }
    let these = [any_of("id", &ids)];
    let found = every_page(|page| {
        let found = cloud.list_servers(&these, &[], &page)?;
        let ids: Vec<String> = found.servers.into_iter().map(|server| server.id).collect();
        Ok::<_, Failure>((ids, found.next))
    })?;
    let missing = ids.iter().find(|id| !found.contains(id));
    match missing {
        Some(id) => Err(Failure::no_server(id)),
        None => Ok(ids),
    }
}
