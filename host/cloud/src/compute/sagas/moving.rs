//! A server that goes to another node in its resize. Its disks go through blobs of the host's store, which last no longer than the steps
//! that need them. What the server had stays on the old node until it is known that the server stays on the new one.

use skyloom_jobs::{Outcome, Run};
use skyloom_model::{Error, Reach, Result, Timestamp, new_id};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Disk, DiskSource, DomainSpec, ImageBlob, StepCall};
use skyloom_store::resizes::{self, Move, MovedDisk, Resize};
use skyloom_store::servers::{self, Change};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{Conn, metering, networks, placements};

use super::blueprint::Blueprint;
use super::context::{Context, Platform};
use super::resize::locked;

/// What drivers write disks as.
const FORMAT: &str = "qcow2";

/// Writes down that the server goes to the node, with all its disks.
pub(super) async fn begin(tx: &mut Conn, server_id: &str, node: String) -> Result<()> {
    let from = locked(tx, server_id).await?.node;
    let of_server = volumes::of_server(tx, server_id).await?;
    let moved = |volume: Volume| MovedDisk { id: volume.id, blob: new_id(), was_gib: volume.size_gib };
    let moves = Move { from, to: node, disks: of_server.into_iter().map(moved).collect() };
    resizes::put_move(tx, server_id, &moves).await
}

/// The server is at home on the other one of its nodes from here on, and its disks have the sizes that they have there.
pub(super) async fn exchange(tx: &mut Conn, resize: &Resize, moves: &Move, now: Timestamp) -> Result<()> {
    let id = &resize.server_id;
    let goes = locked(tx, id).await?.node == moves.from;
    for volume in volumes::of_server(tx, id).await? {
        let Some(disk) = moves.disks.iter().find(|disk| disk.id == volume.id) else { continue };
        let grown = if goes && volume.boot_index == 0 { resize.extra_volume_gib } else { 0 };
        let size_gib = disk.was_gib + grown;
        if size_gib != volume.size_gib {
            volumes::set_size(tx, &volume.id, size_gib, now).await?;
            metering::close_spans(tx, &volume.id, &[], now).await?;
            metering::open_volume(tx, &volume, size_gib, now).await?;
        }
    }
    resizes::disk_grown(tx, id).await?;
    placements::exchange_nodes(tx, id).await?;
    let node = if goes { &moves.to } else { &moves.from };
    servers::change(tx, id, &Change { node: Some(node), ..Change::default() }, now).await?;
    networks::bind_ports_of_device(tx, id, node).await
}

fn ids(moves: &Move) -> Vec<String> {
    moves.disks.iter().map(|disk| disk.id.clone()).collect()
}

/// Nobody needs the blobs any more.
pub(super) fn forget_blobs(context: &Context, moves: &Move) {
    for disk in &moves.disks {
        context.images.remove_blob(&disk.blob);
    }
}

/// The server on the node that it goes to, or comes back from.
pub(super) struct Target {
    blueprint: Blueprint,
    moves: Move,
}

impl Target {
    pub async fn load(context: &Context, run: &Run, kind: &'static str, moves: Move) -> Result<Self> {
        Ok(Self { blueprint: Blueprint::on(context, run, kind, &moves.to).await?, moves })
    }

    pub fn platform(&self) -> &Platform {
        &self.blueprint.platform
    }

    pub fn moves(&self) -> &Move {
        &self.moves
    }

    /// Makes each disk of its blob, the system disk larger by so much. Then the blobs go.
    pub async fn import(
        &self,
        context: &Context,
        run: &Run,
        (step, extra_gib): (&str, u32),
        token: Option<&str>,
    ) -> Result<Outcome> {
        let mut disks = self.blueprint.spec(context).await?.disks;
        for disk in &mut disks {
            self.come_from_blob(disk, extra_gib)?;
        }
        let made = self.platform().create_disks(run, step, &disks, token).await?;
        if made == Outcome::Done {
            forget_blobs(context, &self.moves);
        }
        Ok(made)
    }

    fn come_from_blob(&self, disk: &mut Disk, extra_gib: u32) -> Result<()> {
        let moved = self.moves.disks.iter().find(|moved| moved.id == disk.id);
        let moved = moved.ok_or_else(|| Error::internal(format!("disk {} does not move with its server", disk.id)))?;
        let of_system = |volume: &Volume| volume.boot_index == 0 && volume.id == disk.id;
        if self.blueprint.volumes.iter().any(of_system) {
            disk.size_gib += extra_gib;
        }
        disk.source = DiskSource::Copy(ImageBlob { blob: moved.blob.clone(), format: FORMAT.to_owned() });
        Ok(())
    }

    pub async fn undo_import(&self, context: &Context, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        forget_blobs(context, &self.moves);
        self.platform().remove_disks(run, step, &ids(&self.moves), token).await
    }

    /// With the processors and the memory of the resize. The guest keeps the password that it has.
    pub async fn define(
        &self,
        context: &Context,
        run: &Run,
        (step, resize): (&str, &Resize),
        token: Option<&str>,
    ) -> Result<Outcome> {
        let Resize { vcpus, memory_mib, .. } = *resize;
        let spec = DomainSpec { vcpus, memory_mib, ..self.blueprint.spec(context).await? };
        let call = StepCall::Define { spec: &spec, secrets: &SecretVault::new() };
        self.platform().step(run, step, token, call).await
    }

    /// Takes the server away from the node again.
    pub async fn clear(&self, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        self.leave(self.platform(), run, step, token).await
    }

    /// Takes away what is left on the old node.
    pub async fn leave(&self, old: &Platform, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        old.clear(run, step, &ids(&self.moves), token).await
    }
}

/// A server where it is, and what it has on another node.
pub(super) struct Places {
    pub home: Platform,
    left: Option<(Platform, Move)>,
}

impl Places {
    pub async fn load(context: &Context, run: &Run, kind: &'static str) -> Result<Self> {
        let home = context.platform_of(run, kind).await?;
        Ok(Self { home, ..Self::left(context, run, kind).await? })
    }

    /// As [`Places::load`], for work that has nothing to do where the server is.
    pub async fn left(context: &Context, run: &Run, kind: &'static str) -> Result<Self> {
        let id = &run.operation.resource_id;
        let mut conn = context.compute.db().read().await?;
        let server = servers::brief(&mut conn, id, &Reach::All).await?;
        let home = server.map(|server| server.node).filter(|node| !node.is_empty());
        let moves = resizes::get(&mut conn, id).await?.and_then(|resize| resize.moves);
        drop(conn);
        let left = match moves {
            Some(moves) => {
                let node = if home.as_ref() == Some(&moves.from) { &moves.to } else { &moves.from };
                Some((context.platform(("server", id), Some(node), kind)?, moves))
            }
            None => None,
        };
        Ok(Self { home: context.platform(("server", id), None, kind)?, left })
    }

    /// The platform that [`Places::leave`] is for.
    pub fn leaving(&self) -> &Platform {
        self.left.as_ref().map_or(&self.home, |(platform, _)| platform)
    }

    /// Takes away what the server has on another node.
    pub async fn leave(&self, context: &Context, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        let Some((platform, moves)) = &self.left else { return Ok(Outcome::Done) };
        forget_blobs(context, moves);
        platform.clear(run, step, &ids(moves), token).await
    }
}
