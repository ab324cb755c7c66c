//! Frees what the records hold for a server: volumes, ports, addresses, its place, its spans. Nothing to free is no error.

use skyloom_model::{Result, Timestamp};
use skyloom_store::volumes::VolumeState;
use skyloom_store::{
    Conn, boot_images, metering, networks, placements, public_addresses, rebuilds, resizes, schedules, snapshots,
    volumes,
};

/// Which of a server's volumes go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volumes {
    All,
    /// Those that were made to go with it; the others stay, available.
    OnTermination,
}

impl Volumes {
    /// What the server never had stays as it was: one that is being given to it lives on, one that is being made goes.
    pub fn takes(self, volume: &volumes::Volume) -> bool {
        match volume.state {
            VolumeState::Attaching => false,
            VolumeState::Creating => true,
            _ => self == Self::All || volume.delete_on_termination,
        }
    }
}

/// `addresses`: whether the public addresses go too; none: as each of them says.
pub(super) async fn all_of_server(
    tx: &mut Conn,
    server_id: &str,
    wanted: Volumes,
    addresses: Option<bool>,
    now: Timestamp,
) -> Result<()> {
    // What has snapshots stays, as it does when it is deleted by itself.
    let kept = snapshots::volumes_of_server(tx, server_id).await?;
    for volume in volumes::of_server(tx, server_id).await? {
        if wanted.takes(&volume) && !kept.contains(&volume.id) {
            metering::close_spans(tx, &volume.id, &[], now).await?;
            volumes::remove(tx, &volume.id).await?;
            placements::release(tx, &volume.id).await?;
        } else {
            volumes::detach(tx, &volume.id, now).await?;
            metering::leave_server(tx, &volume.id, now).await?;
        }
    }
    boot_images::release(tx, server_id).await?;
    networks::release_ports_of_device(tx, server_id).await?;
    public_addresses::release_of_server(tx, server_id, addresses, now).await?;
    metering::close_spans(tx, server_id, &[], now).await?;
    resizes::remove(tx, server_id).await?;
    rebuilds::remove(tx, server_id).await?;
    schedules::remove_of(tx, server_id).await?;
    placements::release(tx, server_id).await
}
