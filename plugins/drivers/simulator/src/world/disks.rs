//! Simulated disks.

use serde::{Deserialize, Serialize};
use skyloom_sdk::Error;
use skyloom_sdk::driver::types::{Disk, DiskSource, Progress};

use super::servers::Server;
use super::{Call, Kept, Simulator, World, absent, wrong_state};

/// Servers that are read at once in search of one.
const PAGE: u32 = 500;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SimulatedDisk {
    id: String,
    size_gib: u32,
    /// What it began as: `empty`, `image BLOB`, `disk ID` or `copy BLOB`.
    began_as: String,
}

impl Kept for SimulatedDisk {
    const COLLECTION: &'static str = "disks";
}

impl<W: World> Simulator<W> {
    pub fn create_disk(&self, disk: &Disk) -> Result<Progress, Error> {
        let began_as = match &disk.source {
            DiskSource::Empty => "empty".to_owned(),
            DiskSource::Image(image) => format!("image {}", image.blob),
            DiskSource::Copy(copy) => format!("copy {}", copy.blob),
            DiskSource::Disk(other) => {
                if self.read::<SimulatedDisk>(&disk.id)?.is_none() {
                    self.at_rest(other)?;
                }
                format!("disk {other}")
            }
        };
        self.change(Call::CreateDisk, &disk.id, |kept| {
            kept.get_or_insert_with(|| SimulatedDisk {
                id: disk.id.clone(),
                size_gib: disk.size_gib,
                began_as: began_as.clone(),
            });
            Ok(())
        })
    }

    pub fn grow_disk(&self, id: &str, size_gib: u32) -> Result<Progress, Error> {
        self.change(Call::GrowDisk, id, |kept: &mut Option<SimulatedDisk>| {
            let disk = kept.as_mut().ok_or_else(|| absent("disk", id))?;
            disk.size_gib = disk.size_gib.max(size_gib);
            Ok(())
        })
    }

    /// Simulated disks have no bytes: there is nothing to write, and a copy of the blob needs none.
    pub fn export_disk(&self, id: &str, _blob: &str) -> Result<Progress, Error> {
        self.faulty(Call::ExportDisk, id, || {
            self.at_rest(id)?;
            Ok(self.after(self.config.delay_ms.get(&Call::ExportDisk).copied().unwrap_or(0)))
        })
    }

    pub fn remove_disk(&self, id: &str) -> Result<Progress, Error> {
        self.change(Call::RemoveDisk, id, |kept: &mut Option<SimulatedDisk>| {
            *kept = None;
            Ok(())
        })
    }

    pub fn disks(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        Ok(self.page::<SimulatedDisk>(after, limit)?.into_iter().map(|disk| disk.id).collect())
    }

    /// Whether the disk is there; else `wrong-state`.
    pub fn require_disk(&self, id: &str) -> Result<(), Error> {
        match self.read::<SimulatedDisk>(id)? {
            Some(_) => Ok(()),
            None => Err(wrong_state(&format!("disk {id} isn't there"))),
        }
    }

    /// There, and no server that runs writes to it.
    fn at_rest(&self, id: &str) -> Result<(), Error> {
        self.require_disk(id)?;
        let mut after: Option<String> = None;
        loop {
            let page = self.page::<Server>(after.as_deref(), PAGE)?;
            if let Some(server) = page.iter().find(|server| server.running && server.has_disk(id)) {
                return Err(wrong_state(&format!("server {} writes to disk {id}", server.id)));
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.id.clone()),
                _ => return Ok(()),
            }
        }
    }
}
