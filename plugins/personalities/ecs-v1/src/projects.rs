//! The caller's projects, which the vendor's SDK asks for when it is told none: its own way to a project's id.

use keystone::projects::{is_asked_for, own};
use skyloom_sdk::{Cloud, Request, Response};

use crate::errors::Failure;

pub fn list<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    own(cloud, request, |project| is_asked_for(request, project)).map_err(|fault| {
        let code = match fault.status {
            401 => "Common.0013",
            403 => "Pdp.0001",
            429 => "Common.1503",
            500.. => "Ecs.1002",
            _ => "Ecs.0005",
        };
        Failure::new(fault.status, code, fault.message)
    })
}
