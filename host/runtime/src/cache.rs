//! Compiled code on disk. It is native code, so only what this host made itself is ever loaded: the folder is private, each
//! file's content is checked against its digest, and its name holds the component's digest and the engine's.

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::LoadError;

const SUFFIX: &str = "cwasm";
const DIGEST_BYTES: usize = 32;

pub struct Cache {
    folder: PathBuf,
    /// Of the engine: version, settings and processor. Another one's code isn't usable.
    engine: String,
    /// User that owns what this process makes.
    owner: u32,
}

impl Cache {
    /// Makes the folder if it isn't there; one that others may enter is refused. Code of other engines is removed.
    pub fn open(folder: &Path, engine: &Engine) -> Result<Self, LoadError> {
        let refuse = |reason: String| LoadError::Cache { path: folder.to_owned(), reason };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| refuse(error.to_string()))?;
        let metadata = std::fs::symlink_metadata(folder).map_err(|error| refuse(error.to_string()))?;
        let owner = own_user(folder).map_err(|error| refuse(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(refuse("is no folder".to_owned()));
        }
        if metadata.uid() != owner {
            return Err(refuse(format!("belongs to user {}, this process is user {owner}", metadata.uid())));
        }
        if !is_private(&metadata) {
            return Err(refuse("others may enter it: chmod 700".to_owned()));
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Self { folder: folder.to_owned(), engine: format!("{:016x}", hasher.finish()), owner };
        cache.sweep();
        Ok(cache)
    }

    /// The component of this digest, compiled earlier or now.
    pub fn component(&self, engine: &Engine, digest: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        let path = self.path(digest);
        if let Some(code) = self.read(&path)
            && let Some(component) = deserialize(engine, &code)
        {
            return Ok(component);
        }
        let component = compile(engine, bytes)?;
        match component.serialize().map_err(std::io::Error::other).and_then(|code| self.write(&path, &code)) {
            Ok(()) => {}
            // The next start is slower, nothing else.
            Err(error) => tracing::warn!(path = %path.display(), %error, "compiled code can't be kept"),
        }
        Ok(component)
    }

    fn path(&self, digest: &str) -> PathBuf {
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        self.folder.join(format!("{digest}-{}.{SUFFIX}", self.engine))
    }

    /// None: not there, or not as this host left it.
    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        let private = metadata.is_file() && metadata.uid() == self.owner && is_private(&metadata);
        let mut content = Vec::with_capacity(metadata.len() as usize);
        if private {
            File::open(path).and_then(|mut file| file.read_to_end(&mut content)).ok()?;
        }
        let whole = content
            .split_at_checked(DIGEST_BYTES)
            .is_some_and(|(digest, code)| Sha256::digest(code).as_slice() == digest);
        if !whole {
            tracing::warn!(path = %path.display(), "compiled code isn't as this host left it; it is made again");
            return None;
        }
        content.drain(..DIGEST_BYTES);
        Some(content)
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, code: &[u8]) -> std::io::Result<()> {
        let part = self.folder.join(format!(".{}.{}.part", std::process::id(), uuid::Uuid::new_v4()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| {
                file.write_all(&Sha256::digest(code))?;
                file.write_all(code)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&part, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    /// Removes what no start of this program can use any more.
    fn sweep(&self) {
        let ours = format!("-{}.{SUFFIX}", self.engine);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let code = name.ends_with(&format!(".{SUFFIX}")) && !name.ends_with(&ours);
            if code || name.ends_with(".part") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Slow: some 0.1 s for a guest of 150 KB.
pub fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile(format!("{error:#}").replace('\n', " ")))
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `code` must be what `Component::serialize` gave. It was read into memory from a file that only this user can
    // write, in a folder that only this user can enter, and its SHA-256 was compared after reading, so it is what `write` put
    // there. The engine itself refuses code of another version or other settings.
    match unsafe { Component::deserialize(engine, code) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(%error, "compiled code isn't usable; it is made again");
            None
        }
    }
}

/// No right for the group or for others.
fn is_private(metadata: &std::fs::Metadata) -> bool {
    const OTHERS: u32 = 0o077;
    metadata.mode() & OTHERS == 0
}

/// The user that files of this process belong to.
fn own_user(folder: &Path) -> std::io::Result<u32> {
    let probe = folder.join(format!(".{}.{}.part", std::process::id(), uuid::Uuid::new_v4()));
    let user =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe)?.metadata().map(|file| file.uid());
    std::fs::remove_file(&probe)?;
    user
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // The smallest component; the cache doesn't care what it does.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn files(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn compiled_once_and_only_ours_is_loaded() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("compiled");
        let engine = Engine::default();
        let cache = Cache::open(&folder, &engine).unwrap();
        cache.component(&engine, "sha256:00", EMPTY).unwrap();
        let [file] = files(&folder).try_into().unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(cache.read(&file).is_some());
        // Kept code is used: with it, the component itself isn't looked at.
        cache.component(&engine, "sha256:00", b"broken").unwrap();

        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        std::fs::write(&file, &bad).unwrap();
        assert!(cache.read(&file).is_none(), "a changed file");
        cache.component(&engine, "sha256:00", EMPTY).unwrap();
        assert!(cache.read(&file).is_some(), "made again");

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(cache.read(&file).is_none(), "others may read it");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let moved = folder.join("elsewhere");
        std::fs::rename(&file, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &file).unwrap();
        assert!(cache.read(&file).is_none(), "a link");
    }

    #[test]
    fn an_open_folder_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("compiled");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Cache::open(&folder, &Engine::default()).err().unwrap().to_string();
        assert!(error.ends_with("others may enter it: chmod 700"), "{error}");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        Cache::open(&folder, &Engine::default()).unwrap();
    }

    #[test]
    fn code_of_other_engines_goes() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("compiled");
        let cache = Cache::open(&folder, &Engine::default()).unwrap();
        cache.component(&Engine::default(), "sha256:00", EMPTY).unwrap();
        let old = folder.join("00-0000000000000000.cwasm");
        std::fs::write(&old, "x").unwrap();
        Cache::open(&folder, &Engine::default()).unwrap();
        assert!(!old.exists());
        assert_eq!(files(&folder).len(), 1);
    }
}
