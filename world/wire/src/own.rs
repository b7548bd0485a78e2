//! A server whose certificate is its own authority, as `openssl req -x509` makes it when nobody says otherwise.
//!
//! Strictly, a certificate that may sign others can't be a server's own. Where the operator named exactly this one, there
//! is nobody else to believe: time, name and key are looked at as ever. It must never know what is sent.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// Believes authorities, and of the certificates that were named each as a server's own.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) authorities: Arc<WebPkiServerVerifier>,
    pub(crate) named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // What is said before this is that it is not its time.
            Err(error) if is_authority(&error) && self.named.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Says what an operator can do about a certificate that nobody vouches for.
pub(crate) fn way_out(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let words = match inner {
        Some(error) if is_authority(error) => {
            "the server's certificate is its own authority: name it with `ca`"
        }
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "nobody who is trusted has signed the server's certificate: name who has with `ca`"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), words)
}

/// Whether a certificate was refused for nothing but that it may sign others.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(why))) = error else {
        return false;
    };
    matches!(why.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::{Verifier, way_out};

    fn certificate(is_ca: IsCa) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        let mut wanted = CertificateParams::new(["mail.test".to_owned()]).expect("a name");
        wanted.is_ca = is_ca;
        wanted.self_signed(&key).expect("a certificate").der().clone()
    }

    #[test]
    fn a_certificate_that_was_named_is_believed_for_its_name_and_time() {
        let own = certificate(IsCa::Ca(BasicConstraints::Unconstrained));
        let (plain, other) =
            (certificate(IsCa::NoCa), certificate(IsCa::Ca(BasicConstraints::Unconstrained)));
        let mut roots = RootCertStore::empty();
        for named in [&own, &plain] {
            roots.add(named.clone()).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let authorities = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
        let authorities = authorities.build().expect("a verifier");
        let verifier = Verifier { authorities, named: vec![own.clone(), plain.clone()] };
        let check = |shown: &CertificateDer<'_>, name: &str, years: u64, expected: bool| {
            let name = ServerName::try_from(name.to_owned()).expect("a name");
            let since = Duration::from_secs(years * 365 * 86_400);
            let now = UnixTime::since_unix_epoch(since);
            let verified = verifier.verify_server_cert(shown, &[], &name, &[], now);
            assert_eq!(verified.is_ok(), expected, "{name:?} {years}: {verified:?}");
        };
        check(&own, "mail.test", 60, true);
        check(&plain, "mail.test", 60, true);
        check(&own, "other.test", 60, false);
        // rcgen's certificates hold from 1975 to 4096.
        check(&own, "mail.test", 1, false);
        check(&other, "mail.test", 60, false);

        let told = |shown: &CertificateDer<'_>| {
            let name = ServerName::try_from("mail.test").expect("a name");
            let now = UnixTime::since_unix_epoch(Duration::from_hours(500_000));
            let verified = verifier.verify_server_cert(shown, &[], &name, &[], now);
            way_out(io::Error::other(verified.expect_err("refused"))).to_string()
        };
        assert!(
            told(&other).contains("is its own authority: name it with `ca`"),
            "{}",
            told(&other)
        );
        let mut wanted = CertificateParams::new(["mail.test".to_owned()]).expect("a name");
        wanted.distinguished_name.push(DnType::CommonName, "nobody");
        let key = KeyPair::generate().expect("a key");
        let stranger = wanted.self_signed(&key).expect("a certificate").der().clone();
        assert!(told(&stranger).contains("name who has with `ca`"), "{}", told(&stranger));
        assert_eq!(way_out(io::Error::other("else")).to_string(), "else");
    }
}
