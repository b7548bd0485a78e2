//! Why there is no answer.

use std::error::Error;

use correlator_world::Outcome;

use super::lookup::Forbidden;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The endpoint's address is none that the grant covers.
    #[error("{0}")]
    Forbidden(String),
    /// What was to be asked is no HTTP.
    #[error("what is to be sent is no HTTP: {0}")]
    Malformed(String),
    /// Nobody answered, or nothing that could be understood.
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    /// What that means for who asked.
    pub fn outcome(self, who: &str) -> Outcome {
        let reason = format!("{who}: {self}");
        match self {
            Self::Malformed(_) => Outcome::Refused(reason),
            // A name leads elsewhere tomorrow, or the grant is mended: what is asked for waits till then.
            Self::Forbidden(_) | Self::Unreachable(_) => Outcome::later(reason),
        }
    }
}

impl From<ureq::Error> for Failure {
    /// In words that never have the URL in them: it may be a secret.
    fn from(error: ureq::Error) -> Self {
        use ureq::Error as E;
        match error {
            E::Other(inner) => match inner.downcast::<Forbidden>() {
                Ok(forbidden) => Self::Forbidden(forbidden.0),
                Err(_) => Self::Unreachable("the connection failed".into()),
            },
            E::BadUri(_) | E::Http(_) => Self::Malformed("its URL or a header is none".into()),
            E::HostNotFound => Self::Unreachable("its name has no address".into()),
            E::Timeout(phase) => Self::Unreachable(format!("no answer in time ({phase})")),
            E::Io(error) => Self::Unreachable(broken(&error)),
            E::Rustls(error) => Self::Unreachable(untrusted(&error.to_string())),
            E::Tls(error) => Self::Unreachable(untrusted(error)),
            E::Protocol(_) => Self::Unreachable("what it answers is no HTTP".into()),
            E::LargeResponseHeader(..) => Self::Unreachable("its answer's head has no end".into()),
            E::ConnectProxyFailed(_) => {
                Self::Unreachable("the proxy does not connect to it".into())
            }
            _ => Self::Unreachable("the connection failed".into()),
        }
    }
}

fn broken(error: &std::io::Error) -> String {
    let tls =
        error.get_ref().and_then(|inner| (inner as &dyn Error).downcast_ref::<rustls::Error>());
    match tls {
        Some(error) => untrusted(&error.to_string()),
        None => error.to_string(),
    }
}

fn untrusted(error: &str) -> String {
    format!("TLS: {error} (name its authority's file with `ca` if it has one of its own)")
}
