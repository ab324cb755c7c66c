//! The `[compute]` table of the deployment file, and the flavors of a fresh cloud.

use std::collections::BTreeMap;

use skyloom_model::{Error, Result, Timestamp};
use skyloom_store::flavors::Flavor;
use skyloom_store::quotas::Quota;

/// Rules of servers and what they are made of.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where servers go whose creation names no zone.
    pub default_zone: String,
    /// The volume type of disks that name none.
    pub default_volume_type: String,
    /// The volume types that may be asked for.
    pub volume_types: Vec<String>,
    /// Limits of a project by quota name where they differ from the built-in ones; -1: no limit.
    pub quotas: BTreeMap<String, i64>,
    /// Metadata items a server may have.
    pub max_metadata_items: u32,
    /// The most of a console's log that one call gives, in KiB.
    pub console_kib: u32,
    /// Virtual CPUs that a node may give out for each of its own.
    pub vcpus_per_core: u32,
    /// Days for which operators can still see a deleted server.
    pub keep_deleted_days: u32,
    /// Seconds after which a resize that nobody confirms or takes back is confirmed; 0: never.
    pub confirm_resizes_after_seconds: u32,
    /// Seconds that a server stays in the recycle bin before it is deleted for good; 0: until somebody does it. Whether a deletion goes
    /// into the bin is said where a vendor's API is mounted.
    pub recycle_bin_seconds: u32,
    /// Deadlines of the steps of server operations.
    pub times: super::sagas::Times,
    /// How platforms are asked for what they have.
    pub attach: super::AttachTimes,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_zone: "zone-1".to_owned(),
            default_volume_type: "standard".to_owned(),
            volume_types: vec!["standard".to_owned()],
            quotas: BTreeMap::new(),
            max_metadata_items: 128,
            console_kib: 1024,
            vcpus_per_core: 16,
            keep_deleted_days: 30,
            confirm_resizes_after_seconds: 0,
            recycle_bin_seconds: 7 * 24 * 60 * 60,
            times: super::sagas::Times::default(),
            attach: super::AttachTimes::default(),
        }
    }
}

impl Settings {
    /// Refuses what serde can't see: unknown quota names and an empty default.
    pub fn check(&self) -> Result<()> {
        for (name, limit) in &self.quotas {
            if Quota::parse(name).is_none() || *limit < -1 {
                let known: Vec<&str> = Quota::ALL.iter().map(|quota| quota.as_str()).collect();
                let message = format!(
                    "[compute.quotas] {name} = {limit}: give -1 or more, and one of these names: {}",
                    known.join(", ")
                );
                return Err(Error::invalid("compute.quotas", message));
            }
        }
        if self.default_zone.is_empty() || self.default_zone.contains(':') {
            return Err(Error::invalid("compute.default-zone", "[compute] default-zone is empty or holds a colon"));
        }
        if self.attach.beat.is_zero() || self.attach.away <= self.attach.beat {
            let message = "[compute.attach] beat-ms is at least 1, and away-ms is longer";
            return Err(Error::invalid("compute.attach", message));
        }
        if !self.volume_types.contains(&self.default_volume_type) {
            return Err(Error::invalid(
                "compute.default-volume-type",
                "[compute] default-volume-type is not one of volume-types",
            ));
        }
        Ok(())
    }

    /// The most of a console's log that is read at once.
    pub(crate) fn console_bytes(&self) -> u32 {
        self.console_kib.saturating_mul(1024)
    }

    /// What a project may have unless its own quota says otherwise.
    pub fn default_limit(&self, quota: Quota) -> i64 {
        self.quotas.get(quota.as_str()).copied().unwrap_or(match quota {
            Quota::Vcpus => 20,
            Quota::MemoryMib => 51_200,
            Quota::Keypairs | Quota::Networks | Quota::Subnets | Quota::SecurityGroupRules => 100,
            Quota::Ports => 500,
            Quota::Servers
            | Quota::SecurityGroups
            | Quota::ServerGroups
            | Quota::ServerGroupMembers
            | Quota::Volumes
            | Quota::Snapshots => 10,
            Quota::PublicAddresses => 50,
            Quota::VolumeGib => 1000,
            Quota::MetadataItems => i64::from(self.max_metadata_items),
        })
    }
}

/// The `[seed.compute]` table.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    pub flavors: Vec<SeedFlavor>,
}

/// A flavor of a fresh cloud.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeedFlavor {
    pub id: String,
    pub name: String,
    pub vcpus: u32,
    pub memory_mib: u32,
    pub disk_gib: u32,
}

impl SeedFlavor {
    pub(crate) fn row(&self, now: Timestamp) -> Flavor {
        Flavor {
            id: self.id.clone(),
            name: self.name.clone(),
            description: None,
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            disk_gib: self.disk_gib,
            ephemeral_gib: 0,
            swap_mib: 0,
            rxtx_factor_milli: 1000,
            is_public: true,
            disabled: false,
            extra_specs: BTreeMap::new(),
            created_at: now,
            attributes: crate::attributes::NONE.to_owned(),
        }
    }
}

impl Default for Seed {
    fn default() -> Self {
        let flavor = |id: &str, name: &str, vcpus, memory_mib, disk_gib| SeedFlavor {
            id: id.to_owned(),
            name: name.to_owned(),
            vcpus,
            memory_mib,
            disk_gib,
        };
        Self {
            flavors: vec![
                flavor("1", "m1.tiny", 1, 512, 1),
                flavor("2", "m1.small", 1, 2048, 20),
                flavor("3", "m1.medium", 2, 4096, 40),
                flavor("4", "m1.large", 4, 8192, 80),
                flavor("5", "m1.xlarge", 8, 16384, 160),
            ],
        }
    }
}
