//! What the store of a site says of its effects, as any program may read it while the engine works.
//!
//! It must never change anything there.

use std::collections::BTreeMap;

use correlator_store::effect::{Effect, State};
use correlator_store::entry::{Entry, Kind};
use correlator_store::filter::{AuditFilter, EffectFilter};
use correlator_store::limit::ROWS_MAX;
use correlator_store::reader::Reader;

use crate::site::Site;

/// The state folder of every stack here.
pub const STATE: &str = "state";

fn reader(site: &Site) -> Option<Reader> {
    // Before the first effect there is none.
    Reader::open(&site.folder().join(STATE).join("store")).ok()
}

/// All effects, the oldest first.
///
/// # Panics
/// If the store can't be read.
#[must_use]
pub fn effects(site: &Site) -> Vec<Effect> {
    let all = EffectFilter { limit: ROWS_MAX, ..EffectFilter::default() };
    reader(site).map(|reader| reader.effects(&all).expect("effects")).unwrap_or_default()
}

/// The entries of the audit trail of one kind, the oldest first.
///
/// # Panics
/// If the store can't be read.
#[must_use]
pub fn entries(site: &Site, kind: Kind) -> Vec<Entry> {
    let wanted = AuditFilter { kind: Some(kind), limit: ROWS_MAX, ..AuditFilter::default() };
    reader(site).map(|reader| reader.audit(&wanted).expect("entries")).unwrap_or_default()
}

/// How often it was told of each effect that it may have been done already.
#[must_use]
pub fn doubts(site: &Site) -> BTreeMap<String, usize> {
    let mut doubts = BTreeMap::new();
    for effect in entries(site, Kind::Interruption).into_iter().filter_map(|entry| entry.effect) {
        *doubts.entry(effect).or_default() += 1;
    }
    doubts
}

/// How many effects of a listener are in a state.
#[must_use]
pub fn count(site: &Site, listener: &str, state: State) -> usize {
    let all = effects(site);
    all.iter().filter(|effect| effect.listener == listener && effect.state == state).count()
}
