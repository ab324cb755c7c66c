//! `block_device_mapping_v2` of a new server: a system disk and data disks, each of an image, of a snapshot, empty, or a volume that is
//! there.

use serde_json::{Map, Value};
use skyloom_sdk::Cloud;
use skyloom_sdk::cloud::compute::DiskRequest;
use skyloom_sdk::json::Fields;
use skyloom_sdk::lenient::{boolean, count, integer, is_uuid};

use crate::context::Context;
use crate::errors::Fault;
use crate::unsupported::refuse;

const CREATE: &str = "servers.create";

#[derive(Debug, Default)]
pub struct Disks {
    /// The image of the system disk.
    pub image_id: Option<String>,
    /// The system disk as a volume of its own; none: as the flavor has it.
    pub root: Option<DiskRequest>,
    pub data: Vec<DiskRequest>,
    /// By boot order, the system disk first.
    pub tags: Vec<Option<String>>,
}

impl Disks {
    /// The system disk first.
    pub fn list(self) -> Vec<DiskRequest> {
        let system = self.root.unwrap_or(DiskRequest {
            source: "image".to_owned(),
            source_id: self.image_id,
            size_gib: None,
            volume_type: None,
            delete_on_termination: true,
            attributes: "{}".to_owned(),
        });
        std::iter::once(system).chain(self.data).collect()
    }
}

/// Of `servers` servers of one request.
pub fn read<C: Cloud>(context: &Context<'_, C>, server: &Map<String, Value>, servers: u32) -> Result<Disks, Fault> {
    let fields = Fields::new(server, &["server"]);
    let legacy = fields.optional_array("block_device_mapping")?.unwrap_or_default();
    let devices = fields.optional_array("block_device_mapping_v2")?.unwrap_or_default();
    if !legacy.is_empty() && !devices.is_empty() {
        return Err(invalid("Using different block_device_mapping syntaxes is not allowed in the same request."));
    }
    if !legacy.is_empty() {
        return Err(refuse(CREATE, "block_device_mapping"));
    }
    let mut disks = Disks { image_id: image(context, &fields)?, ..Disks::default() };
    let devices = devices.iter().map(|device| match device {
        Value::Object(device) => Device::read(context, device),
        _ => Err(Fault::invalid_type("block_device_mapping_v2", "object")),
    });
    let devices = devices.collect::<Result<Vec<_>, _>>()?;
    check_boot(&devices, disks.image_id.is_some())?;
    check_volumes(&devices, servers)?;
    disks.tags = tags(&devices);
    devices.into_iter().try_for_each(|device| device.apply(&mut disks))?;
    if disks.image_id.is_none() && disks.root.is_none() {
        return Err(Fault::bad_request(
            "Missing imageRef attribute: without it, a device of block_device_mapping_v2 must boot from an image or a volume",
        ));
    }
    Ok(disks)
}

/// One device boots, or the image does: existing volumes alone leave nothing to boot from.
fn check_boot(devices: &[Device], has_image: bool) -> Result<(), Fault> {
    let roots = devices.iter().filter(|device| device.is_root()).count();
    let only_volumes = !devices.is_empty() && devices.iter().all(Device::is_volume);
    if roots > 1 || (roots == 0 && only_volumes && !has_image) {
        return Err(invalid("Boot sequence for the instance and image/block device mapping combination is not valid."));
    }
    Ok(())
}

/// An existing volume is one server's.
fn check_volumes(devices: &[Device], servers: u32) -> Result<(), Fault> {
    if servers > 1 && devices.iter().any(|device| device.source == "snapshot") {
        return Err(refuse(CREATE, "source_type snapshot of several servers"));
    }
    if servers > 1 && devices.iter().any(Device::is_volume) {
        return Err(Fault::bad_request("Cannot attach one or more volumes to multiple instances"));
    }
    Ok(())
}

/// By boot order, the system disk first; empty where none has one.
fn tags(devices: &[Device]) -> Vec<Option<String>> {
    let root = devices.iter().find(|device| device.is_root()).and_then(|device| device.tag.clone());
    let others = devices.iter().filter(|device| !device.is_root()).map(|device| device.tag.clone());
    let tags: Vec<Option<String>> = std::iter::once(root).chain(others).collect();
    if tags.iter().all(Option::is_none) { Vec::new() } else { tags }
}

fn image<C>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(image) = fields.optional_str("imageRef")?.filter(|image| !image.is_empty()) else { return Ok(None) };
    // Old clients send the image's address.
    let id = if context.legacy { image.rsplit('/').next().unwrap_or(image) } else { image };
    if !is_uuid(id) {
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute imageRef. Value: '{image}'. '{image}' is not a 'uuid'"
        )));
    }
    Ok(Some(id.to_owned()))
}

fn invalid(why: &str) -> Fault {
    Fault::bad_request(format!("Block Device Mapping is Invalid: {why}"))
}

struct Device {
    source: String,
    destination: Option<String>,
    uuid: Option<String>,
    boot_index: i64,
    size: Option<u32>,
    volume_type: Option<String>,
    delete_on_termination: bool,
    tag: Option<String>,
}

