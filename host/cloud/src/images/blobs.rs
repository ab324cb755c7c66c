//! The files that hold the bytes of images.
//!
//! A file is written under a name that ends in `.part`, hashed meanwhile, synced, and then renamed: a file without that ending
//! is whole. Which image it belongs to stands in the database; what no image names is swept at the next start.

use std::collections::{HashMap, HashSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use md5::Md5;
use sha2::{Digest, Sha512};
use skyloom_model::{Error, Result};
use tokio::io::AsyncWriteExt;

/// Ends the name of a file that isn't whole.
const PART: &str = ".part";
/// Rights on a shared folder: others pass through it to a file whose name they were told, and cannot list it.
const SHARED_FOLDER: u32 = 0o711;
/// Rights on a file in it. The process's umask has no say, which else keeps all others out.
const SHARED_FILE: u32 = 0o644;
/// For how long stored bytes wait for the call that gives them to an image.
const UNCLAIMED: Duration = Duration::from_hours(1);

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    pub name: String,
    pub size: u64,
    /// Hex.
    pub md5: String,
    /// Hex.
    pub sha512: String,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
    /// Every user of this machine may read what they know the name of.
    shared: bool,
    /// Written, but no image's yet.
    unclaimed: Arc<Mutex<HashMap<String, (BlobInfo, Instant)>>>,
}

impl Blobs {
    pub fn new(folder: PathBuf, shared: bool) -> Self {
        Self { folder, shared, unclaimed: Arc::default() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (BlobInfo, Instant)>> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new file to write.
    pub async fn create(&self) -> Result<BlobWriter> {
        self.drop_unclaimed();
        self.make_folder().await.map_err(|error| failed("create", &self.folder, &error))?;
        let name = skyloom_model::new_id();
        let part = self.folder.join(format!("{name}{PART}"));
        let file = tokio::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&part)
            .await
            .map_err(|error| failed("create", &part, &error))?;
        if self.shared {
            let rights = Permissions::from_mode(SHARED_FILE);
            file.set_permissions(rights).await.map_err(|error| failed("create", &part, &error))?;
        }
        Ok(BlobWriter {
            blobs: self.clone(),
            name,
            part: Part(Some(part)),
            file,
            size: 0,
            md5: Md5::new(),
            sha512: Sha512::new(),
        })
    }

    /// One that is there keeps the rights that somebody gave it.
    async fn make_folder(&self) -> std::io::Result<()> {
        if tokio::fs::try_exists(&self.folder).await? {
            return Ok(());
        }
        tokio::fs::create_dir_all(&self.folder).await?;
        if self.shared {
            tokio::fs::set_permissions(&self.folder, Permissions::from_mode(SHARED_FOLDER)).await?;
        }
        Ok(())
    }

    /// Takes over what was written under this name; none: nobody wrote it, or it was taken already.
    pub(super) fn claim(&self, name: &str) -> Option<BlobInfo> {
        self.lock().remove(name).map(|(info, _)| info)
    }

    /// Bytes that nobody claimed in time (the plugin trapped between the two calls).
    fn drop_unclaimed(&self) {
        let mut unclaimed = self.lock();
        let old: Vec<String> = unclaimed
            .iter()
            .filter(|(_, (_, since))| since.elapsed() > UNCLAIMED)
            .map(|(name, _)| name.clone())
            .collect();
        for name in old {
            unclaimed.remove(&name);
            self.remove(&name);
        }
    }

    /// The file of a name; none: no name of ours.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        // Names come back from plugins: only what we gave out is a file name.
        let ours = uuid::Uuid::try_parse(name).is_ok_and(|id| id.to_string() == name);
        ours.then(|| self.folder.join(name))
    }

    /// For reading, with its length in bytes.
    pub async fn open(&self, name: &str) -> Result<(tokio::fs::File, u64)> {
        let path = self.path(name).ok_or_else(|| Error::internal(format!("{name:?} is no blob's name")))?;
        let file = tokio::fs::File::open(&path).await.map_err(|error| failed("open", &path, &error))?;
        let length = file.metadata().await.map_err(|error| failed("read", &path, &error))?.len();
        Ok((file, length))
    }

    /// One that isn't there is no error; another failure is left to the next sweep.
    pub fn remove(&self, name: &str) {
        if let Some(path) = self.path(name) {
            remove(&path);
        }
    }

    /// Removes what belongs to no image: `known` names those that do. Files younger than `age` stay: another process may be
    /// writing them. Gives how many went. Blocks.
    pub fn sweep(&self, known: &HashSet<String>, age: Duration) -> Result<u64> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed("read", &self.folder, &error)),
        };
        let mut gone = 0;
        for entry in entries {
            let entry = entry.map_err(|error| failed("read", &self.folder, &error))?;
            let Ok(file_name) = entry.file_name().into_string() else { continue };
            let name = file_name.strip_suffix(PART).unwrap_or(&file_name);
            // Whatever else lies here is not ours to remove.
            if self.path(name).is_none() || known.contains(&file_name) {
                continue;
            }
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let old =
                modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|passed| passed >= age));
            if old || age.is_zero() {
                remove(&entry.path());
                gone += 1;
            }
        }
        Ok(gone)
    }
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "an image's file cannot be removed");
        }
        _ => {}
    }
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let internal = format!("cannot {verb} {}: {error}", path.display());
    if matches!(error.kind(), StorageFull | QuotaExceeded) {
        Error::full(internal)
    } else {
        Error::unavailable(internal)
    }
}

