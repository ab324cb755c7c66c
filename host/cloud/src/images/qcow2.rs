//! The header of a qcow2 file: whole, sane, and naming no other file. Numbers are big-endian.

use std::fs::File;

use skyloom_model::{Error, Result};

use super::content::{bad, head};

const MAGIC: &[u8; 4] = b"QFI\xfb";
/// Length of the header of version 2; version 3 says its own, at least 104.
const V2_LENGTH: u32 = 72;
const V3_LENGTH: u32 = 104;
/// 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// What a hypervisor accepts in one table.
const MAX_L1_ENTRIES: u64 = 4 * 1024 * 1024;
/// Incompatible features: what we know and what we take. Dirty reference counts are mended by whoever opens it.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
/// Header extension that names the external data file.
const DATA_FILE_NAME: u32 = 0x4441_5441;
/// Header extension that names the backing file's format.
const BACKING_FORMAT: u32 = 0xe279_2aca;
/// No header is larger than the smallest cluster that real ones have.
const MAX_HEADER: usize = 64 * 1024;

struct Header {
    bytes: Vec<u8>,
}

impl Header {
    fn u32(&self, at: usize) -> Result<u32> {
        let bytes = self.bytes.get(at..at + 4).ok_or_else(cut)?;
        Ok(u32::from_be_bytes(bytes.try_into().map_err(Error::internal)?))
    }

    fn u64(&self, at: usize) -> Result<u64> {
        let bytes = self.bytes.get(at..at + 8).ok_or_else(cut)?;
        Ok(u64::from_be_bytes(bytes.try_into().map_err(Error::internal)?))
    }
}

fn cut() -> Error {
    bad("The qcow2 header is cut off.")
}

/// Gives the size of the disk in bytes.
pub(super) fn check(file: &mut File, length: u64) -> Result<u64> {
    let bytes = head(file, 0, MAX_HEADER).map_err(Error::unavailable)?;
    if bytes.get(..4) != Some(MAGIC) {
        return Err(bad("The image is declared as qcow2, but its content is not."));
    }
    let header = Header { bytes };
    let version = header.u32(4)?;
    if !matches!(version, 2 | 3) {
        return Err(bad(format!("The qcow2 version {version} is not known.")));
    }
    if header.u64(8)? != 0 || header.u32(16)? != 0 {
        return Err(bad("The qcow2 image has a backing file; an image must stand by itself."));
    }
    if header.u32(32)? != 0 {
        return Err(bad("The qcow2 image is encrypted."));
    }
    let header_length = features(&header, version)?;
    extensions(&header, header_length)?;
    let size = header.u64(24)?;
    tables(&header, size, length)?;
    Ok(size)
}

/// Gives where the header ends.
fn features(header: &Header, version: u32) -> Result<u32> {
    if version == 2 {
        return Ok(V2_LENGTH);
    }
    let incompatible = header.u64(72)?;
    if incompatible & EXTERNAL_DATA != 0 {
        return Err(bad("The qcow2 image keeps its data in another file; an image must stand by itself."));
    }
    if incompatible & CORRUPT != 0 {
        return Err(bad("The qcow2 image is marked as corrupt."));
    }
    if incompatible & !(DIRTY | COMPRESSION_TYPE | EXTENDED_L2) != 0 {
        return Err(bad("The qcow2 image has features that are not known."));
    }
    let length = header.u32(100)?;
    if length < V3_LENGTH || !length.is_multiple_of(8) || length as usize > MAX_HEADER {
        return Err(bad("The qcow2 header's length is not valid."));
    }
    Ok(length)
}

/// Walks the extensions behind the header; none may name another file.
fn extensions(header: &Header, begin: u32) -> Result<()> {
    let mut at = begin as usize;
    // A header without room for one has none.
    while at + 8 <= header.bytes.len() {
        let (kind, length) = (header.u32(at)?, header.u32(at + 4)? as usize);
        match kind {
            0 => return Ok(()),
            DATA_FILE_NAME => return Err(bad("The qcow2 image names another file for its data.")),
            BACKING_FORMAT => return Err(bad("The qcow2 image names the format of a backing file.")),
            _ => {}
        }
        let padded = length.div_ceil(8).saturating_mul(8);
        at = at.saturating_add(8).saturating_add(padded);
    }
    Ok(())
}

