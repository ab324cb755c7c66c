//! The storage folder: disks, seeds, console logs. All access goes through one opened directory, so that no name leads out of
//! it; only QEMU itself gets paths.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cap_std::fs::{Dir, MetadataExt, Permissions};
use skyloom_model::{Error, ErrorCode, Result};
use tokio::process::Command;

use super::VolumeSource;
use super::copies::{Copies, Copying};
use super::making::{Making, broken, open};
use super::turns::Turns;
use crate::limits::WAIT_MS;

/// One call of `qemu-img`, which writes only a disk's first blocks; longer means that it hangs. Shorter than a driver's call may
/// take, so that its end is told and not cut off.
const IMAGE_TOOL_DEADLINE: Duration = Duration::from_secs(20);
const _: () = assert!(IMAGE_TOOL_DEADLINE.as_millis() < WAIT_MS.default as u128);
const GIB: u64 = 1024 * 1024 * 1024;
/// Of what `stat` counts in.
const BLOCK: u64 = 512;

#[derive(Debug)]
pub struct Storage {
    /// What is being made.
    making: Making,
    copies: Copies,
    /// Of one disk there is one making at a time.
    turns: Turns,
    disks: Dir,
    consoles: Dir,
    disks_path: PathBuf,
    consoles_path: PathBuf,
    blobs_path: PathBuf,
}

impl Storage {
    pub fn new(folder: &Path, blobs_path: PathBuf) -> Result<Self> {
        let absolute = std::path::absolute(folder).map_err(|error| broken(&error))?;
        open(&absolute)?;
        let (disks, disks_path) = open(&absolute.join("disks"))?;
        let (consoles, consoles_path) = open(&absolute.join("consoles"))?;
        let making = Making::new(&absolute.join("making"))?;
        let blobs_path = std::path::absolute(blobs_path).map_err(|error| broken(&error))?;
        let copies = Copies::default();
        Ok(Self { making, copies, turns: Turns::default(), disks, consoles, disks_path, consoles_path, blobs_path })
    }

    /// The path behind a kind and a name, for QEMU.
    pub fn resolve(&self, kind: &str, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        match kind {
            "volume" => Ok(self.disks_path.join(name)),
            "blob" => Ok(self.blobs_path.join(name)),
            "console" => Ok(self.consoles_path.join(console_file(name))),
            _ => Err(Error::invalid("kind", format!("a file of kind {kind:?} is not known"))),
        }
    }

    /// [`Storage::resolve`] for what a definition names: a disk or blob that isn't there is `wrong-state`.
    pub fn existing(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let path = self.resolve(kind, name)?;
        let there = match kind {
            "volume" => self.disks.exists(name),
            "blob" => path.exists(),
            _ => true,
        };
        if there {
            return Ok(path);
        }
        Err(Error::new(ErrorCode::WrongState, "A disk or image of the server isn't there.")
            .with_internal(format!("{kind} {name} doesn't exist")))
    }

    /// A qcow2 overlay over a blob, a copy of another disk, or an empty one. It is made elsewhere and moved here when it is whole.
    /// False: the copy goes on.
    pub async fn create_volume(&self, name: &str, size_gib: u32, source: &VolumeSource) -> Result<bool> {
        check_name(name)?;
        let _turn = self.turns.take(name).await;
        if self.disks.exists(name) {
            return Ok(true);
        }
        let path = self.making.path.join(name);
        let size = u64::from(size_gib) * GIB;
        match source {
            VolumeSource::Image((blob, format)) => {
                let backing = self.resolve("blob", blob)?;
                let format = check_format(format)?;
                let options = ["create", "-q", "-f", "qcow2", "-F", format, "-b"];
                run_image_tool(&options, &[backing.as_path(), path.as_path()], None).await?;
                grow(&path, size).await?;
            }
            VolumeSource::Volume(other) => {
                let from = self.existing("volume", other)?;
                return self.copy_volume(name, size, Copying { from, format: "qcow2", to: path }).await;
            }
            VolumeSource::Copy((blob, format)) => {
                let (from, format) = (self.existing("blob", blob)?, check_format(format)?);
                return self.copy_volume(name, size, Copying { from, format, to: path }).await;
            }
            VolumeSource::Empty if size == 0 => return Err(Error::invalid("size-gib", "an empty disk needs a size")),
            VolumeSource::Empty => {
                run_image_tool(&["create", "-q", "-f", "qcow2"], &[path.as_path()], Some(size)).await?;
            }
        }
        self.made(name)?;
        Ok(true)
    }

