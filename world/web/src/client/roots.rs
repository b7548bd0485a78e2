//! Whose signature under a certificate is believed: the system's roots, or one file of the operator.
//!
//! The system's roots and not a list that comes with the program: the machine's operator adds and removes authorities
//! there, for all programs at once, and they are renewed without a new release of this one.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use correlator_wire::file;
use correlator_wire::trust::believing;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::limit;

/// The roots of all endpoints of one grant: the system's are read once, and only if an endpoint needs them.
#[derive(Default)]
pub(crate) struct Roots {
    system: Option<Arc<ClientConfig>>,
}

impl Roots {
    /// The system's.
    pub fn system(&mut self) -> Result<Arc<ClientConfig>, String> {
        if let Some(system) = &self.system {
            return Ok(Arc::clone(system));
        }
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        // A machine has some old ones that nobody can read any more; they vouch for nobody.
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(
                "the system has no list of certificate authorities; install `ca-certificates`, \
                        or name a file with `ca`"
                    .into(),
            );
        }
        let config = config(store, Vec::new())?;
        self.system = Some(Arc::clone(&config));
        Ok(config)
    }
}

fn config(
    store: RootCertStore,
    named: Vec<CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, String> {
    let builder = believing(store, named).map_err(|error| format!("TLS: {error}"))?;
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// The roots in a file, which is to have nothing else in it.
pub(super) fn of_file(path: &Path) -> Result<Arc<ClientConfig>, String> {
    let wrong = |problem: String| format!("`ca` {}: {problem}", path.display());
    let mut bytes = Vec::new();
    file::open(path)
        .and_then(|file| file.take(limit::CERTIFICATE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| wrong(error.to_string()))?;
    let mut store = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        store.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in PEM in it".into()));
    }
    config(store, certificates)
}
