//! What was denied: each with its entry or many in one, and the number up to which the trail tells.

use correlator_store::denials::Denials;
use correlator_store::effect::{Accepted, Cause, Decision, NewEffect, State};
use correlator_store::entry::{Entry, Kind, Verdict};
use correlator_store::error::StoreError;
use correlator_store::filter::AuditFilter;
use correlator_store::settings::Settings;
use correlator_store::store::Store;
use correlator_store::verify::Verification;
use correlator_world::Cell;

use crate::support::{Folder, accept, effect, open};

fn denied(id: &str) -> NewEffect {
    NewEffect { decision: Decision::Denied("not granted".to_owned()), ..effect(id, 1) }
}

fn denials(capability: Option<&str>, more: u64, upto: u64) -> Denials<'_> {
    let (listener, component) = ("mailer", "00ff");
    Denials { listener, component, capability, more, text: "many more", cause: None, upto }
}

fn entries(store: &Store) -> Vec<Entry> {
    let filter = AuditFilter { limit: 100, ..AuditFilter::default() };
    store.reader().unwrap().audit(&filter).unwrap()
}

#[test]
fn many_are_told_of_in_one_entry_before_those_that_have_their_own() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let cause = Cause { event: "sshd:1:2:0".to_owned(), record: None };
    let some = Denials { cause: Some(&cause), ..denials(Some("mail"), 900, 901) };
    let accepted = store.deny(&[denied("a")], &[some], 7).unwrap();
    assert_eq!(accepted, [Accepted::New(State::Denied)]);
    let told = entries(&store);
    let [all, one] = &told[..] else { panic!("{told:?}") };
    assert_eq!((all.kind, all.verdict, all.time), (Kind::Decision, Some(Verdict::Denied), 7));
    assert_eq!((all.effect.as_deref(), all.text.as_str()), (None, "many more"));
    assert_eq!(all.listener.as_deref(), Some("mailer"));
    assert_eq!(all.component.as_deref(), Some("00ff"));
    assert_eq!(all.capability.as_deref(), Some("mail"));
    assert_eq!(all.causes, [cause]);
    assert_eq!((one.effect.as_deref(), one.text.as_str()), (Some("a"), "not granted"));
    // Once more: what has its own entry has it already, and none says that there were no others.
    store.deny(&[denied("a")], &[denials(Some("mail"), 0, 901)], 8).unwrap();
    assert_eq!(entries(&store).len(), 2);
    let whole = store.reader().unwrap().verify(&[]).unwrap();
    assert!(matches!(whole, Verification::Whole { count: 2, .. }), "{whole:?}");
}

#[test]
fn numbers_are_known_by_listener_and_capability_when_it_is_opened_again() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    assert_eq!(store.denied("mailer", Some("mail")).unwrap(), 0);
    let both = [denials(Some("mail"), 0, 5), denials(None, 2, u64::MAX)];
    store.deny(&[], &both, 1).unwrap();
    drop(store);
    let (store, _) = open(&folder);
    assert_eq!(store.denied("mailer", Some("mail")).unwrap(), 5);
    assert_eq!(store.denied("mailer", None).unwrap(), u64::MAX);
    assert_eq!(store.denied("mailer", Some("sms")).unwrap(), 0);
    assert_eq!(store.denied("mail", Some("mail")).unwrap(), 0);
}

#[test]
fn what_is_not_recorded_leaves_the_number_as_it_was() {
    let folder = Folder::new();
    let settings = Settings { bytes_max: 0 };
    let (store, _) = Store::open(&folder, settings, 0).unwrap();
    let wrong = NewEffect { request: effect("no id", 1).request, ..denied("a") };
    store.deny(&[wrong], &[denials(Some("mail"), 1, 1)], 1).unwrap_err();
    let text = Cell::Text("x".repeat(1 << 20));
    let mut large = effect("0", 1);
    large.request.cells.push(("text".to_owned(), text));
    for id in 0..16 {
        (large.request.id, large.listener) = (id.to_string(), format!("mailer{id}"));
        accept(&store, std::slice::from_ref(&large));
    }
    let full = store.deny(&[denied("a")], &[denials(Some("mail"), 1, 1)], 1);
    assert!(matches!(full, Err(StoreError::Bound { .. })), "{full:?}");
    assert_eq!(store.denied("mailer", Some("mail")).unwrap(), 0);
    assert!(entries(&store).iter().all(|entry| entry.verdict == Some(Verdict::Granted)));
}
