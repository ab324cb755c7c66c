//! Answers that the host hands over packed, as wit/README.md says.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorClass, ErrorCode};

/// What a contract calls `packed-…`, as it came.
#[derive(Clone, Debug)]
pub enum Packed<T> {
    Bytes(Vec<u8>),
    /// Of a core that is no host's: a test's.
    Whole(T),
}

impl<T: DeserializeOwned> Packed<T> {
    /// The answer, with texts of its own. A view that only looks at them copies none: [`crate::servers`].
    pub fn unpacked(self) -> Result<T, Error> {
        match self {
            Self::Bytes(bytes) => unpack(&bytes),
            Self::Whole(answer) => Ok(answer),
        }
    }
}

/// Reads an answer of its bytes.
pub fn unpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(bytes) {
        Ok((answer, [])) => Ok(answer),
        Ok((_, rest)) => Err(defect(&format!("{} bytes too many", rest.len()))),
        Err(error) => Err(defect(&error.to_string())),
    }
}

/// Host and plugin were built of different contracts.
fn defect(reason: &str) -> Error {
    Error {
        code: ErrorCode::Internal,
        class: ErrorClass::Bug,
        retryable: false,
        message: format!("A packed answer of the host cannot be read: {reason}."),
        resource: None,
        field: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_another_contract_are_a_defect() {
        let read = unpack::<(String, Option<u16>)>;
        assert_eq!(read(&[2, b'a', b'b', 1, 0x80, 2]).unwrap(), ("ab".to_owned(), Some(256)));
        for wrong in [&[2, b'a'][..], &[1, 0xff, 0], &[0, 2], &[0, 1, 0xff, 0xff, 0xff, 0xff], &[0, 0, 0]] {
            let error = read(wrong).unwrap_err();
            assert_eq!((error.code, error.class), (ErrorCode::Internal, ErrorClass::Bug), "{wrong:?}");
        }
    }
}
