//! Whether an image's bytes are what they claim to be, and nothing that points outside itself.
//!
//! Formats that name other files are the danger: a guest could write such a header into its own disk, and whoever then guesses
//! the format reads what the header names. So bytes that any reader would take for another format are refused, whatever they
//! are declared as: what `qemu-img` probes for, and the marks at the end of a file that other readers go by.

use std::fs::File;
use std::path::Path;

use skyloom_model::{Error, Result};

use super::content::{bad, head};
use super::qcow2;

/// Where a mark stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Bytes from the begin.
    Begin(usize),
    /// Anywhere in so many bytes at the end.
    Within(usize),
}
use At::{Begin, Within};

/// Bytes that make a file one of another format than raw.
const MARKS: &[(&str, At, &[u8])] = &[
    ("qcow2", Begin(0), b"QFI\xfb"),
    ("qed", Begin(0), b"QED\0"),
    ("cow", Begin(0), b"OOOM\0\0\0\x02"),
    ("vmdk", Begin(0), b"KDMV"),
    ("vmdk", Begin(0), b"COWD"),
    ("vhdx", Begin(0), b"vhdxfile"),
    ("vhd", Begin(0), b"conectix"),
    // A fixed one has its mark in the footer only: 512 bytes, once 511, and some writers pad the file to its sector.
    ("vhd", Within(1024), b"conectix"),
    ("vdi", Begin(64), &[0x7f, 0x10, 0xda, 0xbe]),
    ("luks", Begin(0), b"LUKS\xba\xbe"),
    ("parallels", Begin(0), b"WithoutFreeSpace"),
    ("parallels", Begin(0), b"WithouFreSpacExt"),
    ("bochs", Begin(0), b"Bochs Virtual HD Image"),
    ("cloop", Begin(0), b"#!/bin/sh\n#V2.0 Format\n"),
    // A trailer of 512 bytes, with its version; the file may be padded.
    ("dmg", Within(1023), b"koly\0\0\0\x04"),
];
/// What is read of the begin for the marks and for a text.
const HEAD: usize = 64 * 1024;
/// What is read of the end.
const TAIL: u64 = 1024;
/// Volume descriptors of an optical disc begin here, 2048 bytes each.
const DISC_START: u64 = 32768;
const DISC_SECTOR: u64 = 2048;
/// Of ISO 9660, and of UDF.
const DISC_MARKS: &[&[u8]] = &[b"CD001", b"BEA01", b"NSR02", b"NSR03"];

/// Checks a file against its declared format; gives the size of the disk that it holds, in bytes. Blocks.
pub(super) fn check(path: &Path, format: &str) -> Result<u64> {
    let read = |error: std::io::Error| Error::unavailable(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    if format == "qcow2" {
        return qcow2::check(&mut file, length);
    }
    let begin = head(&mut file, 0, HEAD).map_err(read)?;
    let end = head(&mut file, length.saturating_sub(TAIL), TAIL as usize).map_err(read)?;
    if let Some(other) = recognised(&begin, &end) {
        return Err(bad(format!("The image is declared as {format}, but its content is in the format {other}.")));
    }
    match format {
        "raw" | "ami" | "aki" | "ari" => Ok(length),
        "iso" if is_disc(&mut file).map_err(read)? => Ok(length),
        "iso" => Err(bad("The image is declared as iso, but holds no ISO 9660 or UDF file system.")),
        other => Err(Error::invalid("disk-format", format!("The disk format {other} is not supported."))),
    }
}

/// The format other than raw that a reader would take a file for.
fn recognised(begin: &[u8], end: &[u8]) -> Option<&'static str> {
    let marked = |(_, at, mark): &&(&str, At, &[u8])| match at {
        Begin(at) => begin.get(*at..).is_some_and(|rest| rest.starts_with(mark)),
        Within(last) => end[end.len().saturating_sub(*last)..].windows(mark.len()).any(|window| window == *mark),
    };
    let named = MARKS.iter().find(marked).map(|(name, _, _)| *name);
    named.or_else(|| is_vmdk_text(begin).then_some("vmdk"))
}

/// A descriptor of vmdk is a text that names the files of a disk: behind comments and blank lines its first line is the version,
/// or it tells the kind of disk anywhere.
fn is_vmdk_text(begin: &[u8]) -> bool {
    let text = begin.split(|byte| *byte == 0).next().unwrap_or_default().to_ascii_lowercase();
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    let is =
        |line: &[u8], key: &[u8]| line.strip_prefix(key).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="));
    first.is_some_and(|first| is(first, b"version") || is(first, b"createtype"))
        || lines.any(|line| is(line, b"createtype"))
}

