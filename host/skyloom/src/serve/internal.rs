//! How this process and the others that share its database ask one another about their compute nodes.

use std::sync::Arc;

use skyloom_cloud::Cloud;
use skyloom_gateway::{Answering, Asking, INTERNAL_READS, Server};
use tokio::net::TcpListener;

use super::listen;
use crate::config::Deployment;
use crate::failure::Failure;

/// Where this process will answer the others.
pub struct Internal {
    socket: TcpListener,
    /// As the others are told it.
    told: String,
}

/// None: the deployment wants none.
pub async fn bind(deployment: &Deployment) -> Result<Option<Internal>, Failure> {
    let Some(address) = &deployment.internal.address else { return Ok(None) };
    let socket = listen(address, "internal").await?;
    let told = deployment.internal.told(socket.local_addr()?.port());
    Ok(told.map(|told| Internal { socket, told: told.to_string() }))
}

/// Before nodes are attached, whose records say where others ask about them.
pub fn reach_others(deployment: &Deployment, cloud: &Cloud, internal: Option<&Internal>) {
    let asking = Asking::new(cloud.authenticator(INTERNAL_READS), deployment.internal.limits.clone());
    cloud.compute.set_processes(internal.map(|internal| internal.told.clone()), Arc::new(asking));
}

impl Internal {
    pub fn answer(self, deployment: &Deployment, cloud: &Cloud, server: &Server) -> Result<(), Failure> {
        let Self { socket, told } = self;
        tracing::info!(listener = "internal", address = %socket.local_addr()?, told, "listening");
        let answering = Answering {
            key: cloud.authenticator(INTERNAL_READS),
            address: told,
            limits: deployment.internal.limits.clone(),
            nodes: Arc::new(cloud.clone()),
        };
        Ok(server.listen_internal(socket, answering)?)
    }
}
