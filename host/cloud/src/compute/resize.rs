//! What a request for another flavor does at once: it checks the flavor, and takes the quota that the larger of the two needs.

use skyloom_model::{Error, Result, VmState};
use skyloom_runtime::context::CallContext;
use skyloom_store::flavors::Flavor;
use skyloom_store::quotas::Quota;
use skyloom_store::resizes::{self, Resize};
use skyloom_store::servers::{Brief, FlavorCopy};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{Conn, images};

use super::Compute;

const FIELD: &str = "flavor-id";

impl Compute {
    pub(super) async fn begin_resize(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        server: &Brief,
        flavor_id: &str,
    ) -> Result<()> {
        let flavor = self.flavors.usable_flavor(tx, context.caller()?, flavor_id).await?;
        let own = resizes::own_flavor(tx, &server.id).await?;
        let volumes = volumes::of_server(tx, &server.id).await?;
        let system = volumes.iter().find(|volume| volume.boot_index == 0);
        // A volume that was there before the server is as large as its owner made it.
        let made = system.filter(|volume| volume.created_at == server.created_at);
        check(server, made.map_or(0, |_| own.disk_gib), &flavor)?;
        check_image(tx, system, &flavor).await?;
        let extra_volume_gib = growth(&own, made, &flavor);
        let resize = Resize {
            server_id: server.id.clone(),
            project_id: server.project_id.clone(),
            flavor_id: flavor.id.clone(),
            vcpus: flavor.vcpus,
            memory_mib: flavor.memory_mib,
            flavor: flavor.copy(),
            extra_vcpus: flavor.vcpus.saturating_sub(server.vcpus),
            extra_memory_mib: flavor.memory_mib.saturating_sub(server.memory_mib),
            extra_volume_gib,
            running: server.vm_state == VmState::Active,
            moves: None,
        };
        resizes::insert(tx, &resize).await?;
        let more = [
            (Quota::Vcpus, resize.extra_vcpus.into()),
            (Quota::MemoryMib, resize.extra_memory_mib.into()),
            (Quota::VolumeGib, extra_volume_gib.into()),
        ];
        self.quotas.check_quota_made(tx, &server.project_id, &more).await
    }
}

/// By how much the system disk grows: one that the flavor made as large as it is goes with the flavor, one that somebody made
/// smaller stays.
fn growth(own: &FlavorCopy, system: Option<&Volume>, flavor: &Flavor) -> u32 {
    let by_flavor = |volume: &&Volume| own.disk_gib > 0 && volume.size_gib >= own.disk_gib;
    system.filter(by_flavor).map_or(0, |volume| flavor.disk_gib.saturating_sub(volume.size_gib))
}

/// As at a creation: the image, where it is still there, says how much memory its servers need.
async fn check_image(tx: &mut Conn, system: Option<&Volume>, flavor: &Flavor) -> Result<()> {
    let Some(id) = system.map(|volume| &volume.image_id).filter(|id| !id.is_empty()) else { return Ok(()) };
    let image = images::get_image(tx, id).await?;
    if image.is_some_and(|image| image.min_memory_mib > flavor.memory_mib) {
        return Err(Error::invalid(FIELD, "Flavor's memory is too small for requested image."));
    }
    Ok(())
}

fn check(server: &Brief, disk_gib: u32, flavor: &Flavor) -> Result<()> {
    if flavor.id == server.flavor_id {
        let message = format!("Server {} has the flavor {} already.", server.id, flavor.id);
        return Err(Error::invalid(FIELD, message).with_reason("unchanged"));
    }
    if flavor.disabled {
        let message = format!("The flavor {} is not offered any more.", flavor.id);
        return Err(Error::invalid(FIELD, message).with_reason("disabled"));
    }
    if flavor.disk_gib < disk_gib {
        let message = format!(
            "The flavor {} has a system disk of {} GiB, the server one of {disk_gib} GiB: disks do not shrink.",
            flavor.id, flavor.disk_gib
        );
        return Err(Error::invalid(FIELD, message).with_reason("disk-too-small"));
    }
    Ok(())
}
