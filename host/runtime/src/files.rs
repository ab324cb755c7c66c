//! Files that a person names, or that somebody else could have put there: only regular ones are read, and only so much. A named
//! pipe, a device or a folder is told at once; an ordinary `open` of a pipe would wait for a writer for ever.

use std::fs::{File, FileType, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// A text that somebody writes: a deployment file, a manifest, a schema, a certificate. Thousands of lines fit in.
pub const TEXT_BYTES: u64 = 4 << 20;
/// A plugin's file. The largest of ours has 2 MiB; compiling takes some 20 times a file's size in memory.
pub const PLUGIN_BYTES: u64 = 64 << 20;
/// A key or a password.
pub const SECRET_BYTES: u64 = 4 << 10;

/// What is done where the path's last part is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    Followed,
    Refused,
}

/// Opens a regular file with these options; never waits, and is never told by a pipe or a device that it was opened for use.
pub fn open(path: &Path, options: &mut OpenOptions, links: Links) -> Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    // Flags of `open` are small positive numbers everywhere.
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path).map_err(|error| refused(path, error))?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(wrong_kind(kind)) }
}

/// For reading.
pub fn open_to_read(path: &Path) -> Result<File> {
    open(path, OpenOptions::new().read(true), Links::Followed)
}

/// The whole file, of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    read_opened(&open_to_read(path)?, most)
}

/// The rest of an opened file, of at most `most` bytes.
pub fn read_opened(file: &File, most: u64) -> Result<Vec<u8>> {
    let said = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(said.min(most)).unwrap_or_default());
    // One more than may be there: what is said may be wrong, or the file grows.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// The whole file as text, of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "is no UTF-8 text"))
}

/// The kernel's word for what cannot be opened in this way says little.
fn refused(path: &Path, error: Error) -> Error {
    let looped = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    match std::fs::symlink_metadata(path).map(|there| there.file_type()) {
        Ok(kind) if if kind.is_symlink() { looped } else { !kind.is_file() } => wrong_kind(kind),
        _ => error,
    }
}

fn wrong_kind(kind: FileType) -> Error {
    let what = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_symlink() {
        "a link"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Error::new(ErrorKind::InvalidInput, format!("is {what}, a regular file is wanted"))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_nothing_waits() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let socket = folder.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let (file, link, dangling) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("dangling"));
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        for (path, what) in [
            (pipe.as_path(), "is a named pipe, a regular file is wanted"),
            (socket.as_path(), "is a socket, a regular file is wanted"),
            (folder.path(), "is a folder, a regular file is wanted"),
            (Path::new("/dev/zero"), "is a device, a regular file is wanted"),
        ] {
            assert_eq!(read(path, TEXT_BYTES).unwrap_err().to_string(), what);
        }
        assert_eq!(read_text(&link, TEXT_BYTES).unwrap(), "text");
        assert_eq!(read(&dangling, TEXT_BYTES).unwrap_err().kind(), ErrorKind::NotFound);
        let unfollowed = open(&link, OpenOptions::new().read(true), Links::Refused).unwrap_err();
        assert_eq!(unfollowed.to_string(), "is a link, a regular file is wanted");
    }

    #[test]
    fn no_more_is_read_than_was_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "text").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"text");
        assert_eq!(read(&file, 3).unwrap_err().to_string(), "is larger than 3 bytes");
        // Nothing is taken from a file's length: this one says 0.
        assert_eq!(read(Path::new("/proc/self/status"), 16).unwrap_err().kind(), ErrorKind::FileTooLarge);
        // A huge file that takes no room on the disk takes none in memory either.
        File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&file, SECRET_BYTES).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&file, [0xff]).unwrap();
        assert_eq!(read_text(&file, 4).unwrap_err().to_string(), "is no UTF-8 text");
    }
}
