//! Reading what an image holds.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use skyloom_model::{Error, ErrorCode};

pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadContent, message)
}

/// At most `length` bytes from an offset.
pub(super) fn head(file: &mut File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
