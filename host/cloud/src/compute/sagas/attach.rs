//! Volumes or network cards come to a server, or go: while the guest runs, where the platform can, else by a change of the definition.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::driver::{DomainSpec, Power, StepCall};
use skyloom_store::volumes::{self, VolumeState};
use skyloom_store::{Conn, metering, networks, public_addresses, servers};

use super::blueprint::Blueprint;
use super::context::{Context, Platform};
use super::server_saga::ServerSaga;
use super::settle;

/// What comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Volume,
    Nics,
}

pub(super) struct Attachment {
    context: Context,
    part: Part,
    comes: bool,
    steps: [Step; 1],
}

/// What the operation is about: a volume, or ports.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    volume_id: Option<String>,
    port_ids: Vec<String>,
}

impl Params {
    fn ids(self) -> Vec<String> {
        self.volume_id.into_iter().chain(self.port_ids).collect()
    }
}

pub(super) struct Plan {
    blueprint: Blueprint,
    /// Of the volume, or of the ports.
    ids: Vec<String>,
}

impl Attachment {
    pub fn attach(context: Context, part: Part) -> Self {
        Self::new(context, part, true)
    }

    pub fn detach(context: Context, part: Part) -> Self {
        Self::new(context, part, false)
    }

    fn new(context: Context, part: Part, comes: bool) -> Self {
        let (name, deadline) = if comes {
            ("attach", context.times.define)
        } else {
            // The guest has to let go of it.
            ("detach", context.times.soft_stop + context.times.define)
        };
        let steps = [Step { name, retry: Retry::Passing, deadline, no_return: false }];
        Self { context, part, comes, steps }
    }

    /// The server with what comes or goes, or without it. A token goes on with the call that gave it.
    async fn bring(&self, run: &Run, plan: &Plan, with: bool, step: &str, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        let found = platform.look().await?;
        let runs = found.is_some_and(|domain| matches!(domain.power, Power::Running | Power::Paused));
        let mark = if runs { PLUG } else { DEFINE };
        let token = token.and_then(|token| token.strip_prefix(mark));
        let outcome = if runs {
            self.plug(run, plan, with, step, token).await?
        } else {
            let mut spec = plan.blueprint.spec(&self.context).await?;
            spec.disks.retain(|disk| with || !plan.ids.contains(&disk.id));
            spec.nics.retain(|nic| with || !plan.ids.contains(&nic.port_id));
            platform.step(run, step, token, StepCall::Reconfigure { spec: &spec }).await?
        };
        Ok(match outcome {
            Outcome::Pending(token) => Outcome::Pending(format!("{mark}{token}")),
            other => other,
        })
    }

    /// While the guest runs, one after the other.
    async fn plug(&self, run: &Run, plan: &Plan, with: bool, step: &str, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        if platform.driver().is_some_and(|driver| !driver.hotplugs()) {
            let message = "The server's platform takes disks and network cards only to and from servers that are off.";
            return Err(Error::new(ErrorCode::NotSupported, message).with_resource("server", &platform.id));
        }
        let spec = match self.part {
            Part::Volume if !with => None,
            _ => Some(plan.blueprint.spec(&self.context).await?),
        };
        let calls: Vec<StepCall<'_>> =
            plan.ids.iter().map(|id| call(&platform.id, spec.as_ref(), id, with)).collect::<Result<_>>()?;
        platform.each(run, step, token, &calls, false).await
    }

    async fn record_volume(&self, tx: &mut Conn, id: &str, has_it: bool, now: Timestamp) -> Result<()> {
        match (has_it, self.comes) {
            (true, true) => volumes::attached(tx, id, now).await?,
            (true, false) => return volumes::set_state(tx, id, VolumeState::InUse, now).await,
            (false, _) => volumes::detach(tx, id, now).await?,
        }
        // What it costs may depend on its server's state.
        let Some(volume) = volumes::get(tx, id, &Reach::All).await? else { return Ok(()) };
        metering::close_spans(tx, id, &[], now).await?;
        metering::open_volume(tx, &volume, volume.size_gib, now).await
    }

    async fn record_port(&self, tx: &mut Conn, server_id: &str, id: &str, has_it: bool, now: Timestamp) -> Result<()> {
        if !has_it {
            return free_port(tx, server_id, id, now).await;
        }
        if self.comes
            && let Some(server) = servers::brief(tx, server_id, &Reach::All).await?
        {
            networks::bind_port(tx, id, &server.node).await?;
        }
        Ok(())
    }
}

/// A port that was made for its server goes, and what leads to it leads nowhere then. One that was there before is free as it was: a public
/// address that leads to it goes on doing so, and to no server.
async fn free_port(tx: &mut Conn, server_id: &str, id: &str, now: Timestamp) -> Result<()> {
    // Held, so that nobody leads a public address to it meanwhile.
    networks::lock_port(tx, id).await?;
    networks::release_port_of_device(tx, server_id, id).await?;
    if networks::get_port(tx, id, &Reach::All).await?.is_some() {
        public_addresses::join_server(tx, id, "", now).await
    } else {
        public_addresses::leave_port(tx, id, &[], now).await
    }
}