/// Removes the unfinished file when it is dropped.
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            remove(&path);
        }
    }
}

/// A file that is being written. Dropped without [`BlobWriter::finish`] it is gone.
pub struct BlobWriter {
    blobs: Blobs,
    name: String,
    part: Part,
    file: tokio::fs::File,
    size: u64,
    md5: Md5,
    sha512: Sha512,
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        // In pieces, so that hashing never holds a thread for long.
        for piece in bytes.chunks(64 * 1024) {
            self.file.write_all(piece).await.map_err(|error| failed("write", &self.blobs.folder, &error))?;
            self.md5.update(piece);
            self.sha512.update(piece);
            self.size += piece.len() as u64;
        }
        Ok(())
    }

    /// Makes the file whole and lasting: synced, renamed, the folder synced.
    pub async fn finish(mut self) -> Result<BlobInfo> {
        let folder = self.blobs.folder.clone();
        let error = |error: std::io::Error| failed("write", &folder, &error);
        self.file.flush().await.map_err(error)?;
        self.file.sync_all().await.map_err(error)?;
        let Some(part) = self.part.0.clone() else { return Err(Error::internal("an upload was finished twice")) };
        let whole = folder.join(&self.name);
        tokio::fs::rename(&part, &whole).await.map_err(error)?;
        self.part.0 = None;
        let opened = tokio::fs::File::open(&folder).await.map_err(error)?;
        opened.sync_all().await.map_err(error)?;
        let info = BlobInfo {
            name: self.name,
            size: self.size,
            md5: hex::encode(self.md5.finalize()),
            sha512: hex::encode(self.sha512.finalize()),
        };
        self.blobs.lock().insert(info.name.clone(), (info.clone(), Instant::now()));
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
    }

    #[tokio::test]
    async fn shared_bytes_can_be_read_by_who_knows_their_name() {
        let place = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        let folder = place.path().join("shared");
        let info = Blobs::new(folder.clone(), true).create().await.expect("create").finish().await.expect("finish");
        assert_eq!((mode(&folder), mode(&folder.join(info.name))), (0o711, 0o644));
        // One that an operator made is left as it is.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o750)).expect("chmod");
        Blobs::new(folder.clone(), true).create().await.expect("create").finish().await.expect("finish");
        assert_eq!(mode(&folder), 0o750);
    }

    #[tokio::test]
    async fn bytes_are_kept_with_their_hashes() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::new(folder.path().join("deeper"), false);
        let mut writer = blobs.create().await.expect("create");
        writer.write(b"ab").await.expect("write");
        writer.write(b"c").await.expect("write");
        let info = writer.finish().await.expect("finish");
        assert_eq!((info.size, info.md5.as_str()), (3, "900150983cd24fb0d6963f7d28e17f72"));
        assert!(info.sha512.starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(std::fs::read(blobs.path(&info.name).expect("path")).expect("read"), b"abc");
        assert_eq!(blobs.open(&info.name).await.expect("open").1, 3);
        assert_eq!(blobs.claim(&info.name), Some(info.clone()));
        assert_eq!(blobs.claim(&info.name), None);
        blobs.remove(&info.name);
        assert!(names(blobs.folder()).is_empty());
    }

    #[tokio::test]
    async fn an_unfinished_file_goes_with_its_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::new(folder.path().to_owned(), false);
        let mut writer = blobs.create().await.expect("create");
        writer.write(&vec![7; 200_000]).await.expect("write");
        assert_eq!(names(folder.path()).len(), 1);
        drop(writer);
        assert!(names(folder.path()).is_empty());
    }

    #[tokio::test]
    async fn a_sweep_leaves_what_is_known_young_or_foreign() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::new(folder.path().to_owned(), false);
        let mut made = Vec::new();
        for _ in 0..2 {
            made.push(blobs.create().await.expect("create").finish().await.expect("finish").name);
        }
        let part = format!("{}{PART}", skyloom_model::new_id());
        for name in [part.as_str(), "notes.txt"] {
            std::fs::write(folder.path().join(name), b"x").expect("write");
        }
        let known = HashSet::from([made[0].clone()]);
        assert_eq!(blobs.sweep(&known, Duration::from_hours(1)).expect("young"), 0);
        assert_eq!(blobs.sweep(&known, Duration::ZERO).expect("sweep"), 2);
        let mut left = names(folder.path());
        left.sort();
        let mut expected = vec![made[0].clone(), "notes.txt".to_owned()];
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_name_never_leaves_the_folder() {
        let blobs = Blobs::new(PathBuf::from("folder"), false);
        for name in
            ["..", "../x", "a/b", "", "x", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"]
        {
            assert_eq!(blobs.path(name), None, "{name}");
        }
    }
}
