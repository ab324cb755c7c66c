//! The state folder: owned by one process at a time, private to its user.

use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::Rng;
use skyloom_cloud::secrets::{KEY_BYTES, Sealer};
use skyloom_runtime::KEY_BYTES as COMPILED_KEY_BYTES;
use skyloom_runtime::files::{self, Links, SECRET_BYTES};

use crate::failure::Failure;

const LOCK: &str = "lock";
const PASSWORD: &str = "admin-password";
const SECRET_KEY: &str = "secret-key";
const COMPILED: &str = "compiled";
const COMPILED_KEY: &str = "compiled-key";
/// A database has further files beside it, e.g. `skyloom.db-wal`.
const DATABASES: [&str; 2] = ["skyloom.db", "documents.db"];

/// Rights of the group and of others.
const OTHERS: u32 = 0o077;
/// Anybody may put files there, e.g. `/tmp`.
const STICKY: u32 = 0o1000;

/// Whether the program itself keeps something in the state folder under this name. The images' folder is the deployment's to name.
pub fn is_own(name: &str) -> bool {
    [LOCK, PASSWORD, SECRET_KEY, COMPILED, COMPILED_KEY].contains(&name)
        || DATABASES.iter().any(|database| name.starts_with(database))
}

/// From here on no file or folder that this process makes can be reached by others, unless its maker says so.
pub fn close_to_others() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// All that would make a start refuse the folder: what [`inspect`] finds, and keys in it that are none. `sealed`: with its own key.
pub fn defects(path: &Path, sealed: bool) -> Vec<String> {
    if let Err(found) = inspect(path) {
        return found.into_lines();
    }
    let secret = if sealed { read_key::<KEY_BYTES>(&path.join(SECRET_KEY)).err() } else { None };
    let compiled = read_key::<COMPILED_KEY_BYTES>(&path.join(COMPILED_KEY)).err();
    [secret, compiled].into_iter().flatten().flat_map(Failure::into_lines).collect()
}

/// What would make a start refuse the folder: it, or one of the program's own files in it, may be another user's work. One that
/// isn't there is sound.
pub fn inspect(path: &Path) -> Result<(), Failure> {
    let wrong = |said: &dyn std::fmt::Display| Failure::new(format!("state folder {}: {said}", path.display()));
    let folder = match std::fs::metadata(path) {
        Ok(folder) => folder,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(wrong(&error)),
    };
    if !folder.is_dir() {
        return Err(wrong(&"is no folder"));
    }
    ours(&folder).map_err(|said| wrong(&said))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| wrong(&error))? {
        names.push(entry.map_err(|error| wrong(&error))?.file_name());
    }
    // Closing a folder that is used for something else, too, would harm that.
    let shared = !names.is_empty() && !names.iter().any(|name| name == LOCK);
    if folder.mode() & OTHERS != 0 && (shared || folder.mode() & STICKY != 0) {
        return Err(wrong(
            &"others may enter it, and it holds other things: choose a folder of its own, or chmod 700 it",
        ));
    }
    for name in names.iter().filter_map(|name| name.to_str()).filter(|name| is_own(name)) {
        let file = std::fs::symlink_metadata(path.join(name)).map_err(|error| wrong(&error))?;
        if name == COMPILED && !file.is_dir() {
            return Err(wrong(&format!("{name} is no folder")));
        }
        // The lock is emptied when it is taken: under a second name that would be somebody's file.
        if name != COMPILED && (!file.is_file() || name == LOCK && file.nlink() > 1) {
            return Err(wrong(&format!("{name} is no regular file of its own")));
        }
        ours(&file).map_err(|said| wrong(&format!("{name} {said}")))?;
    }
    Ok(())
}

fn ours(there: &Metadata) -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    if there.uid() == user {
        Ok(())
    } else {
        Err(format!("belongs to user {}, this process is user {user}", there.uid()))
    }
}

/// Takes the rights of others from the folder first, then from the program's own files in it; each is told.
fn close(folder: &Path) -> std::io::Result<()> {
    let opened = File::open(folder)?;
    close_opened(&opened, folder, 0o700)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_own) {
            continue;
        }
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            close_opened(&File::open(&path)?, &path, 0o700)?;
        } else {
            close_opened(&open_own(&path, OpenOptions::new().read(true))?, &path, 0o600)?;
        }
    }
    Ok(())
}

fn close_opened(file: &File, path: &Path, mode: u32) -> std::io::Result<()> {
    let had = file.metadata()?.mode() & 0o7777;
    if had & OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(mode))?;
        let path = path.display();
        tracing::warn!(%path, had = format!("{had:o}"), now = format!("{mode:o}"), "others had rights on what is ours alone");
    }
    Ok(())
}

/// One of the folder's own files: never through a link.
fn open_own(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    files::open(path, options, Links::Refused)
}

/// None: it isn't there.
fn read_own(path: &Path) -> Result<Option<String>, Failure> {
    let wrong = |said: &dyn std::fmt::Display| Failure::new(format!("{}: {said}", path.display()));
    match open_own(path, OpenOptions::new().read(true)).and_then(|file| files::read_opened(&file, SECRET_BYTES)) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| wrong(&"is no UTF-8 text")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(&error)),
    }
}

