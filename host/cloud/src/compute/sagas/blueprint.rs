//! A server as its records say that it is made, and the platform on which it stands.

use skyloom_jobs::Run;
use skyloom_model::{Error, Result};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::DomainSpec;
use skyloom_store::rebuilds::Rebuild;
use skyloom_store::servers::{self, ForPlatform};
use skyloom_store::volumes::{self, Volume, VolumeState};

use super::context::{Context, Platform};
use super::spec;
use crate::compute::Node;

pub(super) struct Blueprint {
    pub platform: Platform,
    pub volumes: Vec<Volume>,
    /// None: the server is placed nowhere, or on another process's node.
    node: Option<Node>,
    /// None: the server's record is gone.
    made_of: Option<ForPlatform>,
}

impl Blueprint {
    /// On the node where it has its place.
    pub async fn load(context: &Context, run: &Run, kind: &'static str) -> Result<Self> {
        Self::read(context, run, kind, None).await
    }

    /// As it would be on this node.
    pub async fn on(context: &Context, run: &Run, kind: &'static str, node: &str) -> Result<Self> {
        Self::read(context, run, kind, Some(node)).await
    }

    async fn read(context: &Context, run: &Run, kind: &'static str, node: Option<&str>) -> Result<Self> {
        let id = &run.operation.resource_id;
        let mut conn = context.compute.db().read().await?;
        let volumes = volumes::of_server(&mut conn, id).await?;
        let made_of = servers::for_platform(&mut conn, id).await?;
        drop(conn);
        let place = node.or_else(|| made_of.as_ref().and_then(|made_of| made_of.node.as_deref()));
        let platform = context.platform(("server", id), place, kind)?;
        let node = place.and_then(|name| context.compute.node(name).ok());
        Ok(Self { platform, volumes, node, made_of })
    }

    /// What the platform is told to make.
    pub async fn spec(&self, context: &Context) -> Result<DomainSpec> {
        let node = self.node.as_ref().ok_or_else(|| Error::internal("a step before the server is placed"))?;
        let mut conn = context.compute.db().read().await?;
        spec::build(&mut conn, self.made_of()?, node, &self.volumes).await
    }

    /// The same for a guest that boots for the first time, and the values of the handles in it.
    pub async fn spec_with_password(&self, context: &Context) -> Result<(DomainSpec, SecretVault)> {
        let (mut spec, secrets) = (self.spec(context).await?, SecretVault::new());
        let sealed = &self.made_of()?.admin_password;
        if !sealed.is_empty() {
            let password = context.compute.sealer().open(&spec.server_id, sealed)?;
            spec.admin_password = Some(secrets.put(password));
        }
        Ok((spec, secrets))
    }

    /// As it becomes with its new system disk, whether the records say so already or not.
    pub fn anew(mut self, rebuild: &Rebuild) -> Self {
        if let Some(made_of) = &mut self.made_of {
            rebuild.becomes(&mut made_of.server);
            made_of.boots_with = rebuild.boots_with();
            made_of.admin_password.clone_from(&rebuild.admin_password);
        }
        for volume in self.volumes.iter_mut().filter(|volume| volume.boot_index == 0) {
            volume.image_id.clone_from(&rebuild.image_id);
        }
        self
    }

    pub fn made_of(&self) -> Result<&ForPlatform> {
        self.made_of.as_ref().ok_or_else(|| Error::not_found("server", &self.platform.id))
    }

    /// The volumes that the server's creation makes; the others are given to it.
    pub fn made(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.iter().filter(|volume| volume.state != VolumeState::Attaching)
    }
}
