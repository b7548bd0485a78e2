//! Signed bodies: whoever knows the secret can tell that a message is ours, and when it was sent.

use std::fmt::Write;

use ring::hmac;
use serde::Deserialize;

const HEADER: &str = "X-Correlator-Signature";
const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// How bodies are signed.
///
/// The header is `t=SECONDS,v1=HEX`: when it was sent, and the HMAC-SHA256 of `SECONDS.BODY`. Whoever checks it also
/// checks that the time is not long past: so nobody can send a message again that he overheard.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The credential whose value is the key.
    pub credential: String,
    /// The header, `X-Correlator-Signature` if nothing else is said.
    #[serde(default = "header")]
    pub header: String,
    /// The algorithm.
    #[serde(default)]
    pub algorithm: Algorithm,
}

/// How signatures are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
}

fn header() -> String {
    HEADER.into()
}

/// The header's value for a body that is sent now.
pub(super) fn sign(key: &[u8], body: &[u8], now: i64) -> String {
    let seconds = now.div_euclid(NANOSECONDS_PER_SECOND).to_string();
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(seconds.as_bytes());
    context.update(b".");
    context.update(body);
    let mut value = format!("t={seconds},v1=");
    for byte in context.sign().as_ref() {
        let _ = write!(value, "{byte:02x}");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn signatures_are_those_of_openssl() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let expected =
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(sign(b"secret", b"{\"a\":1}", 1_700_000_000_999_999_999), expected);
    }
}
