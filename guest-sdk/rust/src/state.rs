//! Saved state: serde writes it, postcard gives it its form, a version guards it.

use postcard::ser_flavors::Flavor;
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

/// How many bytes are written one by one: in a guest a copy is a call of the host's, which costs more than they do.
const SHORT: usize = 16;

/// Where postcard writes. State is mostly numbers, of a few bytes each.
struct Bytes(Vec<u8>);

impl Flavor for Bytes {
    type Output = Vec<u8>;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > SHORT {
            self.0.extend_from_slice(bytes);
        } else {
            for byte in bytes {
                self.0.push(*byte);
            }
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Everything that a guest must remember, as bytes.
pub(crate) fn save<T: Serialize>(value: &T, version: u32) -> Result<State, Error> {
    let bytes = postcard::serialize_with_flavor(value, Bytes(Vec::new()))
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