    async fn copy_volume(&self, name: &str, size: u64, copy: Copying) -> Result<bool> {
        let Some(path) = self.copies.made(name, copy).await? else { return Ok(false) };
        grow(&path, size).await?;
        self.made(name)?;
        lasting(&self.disks_path)?;
        Ok(true)
    }

    /// The volume whole, in a new blob: it has the name only when it is whole. False: the copy goes on.
    pub async fn export_volume(&self, name: &str, blob: &str) -> Result<bool> {
        check_name(name)?;
        check_blob(blob)?;
        let _turn = self.turns.take(blob).await;
        let whole = self.blobs_path.join(blob);
        if whole.exists() {
            return Ok(true);
        }
        let from = self.existing("volume", name)?;
        if !self.copies.is_going(blob) {
            open(&self.blobs_path)?;
            self.require_room(&from).await?;
        }
        // A name of this process's own: what a dead one's `qemu-img` still writes is another file, and swept.
        let to = self.blobs_path.join(format!("{}.part", uuid::Uuid::new_v4()));
        let Some(part) = self.copies.made(blob, Copying { from, format: "qcow2", to }).await? else { return Ok(false) };
        std::fs::rename(part, whole).map_err(|error| broken(&error))?;
        lasting(&self.blobs_path)?;
        Ok(true)
    }

