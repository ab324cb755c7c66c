//! The disks below the folders that are written: whether there is room, for `/readyz` and `/metrics`.

use std::path::PathBuf;

use async_trait::async_trait;
use skyloom_gateway::{Check, Sample, SampleKind, Source};

const MIB: u64 = 1 << 20;

/// Folders by what they are called in answers.
#[derive(Clone)]
pub struct Disks {
    folders: Vec<(&'static str, PathBuf)>,
    min_free_mib: u64,
}

impl Disks {
    /// The folder of the images is made by the first upload; until then it stands for the one above it.
    pub fn new(state: PathBuf, images: PathBuf, min_free_mib: u64) -> Self {
        Self { folders: vec![("state", state), ("images", images)], min_free_mib }
    }

    /// Free bytes below each folder, as an ordinary user may take them. A folder that can't be asked is left out.
    async fn free(&self) -> Vec<(&'static str, u64)> {
        let folders = self.folders.clone();
        // A network's file system may take its time.
        let asked = tokio::task::spawn_blocking(move || {
            folders.into_iter().filter_map(|(name, folder)| Some((name, free_below(&folder)?))).collect()
        });
        asked.await.unwrap_or_default()
    }
}

fn free_below(folder: &std::path::Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let said = rustix::fs::statvfs(there);
    said.ok().map(|said| said.f_bavail.saturating_mul(said.f_frsize))
}

#[async_trait]
impl Check for Disks {
    async fn check(&self) -> Result<(), String> {
        for (name, free) in self.free().await {
            if free < self.min_free_mib.saturating_mul(MIB) {
                let wanted = self.min_free_mib;
                return Err(format!("the disk of the {name} folder has {} MiB left, {wanted} are wanted", free / MIB));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Source for Disks {
    async fn samples(&self) -> Vec<Sample> {
        let sample = |(name, free): (&'static str, u64)| Sample {
            name: "disk_free_bytes".to_owned(),
            help: "Free space below a folder that is written",
            kind: SampleKind::Gauge,
            labels: vec![("folder", name.to_owned())],
            value: free as f64,
        };
        self.free().await.into_iter().map(sample).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_wanted_below_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let disks = |min_free_mib| {
            Disks::new(folder.path().to_owned(), folder.path().join("images/not/made/yet"), min_free_mib)
        };
        assert_eq!(disks(0).check().await, Ok(()));
        let refused = disks(u64::MAX).check().await.unwrap_err();
        assert!(refused.starts_with("the disk of the state folder has "), "{refused}");
        let folders: Vec<String> = disks(0).samples().await.into_iter().map(|one| one.labels[0].1.clone()).collect();
        assert_eq!(folders, ["state", "images"]);
    }
}