impl Device {
    fn read<C: Cloud>(context: &Context<'_, C>, device: &Map<String, Value>) -> Result<Self, Fault> {
        let fields = Fields::new(device, &["server", "block_device_mapping_v2"]);
        if fields.has("no_device") && device["no_device"] != Value::Null && device["no_device"] != Value::Bool(false) {
            return Err(refuse(CREATE, "no_device"));
        }
        if fields.optional_str("guest_format")?.is_some() && !without_effect(context, "guest_format") {
            return Err(refuse(CREATE, "guest_format"));
        }
        let tag = fields.optional_str("tag")?.map(str::to_owned);
        if tag.is_some() && !(context.minor == 32 || context.since(42)) {
            return Err(Fault::bad_request("Additional properties are not allowed ('tag' was unexpected)"));
        }
        let volume_type = fields.optional_str("volume_type")?.filter(|kind| !kind.is_empty()).map(str::to_owned);
        if volume_type.is_some() && !context.since(67) && !context.rules.volume_type_always {
            return Err(Fault::bad_request("Additional properties are not allowed ('volume_type' was unexpected)"));
        }
        let given = |name: &str| fields.value(name).filter(|value| !value.is_null());
        // The source may be named by the kind of id alone.
        let by_id = [("volume_id", "volume"), ("snapshot_id", "snapshot"), ("image_id", "image")];
        let implied = by_id.into_iter().find(|(name, _)| given(name).is_some());
        let source = match (fields.optional_str("source_type")?, implied) {
            (Some(source), _) | (None, Some((_, source))) => source.to_owned(),
            (None, None) => return Err(invalid("Invalid source_type field.")),
        };
        let named = |name: &str| fields.optional_str(name);
        let uuid =
            named("uuid")?.or(named("image_id")?).or(named("volume_id")?).or(named("snapshot_id")?).map(str::to_owned);
        Ok(Self {
            source,
            destination: fields.optional_str("destination_type")?.map(str::to_owned),
            uuid,
            boot_index: match given("boot_index") {
                None => -1,
                Some(index) => integer(index).ok_or_else(|| invalid("Boot index is invalid."))?,
            },
            size: match given("volume_size") {
                None => None,
                Some(Value::String(text)) if text.is_empty() => None,
                Some(size) => Some(count(size).ok_or_else(|| invalid("Volume size is invalid."))?),
            },
            volume_type,
            delete_on_termination: match given("delete_on_termination") {
                None => false,
                Some(value) => boolean(value).ok_or_else(|| invalid("delete_on_termination is no boolean."))?,
            },
            tag,
        })
    }

    fn is_root(&self) -> bool {
        self.boot_index == 0
    }

    /// One that exists already.
    fn is_volume(&self) -> bool {
        matches!(self.source.as_str(), "volume" | "snapshot")
    }

    fn image(&self) -> Result<String, Fault> {
        match &self.uuid {
            Some(uuid) if is_uuid(uuid) => Ok(uuid.clone()),
            Some(uuid) => Err(invalid(&format!("failed to get image {uuid}."))),
            None => Err(invalid("Image source needs a uuid.")),
        }
    }

    fn volume(&self) -> Result<DiskRequest, Fault> {
        let size_gib = self.size.filter(|size| *size > 0).ok_or_else(|| {
            let sources = if self.source == "image" { "Images" } else { "Blank volumes" };
            invalid(&format!("{sources} with destination_type 'volume' need to have a non-zero size specified"))
        })?;
        let image = if self.source == "image" { Some(self.image()?) } else { None };
        Ok(DiskRequest {
            source: if image.is_some() { "image" } else { "empty" }.to_owned(),
            source_id: image,
            size_gib: Some(size_gib),
            volume_type: self.volume_type.clone(),
            delete_on_termination: self.delete_on_termination,
            attributes: "{}".to_owned(),
        })
    }

    /// A volume that is there, with the size and the type that it has; or a copy of a snapshot, which may be larger.
    fn given(&self) -> Result<DiskRequest, Fault> {
        let source = &self.source;
        let id = self.uuid.as_ref().ok_or_else(|| invalid(&format!("A {source} needs a uuid.")))?;
        if !is_uuid(id) {
            return Err(invalid(&format!("failed to get {source} {id}.")));
        }
        let copied = source == "snapshot";
        Ok(DiskRequest {
            source: source.clone(),
            source_id: Some(id.clone()),
            size_gib: self.size.filter(|size| copied && *size > 0),
            volume_type: self.volume_type.clone().filter(|_| copied),
            delete_on_termination: self.delete_on_termination,
            attributes: "{}".to_owned(),
        })
    }

    fn apply(self, disks: &mut Disks) -> Result<(), Fault> {
        match (self.source.as_str(), self.destination.as_deref(), self.is_root()) {
            ("volume" | "snapshot", destination, is_root) => {
                if destination.is_some_and(|destination| destination != "volume") {
                    return Err(invalid(&format!("Mapping {} to local is not supported.", self.source)));
                }
                let disk = self.given()?;
                if is_root {
                    disks.root = Some(disk);
                } else {
                    disks.data.push(disk);
                }
                Ok(())
            }
            ("image", destination, true) => {
                let image = self.image()?;
                if disks.image_id.as_ref().is_some_and(|other| *other != image) {
                    return Err(invalid("The image of the boot device differs from imageRef."));
                }
                disks.image_id = Some(image);
                if destination == Some("volume") {
                    disks.root = Some(self.volume()?);
                }
                Ok(())
            }
            ("blank" | "image", Some("volume"), false) => {
                disks.data.push(self.volume()?);
                Ok(())
            }
            ("blank", _, true) => Err(invalid("A blank device cannot be the boot device.")),
            ("blank" | "image", ..) => Err(refuse(CREATE, "destination_type local")),
            (other, ..) => Err(invalid(&format!("Invalid source_type field: {other}."))),
        }
    }
}

fn without_effect<C>(context: &Context<'_, C>, member: &str) -> bool {
    let field = format!("block_device_mapping_v2[].{member}");
    context.rules.without_effect.contains(&field.as_str())
}
