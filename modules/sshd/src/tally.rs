//! What is counted: once since midnight, for the event of statistics, and once since the beginning, for the summary.

use correlator_sdk::prelude::*;

use crate::events::Statistics;

/// Counts of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
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
    /// Failures that counted.
    pub failures: u64,
    /// Connections that ended without a failure: scans, and those that gave up.
    pub probes: u64,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.login_sessions += other.login_sessions;
        self.denied += other.denied;
        self.lockouts += other.lockouts;
        self.expired += other.expired;
        self.partial += other.partial;
        self.failures += other.failures;
        self.probes += other.probes;
    }

    /// The event that tells of it.
    pub fn event(&self) -> Statistics {
        Statistics {
            login_sessions: self.login_sessions,
            denied: self.denied,
            lockouts: self.lockouts,
            expired: self.expired,
            partial: self.partial,
        }
    }

    /// It, for the summary of a run.
    pub fn statistics(&self) -> Vec<Statistic> {
        vec![
            Statistic::new("login_sessions", self.login_sessions),
            Statistic::new("denied", self.denied),
            Statistic::new("lockouts", self.lockouts),
            Statistic::new("expired", self.expired),
            Statistic::new("partial", self.partial),
            Statistic::new("failures", self.failures),
            Statistic::new("probes", self.probes),
        ]
    }
}
