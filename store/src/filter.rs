//! What is asked for of many: entries of the audit trail, and effects.
//!
//! Values never become part of a statement's text: only fixed pieces do.

use rusqlite::types::Value;

use crate::effect::State;
use crate::entry::{Kind, Verdict};

/// Which entries of the audit trail are wanted: those for which all of this holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this listener.
    pub listener: Option<String>,
    /// Of this capability.
    pub capability: Option<String>,
    /// Of this effect.
    pub effect: Option<String>,
    /// Of effects that are for this event.
    pub event: Option<String>,
    /// Made at this time or later.
    pub since: Option<i64>,
    /// That tell of this.
    pub kind: Option<Kind>,
    /// That came out so.
    pub verdict: Option<Verdict>,
    /// After the entry of this number, the oldest first; without it, the newest that there are.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Which effects are wanted: those for which all of this holds, the newest that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectFilter {
    /// Of this listener.
    pub listener: Option<String>,
    /// Of this capability.
    pub capability: Option<String>,
    /// Of this endpoint.
    pub endpoint: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// Asked for at this time or later.
    pub since: Option<i64>,
    /// Accepted before the one of this number: what comes before the first that was shown last.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// The conditions of a query, and the values that go with them in order.
#[derive(Default)]
pub(crate) struct Conditions {
    text: String,
    pub(crate) values: Vec<Value>,
}

impl Conditions {
    /// Adds one, if there is a value for it. It has one `?`.
    fn and(&mut self, condition: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.text += if self.text.is_empty() { " WHERE " } else { " AND " };
            self.text += condition;
            self.values.push(value.into());
        }
    }

    /// ` WHERE ...`, or nothing.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl AuditFilter {
    pub(crate) fn conditions(&self) -> Conditions {
        let mut all = Conditions::default();
        all.and("audit.effect = ?", self.effect.clone());
        let of_event = "audit.effect IN (SELECT decision.effect FROM cause \
                        JOIN audit AS decision ON decision.sequence = cause.sequence \
                        WHERE cause.event = ?)";
        all.and(of_event, self.event.clone());
        all.and("audit.listener = ?", self.listener.clone());
        all.and("audit.capability = ?", self.capability.clone());
        all.and("audit.time >= ?", self.since);
        all.and("audit.kind = ?", self.kind.map(|kind| kind as i64));
        all.and("audit.verdict = ?", self.verdict.map(|verdict| verdict as i64));
        all.and("audit.sequence > ?", self.after.map(u64::cast_signed));
        all
    }
}

impl EffectFilter {
    pub(crate) fn conditions(&self) -> Conditions {
        let mut all = Conditions::default();
        all.and("effect.capability = ?", self.capability.clone());
        all.and("effect.endpoint = ?", self.endpoint.clone());
        all.and("effect.state = ?", self.state.map(State::code));
        all.and("audit.listener = ?", self.listener.clone());
        all.and("effect.since >= ?", self.since);
        all.and("effect.number < ?", self.before.map(u64::cast_signed));
        all
    }
}
