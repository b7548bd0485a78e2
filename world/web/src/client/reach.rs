//! Whom an endpoint may be, and how long is waited for it: the part that every grant of this crate has.

use std::path::PathBuf;
use std::time::Duration;

use crate::limit;
use crate::settings::{Network, Span};

/// Whom an endpoint may be, and how long is waited for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    pub private: bool,
    pub networks: Vec<Network>,
    pub ca: Option<PathBuf>,
    pub proxy: Option<String>,
    pub connect_timeout: Option<Span>,
    pub timeout: Option<Span>,
}

impl Reach {
    /// How long connecting may take.
    pub fn connect(&self) -> Result<Duration, String> {
        bounded("connect_timeout", self.connect_timeout, limit::CONNECT_TIMEOUT)
    }

    /// How long all of it may take.
    pub fn whole(&self) -> Result<Duration, String> {
        bounded("timeout", self.timeout, limit::TIMEOUT)
    }

    /// Whether the operator said that the endpoint is near, where plain HTTP is no danger.
    pub fn near(&self) -> bool {
        self.private || !self.networks.is_empty()
    }
}

fn bounded(name: &str, given: Option<Span>, default: Duration) -> Result<Duration, String> {
    let given = given.map_or(default, |span| span.0);
    if given.is_zero() || given > limit::TIMEOUT_MAX {
        let most = limit::TIMEOUT_MAX.as_secs() / 60;
        return Err(format!("`{name}` is longer than nothing and at most {most} minutes"));
    }
    Ok(given)
}
