//! Acting by mail, through a real Postfix with TLS and a login whose password is in a file of credentials.

use std::fs;
use std::path::Path;
use std::process::Command;

use correlator_credential::{Place, Settings, Vault};
use correlator_store::effect::State;
use correlator_tests::sender::Port;
use correlator_tests::wait;
use correlator_tests::world::effects;
use correlator_tests::world::failures::{address, failures, later};
use correlator_tests::world::postfix::Postfix;
use correlator_world::Secret;

use super::acting::{listener, send, site, tcp};

/// A password that must show nowhere.
const PASSWORD: &str = "hush-correct-horse-7f3a";
const FILE: &str = "credentials";
const EVENTS: usize = 5;

#[test]
fn mails_arrive_and_a_digest_is_one() {
    let Some(postfix) = Postfix::start(PASSWORD) else { return };
    let port = Port::new().expect("a port");
    let grant = format!("mail: {{ {} }}", postfix.grant());
    let listeners = [
        listener("single", "email", "subject_prefix: '[single] '", &grant),
        listener("digest", "email", "subject_prefix: '[digest] ', digest: 30s", &grant),
        format!("credentials: {{ order: [file], file: {FILE} }}\n"),
    ];
    let site = site("mail", &tcp(&port), &listeners.concat());
    let settings = Settings { order: vec![Place::File], ..Settings::default() };
    let settings = Settings { file: Some(FILE.into()), ..settings }.relative_to(site.folder());
    let vault = Vault::open(&settings).expect("a vault");
    vault.set("smtp", &Secret::new(PASSWORD.into()), Some(Place::File)).expect("room for a secret");
    let engine = site.start();
    site.until_it_runs();
    send(&port, &failures(0..EVENTS), &site);
    // Time passes by what is logged.
    send(&port, &[later(60)], &site);
    let arrived = |what: &str| -> Vec<String> {
        let subject = format!("Subject: [{what}] ");
        postfix.arrived().into_iter().filter(|mail| mail.contains(&subject)).collect()
    };
    let patience = wait::within(wait::PATIENCE, || {
        (arrived("single").len() >= EVENTS && !arrived("digest").is_empty()).then_some(())
    });
    assert!(patience.is_some(), "{}\n{}", site.said(), postfix.said());
    let all = EVENTS + 1;
    wait::until("all is written down", || {
        let done = effects::count(&site, "single", State::Done);
        (done + effects::count(&site, "digest", State::Done) == all).then_some(())
    });
    assert_eq!(engine.stop(), Some(0), "{}", site.said());
    assert_eq!((arrived("single").len(), arrived("digest").len()), (EVENTS, 1));
    let digest = arrived("digest").remove(0);
    for number in 0..EVENTS {
        assert!(digest.contains(&address(number)), "{digest}");
    }
    assert!(digest.contains("ESMTPSA"), "TLS and a login: {digest}");
    nowhere(site.folder());
}

/// The password is in no file of a folder.
fn nowhere(folder: &Path) {
    let output = Command::new("grep").args(["-rla", PASSWORD]).arg(folder).output().expect("grep");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "it was written down");
    assert!(fs::read(folder.join(FILE)).is_ok(), "the file of credentials was looked at");
}
