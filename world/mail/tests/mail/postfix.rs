//! A real Postfix: STARTTLS, TLS, logins, recipients that it knows and others, mail that arrives; and one that is stopped,
//! slow, refusing or full.

use correlator_tests::wait;
use correlator_tests::world::postfix::{Papers, Postfix};
use correlator_world::Capability;

use crate::{Known, expect, mail, request, some};

fn grant(settings: &str, more: &str) -> String {
    format!("{{{settings}, timeout: 20s{more}}}")
}

/// Waits for so many mails that have arrived.
fn arrived(postfix: &Postfix, count: usize) -> Vec<String> {
    let there = wait::within(wait::PATIENCE, || {
        let arrived = postfix.arrived();
        (arrived.len() >= count).then_some(arrived)
    });
    there.unwrap_or_else(|| panic!("not {count} mails: {}", postfix.said()))
}

#[test]
fn mail_arrives() {
    let Some(postfix) = Postfix::start("correct horse") else { return };
    let secrets = Known::password("correct horse");
    let html = request(
        "m:1#0",
        &[("subject", "Error: häm"), ("text", "one\n.two\n"), ("html", "<b>ö</b>")],
    );
    let stranger = request("m:2#0", &[("to", "x@test.local"), ("subject", "s"), ("text", "t")]);
    let both =
        request("m:3#0", &[("to", "b@test.local,x@test.local"), ("subject", "s"), ("text", "t")]);
    let large = request("m:4#0", &[("subject", "s"), ("text", &"x\n".repeat(100_000))]);
    for (round, settings) in [postfix.grant(), postfix.grant_tls()].iter().enumerate() {
        let mut mail = mail(&grant(settings, ""));
        let all = [html.clone(), stranger.clone(), both.clone(), large.clone(), some("m:5#0")];
        let outcomes = mail.deliver(&all, &secrets);
        expect(&outcomes[0], "done", "<m=1#0@test.local>: 250");
        expect(&outcomes[1], "refused", "refused for x@test.local: 550");
        expect(&outcomes[2], "partly", "taken for b@test.local; refused for x@test.local: 550");
        expect(&outcomes[3], "refused", "552");
        expect(&outcomes[4], "done", "");
        let arrived = arrived(&postfix, 3 * (round + 1));
        let first = arrived.iter().filter(|text| text.contains("Message-ID: <m=1#0@test.local>"));
        let first: Vec<&String> = first.collect();
        assert_eq!(first.len(), round + 1);
        for text in first {
            for part in ["Auto-Submitted: auto-generated", "X-Correlator-Id: m:1#0", "\n.two\n"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(text.contains("ESMTPSA"), "TLS and a login: {text}");
            assert!(text.contains("Subject: Error: =?utf-8?b?aMOkbQ==?="), "{text}");
        }
    }
}

#[test]
fn whom_nobody_knows_is_not_trusted() {
    let Some(postfix) = Postfix::start("correct horse") else { return };
    let secrets = Known::password("correct horse");
    let mut wrong = mail(&grant(&postfix.grant(), ""));
    let outcome = wrong.deliver(&[some("m:6#0")], &Known::password("wrong")).remove(0);
    expect(&outcome, "later", "does not let `user@localhost` in with credential `smtp`: 535");

    let stranger = Papers::new();
    let [ours, theirs] = [&postfix.papers, &stranger].map(|it| it.folder.display().to_string());
    let stranger = grant(&postfix.grant().replace(&ours, &theirs), "");
    let outcome = mail(&stranger).deliver(&[some("m:7#0")], &secrets).remove(0);
    expect(&outcome, "later", "certificate");
    let other = postfix.grant().replace("server_name: localhost", "server_name: other.org");
    let outcome = mail(&grant(&other, "")).deliver(&[some("m:7#0")], &secrets).remove(0);
    expect(&outcome, "later", "certificate");
}

#[test]
fn a_server_that_is_not_well_gets_it_later() {
    let Some(mut postfix) = Postfix::start("correct horse") else { return };
    let secrets = Known::password("correct horse");
    let mut mail = mail(&grant(&postfix.grant(), ""));
    let mut send = |id: &str| mail.deliver(&[some(id)], &secrets).remove(0);
    expect(&send("m:0#0"), "done", "");
    // The conversation that was kept is over: that is no failure.
    postfix.be("");
    expect(&send("m:1#0"), "done", "");
    postfix.down();
    expect(&send("m:2#0"), "later", "");
    expect(&send("m:2#0"), "later", "can't be reached");
    postfix.up();
    expect(&send("m:2#0"), "done", "");

    // Slow, but in time.
    postfix.be("smtpd_recipient_restrictions = sleep 3, permit");
    expect(&send("m:3#0"), "done", "");
    postfix.be("smtpd_recipient_restrictions = defer");
    expect(&send("m:4#0"), "later", "does not take it for b@test.local now: 450");
    // As it says when it has no room.
    postfix.be(
        "smtpd_delay_reject = no\nsmtpd_sender_restrictions = check_sender_access inline:{{c@test.local=452 4.3.1 full}}",
    );
    expect(&send("m:4#0"), "later", "does not take the sender now: 452");
    postfix.be("smtpd_recipient_restrictions = reject");
    expect(&send("m:5#0"), "refused", "554");
    postfix.be("");
    expect(&send("m:4#0"), "done", "");
    assert_eq!(arrived(&postfix, 5).len(), 5);
}

#[test]
fn a_server_that_is_too_slow_gets_it_later() {
    let Some(mut postfix) = Postfix::start("correct horse") else { return };
    let secrets = Known::password("correct horse");
    postfix.be("smtpd_recipient_restrictions = sleep 60, permit");
    let mut mail = mail(&format!("{{{}, timeout: 2s}}", postfix.grant()));
    expect(&mail.deliver(&[some("m:1#0")], &secrets)[0], "later", "no answer in time");
}
