//! Which clients are let in: the names in their certificates against those of the stack (RFC 5425, 5.2).
//!
//! The certificate itself is checked before, against the authority; here it is only asked whose it is.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use thiserror::Error as ThisError;
use webpki::EndEntityCert;

/// The object identifier of a common name, in DER.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Names of a certificate that are told at the most.
const NAMES_TOLD_MAX: usize = 4;
const WILDCARD: &str = "*.";

/// Why a client is not let in.
#[derive(Debug, ThisError)]
#[error("the client's certificate is for {names}, and none of that is among `client_names`")]
struct WrongName {
    names: String,
}

/// Checks a client's certificate, then its names.
#[derive(Debug)]
pub(crate) struct Named {
    /// Checks the certificate.
    pub inner: Arc<dyn ClientCertVerifier>,
    /// One of which it must have.
    pub names: Vec<String>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let bad = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let certificate = EndEntityCert::try_from(end_entity).map_err(bad)?;
        if self.names.iter().any(|name| has_name(&certificate, name)) {
            return Ok(verified);
        }
        let wrong = WrongName { names: shown(&certificate) };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(wrong)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether a certificate has this name, which may begin with a wildcard. The common name counts only where there are no
/// names of hosts, as it has been since RFC 6125.
fn has_name(certificate: &EndEntityCert<'_>, wanted: &str) -> bool {
    if let Ok(name) = ServerName::try_from(wanted)
        && certificate.verify_is_valid_for_subject_name(&name).is_ok()
    {
        return true;
    }
    let mut names = certificate.valid_dns_names().peekable();
    if names.peek().is_some() {
        return names.any(|name| is_same(wanted, name));
    }
    common_name(certificate.subject()).is_some_and(|name| is_same(wanted, name))
}

/// Whether two names are the same, where a wildcard at the beginning of one stands for one label of the other.
fn is_same(wanted: &str, name: &str) -> bool {
    let covers = |pattern: &str, name: &str| {
        pattern.strip_prefix(WILDCARD).zip(name.split_once('.')).is_some_and(
            |(parent, (label, rest))| {
                !label.is_empty() && label != "*" && parent.eq_ignore_ascii_case(rest)
            },
        )
    };
    wanted.eq_ignore_ascii_case(name) || covers(wanted, name) || covers(name, wanted)
}

/// The names of a certificate, for people. They are a stranger's, so they are escaped.
fn shown(certificate: &EndEntityCert<'_>) -> String {
    let names: Vec<String> = certificate
        .valid_dns_names()
        .chain(common_name(certificate.subject()))
        .take(NAMES_TOLD_MAX)
        .map(|name| name.escape_debug().to_string())
        .collect();
    if names.is_empty() { "nobody".into() } else { names.join(", ") }
}

/// The common name in a subject: a sequence of sets of pairs, each of them an identifier and a string.
fn common_name(subject: &[u8]) -> Option<&str> {
    let mut sets = subject;
    while !sets.is_empty() {
        let (mut pairs, rest) = element(sets)?;
        sets = rest;
        while !pairs.is_empty() {
            let (pair, rest) = element(pairs)?;
            pairs = rest;
            let (identifier, value) = element(pair)?;
            if identifier == COMMON_NAME {
                return std::str::from_utf8(element(value)?.0).ok();
            }
        }
    }
    None
}

/// What the first element of some DER holds, and what stands behind the element.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.get(1..)?.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};
    use webpki::EndEntityCert;

    use super::{common_name, has_name, is_same};

    #[test]
    fn same_names() {
        let check = |wanted, name, expected| {
            assert_eq!(is_same(wanted, name), expected, "{wanted} and {name}");
        };
        check("a.example.org", "a.example.org", true);
        check("a.example.org", "A.Example.ORG", true);
        check("a.example.org", "b.example.org", false);
        check("*.example.org", "a.example.org", true);
        check("*.example.org", "a.b.example.org", false);
        check("*.example.org", "example.org", false);
        check("*.example.org", ".example.org", false);
        check("a.example.org", "*.example.org", true);
        check("a.b.example.org", "*.example.org", false);
        check("*.example.org", "*.example.org", true);
        check("*.example.org", "*.other.org", false);
    }

    #[test]
    fn names_of_certificates() {
        let check = |common: &str, alternatives: &[&str], wanted: &str, expected: bool| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::OrganizationName, "x".repeat(200));
            params.distinguished_name.push(DnType::CommonName, common);
            params.subject_alt_names = alternatives
                .iter()
                .map(|name| SanType::DnsName((*name).try_into().expect("a name")))
                .collect();
            let key = KeyPair::generate().expect("a key");
            let made = params.self_signed(&key).expect("a certificate");
            let certificate = EndEntityCert::try_from(made.der()).expect("readable");
            assert_eq!(common_name(certificate.subject()), Some(common));
            let found = has_name(&certificate, wanted);
            assert_eq!(found, expected, "{common}, {alternatives:?}: {wanted}");
        };
        check("c.org", &[], "c.org", true);
        check("c.org", &[], "d.org", false);
        check("c.org", &["a.org"], "c.org", false);
        check("c.org", &["a.org", "b.org"], "b.org", true);
        check("c.org", &["*.a.org"], "b.a.org", true);
        check("c.org", &["*.a.org"], "a.org", false);
        check("c.org", &["b.a.org"], "*.a.org", true);
        check("*.c.org", &[], "b.c.org", true);
        check("two words", &[], "two words", true);
    }

    #[test]
    fn damaged_subjects_have_no_name() {
        for subject in
            [&[0x31][..], &[0x31, 5], &[0x31, 0x84, 1], &[0x31, 2, 0x30, 9], &[0x31, 0x82, 1]]
        {
            assert_eq!(common_name(subject), None, "{subject:?}");
        }
    }
}
