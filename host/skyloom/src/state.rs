//! The state folder: owned by one process at a time, private to its user.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::Rng;
use skyloom_cloud::secrets::{KEY_BYTES, Sealer};

use crate::failure::Failure;

/// Whether the program itself keeps something in the state folder under this name. The images' folder is the deployment's to name.
pub fn is_own(name: &str) -> bool {
    const NAMES: [&str; 4] = ["lock", "admin-password", "secret-key", "compiled"];
    // A database has further files beside it, e.g. `skyloom.db-wal`.
    NAMES.contains(&name) || ["skyloom.db", "documents.db"].iter().any(|database| name.starts_with(database))
}

/// Held as long as the process owns the folder; the kernel lets go when the process dies, however it dies.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Makes the folder where it is missing and locks it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: std::io::Error| Failure::new(format!("state folder {}: {error}", path.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
        let path = path.canonicalize().map_err(wrong)?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The administrator's password for a fresh database: that of an earlier start, else `SKYLOOM_ADMIN_PASSWORD`, else a new
    /// one. It is kept for its owner's eyes only.
    pub fn admin_password(&self) -> Result<AdminPassword, Failure> {
        let file = self.path.join("admin-password");
        let wanted = match std::env::var("SKYLOOM_ADMIN_PASSWORD") {
            Ok(value) if value.is_empty() => {
                return Err(Failure::config(vec!["SKYLOOM_ADMIN_PASSWORD is empty".to_owned()]));
            }
            wanted => wanted.ok(),
        };
        match std::fs::read_to_string(&file) {
            Ok(kept) => {
                let value = kept.trim_end().to_owned();
                if wanted.is_some_and(|wanted| wanted != value) {
                    tracing::warn!("SKYLOOM_ADMIN_PASSWORD differs from the password of the first start, which stays");
                }
                Ok(AdminPassword { value, file, source: PasswordSource::Kept })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (value, source) = match wanted {
                    Some(value) => (value, PasswordSource::Environment),
                    None => (generate(), PasswordSource::Generated),
                };
                // Before it is used: nobody is locked out by a crash in between.
                write_private(&file, &format!("{value}\n"))?;
                Ok(AdminPassword { value, file, source })
            }
            Err(error) => Err(Failure::new(format!("{}: {error}", file.display()))),
        }
    }

    /// What seals secrets in the database: with the key in `file`, or in our own, which is made if it is missing.
    pub fn sealer(&self, file: Option<&Path>) -> Result<Sealer, Failure> {
        let own = self.path.join("secret-key");
        let path = file.unwrap_or(&own);
        if file.is_none() && !path.exists() {
            write_private(path, &format!("{}\n", hex::encode(rand::random::<[u8; KEY_BYTES]>())))?;
        }
        read_sealer(path)
    }

    /// A file that only the owner reads, replaced at once.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let file = self.path.join(name);
        write_private(&file, text)?;
        Ok(file)
    }
}

/// With the key in the file, in hexadecimal digits.
pub fn read_sealer(path: &Path) -> Result<Sealer, Failure> {
    let wrong = |said: &dyn std::fmt::Display| Failure::new(format!("secret key {}: {said}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let mut key = [0; KEY_BYTES];
    hex::decode_to_slice(text.trim(), &mut key).map_err(|_| wrong(&"64 hex digits are expected"))?;
    Ok(Sealer::new(&key))
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("lock");
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Failure::new(format!(
                "another skyloom ({}) owns the state folder {}; stop it first, or choose another folder with --state-dir",
                holder.lines().next().filter(|line| !line.is_empty()).unwrap_or("process unknown"),
                folder.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(wrong(error)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(wrong)?;
    // The boot id tells a holder of this boot from a line that an earlier boot left.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    writeln!(file, "process {}\nboot {}", std::process::id(), boot.trim()).map_err(wrong)?;
    Ok(file)
}

/// The administrator's password and where it comes from.
pub struct AdminPassword {
    pub value: String,
    file: PathBuf,
    source: PasswordSource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PasswordSource {
    Environment,
    Generated,
    Kept,
}

impl AdminPassword {
    /// After seeding: a database that had its administrator before (`fresh` is false) never took a new password.
    pub fn settle(self, fresh: bool) -> Result<Option<Self>, Failure> {
        if fresh || self.source == PasswordSource::Kept {
            return Ok(Some(self));
        }
        std::fs::remove_file(&self.file)?;
        tracing::warn!(
            "the database was filled from another state folder; its administrator's password is not known here"
        );
        Ok(None)
    }

    /// Whether it is to be shown, this once.
    pub fn is_new(&self) -> bool {
        self.source == PasswordSource::Generated
    }

    pub fn describe(&self) -> String {
        match self.source {
            PasswordSource::Generated => {
                format!("password {} (shown this once; kept in {})", self.value, self.file.display())
            }
            PasswordSource::Environment => "password: that of SKYLOOM_ADMIN_PASSWORD".to_owned(),
            PasswordSource::Kept => format!("password: in {}", self.file.display()),
        }
    }
}

/// 24 characters that need no quoting anywhere: 142 bits.
fn generate() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..24).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

fn write_private(file: &Path, text: &str) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    let temporary = file.with_extension("new");
    let mut target =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(wrong)?;
    target.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    target.write_all(text.as_bytes()).and_then(|()| target.sync_all()).map_err(wrong)?;
    std::fs::rename(&temporary, file).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDir::open(folder.path()).unwrap();
        let refused = format!("{:?}", StateDir::open(folder.path()).unwrap_err());
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        StateDir::open(folder.path()).unwrap();
    }

    #[test]
    fn a_generated_password_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let file = state.path().join("admin-password");
        let first = generate();
        write_private(&file, &format!("{first}\n")).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // The variable is another way in; this test is about the file.
        if std::env::var_os("SKYLOOM_ADMIN_PASSWORD").is_none() {
            assert_eq!(state.admin_password().unwrap().value, first);
            assert!(!state.admin_password().unwrap().is_new());
        }
        assert_eq!(first.len(), 24);
        assert_ne!(first, generate());
    }

    #[test]
    fn the_key_is_made_once_and_may_be_given() {
        let folder = tempfile::tempdir().unwrap();
        let own = {
            let state = StateDir::open(folder.path()).unwrap();
            state.sealer(None).unwrap().seal("owner", "a secret").unwrap()
        };
        let key = folder.path().join("secret-key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let state = StateDir::open(folder.path()).unwrap();
        assert_eq!(state.sealer(None).unwrap().open("owner", &own).unwrap(), "a secret");
        let other = folder.path().join("given");
        std::fs::copy(&key, &other).unwrap();
        assert_eq!(state.sealer(Some(&other)).unwrap().open("owner", &own).unwrap(), "a secret");
        std::fs::write(&other, "0123").unwrap();
        let refused = format!("{:?}", state.sealer(Some(&other)).err().unwrap());
        assert!(refused.contains("64 hex digits"), "{refused}");
        // One that is asked for is never made: it would be another one.
        assert!(state.sealer(Some(&folder.path().join("missing"))).is_err());
    }
}
