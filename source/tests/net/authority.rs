//! An authority that signs certificates, and a source that speaks TLS with one of them.

use std::fs;
use std::path::PathBuf;

use correlator_source::settings::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{Running, limits, loopback, path, stream};

/// An authority, and a folder with what it has signed.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
    pub folder: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let folder = path("tls");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("ca.pem"), &certificate).expect("written");
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    /// A certificate for these names, and its key.
    pub fn sign(&self, common: &str, names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        (made.pem(), key.serialize_pem())
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// A source that speaks TLS; clients need a certificate if there are names, or `any` of them will do.
    pub fn serve(&self, clients: Option<&[&str]>) -> Running {
        Running::new(&stream(loopback(), limits(), Some(self.tls(clients))))
    }

    /// How such a source speaks.
    pub fn tls(&self, clients: Option<&[&str]>) -> Tls {
        let (certificate, key) = self.sign("server", &["localhost"]);
        Tls {
            certificate: self.write("server.pem", &certificate),
            key: self.write("server.key", &key),
            client_authority: clients.map(|_| self.folder.join("ca.pem")),
            client_names: clients
                .unwrap_or_default()
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
