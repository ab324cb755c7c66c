//! Network cards come to a server and leave it, as jobs.

use serde::Deserialize;
use skyloom_sdk::cloud::compute::NicRequest;
use skyloom_sdk::conditions::parts;
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::create_checks::{most_nics, too_many_nics};
use crate::errors::{Failure, bad_address, no_interface};
use crate::{body, job_answer};

#[derive(Deserialize)]
struct AddBody {
    nics: Vec<NewNic>,
}

#[derive(Deserialize)]
struct NewNic {
    subnet_id: String,
    security_groups: Option<Vec<Group>>,
    ip_address: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
}

impl NewNic {
    fn address(&self) -> Option<&str> {
        self.ip_address.as_deref().filter(|address| !address.is_empty())
    }

    /// Without groups it is in the project's default one.
    fn to_core(&self) -> NicRequest {
        let groups = self.security_groups.as_ref();
        NicRequest {
            port_id: None,
            network_id: Some(self.subnet_id.clone()),
            subnet_id: None,
            address: self.address().map(str::to_owned),
            security_groups: groups.map(|groups| groups.iter().map(|group| group.id.clone()).collect()),
        }
    }
}

pub fn add<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let AddBody { nics } = body(request)?;
    let id = respond::param(request, "server_id");
    let server = cloud.get_server(id, &parts(&["nics"]))?;
    if most_nics(&server.flavor.extra_specs).is_some_and(|most| server.nics.len() + nics.len() > most) {
        return Err(too_many_nics());
    }
    let wanted: Vec<NicRequest> = nics.iter().map(NewNic::to_core).collect();
    let added = cloud.attach_nics(id, &wanted, false).map_err(|error| not_added(&nics, error))?;
    Ok(job_answer(&added.operation_id))
}

fn not_added(nics: &[NewNic], error: Error) -> Failure {
    let network = error.resource.as_ref().filter(|(kind, _)| kind == "network").map(|(_, id)| id.as_str());
    match (&error.code, error.field.as_deref()) {
        (ErrorCode::QuotaExceeded, Some("nics")) => too_many_nics(),
        // It has no subnet, so that there is none of this id for the vendor.
        (ErrorCode::Invalid, Some("network-id")) => {
            Failure::new(400, "Ecs.0038", format!("The subnet does not exist. {}", error.message))
        }
        (ErrorCode::Invalid, Some("address")) => {
            let fits =
                |nic: &&NewNic| nic.address().is_some() && network.is_none_or(|network| nic.subnet_id == network);
            match nics.iter().find(fits) {
                Some(nic) => bad_address(nic.address().unwrap_or_default(), &nic.subnet_id, error.message),
                None => error.into(),
            }
        }
        // Outside the cloud, or somebody else's who gives out its addresses.
        (ErrorCode::Forbidden, _) if network.is_some() => Failure::new(
            400,
            "Ecs.0014",
            format!("Incorrect VPC, subnet, or security group parameter values: {}", error.message),
        ),
        _ => error.into(),
    }
}

#[derive(Deserialize)]
struct RemoveBody {
    nics: Vec<OwnNic>,
}

#[derive(Deserialize)]
struct OwnNic {
    id: String,
}

pub fn remove<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let RemoveBody { nics } = body(request)?;
    let id = respond::param(request, "server_id");
    let server = cloud.get_server(id, &parts(&["nics"]))?;
    let ports: Vec<String> = nics.into_iter().map(|nic| nic.id).collect();
    if let Some(primary) = server.nics.first().filter(|nic| ports.contains(&nic.port_id)) {
        let message = format!("Failed to delete the NIC {}: it is the primary one.", primary.port_id);
        return Err(Failure::new(403, "Ecs.0507", message));
    }
    let removed = cloud.detach_nics(id, &ports).map_err(|error| match (&error.code, &error.resource) {
        (ErrorCode::NotFound, Some((kind, port))) if kind == "port" => no_interface(id, port),
        _ => error.into(),
    })?;
    Ok(job_answer(&removed))
}