/// Held as long as the process owns the folder; the kernel lets go when the process dies, however it dies.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Makes the folder where it is missing, keeps others out and locks it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: std::io::Error| Failure::new(format!("state folder {}: {error}", path.display()));
        inspect(path)?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
        let path = path.canonicalize().map_err(wrong)?;
        close(&path).map_err(wrong)?;
        // What others put there while they still could.
        inspect(&path)?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The administrator's password for a fresh database: that of an earlier start, else `SKYLOOM_ADMIN_PASSWORD`, else a new
    /// one. It is kept for its owner's eyes only.
    pub fn admin_password(&self) -> Result<AdminPassword, Failure> {
        let file = self.path.join(PASSWORD);
        let wanted = match std::env::var("SKYLOOM_ADMIN_PASSWORD") {
            Ok(value) if value.is_empty() => {
                return Err(Failure::config(vec!["SKYLOOM_ADMIN_PASSWORD is empty".to_owned()]));
            }
            wanted => wanted.ok(),
        };
        if let Some(kept) = read_own(&file)? {
            let value = kept.trim_end().to_owned();
            if value.is_empty() {
                let file = file.display();
                return Err(Failure::new(format!(
                    "{file} is empty: write the administrator's password into it, or remove it and get a new one"
                )));
            }
            if wanted.is_some_and(|wanted| wanted != value) {
                tracing::warn!("SKYLOOM_ADMIN_PASSWORD differs from the password of the first start, which stays");
            }
            return Ok(AdminPassword { value, file, kept: true });
        }
        let value = wanted.unwrap_or_else(generate);
        // Before it is used: nobody is locked out by a crash in between.
        write_private(&file, &format!("{value}\n"))?;
        Ok(AdminPassword { value, file, kept: false })
    }

    /// What seals secrets in the database: with the key in `file`, or in our own, which is made if it is missing.
    pub fn sealer(&self, file: Option<&Path>) -> Result<Sealer, Failure> {
        match file {
            Some(file) => read_sealer(file),
            None => Ok(Sealer::new(&self.own_key(SECRET_KEY)?)),
        }
    }

    /// Takes the rights of others from a folder of the deployment's own and from all in it; one that isn't there has none.
    pub fn close_below(folder: &Path) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
        match std::fs::symlink_metadata(folder) {
            Ok(there) if there.is_dir() => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(wrong(error)),
        }
        close_opened(&File::open(folder).map_err(wrong)?, folder, 0o700).map_err(wrong)?;
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            if entry.file_type().map_err(wrong)?.is_dir() {
                Self::close_below(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Where compiled code is kept, and what tells our own from any other.
    pub fn compiled(&self) -> Result<skyloom_runtime::Compiled, Failure> {
        Ok(skyloom_runtime::Compiled { folder: self.path.join(COMPILED), key: self.own_key(COMPILED_KEY)? })
    }

    fn own_key<const N: usize>(&self, name: &str) -> Result<[u8; N], Failure> {
        let path = self.path.join(name);
        if let Some(key) = read_key(&path)? {
            return Ok(key);
        }
        let mut key = [0; N];
        rand::rng().fill(&mut key[..]);
        write_private(&path, &format!("{}\n", hex::encode(key)))?;
        Ok(key)
    }

    /// A file that only the owner reads, replaced at once.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let file = self.path.join(name);
        write_private(&file, text)?;
        Ok(file)
    }
}

/// What a running `skyloom serve` on this state folder seals with; `file` as for [`StateDir::sealer`]. Makes no key.
pub fn sealer_beside(folder: &Path, file: Option<&Path>) -> Result<Sealer, Failure> {
    if let Some(file) = file {
        return read_sealer(file);
    }
    let path = folder.join(SECRET_KEY);
    let missing = || Failure::new(format!("{} is missing: skyloom was never started here", path.display()));
    Ok(Sealer::new(&read_key(&path)?.ok_or_else(missing)?))
}

/// With the key in the file that `[database]` names, in hexadecimal digits.
pub fn read_sealer(path: &Path) -> Result<Sealer, Failure> {
    let text = files::read_text(path, SECRET_BYTES).map_err(|error| error.to_string());
    let key = text.and_then(|text| parse_key::<KEY_BYTES>(&text));
    key.map(|key| Sealer::new(&key))
        .map_err(|said| Failure::new(format!("[database] secret-key: {}: {said}", path.display())))
}

fn parse_key<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut key = [0; N];
    hex::decode_to_slice(text.trim(), &mut key).map_err(|_| format!("{} hex digits are expected", 2 * N))?;
    Ok(key)
}

/// A key of the folder's own; none: it isn't there.
fn read_key<const N: usize>(path: &Path) -> Result<Option<[u8; N]>, Failure> {
    let Some(text) = read_own(path)? else { return Ok(None) };
    parse_key(&text).map(Some).map_err(|said| Failure::new(format!("{}: {said}", path.display())))
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOCK);
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = open_own(&path, &mut options).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = files::read_opened(&file, SECRET_BYTES).unwrap_or_default();
            let holder = String::from_utf8_lossy(&holder);
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

/// The administrator's password and where it is kept.
pub struct AdminPassword {
    pub value: String,
    pub file: PathBuf,
    /// From an earlier start.
    kept: bool,
}

impl AdminPassword {
    /// After seeding: a database that had its administrator before (`fresh` is false) never took a new password.
    pub fn settle(self, fresh: bool) -> Result<Option<Self>, Failure> {
        if fresh || self.kept {
            return Ok(Some(self));
        }
        std::fs::remove_file(&self.file)?;
        tracing::warn!(
            "the database was filled from another state folder; its administrator's password is not known here"
        );
        Ok(None)
    }
}

/// 24 characters that need no quoting anywhere: 142 bits.
fn generate() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..24).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

/// In a new file beside it first: whatever was there under the name, a link too, is replaced and never written to.
fn write_private(file: &Path, text: &str) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = file.with_file_name(name);
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(wrong)?;
    target.write_all(text.as_bytes()).and_then(|()| target.sync_all()).map_err(wrong)?;
    std::fs::rename(&temporary, file).map_err(wrong)
}

#[cfg(test)]
mod tests;
