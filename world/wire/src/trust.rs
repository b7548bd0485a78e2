//! Whose word is taken for who a server is, and who we are to it.
//!
//! There is no way to take a server's word without an authority. It must never know what is sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore};
use thiserror::Error;

use crate::file;
use crate::own::Verifier;

/// Why there is no trust.
#[derive(Debug, Error)]
pub enum TrustError {
    /// A file has not what it ought to have.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// This machine trusts nobody.
    #[error("this machine has no authorities of its own ({0}); name a file of them with `ca`")]
    Nobody(String),
    /// The name is none.
    #[error("`{0}` is no name that a certificate can have")]
    Name(String),
    /// The library can't do what is asked of it.
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Who is trusted to be a server.
#[derive(Clone, Debug)]
pub struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Trust {
    /// Trusts a server of this name whose certificate the authorities of a file have signed, or those of the machine.
    /// Servers that ask are shown a certificate of our own (its chain and its key, in PEM).
    ///
    /// # Errors
    /// A file can't be read or makes no sense.
    pub fn new(
        name: &str,
        authorities: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, TrustError> {
        let (roots, named) = match authorities {
            Some(path) => roots(path)?,
            None => (native_roots()?, Vec::new()),
        };
        let builder = believing(roots, named)?;
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let secret =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, secret)
                    .map_err(|error| wrong(certificate, error))?
            }
        };
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| TrustError::Name(name.escape_debug().collect()))?;
        Ok(Self { config: Arc::new(config), name: server })
    }

    /// A connection that has not begun.
    ///
    /// # Errors
    /// The library can't do what is asked of it.
    pub fn begin(&self) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

/// What TLS takes to believe servers whose certificates these authorities have signed, or that show one of the certificates
/// that were named.
///
/// # Errors
/// The library can't do what is asked of it, or there is no authority.
pub fn believing(
    authorities: RootCertStore,
    named: Vec<CertificateDer<'static>>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let authorities =
        WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { authorities, named })))
}

/// The authorities in a file, and the same as certificates.
fn roots(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TrustError> {
    let mut roots = RootCertStore::empty();
    let named = certificates(path)?;
    for certificate in &named {
        roots.add(certificate.clone()).map_err(|error| wrong(path, error))?;
    }
    Ok((roots, named))
}

fn native_roots() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A machine has some old ones that nobody can read any more; they vouch for nobody.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TrustError::Nobody(why));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let file = file::open(path).map_err(|error| wrong(path, error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(file).collect();
    let read = read.map_err(|error| wrong(path, error))?;
    if read.is_empty() {
        return Err(wrong(path, "there is no certificate in it"));
    }
    Ok(read)
}

fn wrong(path: &Path, problem: impl std::fmt::Display) -> TrustError {
    TrustError::File { path: path.to_owned(), problem: problem.to_string() }
}
