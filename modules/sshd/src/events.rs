//! What the module tells: its events, with the meaning of every column. It must never know how they come about.

use correlator_sdk::prelude::*;

/// Somebody was logged in: told when the session ends, with all that is known of it.
#[derive(Event)]
#[event(severity = "informational", summary = "{user} was logged in from {addr} for {duration}")]
pub struct Login<'a> {
    /// The account.
    pub user: &'a BStr,
    /// How they proved who they are: the key's type in lower case for a public key, else the method.
    pub auth: &'a BStr,
    /// The address that they came from.
    pub addr: &'a BStr,
    /// The port that they came from, if the log tells.
    pub port: Option<u16>,
    /// How many attempts failed on this connection before one was accepted.
    pub failures: u32,
    /// When the session began.
    pub start: Time,
    /// When it ended.
    pub finish: Time,
    /// How long it lasted.
    pub duration: Duration,
    /// The key's fingerprint; of a certificate that is logged without its own, the fingerprint of its authority.
    pub key: Option<&'a BStr>,
    /// The host that they logged in to.
    pub host: &'a BStr,
}

/// Somebody has just been let in. The same session is told of once more, as a login, when it ends.
#[derive(Event)]
#[event(severity = "informational", summary = "{user} was let in from {addr} with {auth}")]
pub struct SessionStarted<'a> {
    /// The account.
    pub user: &'a BStr,
    /// How they proved who they are: the key's type in lower case for a public key, else the method.
    pub auth: &'a BStr,
    /// The address that they came from.
    pub addr: &'a BStr,
    /// The port that they came from, if the log tells.
    pub port: Option<u16>,
    /// How many attempts failed on this connection before this one.
    pub failures: u32,
    /// The key's fingerprint; of a certificate that is logged without its own, the fingerprint of its authority.
    pub key: Option<&'a BStr>,
    /// The host that they logged in to.
    pub host: &'a BStr,
}

/// A connection ended on which somebody tried to log in and did not succeed.
#[derive(Event)]
#[event(severity = "error", summary = "{user} failed to log in from {addr}, failures: {failures}")]
pub struct LoginFailed<'a> {
    /// The account that was tried, as sshd logged it; empty if the log does not tell.
    pub user: &'a BStr,
    /// The address that they came from.
    pub addr: &'a BStr,
    /// The port that they came from, if the log tells.
    pub port: Option<u16>,
    /// How many attempts failed.
    pub failures: u32,
    /// The host that they tried.
    pub host: &'a BStr,
}

/// An address failed too often within the window: told at the failure that reaches the limit and at each one after.
#[derive(Event)]
#[event(severity = "error", summary = "{addr} failed to log in {failures} times within {window}")]
pub struct AttemptsExceeded<'a> {
    /// The address.
    pub addr: &'a BStr,
    /// Its failures within the window, on all hosts.
    pub failures: u32,
    /// The window.
    pub window: Duration,
    /// The account that it tried last, if known.
    pub user: Option<&'a BStr>,
    /// The host that it tried last.
    pub host: &'a BStr,
}

/// What happened since midnight, or since the last of these events.
#[derive(Event)]
#[event(
    severity = "informational",
    summary = "logins: {login_sessions}, denied: {denied}, lockouts: {lockouts}, expired: {expired}, partial: {partial}"
)]
pub struct Statistics {
    /// Sessions that ended.
    pub login_sessions: u64,
    /// Connections on which a login failed.
    pub denied: u64,
    /// Failures by which an address exceeded the limit.
    pub lockouts: u64,
    /// Connections given up because they were older than the greatest age.
    pub expired: u64,
    /// Sessions of which the log holds only a part.
    pub partial: u64,
}
