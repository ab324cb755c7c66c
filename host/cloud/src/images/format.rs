//! Whether an image's bytes are what they claim to be, and nothing that points outside itself.
//!
//! What a hypervisor opens as `raw` must not be in any format that names other files: a guest could write such a header into
//! its own disk. So bytes that carry another format's mark are refused whatever they are declared as.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use skyloom_model::{Error, ErrorCode, Result};

use super::qcow2;

/// Marks of disk formats by offset: bytes that begin so are never a raw disk.
const MARKS: &[(&str, usize, &[u8])] = &[
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vhdx", 0, b"vhdxfile"),
    ("vhd", 0, b"conectix"),
    ("vdi", 64, &[0x7f, 0x10, 0xda, 0xbe]),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
];
/// A fixed VHD has its mark in a footer only.
const VHD_FOOTER: u64 = 512;
/// Volume descriptors of an ISO 9660 file system begin here, 2048 bytes each.
const ISO_START: u64 = 32768;
const ISO_SECTOR: u64 = 2048;
/// How many of them are looked at.
const ISO_DESCRIPTORS: u64 = 16;

/// Checks a file against its declared format; gives the size of the disk that it holds, in bytes. Blocks.
pub(super) fn check(path: &Path, format: &str) -> Result<u64> {
    let mut file = File::open(path).map_err(|error| Error::unavailable(format!("{}: {error}", path.display())))?;
    let read = |error: std::io::Error| Error::unavailable(format!("{}: {error}", path.display()));
    let length = file.metadata().map_err(read)?.len();
    if length == 0 {
        return Err(bad("The image has no bytes."));
    }
    let begin = head(&mut file, 0, 4096).map_err(read)?;
    if format == "qcow2" {
        return qcow2::check(&mut file, length);
    }
    if let Some(other) = marked(&begin) {
        return Err(bad(format!("The image is declared as {format}, but its content is in the format {other}.")));
    }
    if length >= VHD_FOOTER && head(&mut file, length - VHD_FOOTER, 8).map_err(read)? == b"conectix" {
        return Err(bad(format!("The image is declared as {format}, but its content is in the format vhd.")));
    }
    match format {
        "raw" | "ami" | "aki" | "ari" => Ok(length),
        "iso" if has_iso_descriptor(&mut file).map_err(read)? => Ok(length),
        "iso" => Err(bad("The image is declared as iso, but holds no ISO 9660 file system.")),
        other => Err(Error::invalid("disk-format", format!("The disk format {other} is not supported."))),
    }
}

pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadContent, message)
}

fn marked(begin: &[u8]) -> Option<&'static str> {
    MARKS.iter().find(|(_, at, mark)| begin.get(*at..at + mark.len()) == Some(mark)).map(|(name, _, _)| *name)
}

fn has_iso_descriptor(file: &mut File) -> std::io::Result<bool> {
    for number in 0..ISO_DESCRIPTORS {
        let descriptor = head(file, ISO_START + number * ISO_SECTOR, 6)?;
        match descriptor.as_slice() {
            // A set terminator ends them.
            [255, b'C', b'D', b'0', b'0', b'1'] if number > 0 => return Ok(true),
            [_, b'C', b'D', b'0', b'0', b'1'] => {}
            _ => return Ok(number > 0),
        }
    }
    Ok(true)
}

/// At most `length` bytes from an offset.
pub(super) fn head(file: &mut File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("write");
        file
    }

    fn verdict(bytes: &[u8], format: &str) -> Result<u64> {
        check(file(bytes).path(), format)
    }

    fn iso() -> Vec<u8> {
        let mut bytes = vec![0; 32768 + 3 * 2048];
        bytes[32768..32774].copy_from_slice(b"\x01CD001");
        bytes[32768 + 2048..32768 + 2054].copy_from_slice(b"\xffCD001");
        bytes
    }

    #[test]
    fn honest_bytes_pass() {
        assert_eq!(verdict(&[0; 1000], "raw").expect("raw"), 1000);
        assert_eq!(verdict(b"MZ kernel", "aki").expect("aki"), 9);
        assert_eq!(verdict(b"070701 initial ramdisk", "ari").expect("ari"), 22);
        assert_eq!(verdict(&iso(), "iso").expect("iso"), iso().len() as u64);
        // A disc can be a disk as well.
        assert!(verdict(&iso(), "raw").is_ok());
    }

    #[test]
    fn bytes_that_lie_are_refused() {
        for (name, at, mark) in MARKS {
            let mut bytes = vec![0; 1024];
            bytes[*at..at + mark.len()].copy_from_slice(mark);
            for declared in ["raw", "ami", "aki", "ari", "iso"] {
                let error = verdict(&bytes, declared).expect_err(name);
                assert_eq!(error.code, ErrorCode::BadContent, "{name} as {declared}");
            }
        }
        let mut footer = vec![0; 2048];
        footer[1536..1544].copy_from_slice(b"conectix");
        assert_eq!(verdict(&footer, "raw").expect_err("footer").code, ErrorCode::BadContent);
        let mut polyglot = iso();
        polyglot[..4].copy_from_slice(b"QFI\xfb");
        assert_eq!(verdict(&polyglot, "iso").expect_err("polyglot").code, ErrorCode::BadContent);
        for (bytes, declared) in [(&b"not a disc"[..], "iso"), (&b"not a disk"[..], "qcow2"), (&b""[..], "raw")] {
            assert_eq!(verdict(bytes, declared).expect_err(declared).code, ErrorCode::BadContent, "{declared}");
        }
        assert_eq!(verdict(b"x", "vmdk").expect_err("unknown").code, ErrorCode::Invalid);
    }
}