fn is_disc(file: &mut File) -> std::io::Result<bool> {
    let first = head(file, DISC_START, DISC_SECTOR as usize)?;
    Ok(DISC_MARKS.iter().any(|mark| first.get(1..).is_some_and(|rest| rest.starts_with(mark))))
}

#[cfg(test)]
mod tests {
    use skyloom_model::ErrorCode;

    use super::*;

    const DECLARED: [&str; 5] = ["raw", "ami", "aki", "ari", "iso"];

    fn verdict(bytes: &[u8], format: &str) -> Result<u64> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("write");
        check(file.path(), format)
    }

    fn refused(bytes: &[u8], what: &str) {
        for declared in DECLARED {
            let error = verdict(bytes, declared).expect_err(what);
            assert_eq!(error.code, ErrorCode::BadContent, "{what} as {declared}");
        }
    }

    fn disc(mark: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 32768 + 3 * 2048];
        bytes[32769..32774].copy_from_slice(mark);
        bytes
    }

    #[test]
    fn honest_bytes_pass() {
        let mut boot_sector = vec![0; 4096];
        boot_sector[510..512].copy_from_slice(&[0x55, 0xaa]);
        let mut partitions = boot_sector.clone();
        partitions[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 255, 255, 255, 1, 0, 0, 0, 7, 0, 0, 0]);
        partitions[512..520].copy_from_slice(b"EFI PART");
        let mut talks_of_others = vec![0; 1 << 20];
        for (at, (_, _, mark)) in MARKS.iter().enumerate() {
            talks_of_others[8192 + at * 512..][..mark.len()].copy_from_slice(mark);
        }
        for (declared, bytes) in [
            ("raw", &[0; 1000][..]),
            ("raw", b""),
            ("raw", &boot_sector),
            ("raw", &partitions),
            ("raw", &talks_of_others),
            ("raw", b"#!/bin/sh\necho version=1\n"),
            ("raw", b"#cloud-config\nhostname: version\n"),
            ("raw", b"# a comment and nothing more"),
            ("raw", b"\nthe version=1\n"),
            // A disc can be a disk as well.
            ("raw", &disc(b"CD001")),
            ("aki", b"MZ kernel"),
            ("ari", b"070701 initial ramdisk"),
            ("ami", b""),
            ("iso", &disc(b"CD001")),
            ("iso", &disc(b"BEA01")),
        ] {
            let length = bytes.len() as u64;
            assert_eq!(verdict(bytes, declared).map_err(|error| error.message), Ok(length), "{declared}");
        }
    }

    #[test]
    fn each_formats_mark_is_refused_where_its_readers_look() {
        for (name, at, mark) in MARKS {
            let mut bytes = vec![0; 4096];
            let places = match at {
                Begin(at) => vec![*at],
                Within(last) => vec![4096 - last, 4096 - 512, 4096 - mark.len()],
            };
            for place in places {
                bytes.fill(0);
                bytes[place..place + mark.len()].copy_from_slice(mark);
                refused(&bytes, name);
            }
            // A file that ends with its mark, and one that is nothing else.
            if let Begin(at) = at {
                refused(&bytes[..at + mark.len()], name);
            } else {
                refused(mark, name);
            }
        }
    }

    #[test]
    fn a_text_that_names_a_disks_files_is_refused() {
        for text in [
            "# Disk DescriptorFile\nversion=1\n",
            "# x\nversion=1\nRW 1 FLAT \"/etc/passwd\" 0\n",
            "version=3\r\n",
            "#\n   \r\n#\n \nversion=2\nCID=1\n",
            "Version = 1\ncreateType=\"monolithicFlat\"\n",
            "CID=fffffffe\nparentCID=ffffffff\ncreateType=\"vmfs\"\n",
            "createType=\"twoGbMaxExtentFlat\"",
        ] {
            refused(text.as_bytes(), text);
            refused(&[text.as_bytes(), &[0; 4096]].concat(), text);
        }
    }

    #[test]
    fn what_is_declared_must_be_there() {
        let mut polyglot = disc(b"CD001");
        polyglot[..4].copy_from_slice(b"QFI\xfb");
        for (bytes, declared) in [
            (&b"not a disc"[..], "iso"),
            (&b"not a disk"[..], "qcow2"),
            (&b""[..], "iso"),
            (&b""[..], "qcow2"),
            (&polyglot, "iso"),
        ] {
            assert_eq!(verdict(bytes, declared).expect_err(declared).code, ErrorCode::BadContent, "{declared}");
        }
        assert_eq!(verdict(b"x", "vmdk").expect_err("unknown").code, ErrorCode::Invalid);
    }
}
