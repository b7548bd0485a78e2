//! What was done before and must be in force no more, since who it was done to is on the allow-list now: it is taken back.

use std::time::Duration;

use correlator_store::entry::By;
use correlator_store::store::Store;
use correlator_world::{Capability, Request, Secrets};

use super::orders::take_back;

/// Takes back what must not be in force, and tells of each what came of it.
pub(super) fn lift(
    store: &Store,
    capability: &mut dyn Capability,
    secrets: &dyn Secrets,
    done: &[(Request, Duration)],
) -> Vec<Result<String, String>> {
    let forbidden = done.iter().filter_map(|(request, since)| {
        let why = capability.forbids(request, *since)?;
        Some((request.id.clone(), why))
    });
    let forbidden: Vec<_> = forbidden.collect();
    let one = |(id, why): (String, String)| {
        let told = |said: String| format!("{why}: {said}");
        take_back(store, capability, secrets, &id, By::Engine).map(told).map_err(told)
    };
    forbidden.into_iter().map(one).collect()
}