/// The first-level and reference tables lie within the file and are large enough for the disk.
fn tables(header: &Header, size: u64, length: u64) -> Result<()> {
    let bits = header.u32(20)?;
    if !CLUSTER_BITS.contains(&bits) {
        return Err(bad("The qcow2 cluster size is not valid."));
    }
    let cluster = 1_u64 << bits;
    let entries = u64::from(header.u32(36)?);
    // Second-level entries have 8 bytes, extended ones 16; the larger table covers less, so that the smaller need decides.
    let covered = cluster.saturating_mul(cluster / 8);
    if entries > MAX_L1_ENTRIES || entries < size.div_ceil(covered) {
        return Err(bad("The qcow2 tables don't fit the size of the disk."));
    }
    let refcounts = u64::from(header.u32(56)?).saturating_mul(cluster);
    for (offset, bytes) in [(header.u64(40)?, entries * 8), (header.u64(48)?, refcounts)] {
        if offset % cluster != 0
            || offset == 0 && bytes > 0
            || offset.saturating_add(bytes) > length.next_multiple_of(cluster)
        {
            return Err(bad("The qcow2 tables lie outside of the file."));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use skyloom_model::ErrorCode;

    use super::*;

    /// A valid image of version 3 with an empty disk of 1 MiB and clusters of 64 KiB.
    pub(in crate::images) fn image() -> Vec<u8> {
        let mut bytes = vec![0; 4 * 65536];
        bytes[..4].copy_from_slice(MAGIC);
        for (at, value) in [(4, 3_u32), (20, 16), (36, 1), (56, 1), (96, 4), (100, 104)] {
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        for (at, value) in [(24, 1_u64 << 20), (40, 3 * 65536), (48, 65536)] {
            bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    fn verdict(bytes: &[u8]) -> Result<u64> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("write");
        file.seek(SeekFrom::Start(0)).expect("seek");
        check(&mut file, bytes.len() as u64)
    }

    #[test]
    fn a_sane_image_passes() {
        assert_eq!(verdict(&image()).expect("valid"), 1 << 20);
        let mut old = image();
        old[4..8].copy_from_slice(&2_u32.to_be_bytes());
        old[72..108].fill(0);
        assert_eq!(verdict(&old).expect("version 2"), 1 << 20);
    }

    #[test]
    fn what_is_wrong_or_points_outside_is_refused() {
        let cases: &[(&str, usize, &[u8])] = &[
            ("magic", 0, b"QFI\0"),
            ("version", 4, &[0, 0, 0, 4]),
            ("backing offset", 8, &[0, 0, 0, 0, 0, 0, 1, 0]),
            ("backing length", 16, &[0, 0, 0, 9]),
            ("cluster bits too small", 20, &[0, 0, 0, 8]),
            ("cluster bits too large", 20, &[0, 0, 0, 40]),
            ("size beyond the table", 24, &[0, 1, 0, 0, 0, 0, 0, 0]),
            ("largest size", 24, &[255; 8]),
            ("encryption", 32, &[0, 0, 0, 2]),
            ("huge table", 36, &[255; 4]),
            ("table outside", 40, &[0, 0, 0, 1, 0, 0, 0, 0]),
            ("table at the end of numbers", 40, &[255; 8]),
            ("table unaligned", 40, &[0, 0, 0, 0, 0, 3, 0, 8]),
            ("no table", 40, &[0; 8]),
            ("references outside", 48, &[0, 0, 0, 1, 0, 0, 0, 0]),
            ("many references", 56, &[255; 4]),
            ("corrupt", 72, &[0, 0, 0, 0, 0, 0, 0, 2]),
            ("external data", 72, &[0, 0, 0, 0, 0, 0, 0, 4]),
            ("unknown feature", 72, &[0, 0, 0, 0, 0, 0, 1, 0]),
            ("short header", 100, &[0, 0, 0, 72]),
            ("long header", 100, &[255; 4]),
            ("data file name", 104, &[0x44, 0x41, 0x54, 0x41, 0, 0, 0, 4]),
            ("backing format", 104, &[0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 4]),
            ("data file name behind another", 104, b"\0\0\0\x01\0\0\0\x05hello\0\0\0DATA\0\0\0\x04"),
        ];
        for (what, at, bytes) in cases {
            let mut broken = image();
            broken[*at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(verdict(&broken).expect_err(what).code, ErrorCode::BadContent, "{what}");
        }
        for length in [4, 7, 30, 71, 103] {
            assert_eq!(verdict(&image()[..length]).expect_err("cut").code, ErrorCode::BadContent, "{length}");
        }
    }
}
