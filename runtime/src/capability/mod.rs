//! Capabilities: what the host does in the world when a listener asks for it.
//!
//! Each is one file: what its grant says, how a request is checked against it, how it is carried out. A request that
//! the grant does not cover is denied with the reason; one that the world refuses has failed. Both are values, counted
//! and told; neither stops anything else. This room must never know which listener asks, or why.

mod cells;
mod desk;
mod done;
mod endpoint;
mod fared;
mod lift;
mod log;
mod onward;
mod orders;
mod post;
mod table;
mod tally;

use std::collections::BTreeMap;

use thiserror::Error;

pub use desk::{Asked, Bounded, Desk, requests};
pub use done::{can_undo, undo};
pub use log::{Console, LogLines, Paint};
pub use orders::{Order, Orders};
pub use post::{Office, Post, Tell, endpoint};
pub use table::{Rotation, TableFiles, TableMark, TableMarks};
pub(crate) use tally::held;
pub use tally::{Denied, Shared, Tallies, Tally, Used};

use crate::guest::Effect;
use crate::stack::grant;

/// What one listener may do: the capabilities that its stack granted, ready to use.
#[derive(Default)]
pub struct Capabilities {
    /// What its guest declares that it wants; nothing else can be granted.
    pub wants: Vec<String>,
    /// Lines on the terminal.
    pub log: Option<LogLines>,
    /// Rows of table files.
    pub table: Option<TableFiles>,
    /// What capabilities do that are crates of their own, by name.
    pub desks: BTreeMap<&'static str, Desk>,
}

/// Why an effect was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The stack does not allow it.
    #[error("denied: {0}")]
    Denied(String),
    /// The request makes no sense.
    #[error("not understood: {0}")]
    Malformed(String),
    /// The world did not take it.
    #[error("failed: {0}")]
    Failed(String),
    /// The world does not take it now, and may later: a full disk is emptied.
    #[error("failed: {0}")]
    NotNow(String),
}

impl Refusal {
    /// Why it was denied; none if it was not, and failed.
    #[must_use]
    pub fn denial(&self) -> Option<String> {
        match self {
            Self::Denied(reason) => Some(reason.clone()),
            // Who asks for nonsense asks for what no grant covers.
            Self::Malformed(_) => Some(self.to_string()),
            Self::Failed(_) | Self::NotNow(_) => None,
        }
    }
}

impl Capabilities {
    /// Carries out an effect, all of it or none, and says how many rows it had.
    ///
    /// # Errors
    /// It is not granted, makes no sense, or the world did not take it.
    pub fn execute(&mut self, effect: &Effect) -> Result<usize, Refusal> {
        match (effect.capability.as_str(), &mut self.log, &mut self.table) {
            ("log", Some(log), _) => log.execute(effect),
            ("table", _, Some(table)) => table.execute(effect),
            (other, ..) if grant::names().contains(&other) => {
                let is_wanted = self.wants.iter().any(|wanted| wanted == other);
                Err(Refusal::Denied(if is_wanted {
                    format!("`{other}` is not granted; add it under this listener's `grants`")
                } else {
                    format!(
                        "the guest does not declare that it wants `{other}`, so nobody can grant it"
                    )
                }))
            }
            (other, ..) => Err(Refusal::Denied(format!("there is no capability `{other}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Capabilities;
    use crate::guest::{Effect, Rows};

    #[test]
    fn what_is_denied_says_whose_it_is_to_change_that() {
        let mut capabilities =
            Capabilities { wants: vec!["table".to_owned()], ..Capabilities::default() };
        let mut check = |capability: &str, expected: &str| {
            let rows = Rows { text: Vec::new(), index: Vec::new() };
            let (capability, target) = (capability.to_owned(), "t.csv".to_owned());
            let effect = Effect { capability, target, columns: Vec::new(), rows };
            let refusal = capabilities.execute(&effect).expect_err(expected);
            assert_eq!(refusal.denial().as_deref(), Some(expected));
        };
        check("table", "`table` is not granted; add it under this listener's `grants`");
        check("log", "the guest does not declare that it wants `log`, so nobody can grant it");
        check("magic", "there is no capability `magic`");
    }
}
