//! Compiled code on disk. It is native code, so only what this host made itself is ever loaded, and only for what it was made
//! of: each file begins with a code that nobody makes without the key of this state folder, over the component's digest, the
//! engine and the content.

use std::fs::{DirBuilder, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::LoadError;
use crate::files::{self, Links};

const SUFFIX: &str = "cwasm";
/// Of the code that a file begins with.
const CODE_BYTES: usize = 32;
/// Of the key.
pub const KEY_BYTES: usize = 32;
/// Native code is some ten times as large as the component, of which a file has at most `files::PLUGIN_BYTES`.
const MOST_BYTES: u64 = 16 * files::PLUGIN_BYTES;

/// Where compiled code is kept.
#[derive(Clone)]
pub struct Compiled {
    /// Private (0700); made if it isn't there.
    pub folder: PathBuf,
    /// Known to nobody who should not run code here. Another key: everything is compiled anew.
    pub key: [u8; KEY_BYTES],
}

pub struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    /// Of the engine: version, settings and processor. Another one's code isn't usable.
    engine: [u8; 32],
    /// User that owns what this process makes.
    owner: u32,
}

impl Cache {
    /// Makes the folder if it isn't there; one that others may enter is refused. Code of other engines is removed.
    pub fn open(compiled: &Compiled, engine: &Engine) -> Result<Self, LoadError> {
        let folder = &compiled.folder;
        let refuse = |reason: String| LoadError::Cache { path: folder.clone(), reason };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| refuse(error.to_string()))?;
        let metadata = std::fs::symlink_metadata(folder).map_err(|error| refuse(error.to_string()))?;
        let owner = rustix::process::geteuid().as_raw();
        if !metadata.is_dir() {
            return Err(refuse("is no folder".to_owned()));
        }
        if metadata.uid() != owner {
            return Err(refuse(format!("belongs to user {}, this process is user {owner}", metadata.uid())));
        }
        if !is_private(&metadata) {
            return Err(refuse("others may enter it: chmod 700".to_owned()));
        }
        let cache = Self { folder: folder.clone(), key: compiled.key, engine: fingerprint(engine), owner };
        cache.sweep();
        Ok(cache)
    }

    /// The component of this digest, compiled earlier or now, which is told before: it takes some time.
    pub fn component(&self, engine: &Engine, id: &str, digest: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        let path = self.path(digest);
        if let Some(component) = self.read(&path, digest).and_then(|file| deserialize(engine, &file)) {
            return Ok(component);
        }
        tracing::info!(plugin = id, "compiling");
        let component = compile(engine, bytes)?;
        match component.serialize().map_err(Error::other).and_then(|code| self.write(&path, digest, &code)) {
            Ok(()) => {}
            // The next start is slower, nothing else.
            Err(error) => tracing::warn!(path = %path.display(), %error, "compiled code can't be kept"),
        }
        Ok(component)
    }

    fn ending(&self) -> String {
        format!("-{}.{SUFFIX}", hex::encode(&self.engine[..8]))
    }

    fn path(&self, digest: &str) -> PathBuf {
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        self.folder.join(format!("{digest}{}", self.ending()))
    }

    /// None: not there, or not as this host left it for this component.
    fn read(&self, path: &Path, digest: &str) -> Option<Checked> {
        match self.checked(path, digest) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "compiled code isn't as this host left it; it is made again");
                None
            }
        }
    }

    fn checked(&self, path: &Path, digest: &str) -> std::io::Result<Checked> {
        let file = files::open(path, OpenOptions::new().read(true), Links::Refused)?;
        let metadata = file.metadata()?;
        if metadata.uid() != self.owner || !is_private(&metadata) {
            return Err(Error::other("others may have written it"));
        }
        // Once, into memory that is ours: what is checked here is what is run.
        let content = files::read_opened(&file, MOST_BYTES)?;
        let (code, machine) = content.split_at_checked(CODE_BYTES).ok_or(ErrorKind::UnexpectedEof)?;
        let wrong = |_| Error::other("its code is another key's, component's or engine's, or its content was changed");
        self.mac(digest, machine).verify_slice(code).map_err(wrong)?;
        Ok(Checked(content))
    }

    /// Over parts none of which can be taken for another: the lengths are fixed or stand before them.
    fn mac(&self, digest: &str, machine: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&self.engine);
        mac.update(&(digest.len() as u64).to_le_bytes());
        mac.update(digest.as_bytes());
        mac.update(machine);
        mac
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, digest: &str, machine: &[u8]) -> std::io::Result<()> {
        let part = self.folder.join(format!(".{}.{}.part", std::process::id(), uuid::Uuid::new_v4()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| {
                file.write_all(&self.mac(digest, machine).finalize().into_bytes())?;
                file.write_all(machine)?;
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
        let ours = self.ending();
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

/// The content of a file whose code was right. Only [`Cache::checked`] makes one.
struct Checked(Vec<u8>);

impl Checked {
    fn machine(&self) -> &[u8] {
        &self.0[CODE_BYTES..]
    }
}

/// All that decides whether the engine's code is usable: version, settings and processor.
fn fingerprint(engine: &Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Slow: some 0.1 s for a guest of 150 KB.
pub fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile(format!("{error:#}").replace('\n', " ")))
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, file: &Checked) -> Option<Component> {
    // SAFETY: the bytes must be what `Component::serialize` gave. They are in memory that nobody else writes, and only who has
    // the key could make the code that they were checked with, so they are what `write` put there for this component and engine.
    // The engine itself refuses code of another version or other settings.
    match unsafe { Component::deserialize(engine, file.machine()) } {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // The smallest component; the cache doesn't care what it does.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct World {
        _place: tempfile::TempDir,
        compiled: Compiled,
        engine: Engine,
    }

    impl World {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let compiled = Compiled { folder: place.path().join("compiled"), key: [7; KEY_BYTES] };
            Self { _place: place, compiled, engine: Engine::default() }
        }

        fn cache(&self) -> Cache {
            Cache::open(&self.compiled, &self.engine).unwrap()
        }

        fn compile(&self, digest: &str) -> PathBuf {
            let cache = self.cache();
            cache.component(&self.engine, "p", digest, EMPTY).unwrap();
            cache.path(digest)
        }

        /// Kept code is used: with it, the component itself isn't looked at.
        fn is_kept(&self, digest: &str) -> bool {
            self.cache().component(&self.engine, "p", digest, b"broken").is_ok()
        }

        fn files(&self) -> Vec<PathBuf> {
            std::fs::read_dir(&self.compiled.folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        }
    }

    #[test]
    fn what_is_compiled_once_is_kept_for_its_owner_only() {
        let world = World::new();
        let file = world.compile("sha256:00");
        assert_eq!(world.files(), [file.as_path()]);
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(world.is_kept("sha256:00"));
        assert!(!world.is_kept("sha256:01"));
    }

    #[test]
    fn changed_and_shortened_files_are_made_again() {
        let world = World::new();
        let file = world.compile("sha256:00");
        let good = std::fs::read(&file).unwrap();
        let changed = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        for bad in [
            changed(0),
            changed(CODE_BYTES),
            changed(good.len() - 1),
            good[..good.len() - 1].to_vec(),
            good[..CODE_BYTES].to_vec(),
            good[..CODE_BYTES - 1].to_vec(),
            Vec::new(),
            [&good[..], b"more"].concat(),
        ] {
            std::fs::write(&file, &bad).unwrap();
            assert!(!world.is_kept("sha256:00"), "{} bytes", bad.len());
            world.compile("sha256:00");
            assert!(world.is_kept("sha256:00"));
        }
    }

    /// What an attacker without the key can do: move what is there.
    #[test]
    fn the_code_of_another_plugin_under_this_ones_name_is_not_run() {
        let world = World::new();
        let (one, two) = (world.compile("sha256:01"), world.compile("sha256:02"));
        std::fs::copy(&two, &one).unwrap();
        assert!(!world.is_kept("sha256:01"));
        assert!(world.is_kept("sha256:02"));
        // A digest that only begins alike is another one.
        std::fs::copy(&two, world.cache().path("sha256:020")).unwrap();
        assert!(!world.is_kept("sha256:020"));
    }

    #[test]
    fn the_code_of_another_state_folder_is_not_run() {
        let (world, other) = (World::new(), World::new());
        let stranger = Compiled { key: [8; KEY_BYTES], ..other.compiled.clone() };
        let theirs = Cache::open(&stranger, &other.engine).unwrap();
        theirs.component(&other.engine, "p", "sha256:00", EMPTY).unwrap();
        let file = world.compile("sha256:00");
        std::fs::copy(theirs.path("sha256:00"), &file).unwrap();
        assert!(!world.is_kept("sha256:00"));
    }

    #[test]
    fn the_code_of_another_engine_is_not_run_under_this_ones_name() {
        let world = World::new();
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        let theirs = Cache::open(&world.compiled, &other).unwrap();
        theirs.component(&other, "p", "sha256:00", EMPTY).unwrap();
        let machine = std::fs::read(theirs.path("sha256:00")).unwrap();
        let file = world.compile("sha256:00");
        assert_ne!(file, theirs.path("sha256:00"));
        std::fs::write(&file, machine).unwrap();
        assert!(!world.is_kept("sha256:00"));
    }

    #[test]
    fn links_pipes_and_files_that_others_read_are_made_again() {
        let world = World::new();
        let file = world.compile("sha256:00");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!world.is_kept("sha256:00"), "others may read it");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let moved = world.compiled.folder.join("elsewhere");
        std::fs::rename(&file, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &file).unwrap();
        assert!(!world.is_kept("sha256:00"), "a link");
        std::fs::remove_file(&file).unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &file, kind, mode, 0).unwrap();
        assert!(!world.is_kept("sha256:00"), "a pipe");
        world.compile("sha256:00");
        assert!(world.is_kept("sha256:00"));
    }

    #[test]
    fn an_open_folder_is_refused() {
        let world = World::new();
        std::fs::create_dir(&world.compiled.folder).unwrap();
        let rights = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&world.compiled.folder, rights(0o755)).unwrap();
        let error = Cache::open(&world.compiled, &world.engine).err().unwrap().to_string();
        assert!(error.ends_with("others may enter it: chmod 700"), "{error}");
        std::fs::set_permissions(&world.compiled.folder, rights(0o700)).unwrap();
        world.cache();
    }

    #[test]
    fn code_of_other_engines_goes() {
        let world = World::new();
        world.compile("sha256:00");
        let old = world.compiled.folder.join("00-0000000000000000.cwasm");
        std::fs::write(&old, "x").unwrap();
        world.cache();
        assert!(!old.exists());
        assert_eq!(world.files().len(), 1);
    }
}
