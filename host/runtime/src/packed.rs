//! Answers that cross to a guest packed, as wit/README.md says: a text of a record costs one call of the guest's allocator, bytes of
//! a whole page cost one.

use serde::Serialize;

/// The bytes of what a contract calls `packed-…`.
pub fn pack<T: Serialize>(answer: &T) -> wasmtime::Result<Vec<u8>> {
    postcard::to_allocvec(answer).map_err(|error| wasmtime::Error::msg(format!("an answer cannot be packed: {error}")))
}
