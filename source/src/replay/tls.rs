//! What secures connections to a server: whose word is taken for who it is, and who we are.
//!
//! There is no way to take a server's word without an authority: logs tell too much. It must never know what is sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use thiserror::Error;

/// How connections are secured, as it was typed.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Who signs the certificates that servers must show (PEM).
    pub authority: PathBuf,
    /// Our own certificate chain and its key (PEM), for servers that ask.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must have.
    pub server_name: String,
}

/// Why connections can't be secured.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file has not what it ought to have.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Our certificate and key don't go together, or make no sense.
    #[error("{certificate} and {key}: {error}")]
    Identity {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        error: rustls::Error,
    },
    /// The name is none.
    #[error("`{0}` is no name that a certificate can have; name the server with --server-name")]
    Name(String),
    /// The library can't do what is asked of it.
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// How connections are secured, ready for use.
#[derive(Clone, Debug)]
pub struct Security {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Security {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them can't be read or makes no sense.
    pub fn new(tls: &Tls) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.authority)? {
            roots.add(certificate).map_err(|error| wrong(&tls.authority, error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let secret =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
                builder.with_client_auth_cert(certificates(certificate)?, secret).map_err(
                    |error| TlsError::Identity {
                        certificate: certificate.display().to_string(),
                        key: key.display().to_string(),
                        error,
                    },
                )?
            }
        };
        let name = ServerName::try_from(tls.server_name.clone())
            .map_err(|_| TlsError::Name(tls.server_name.escape_debug().collect()))?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// A connection that has not begun.
    ///
    /// # Errors
    /// The library can't do what is asked of it.
    pub fn begin(&self) -> Result<ClientConnection, rustls::Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(path, error))?;
    if read.is_empty() {
        return Err(wrong(path, "there is no certificate in it"));
    }
    Ok(read)
}

fn wrong(path: &Path, problem: impl std::fmt::Display) -> TlsError {
    TlsError::File { path: path.display().to_string(), problem: problem.to_string() }
}