/// `spec`: none for a disk that goes, which its id alone names.
fn call<'c>(server_id: &'c str, spec: Option<&'c DomainSpec>, id: &'c str, with: bool) -> Result<StepCall<'c>> {
    let Some(spec) = spec else { return Ok(StepCall::DetachDisk { server_id, id }) };
    if let Some(disk) = spec.disks.iter().find(|disk| disk.id == id) {
        return Ok(StepCall::AttachDisk { server_id, disk });
    }
    let nic = spec.nics.iter().find(|nic| nic.port_id == id);
    let nic = nic.ok_or_else(|| Error::internal(format!("{id} is not among what its server has")))?;
    Ok(if with { StepCall::AttachNic { server_id, nic } } else { StepCall::DetachNic { server_id, nic } })
}

/// Marks of tokens: of calls about a server that runs, and about one that is off.
const PLUG: &str = "plug:";
const DEFINE: &str = "define:";

#[async_trait]
impl ServerSaga for Attachment {
    type Plan = Plan;

    fn kind(&self) -> &'static str {
        match (self.part, self.comes) {
            (Part::Volume, true) => "server.attach-volume",
            (Part::Volume, false) => "server.detach-volume",
            (Part::Nics, true) => "server.attach-nic",
            (Part::Nics, false) => "server.detach-nic",
        }
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Plan> {
        let blueprint = Blueprint::load(&self.context, run, self.kind()).await?;
        Ok(Plan { blueprint, ids: run.params::<Params>()?.ids() })
    }

    fn platform<'p>(&self, plan: &'p Plan, _step: usize) -> &'p Platform {
        &plan.blueprint.platform
    }

    async fn act(&self, run: &Run, plan: &Plan, _step: usize, token: Option<&str>) -> Result<Outcome> {
        self.bring(run, plan, self.comes, self.steps[0].name, token).await
    }

    async fn undo(&self, run: &Run, plan: &Plan, _step: usize, token: Option<&str>) -> Result<Outcome> {
        let step = if self.comes { "attach/undo" } else { "detach/undo" };
        match self.bring(run, plan, !self.comes, step, token).await {
            // Where there is no domain, one that takes nothing while it runs, or no way into a network, the step had no effect.
            Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::NotSupported) => Ok(Outcome::Done),
            undone => undone,
        }
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let has_it = match event {
            Event::Succeeded => self.comes,
            Event::Failed(_) | Event::Cancelled => !self.comes,
            _ => return Ok(()),
        };
        let plan = run.kept::<Plan>();
        settle::as_seen(tx, run, plan.as_ref().map(|plan| &plan.blueprint.platform), now).await?;
        for id in run.params::<Params>()?.ids() {
            match self.part {
                Part::Volume => self.record_volume(tx, &id, has_it, now).await?,
                Part::Nics => self.record_port(tx, &run.operation.resource_id, &id, has_it, now).await?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use skyloom_runtime::api::{ComputeApi as _, NetworksApi as _};
    use skyloom_runtime::bindings::cloud::compute::NicRequest;
    use skyloom_runtime::bindings::cloud::networks::{PortWrite, PublicAddressWrite};

    use super::*;
    use crate::Settings;
    use crate::compute::testing::{member, worlds};
    use crate::lists::all_parts;

    fn on(network: String) -> PortWrite {
        PortWrite {
            name: None,
            description: None,
            project_id: None,
            network_id: Some(network),
            mac: None,
            enabled: None,
            fixed_ips: None,
            security_group_ids: None,
            device_id: None,
            device_owner: None,
            port_security: None,
            attributes: None,
        }
    }

    fn to(port: &str) -> PublicAddressWrite {
        PublicAddressWrite {
            project_id: None,
            network_id: None,
            subnet_id: None,
            address: None,
            description: None,
            port_id: Some(Some(port.to_owned())),
            fixed_address: None,
            attributes: None,
        }
    }

    fn given(port: &str) -> NicRequest {
        NicRequest {
            port_id: Some(port.to_owned()),
            network_id: None,
            subnet_id: None,
            address: None,
            security_groups: None,
        }
    }

    #[tokio::test]
    async fn a_public_address_stays_at_a_port_that_stays() {
        for world in worlds(Settings::default()).await {
            let (cloud, caller, name) = (&world.cloud, member("p"), world.database.name);
            let made = cloud.create_servers(&caller, world.create(&["a"])).await.expect("creation");
            let server = made.server_ids[0].clone();
            world.make_active(&server).await;
            let shown = cloud.get_server(&caller, server.clone(), all_parts()).await.expect("the server");
            let own = shown.nics[0].port_id.clone();
            let network = cloud.get_port(&caller, own.clone()).await.expect("its port").network_id;
            let spare = cloud.create_port(&caller, on(network)).await.expect("a port").id;
            let at_spare = cloud.create_public_address(&caller, to(&spare)).await.expect("an address").id;
            let at_own = cloud.create_public_address(&caller, to(&own)).await.expect("an address").id;
            cloud.attach_nics(&caller, server.clone(), vec![given(&spare)], false).await.expect("accepted");
            let led = cloud.get_public_address(&caller, at_spare.clone()).await.expect("the address");
            assert_eq!(led.server_id.as_deref(), Some(server.as_str()), "{name}");

            let mut tx = world.database.db.begin().await.expect("begin");
            for port in [&spare, &own] {
                free_port(&mut tx, &server, port, Timestamp::now()).await.expect("it is freed");
            }
            tx.commit().await.expect("commit");
            let stays = cloud.get_public_address(&caller, at_spare).await.expect("the address");
            assert_eq!((stays.port_id.as_deref(), stays.server_id), (Some(spare.as_str()), None), "{name}");
            let goes = cloud.get_public_address(&caller, at_own).await.expect("the address");
            assert_eq!((goes.port_id, goes.server_id), (None, None), "{name}: its port is gone");
        }
    }
}
