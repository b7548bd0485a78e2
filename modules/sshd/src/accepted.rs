//! With what somebody got in: the key's type and fingerprint out of what sshd adds to `Accepted`.
//!
//! Old versions log `RSA ab:cd:...`, newer ones `RSA SHA256:...`, and for certificates `RSA-CERT SHA256:... ID name
//! (serial 1) CA RSA SHA256:...`, of which old versions leave out the first fingerprint. The oldest log nothing.

use crate::message::Accepted;

impl<'a> Accepted<'a> {
    /// The type of the key in lower case for a public key, else the method.
    pub fn auth(&self) -> Vec<u8> {
        let word = self.words().next().unwrap_or_default();
        let name = if self.method == b"publickey" && !word.is_empty() { word } else { self.method };
        name.to_ascii_lowercase()
    }

    /// The key's fingerprint, or the authority's where a certificate's own isn't told.
    pub fn fingerprint(&self) -> Option<&'a [u8]> {
        if self.method != b"publickey" && self.method != b"hostbased" {
            return None;
        }
        let mut words = self.words().skip(1);
        let word = words.next()?;
        if word != b"ID" {
            return Some(word.strip_suffix(b",").unwrap_or(word));
        }
        // The certificate's name may hold spaces, so the authority is found from the right end.
        let place = self.detail.windows(4).rposition(|window| window == b" CA ")?;
        let word = self.detail[place + 4..].split(|&byte| byte == b' ').nth(1)?;
        Some(word.strip_suffix(b",").unwrap_or(word))
    }

    fn words(&self) -> impl Iterator<Item = &'a [u8]> {
        self.detail.split(|&byte| byte == b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Who;

    #[track_caller]
    fn check(method: &str, detail: &str, auth: &str, key: Option<&str>) {
        let (method, detail) = (method.as_bytes(), detail.as_bytes());
        let accepted = Accepted { who: Who::default(), method, detail };
        assert_eq!(accepted.auth(), auth.as_bytes(), "{accepted:?}");
        assert_eq!(accepted.fingerprint(), key.map(str::as_bytes), "{accepted:?}");
    }

    #[test]
    fn tells_keys() {
        for name in ["RSA", "DSA", "ECDSA", "ED25519", "ECDSA-SK", "ED25519-SK", "XMSS"] {
            let detail = format!("{name} SHA256:AbC/1+2");
            check("publickey", &detail, &name.to_ascii_lowercase(), Some("SHA256:AbC/1+2"));
        }
        check("publickey", "RSA 39:33:99:e9", "rsa", Some("39:33:99:e9"));
        check("publickey", "RSA MD5:39:33", "rsa", Some("MD5:39:33"));
        check("publickey", "", "publickey", None);
        check("publickey", "RSA", "rsa", None);
    }

    #[test]
    fn tells_certificates() {
        let detail = "ED25519-CERT SHA256:own ID a b (serial 1) CA RSA SHA256:ca";
        check("publickey", detail, "ed25519-cert", Some("SHA256:own"));
        let detail = "RSA-CERT ID x CA y z (serial 1) CA ECDSA SHA256:ca";
        check("publickey", detail, "rsa-cert", Some("SHA256:ca"));
    }

    #[test]
    fn tells_methods() {
        for method in ["password", "keyboard-interactive/pam", "gssapi-keyex", "none", "rsa"] {
            check(method, "", method, None);
        }
        check("gssapi-with-mic", "kim@EXAMPLE.NET", "gssapi-with-mic", None);
        let detail = "RSA SHA256:x, client user \"kim\", client host \"client\"";
        check("hostbased", detail, "hostbased", Some("SHA256:x"));
    }
}