    /// Whether the blobs' folder has room for a copy of the disk.
    async fn require_room(&self, disk: &Path) -> Result<()> {
        let mut command = Command::new("qemu-img");
        command.args(["measure", "-U", "-f", "qcow2", "-O", "qcow2", "--output=json"]).arg(disk);
        let needed = told(&image_tool(&mut command).await?, "required")?;
        let stat = rustix::fs::statvfs(&self.blobs_path).map_err(|error| broken(&error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if needed > free {
            return Err(Error::full(format!("a disk's export needs {needed} bytes, {free} are free")));
        }
        Ok(())
    }

    pub async fn grow_volume(&self, name: &str, size_gib: u32) -> Result<()> {
        check_name(name)?;
        if !self.disks.exists(name) {
            return Err(Error::not_found("volume", name));
        }
        grow(&self.disks_path.join(name), u64::from(size_gib) * GIB).await
    }

    fn made(&self, name: &str) -> Result<()> {
        self.making.folder.rename(name, &self.disks, name).map_err(|error| broken(&error))
    }

    pub fn delete_volume(&self, name: &str) -> Result<()> {
        check_name(name)?;
        self.copies.stop(name);
        remove(&self.making.folder, name)?;
        remove(&self.disks, name)
    }

    pub fn list_volumes(&self, prefix: &str) -> Result<Vec<String>> {
        if !prefix.is_empty() {
            check_name(prefix)?;
        }
        let mut names = Vec::new();
        for entry in self.disks.entries().map_err(|error| broken(&error))? {
            let name = entry.map_err(|error| broken(&error))?.file_name();
            names.extend(name.to_str().filter(|name| name.starts_with(prefix)).map(ToOwned::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A raw disk of these bytes, in the place of an earlier one.
    pub fn write_disk(&self, name: &str, bytes: &[u8]) -> Result<()> {
        check_name(name)?;
        self.making.folder.write(name, bytes).map_err(|error| broken(&error))?;
        self.made(name)
    }

    /// An empty log, so that it is there and ours before QEMU writes to it.
    pub fn prepare_console(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let mut options = cap_std::fs::OpenOptions::new();
        options.create(true).append(true);
        let log = self.consoles.open_with(console_file(name), &options).map_err(|error| broken(&error))?;
        // libvirt may give it to QEMU's user; we read it then as others do.
        log.set_permissions(Permissions::from_std(PermissionsExt::from_mode(0o644))).map_err(|error| broken(&error))
    }

    pub fn console_tail(&self, name: &str, max_bytes: u32) -> Result<Vec<u8>> {
        check_name(name)?;
        let mut file = match self.consoles.open(console_file(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(broken(&error)),
        };
        let length = file.metadata().map_err(|error| broken(&error))?.len();
        let from = length.saturating_sub(u64::from(max_bytes));
        file.seek(SeekFrom::Start(from)).map_err(|error| broken(&error))?;
        let mut bytes = Vec::new();
        file.take(u64::from(max_bytes)).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        Ok(bytes)
    }

    pub fn delete_console(&self, name: &str) -> Result<()> {
        check_name(name)?;
        remove(&self.consoles, &console_file(name))
    }

    /// What disks may fill altogether: what is free and what they hold already.
    pub fn capacity_gib(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.disks_path).map_err(|error| broken(&error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize).saturating_add(self.held()?) / GIB)
    }

    /// Bytes that the disks take up.
    fn held(&self) -> Result<u64> {
        let mut held = 0_u64;
        for entry in self.disks.entries().map_err(|error| broken(&error))? {
            // One that is removed meanwhile counts as free.
            let Ok(metadata) = entry.map_err(|error| broken(&error))?.metadata() else { continue };
            held = held.saturating_add(metadata.blocks().saturating_mul(BLOCK));
        }
        Ok(held)
    }
}

/// What was renamed into the folder outlasts a loss of power: what it is a copy of may go.
fn lasting(folder: &Path) -> Result<()> {
    let folder = std::fs::File::open(folder).map_err(|error| broken(&error))?;
    folder.sync_all().map_err(|error| broken(&error))
}

fn console_file(name: &str) -> String {
    format!("{name}.log")
}

/// Letters, digits, `.`, `-`, `_`; no dot first. So no name is a path, hidden, or an option.
fn check_name(name: &str) -> Result<()> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    if name.is_empty() || name.len() > 160 || name.starts_with(['.', '-']) || !name.chars().all(allowed) {
        return Err(Error::invalid("name", format!("{name:?} cannot name a file")));
    }
    Ok(())
}

/// The name of a blob to be: a UUID, as the host gives them out.
fn check_blob(blob: &str) -> Result<()> {
    if uuid::Uuid::try_parse(blob).is_ok_and(|id| id.to_string() == blob) {
        return Ok(());
    }
    Err(Error::invalid("blob", format!("{blob:?} cannot name a blob")))
}

fn check_format(format: &str) -> Result<&'static str> {
    match format {
        "raw" => Ok("raw"),
        "qcow2" => Ok("qcow2"),
        _ => Err(Error::invalid("image-format", "a disk can begin as a raw or a qcow2 image")),
    }
}

fn remove(folder: &Dir, name: &str) -> Result<()> {
    match folder.remove_file(name) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken(&error)),
        _ => Ok(()),
    }
}

async fn image_tool(command: &mut Command) -> Result<Vec<u8>> {
    let output = tokio::time::timeout(IMAGE_TOOL_DEADLINE, command.kill_on_drop(true).output())
        .await
        .map_err(|_| Error::new(ErrorCode::TimedOut, "Making the disk took too long."))?
        .map_err(|error| Error::unavailable(format!("qemu-img cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(ErrorCode::DriverFailed, "The disk could not be made.").with_internal(format!("qemu-img: {text}")))
}

async fn run_image_tool(options: &[&str], paths: &[&Path], size: Option<u64>) -> Result<()> {
    let mut command = Command::new("qemu-img");
    command.args(options).args(paths).args(size.map(|size| size.to_string()));
    image_tool(&mut command).await.map(|_| ())
}

/// A disk that is as large already stays.
async fn grow(path: &Path, size: u64) -> Result<()> {
    if size > virtual_size(path).await? {
        run_image_tool(&["resize", "-q", "-f", "qcow2"], &[path], Some(size)).await?;
    }
    Ok(())
}

async fn virtual_size(path: &Path) -> Result<u64> {
    let output = image_tool(Command::new("qemu-img").args(["info", "-f", "qcow2", "--output=json"]).arg(path)).await?;
    told(&output, "virtual-size")
}

/// A number of what `qemu-img` says.
fn told(output: &[u8], name: &str) -> Result<u64> {
    let info: serde_json::Value = serde_json::from_slice(output).map_err(Error::internal)?;
    info[name].as_u64().ok_or_else(|| Error::internal(format!("qemu-img tells no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> (tempfile::TempDir, Storage) {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::new(folder.path(), folder.path().join("blobs")).unwrap();
        (folder, storage)
    }

    #[test]
    fn a_name_is_never_a_path() {
        let (_folder, storage) = storage();
        for name in ["", "../x", "/etc/passwd", ".hidden", "-o", "a/b", "a b", "a\0b"] {
            assert_eq!(storage.resolve("volume", name).unwrap_err().code, ErrorCode::Invalid, "{name:?}");
            assert!(storage.delete_volume(name).is_err(), "{name:?}");
        }
        assert!(storage.resolve("device", "sda").is_err());
        assert!(storage.resolve("volume", "server.disk-1").unwrap().ends_with("disks/server.disk-1"));
    }

    #[tokio::test]
    async fn an_export_names_a_disk_and_a_new_blob_and_writes_over_nothing() {
        let (folder, storage) = storage();
        let blob = "6f1c9d3e-0000-4000-8000-00000000000b";
        for name in ["vmlinuz", "../x", "6F1C9D3E-0000-4000-8000-00000000000B", ""] {
            assert_eq!(storage.export_volume("s.disk", name).await.unwrap_err().code, ErrorCode::Invalid, "{name:?}");
        }
        assert_eq!(storage.export_volume("s.disk", blob).await.unwrap_err().code, ErrorCode::WrongState);
        let blobs = folder.path().join("blobs");
        std::fs::create_dir(&blobs).unwrap();
        std::fs::write(blobs.join(blob), b"somebody's").unwrap();
        storage.write_disk("s.disk", b"another's").unwrap();
        assert!(storage.export_volume("s.disk", blob).await.unwrap(), "it is whole");
        assert_eq!(std::fs::read(blobs.join(blob)).unwrap(), b"somebody's");
        let missing = VolumeSource::Copy(("6f1c9d3e-0000-4000-8000-00000000000c".to_owned(), "qcow2".to_owned()));
        assert_eq!(storage.create_volume("t.disk", 1, &missing).await.unwrap_err().code, ErrorCode::WrongState);
        assert_eq!(storage.list_volumes("").unwrap(), ["s.disk"]);
    }

    #[test]
    fn a_disk_of_bytes_is_replaced_and_deleted() {
        let (folder, storage) = storage();
        storage.write_disk("s.seed", b"one").unwrap();
        storage.write_disk("s.seed", b"other").unwrap();
        assert_eq!(std::fs::read(folder.path().join("disks/s.seed")).unwrap(), b"other");
        assert_eq!(storage.list_volumes("s.").unwrap(), ["s.seed"]);
        assert_eq!(storage.list_volumes("").unwrap(), ["s.seed"]);
        storage.delete_volume("s.seed").unwrap();
        storage.delete_volume("s.seed").unwrap();
        assert!(storage.list_volumes("s.").unwrap().is_empty());
    }

    /// What is free falls as disks fill. What they hold is added to it, so that nothing is subtracted twice.
    #[test]
    fn the_disks_of_the_folder_are_part_of_its_capacity() {
        let (_folder, storage) = storage();
        assert_eq!(storage.held().unwrap(), 0);
        let bytes = vec![7_u8; 8 * 1024 * 1024];
        for name in ["s.root", "s.data"] {
            storage.write_disk(name, &bytes).unwrap();
        }
        let held = storage.held().unwrap();
        let written = 2 * bytes.len() as u64;
        assert!((written..written + written / 8).contains(&held), "{held} bytes held, {written} written");
        assert!(storage.capacity_gib().unwrap() > 0);
        storage.delete_volume("s.root").unwrap();
        storage.delete_volume("s.data").unwrap();
        assert_eq!(storage.held().unwrap(), 0);
    }

    #[test]
    fn a_definition_names_what_is_there() {
        let (folder, storage) = storage();
        for (kind, name) in [("volume", "s.disk"), ("blob", "kernel")] {
            assert_eq!(storage.existing(kind, name).unwrap_err().code, ErrorCode::WrongState, "{kind}");
        }
        std::fs::create_dir(folder.path().join("blobs")).unwrap();
        std::fs::write(folder.path().join("blobs/kernel"), b"").unwrap();
        storage.write_disk("s.disk", b"").unwrap();
        assert!(storage.existing("volume", "s.disk").unwrap().ends_with("disks/s.disk"));
        assert!(storage.existing("blob", "kernel").unwrap().ends_with("blobs/kernel"));
        // QEMU makes the console's file.
        assert!(storage.existing("console", "s").is_ok());
        assert_eq!(storage.existing("volume", "../x").unwrap_err().code, ErrorCode::Invalid);
    }

    #[test]
    fn a_console_shows_its_end_and_its_absence() {
        let (folder, storage) = storage();
        assert!(storage.console_tail("s", 10).unwrap().is_empty());
        storage.prepare_console("s").unwrap();
        std::fs::write(folder.path().join("consoles/s.log"), b"0123456789abc").unwrap();
        storage.prepare_console("s").unwrap();
        assert_eq!(storage.console_tail("s", 3).unwrap(), b"abc");
        assert_eq!(storage.console_tail("s", 100).unwrap().len(), 13);
        storage.delete_console("s").unwrap();
        storage.delete_console("s").unwrap();
    }
}
