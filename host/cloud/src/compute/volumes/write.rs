//! Volumes are made, changed, grown and removed.

use serde_json::json;
use skyloom_jobs::{NewOperation, Superseded};
use skyloom_model::{Action, Caller, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::collisions::again;
use skyloom_store::quotas::Quota;
use skyloom_store::snapshots::SnapshotState;
use skyloom_store::volumes::{self as store, Volume, VolumeState};
use skyloom_store::{Conn, nodes, placements, snapshots};

use super::snapshots::locked_snapshot;
use super::{Volumes, locked, view};
use crate::attributes;
use crate::compute::actions::new_operation;
use crate::compute::common::{check_text, items};
use crate::compute::image;
use crate::compute::sagas::volume_kinds;
use crate::events::{self, Owner};

/// The largest volume.
pub(super) const MAX_GIB: u32 = 65_536;

/// What a new volume begins as, and what it takes over from that.
#[derive(Default)]
struct Source {
    image_id: String,
    snapshot_id: String,
    volume_id: String,
    bootable: bool,
    least_gib: u32,
    /// None: the caller has to say it.
    size_gib: Option<u32>,
    volume_type: Option<String>,
    /// Of what lies on a node already.
    zone: Option<String>,
}

impl Source {
    /// The volume or snapshot whose node it has to be on.
    fn beside(&self) -> Option<&str> {
        [&self.snapshot_id, &self.volume_id].into_iter().map(String::as_str).find(|id| !id.is_empty())
    }

    fn of(volume: Volume) -> Self {
        Self {
            image_id: volume.image_id,
            bootable: volume.bootable,
            volume_type: Some(volume.volume_type),
            zone: Some(volume.zone),
            ..Self::default()
        }
    }
}

pub(super) fn wrong_state(what: &str, id: &str, state: &str, wanted: &str) -> Error {
    let message = format!("The {what} {id} is {state}; it has to be {wanted}.");
    Error::new(ErrorCode::WrongState, message).with_resource(what, id).with_field("state")
}

pub(super) fn check_size(size_gib: u32) -> Result<()> {
    if (1..=MAX_GIB).contains(&size_gib) {
        return Ok(());
    }
    Err(Error::invalid("size-gib", format!("A volume has between 1 and {MAX_GIB} GiB.")))
}

impl Volumes {
    async fn source(
        &self,
        tx: &mut Conn,
        caller: &Caller,
        reach: &Reach,
        create: &wit::VolumeCreate,
    ) -> Result<Source> {
        let id = match (create.source.as_str(), &create.source_id) {
            ("empty", None) => return Ok(Source::default()),
            ("image" | "volume" | "snapshot", Some(id)) => id,
            ("empty", Some(_)) => return Err(Error::invalid("source-id", "An empty volume has no source.")),
            ("image" | "volume" | "snapshot", None) => {
                return Err(Error::invalid("source-id", format!("The id of the {} is missing.", create.source)));
            }
            (other, _) => {
                return Err(Error::invalid("source", format!("A volume cannot begin as {other}.")));
            }
        };
        match create.source.as_str() {
            "image" => {
                let found = self.compute.boot_image(tx, caller, id).await?;
                image::still_active(tx, id).await?;
                let least_gib = found.least_gib();
                let image_id = id.clone();
                Ok(Source { image_id, bootable: true, least_gib, size_gib: Some(least_gib), ..Source::default() })
            }
            "volume" => {
                let volume = locked(tx, id, reach).await.map_err(|error| error.with_field("source-id"))?;
                if volume.state != VolumeState::Available {
                    return Err(wrong_state("volume", id, volume.state.as_str(), "available"));
                }
                let size_gib = volume.size_gib;
                let from = Source::of(volume);
                Ok(Source { volume_id: id.clone(), least_gib: size_gib, size_gib: Some(size_gib), ..from })
            }
            _ => {
                let snapshot = locked_snapshot(tx, id, reach).await.map_err(|error| error.with_field("source-id"))?;
                if snapshot.state != SnapshotState::Available {
                    return Err(wrong_state("snapshot", id, snapshot.state.as_str(), "available"));
                }
                let origin = store::get(tx, &snapshot.volume_id, &Reach::All).await?;
                let from = origin.map(Source::of).unwrap_or_default();
                let size_gib = snapshot.size_gib;
                Ok(Source { snapshot_id: id.clone(), least_gib: size_gib, size_gib: Some(size_gib), ..from })
            }
        }
    }

    fn size(create: &wit::VolumeCreate, source: &Source) -> Result<u32> {
        let missing = || Error::invalid("size-gib", "An empty volume needs a size.");
        let size_gib = create.size_gib.or(source.size_gib).ok_or_else(missing)?;
        check_size(size_gib)?;
        if size_gib < source.least_gib {
            let (least, what) = (source.least_gib, &create.source);
            let message = format!("{size_gib} GiB are too small: the {what} needs {least} GiB.");
            return Err(Error::invalid("size-gib", message).with_reason("too-small"));
        }
        Ok(size_gib)
    }

    fn volume_type(&self, create: &wit::VolumeCreate, source: &Source) -> Result<String> {
        let settings = &self.compute.settings;
        // Nobody asked for a type that its source has and that isn't offered any more.
        let taken_over = source.volume_type.as_ref().filter(|name| settings.volume_types.contains(*name));
        let name = create.volume_type.as_ref().or(taken_over).unwrap_or(&settings.default_volume_type);
        if settings.volume_types.contains(name) {
            return Ok(name.clone());
        }
        let error = Error::invalid("volume-type", format!("Volume type {name} could not be found."));
        Err(error.with_resource("volume-type", name))
    }

    async fn zone(&self, conn: &mut Conn, create: &wit::VolumeCreate, source: &Source) -> Result<String> {
        let default = &self.compute.settings.default_zone;
        let zone = create.zone.as_ref().or(source.zone.as_ref()).unwrap_or(default);
        if source.zone.as_ref().is_some_and(|own| own != zone) {
            return Err(Error::invalid("zone", "The volume is in the zone of what it begins as."));
        }
        if nodes::all(conn).await?.iter().any(|node| node.zone == *zone) {
            return Ok(zone.clone());
        }
        Err(Error::invalid("zone", format!("Availability zone '{zone}' is invalid.")))
    }

    pub(super) async fn create(&self, context: &CallContext, create: wit::VolumeCreate) -> Result<wit::Volume> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesCreate)?;
        let caller = context.caller()?;
        let project_id = caller.project()?;
        check_text("name", &create.name)?;
        check_text("description", &create.description)?;
        let metadata = items("metadata", create.metadata.clone())?;
        let attributes = attributes::with(context, attributes::NONE, &create.attributes)?;
        let volume = again(|| async {
            let (now, mut tx) = (Timestamp::now(), self.db().begin().await?);
            let source = self.source(&mut tx, caller, &reach, &create).await?;
            let volume = Volume {
                id: new_id(),
                project_id: project_id.to_owned(),
                user_id: caller.user.id.clone(),
                name: create.name.clone(),
                description: create.description.clone(),
                size_gib: Self::size(&create, &source)?,
                volume_type: self.volume_type(&create, &source)?,
                zone: self.zone(&mut tx, &create, &source).await?,
                bootable: source.bootable,
                state: VolumeState::Creating,
                server_id: String::new(),
                boot_index: 0,
                device: String::new(),
                attached_at: None,
                delete_on_termination: false,
                image_id: source.image_id.clone(),
                snapshot_id: source.snapshot_id.clone(),
                source_volume_id: source.volume_id.clone(),
                metadata: metadata.clone(),
                created_at: now,
                updated_at: now,
                attributes: attributes.clone(),
            };
            store::insert(&mut tx, &volume).await?;
            let made = [(Quota::Volumes, 1), (Quota::VolumeGib, volume.size_gib.into())];
            self.quotas.check_quota_made(&mut tx, project_id, &made).await?;
            let operation = NewOperation::new(volume_kinds::CREATE, "volume", &volume.id);
            let operation = NewOperation {
                params: json!({ "beside": source.beside() }),
                ..new_operation(context, Action::VolumesCreate, operation, project_id, now)?
            };
            skyloom_jobs::lock_new_resource(&mut tx, "volume", &volume.id, &operation.id).await?;
            // Nobody uses or removes what is being copied.
            for (kind, id) in [("volume", &source.volume_id), ("snapshot", &source.snapshot_id)] {
                if !id.is_empty() {
                    skyloom_jobs::lock_resource(&mut tx, kind, id, &operation.id).await?;
                }
            }
            skyloom_jobs::enqueue(&mut tx, operation).await?;
            tx.commit().await?;
            Ok(volume)
        })
        .await?;
        self.wake();
        view::volume(context, volume)
    }

    pub(super) async fn update(
        &self,
        context: &CallContext,
        id: &str,
        update: wit::VolumeUpdate,
    ) -> Result<wit::Volume> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesUpdate)?;
        let mut tx = self.db().begin().await?;
        let mut volume = locked(&mut tx, id, &reach).await?;
        if let Some(name) = update.name {
            check_text("name", &name)?;
            volume.name = name;
        }
        if let Some(description) = update.description {
            check_text("description", &description)?;
            volume.description = description;
        }
        volume.bootable = update.bootable.unwrap_or(volume.bootable);
        if let Some(change) = update.metadata {
            volume.metadata = view::changed(volume.metadata, change)?;
        }
        attributes::put(context, &mut volume.attributes, update.attributes.as_deref())?;
        volume.updated_at = Timestamp::now();
        events::changed(&mut tx, context, Action::VolumesUpdate, ("volume", id), Owner::Project(&volume.project_id))
            .await?;
        store::update_own(&mut tx, &volume).await?;
        tx.commit().await?;
        view::volume(context, volume)
    }

    pub(super) async fn grow(&self, context: &CallContext, id: &str, size_gib: u32) -> Result<wit::Volume> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesGrow)?;
        check_size(size_gib)?;
        let volume = again(|| async {
            let (now, mut tx) = (Timestamp::now(), self.db().begin().await?);
            let mut volume = locked(&mut tx, id, &reach).await?;
            if volume.state != VolumeState::Available {
                return Err(wrong_state("volume", id, volume.state.as_str(), "available"));
            }
            if size_gib <= volume.size_gib {
                let message = format!("New size must be greater than the current one of {} GiB.", volume.size_gib);
                return Err(Error::invalid("size-gib", message).with_reason("too-small"));
            }
            let more = [(Quota::VolumeGib, u64::from(size_gib - volume.size_gib))];
            self.quotas.check_quota(&mut tx, &volume.project_id, &more).await?;
            let operation =
                self.operation(&mut tx, context, (volume_kinds::GROW, Action::VolumesGrow), &volume).await?;
            let params = json!({ "size-gib": size_gib, "was-gib": volume.size_gib });
            skyloom_jobs::lock_resource(&mut tx, "volume", id, &operation.id).await?;
            skyloom_jobs::enqueue(&mut tx, NewOperation { params, now, ..operation }).await?;
            // What it will hold counts from here on.
            store::grow(&mut tx, id, size_gib, now).await?;
            store::set_state(&mut tx, id, VolumeState::Growing, now).await?;
            tx.commit().await?;
            volume.state = VolumeState::Growing;
            Ok(volume)
        })
        .await?;
        self.wake();
        view::volume(context, volume)
    }

    pub(super) async fn delete(&self, context: &CallContext, id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesDelete)?;
        again(|| async {
            let mut tx = self.db().begin().await?;
            let volume = locked(&mut tx, id, &reach).await?;
            deletable(&mut tx, &volume).await?;
            let operation =
                self.operation(&mut tx, context, (volume_kinds::DELETE, Action::VolumesDelete), &volume).await?;
            let now = operation.now;
            if begin_deletion(&mut tx, operation, volume.state == VolumeState::Error).await? {
                store::set_state(&mut tx, id, VolumeState::Deleting, now).await?;
            }
            tx.commit().await
        })
        .await?;
        self.wake();
        Ok(())
    }

    /// Of a kind, on a volume.
    pub(super) async fn operation(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        (kind, action): (&'static str, Action),
        volume: &Volume,
    ) -> Result<NewOperation> {
        let node = placements::place_of(tx, &volume.id, placements::Purpose::Home).await?;
        let operation = NewOperation::new(kind, "volume", &volume.id);
        let operation = new_operation(context, action, operation, &volume.project_id, Timestamp::now())?;
        Ok(NewOperation { node: node.unwrap_or_default(), ..operation })
    }
}

