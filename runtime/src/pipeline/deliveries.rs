//! How single effects fare that wait to be delivered, as the store counts them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use correlator_store::effect::State;
use correlator_store::status::Endpoint;

use crate::limit;
use crate::pipeline::crew::Kept;
use crate::status::{DeliveryStatus, EndpointStatus, Moment};
use crate::text::clean;

impl Kept {
    /// Nothing before a listener first asked for something that is kept, nor while the store can't be read.
    pub(super) fn deliveries(&self) -> Option<DeliveryStatus> {
        let store = self.store.get()?;
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.is_none() {
            *reader = store.reader().ok();
        }
        let status = reader.as_ref()?.status().ok()?;
        let in_state = |wanted: State| {
            let mut counts = status.states.iter().filter(|(state, _)| *state == wanted);
            counts.next().map_or(0, |(_, count)| *count)
        };
        let endpoints: Vec<_> = status.endpoints.iter().map(endpoint).collect();
        Some(DeliveryStatus {
            waiting: in_state(State::Waiting) + in_state(State::Trying),
            dead: in_state(State::Dead),
            done: in_state(State::Done),
            refused: in_state(State::Refused),
            denied: in_state(State::Denied),
            oldest: endpoints.iter().filter_map(|it| it.oldest).min(),
            endpoints,
            bytes: status.bytes,
        })
    }
}

fn endpoint(endpoint: &Endpoint) -> EndpointStatus {
    EndpointStatus {
        capability: endpoint.capability.clone(),
        endpoint: endpoint.endpoint.clone(),
        waiting: endpoint.waiting + endpoint.trying,
        dead: endpoint.dead,
        oldest: endpoint.oldest.map(Moment),
    }
}

/// Effects of a listener that wait.
pub(super) fn waiting(deliveries: Option<&DeliveryStatus>, listener: &str) -> u64 {
    of(deliveries, listener).map(|(it, _)| it.waiting).sum()
}

/// The same, by capability and endpoint.
pub(super) fn waiting_where(
    deliveries: Option<&DeliveryStatus>,
    listener: &str,
) -> BTreeMap<String, u64> {
    let waits = of(deliveries, listener).filter(|(it, _)| it.waiting > 0);
    let named = |(it, endpoint): (&EndpointStatus, &str)| {
        let name = format!("{} {endpoint}", it.capability);
        (clean(&name, limit::MESSAGE_BYTES_MAX), it.waiting)
    };
    waits.map(named).collect()
}

/// The endpoints of a listener, each with its name.
fn of<'a>(
    deliveries: Option<&'a DeliveryStatus>,
    listener: &str,
) -> impl Iterator<Item = (&'a EndpointStatus, &'a str)> {
    let all = deliveries.into_iter().flat_map(|it| &it.endpoints);
    all.filter_map(move |it| match it.endpoint.split_once('/') {
        Some((of, endpoint)) if of == listener => Some((it, endpoint)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{waiting, waiting_where};
    use crate::status::{DeliveryStatus, EndpointStatus};

    #[test]
    fn what_waits_is_told_by_listener() {
        let endpoint = |endpoint: &str, waiting: u64| EndpointStatus {
            capability: "webhook".to_owned(),
            endpoint: endpoint.to_owned(),
            waiting,
            ..EndpointStatus::default()
        };
        let quiet = endpoint("ops/quiet", 0);
        let endpoints =
            vec![endpoint("ops/chat", 3), endpoint("ops/a/b", 2), endpoint("op/x", 7), quiet];
        let status = DeliveryStatus { endpoints, ..DeliveryStatus::default() };
        assert_eq!(waiting(Some(&status), "ops"), 5);
        assert_eq!(waiting(Some(&status), "op"), 7);
        assert_eq!(waiting(Some(&status), "o"), 0);
        assert_eq!(waiting(None, "ops"), 0);
        let told: Vec<_> = waiting_where(Some(&status), "ops").into_iter().collect();
        assert_eq!(told, [("webhook a/b".to_owned(), 2), ("webhook chat".to_owned(), 3)]);
        assert!(waiting_where(None, "ops").is_empty());
    }
}
