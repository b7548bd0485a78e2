//! What the stack may set.

use correlator_sdk::prelude::*;

/// The options of this module.
#[derive(Debug, Options)]
pub struct Options {
    /// How far apart failures of one address may be to count together.
    #[option(default = "300s", at_least = "1s", at_most = "30d")]
    pub login_failure_window: Duration,
    /// How many failures within the window are too many.
    #[option(default = 5, at_least = 1, at_most = 256)]
    pub login_failure_limit: u32,
    /// How old a connection may become before it is given up.
    #[option(default = "2880m", at_least = "1m")]
    pub max_transaction_age: Duration,
    /// Whether a public key that was not accepted is a failure. Clients offer all their keys, one by one.
    #[option(default = false)]
    pub count_publickey: bool,
    /// Whether a connection that gave up with a valid user's name, before any failure, is one. It often is where only
    /// keys are accepted.
    #[option(default = false)]
    pub count_abandoned: bool,
}