/// What failed may be held by an operation that is stuck, which the deletion ends; what did not is held by one that needs it. False:
/// an earlier deletion is at it, and if that one is stuck it is the operator's.
pub(super) async fn begin_deletion(tx: &mut Conn, operation: NewOperation, failed: bool) -> Result<bool> {
    if failed {
        let begun = skyloom_jobs::enqueue_superseding(tx, operation).await?;
        return Ok(!matches!(begun, Superseded::Joined(_)));
    }
    skyloom_jobs::lock_resource(tx, &operation.resource_kind, &operation.resource_id, &operation.id).await?;
    skyloom_jobs::enqueue(tx, operation).await?;
    Ok(true)
}

pub(in crate::compute) async fn deletable(tx: &mut Conn, volume: &Volume) -> Result<()> {
    let id = &volume.id;
    if !volume.server_id.is_empty() {
        let message = format!("The volume {id} is in use by server {}.", volume.server_id);
        return Err(Error::new(ErrorCode::InUse, message).with_resource("volume", id));
    }
    if !matches!(volume.state, VolumeState::Available | VolumeState::Error) {
        return Err(wrong_state("volume", id, volume.state.as_str(), "available or error"));
    }
    if snapshots::count_of(tx, id).await? > 0 {
        let message = format!("There are snapshots of the volume {id}: delete them first.");
        return Err(Error::new(ErrorCode::InUse, message).with_resource("volume", id).with_field("snapshots"));
    }
    Ok(())
}
