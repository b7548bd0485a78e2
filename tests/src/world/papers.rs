//! Certificates that a server shows.
//!
//! It must never know what is sent under them.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Writes an authority, `ca.pem`, and a certificate for `localhost` that it signed, `c.pem` with its key `k.pem`.
///
/// # Panics
/// If there is no room for them.
pub fn papers(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("names");
    let signed = params.signed_by(&key, &issuer).expect("a certificate");
    fs::write(folder.join("ca.pem"), authority).expect("written");
    fs::write(folder.join("c.pem"), signed.pem()).expect("written");
    fs::write(folder.join("k.pem"), key.serialize_pem()).expect("written");
}
