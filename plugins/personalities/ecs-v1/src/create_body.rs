//! The body of a creation, as the schema lets it through.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct CreateBody {
    pub server: Server,
    pub dry_run: Option<bool>,
}

#[derive(Deserialize)]
pub struct Server {
    #[serde(rename = "imageRef")]
    pub image: String,
    #[serde(rename = "flavorRef")]
    pub flavor: String,
    pub name: String,
    pub user_data: Option<String>,
    /// A handle: the host keeps the password.
    #[serde(rename = "adminPass")]
    pub admin_password: Option<String>,
    pub key_name: Option<String>,
    pub vpcid: String,
    pub nics: Vec<Nic>,
    pub publicip: Option<PublicIp>,
    pub count: Option<u32>,
    pub root_volume: RootVolume,
    pub data_volumes: Option<Vec<DataVolume>>,
    pub security_groups: Option<Vec<GroupRef>>,
    pub availability_zone: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
    #[serde(rename = "os:scheduler_hints")]
    pub scheduler_hints: Option<Hints>,
    pub description: Option<String>,
}

impl Server {
    pub fn zone(&self) -> Option<&str> {
        self.availability_zone.as_deref().filter(|zone| !zone.is_empty())
    }
}

#[derive(Deserialize)]
pub struct Nic {
    pub subnet_id: String,
    pub ip_address: Option<String>,
    #[serde(rename = "binding:profile")]
    pub profile: Option<NicProfile>,
    pub extra_dhcp_opts: Option<Vec<Value>>,
}

impl Nic {
    pub fn address(&self) -> Option<&str> {
        self.ip_address.as_deref().filter(|address| !address.is_empty())
    }

    pub fn has_no_groups(&self) -> bool {
        self.profile.as_ref().is_some_and(|profile| profile.disable_security_groups == Some(true))
    }
}

#[derive(Deserialize)]
pub struct NicProfile {
    pub disable_security_groups: Option<bool>,
}

#[derive(Deserialize)]
pub struct PublicIp {
    pub id: Option<String>,
    pub eip: Option<Eip>,
    pub delete_on_termination: Option<bool>,
}

#[derive(Deserialize)]
pub struct Eip {
    pub bandwidth: Bandwidth,
}

#[derive(Deserialize)]
pub struct Bandwidth {
    pub size: u32,
    pub sharetype: String,
}

#[derive(Deserialize)]
pub struct RootVolume {
    pub volumetype: String,
    pub size: Option<u32>,
    #[serde(flatten)]
    pub device: Device,
}

#[derive(Deserialize)]
pub struct DataVolume {
    pub volumetype: String,
    pub size: u32,
    pub data_image_id: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub extendparam: Option<VolumeParams>,
    pub multiattach: Option<bool>,
    #[serde(flatten)]
    pub device: Device,
}

impl DataVolume {
    pub fn image(&self) -> Option<&str> {
        self.data_image_id.as_deref().filter(|id| !id.is_empty())
    }
}

#[derive(Deserialize)]
pub struct VolumeParams {
    #[serde(rename = "snapshotId")]
    pub snapshot_id: Option<String>,
}

#[derive(Deserialize)]
pub struct Device {
    pub cluster_id: Option<String>,
    /// Only `true` asks for a SCSI disk; any other value is a VBD disk, the document says.
    #[serde(rename = "hw:passthrough")]
    pub passthrough: Option<Value>,
}

impl Device {
    pub fn is_scsi(&self) -> bool {
        self.passthrough == Some(Value::Bool(true))
    }
}

#[derive(Deserialize)]
pub struct GroupRef {
    pub id: Option<String>,
}

#[derive(Deserialize)]
pub struct Hints {
    pub group: Option<String>,
    pub tenancy: Option<String>,
}
