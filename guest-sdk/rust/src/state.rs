//! Saved state: serde writes it, postcard gives it its form, a version guards it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Saved state with the version of its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The version.
    pub version: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Everything that a guest must remember, as bytes.
pub(crate) fn save<T: Serialize>(value: &T, version: u32) -> Result<State, Error> {
    let bytes = postcard::to_allocvec(value)
        .map_err(|error| Error::State { action: "saved", reason: error.to_string() })?;
    Ok(State { version, bytes })
}

/// The value that [`save`] wrote; bytes that are left over are an error too.
pub(crate) fn load<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let unreadable = |reason: String| Error::State { action: "restored", reason };
    let (value, rest) =
        postcard::take_from_bytes(bytes).map_err(|error| unreadable(error.to_string()))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(unreadable(format!("{} bytes are left over", rest.len())))
    }
}
