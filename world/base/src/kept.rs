//! What seeing to what was done came to.

/// What seeing to what was done came to, in words for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What was not in force any more, and is again.
    pub told: Vec<String>,
    /// What was in force, must not be, and was lifted as it was found: whatever asked for it, if anything did.
    pub lifted: Vec<String>,
}
