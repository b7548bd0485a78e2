//! How TLS is to be spoken: certificates and keys as files, read again when they have been renewed.
//!
//! Sessions are not resumed: a client whose certificate has expired, or whose name was struck off, would come back in
//! by an old session.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use correlator_wire::file;
use memchr::memmem;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use thiserror::Error as ThisError;

use super::names::Named;
use crate::limit;
use crate::settings::Tls;

/// Why TLS can't be spoken.
#[derive(Debug, ThisError)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is no PEM, or has nothing of the kind in it.
    #[error("{}: there is no {wanted} in PEM in it: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
        /// What is wrong.
        error: pem::Error,
    },
    /// Certificate and key are read, and no good.
    #[error("{} with {}: {error}", certificate.display(), key.display())]
    Pair {
        /// The certificate chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error("{} is not the private key of {}", key.display(), certificate.display())]
    Strangers {
        /// The certificate chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The key takes a passphrase.
    #[error(
        "{}: the private key is encrypted, and nobody is asked for its passphrase; `openssl pkey -in {} -out NEW` decrypts it",
        path.display(), path.display()
    )]
    Encrypted {
        /// The key.
        path: PathBuf,
    },
    /// The authority of clients is no good.
    #[error("{}: {problem}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Whether TLS can be spoken with these files.
///
/// # Errors
/// It can't, and why.
pub fn check(settings: &Tls) -> Result<(), TlsError> {
    read(settings).map(drop)
}

/// What tells that a file is another than before: its place on the disk, length, and last change.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The configuration, and what it was made from.
pub(crate) struct Certificates {
    settings: Tls,
    config: Arc<ServerConfig>,
    stamps: [Stamp; 3],
    asked: Instant,
}

impl Certificates {
    /// Reads them for the first time.
    pub fn load(settings: &Tls, now: Instant) -> Result<Self, TlsError> {
        let stamps = stamps(settings);
        let config = Arc::new(read(settings)?);
        Ok(Self { settings: settings.clone(), config, stamps, asked: now })
    }

    /// What they were read from.
    pub fn settings(&self) -> &Tls {
        &self.settings
    }

    /// The configuration for a connection that comes now.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Looks now and then whether the files have changed, and reads them again. While they are no good, what was good
    /// before stays.
    pub fn renew(&mut self, now: Instant) -> Option<Result<(), TlsError>> {
        if now.saturating_duration_since(self.asked) < limit::CERTIFICATES_ASK_EVERY {
            return None;
        }
        self.asked = now;
        let stamps = stamps(&self.settings);
        if stamps == self.stamps {
            return None;
        }
        self.stamps = stamps;
        Some(read(&self.settings).map(|config| self.config = Arc::new(config)))
    }
}

fn stamps(settings: &Tls) -> [Stamp; 3] {
    let paths =
        [Some(&settings.certificate), Some(&settings.key), settings.client_authority.as_ref()];
    paths.map(|path| {
        let facts = fs::metadata(path?).ok()?;
        Some((facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec()))
    })
}

fn read(settings: &Tls) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&settings.certificate)?;
    let key = private_key(&settings.key)?;
    let provider = Arc::new(ring::default_provider());
    let pair = |error| TlsError::Pair {
        certificate: settings.certificate.clone(),
        key: settings.key.clone(),
        error,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match &settings.client_authority {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = clients(settings, path, Arc::clone(&provider))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = provider.key_provider.load_private_key(key).map_err(pair)?;
    let shown = CertifiedKey::new(chain, key);
    // Whether the certificate is any good, clients judge: some take what this library would not.
    if let Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = shown.keys_match() {
        let (certificate, key) = (settings.certificate.clone(), settings.key.clone());
        return Err(TlsError::Strangers { certificate, key });
    }
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Who checks the certificates of clients.
fn clients(
    settings: &Tls,
    path: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refused = |problem| TlsError::Authority { path: path.to_owned(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| refused(error.to_string()))?;
    if settings.client_names.is_empty() {
        return Ok(inner);
    }
    Ok(Arc::new(Named { inner, names: settings.client_names.clone() }))
}

/// The private key in a file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = bytes(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let path = path.to_owned();
        if memmem::find(&text, b"ENCRYPTED").is_some() {
            return TlsError::Encrypted { path };
        }
        TlsError::Pem { path, wanted: "private key", error }
    })
}

/// All certificates of a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |error| TlsError::Pem { path: path.to_owned(), wanted: "certificate", error };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(path)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(bad(pem::Error::NoItemsFound)),
        other => other.map_err(bad),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    file::open(path)
        .and_then(|file| file.take(limit::CERTIFICATE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| TlsError::Io { path: path.to_owned(), error })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use rcgen::generate_simple_self_signed;

    use super::Certificates;
    use crate::settings::Tls;
    use crate::{clock, limit};

    fn settings(name: &str) -> Tls {
        let path = |kind: &str| -> PathBuf {
            std::env::temp_dir().join(format!("correlator-{name}-{}.{kind}", std::process::id()))
        };
        Tls {
            certificate: path("crt"),
            key: path("key"),
            client_authority: None,
            client_names: Vec::new(),
        }
    }

    fn write(tls: &Tls) {
        let made = generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        fs::write(&tls.certificate, made.cert.pem()).expect("written");
        fs::write(&tls.key, made.signing_key.serialize_pem()).expect("written");
    }

    #[test]
    fn renewed_certificates_are_read_again() {
        let (tls, start) = (settings("renewed"), clock::instant());
        let minute = limit::CERTIFICATES_ASK_EVERY;
        write(&tls);
        let mut certificates = Certificates::load(&tls, start).expect("good");
        let first = certificates.config();
        assert!(certificates.renew(start + minute).is_none(), "nothing has changed");
        write(&tls);
        assert!(certificates.renew(start + minute).is_none(), "it is not time yet");
        let renewed = certificates.renew(start + 2 * minute);
        assert!(matches!(renewed, Some(Ok(()))), "{:?}", renewed.map(|r| r.is_ok()));
        let second = certificates.config();
        assert!(!Arc::ptr_eq(&first, &second));
        fs::write(&tls.key, "no key\n").expect("written");
        let renewed = certificates.renew(start + 3 * minute);
        assert!(matches!(renewed, Some(Err(_))), "a broken key is told");
        assert!(Arc::ptr_eq(&second, &certificates.config()), "what was good stays");
        assert!(certificates.renew(start + 4 * minute).is_none(), "it is told once");
        let _ = (fs::remove_file(&tls.certificate), fs::remove_file(&tls.key));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let tls = settings("wrong");
        let check = |tls: &Tls, expected: &str| {
            let error = Certificates::load(tls, clock::instant()).err().map(|e| e.to_string());
            assert!(error.as_deref().is_some_and(|e| e.contains(expected)), "{error:?}");
        };
        check(&tls, "wrong-");
        write(&tls);
        check(&Tls { certificate: tls.key.clone(), ..tls.clone() }, "there is no certificate");
        check(&Tls { key: tls.certificate.clone(), ..tls.clone() }, "there is no private key");
        check(
            &Tls { client_authority: Some("/nowhere".into()), ..tls.clone() },
            "/nowhere: No such",
        );
        let other = settings("other");
        write(&other);
        check(&Tls { key: other.key.clone(), ..tls.clone() }, "is not the private key of");
        let text =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        fs::write(&other.key, text).expect("written");
        check(&Tls { key: other.key.clone(), ..tls.clone() }, "the private key is encrypted");
        for tls in [tls, other] {
            let _ = (fs::remove_file(&tls.certificate), fs::remove_file(&tls.key));
        }
    }
}
