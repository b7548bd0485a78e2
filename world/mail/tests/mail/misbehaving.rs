//! A server that is slow, half there, rude, or hostile.

use std::net::TcpListener;
use std::time::Duration;

use correlator_mail::Mail;
use correlator_tests::world::postfix::Papers;
use correlator_world::{Capability, Outcome, Request};

use crate::server::{Act, Server};
use crate::{Known, expect, mail, request, some};

/// Sends one mail; it must not take long, whatever the server does.
fn deliver(mail: &mut Mail, requests: &[Request]) -> Vec<Outcome> {
    let start = correlator_wire::clock::instant();
    let outcomes = mail.deliver(requests, &Known::password("correct horse"));
    mail.rest();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(outcomes.len(), requests.len());
    outcomes
}

fn one(server: &Server, more: &str) -> Outcome {
    deliver(&mut mail(&server.grant(more)), &[some("m:1#0")]).remove(0)
}

#[test]
fn a_server_that_is_not_there() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let grant =
        format!("{{server: '127.0.0.1:{port}', security: none, from: a@b.org, to: [c@d.org]}}");
    for outcome in deliver(&mut mail(&grant), &[some("m:1#0"), some("m:2#0")]) {
        expect(&outcome, "later", "can't be reached");
    }
}

#[test]
fn what_is_said_where() {
    for (beginning, act, kind, words) in [
        ("greeting", Act::Hang, "later", "no answer in time"),
        ("greeting", Act::Drip("2"), "later", "no answer in time"),
        ("greeting", Act::Drip("220-x\r\n"), "later", "no answer in time"),
        ("greeting", Act::Last("220 te"), "later", "hung up"),
        ("greeting", Act::Last("554 go away\r\n"), "later", "554 go away"),
        ("greeting", Act::Last("421 busy\r\n"), "later", "421 busy"),
        ("greeting", Act::Flood("\u{1b}[31m garbage"), "later", "a line without end"),
        ("greeting", Act::Flood("220-more\r\n"), "later", "an answer without end"),
        ("greeting", Act::Last("SSH-2.0-OpenSSH_9.2\r\n"), "later", "no answer: \"SSH-2.0"),
        ("EHLO", Act::Last(""), "later", "hung up"),
        ("EHLO", Act::Say("250- \r\n250-\r\n250 \r\n"), "done", "<m=1#0@example.org>"),
        ("EHLO", Act::Say("250-a\r\n550 b\r\n"), "later", "two answers in one"),
        ("MAIL", Act::Say("452 full\r\n"), "later", "452 full"),
        ("MAIL", Act::Say("530 log in\r\n"), "later", "530 log in"),
        ("MAIL", Act::Say("550 not you\r\n"), "refused", "550 not you"),
        ("RCPT", Act::Say("450 later\r\n"), "later", "450 later"),
        ("RCPT", Act::Say("550 unknown\r\n"), "refused", "a@example.org: 550 unknown"),
        ("RCPT", Act::Last("421 bye\r\n"), "later", "421 bye"),
        ("DATA", Act::Last(""), "later", "hung up"),
        ("DATA", Act::Hang, "later", "no answer in time"),
        ("DATA", Act::Say("250 what\r\n"), "later", "250 what"),
        ("DATA", Act::Say("554 no\r\n"), "refused", "554 no"),
        ("mail", Act::Last(""), "later", "same Message-ID"),
        ("mail", Act::Last("250"), "later", "same Message-ID"),
        ("mail", Act::Hang, "later", "same Message-ID"),
        ("mail", Act::Say("451 disk\r\n"), "later", "451 disk"),
        ("mail", Act::Say("554 spam \u{1b}[2J\r\n"), "refused", "554 spam \\u{1b}[2J"),
        ("QUIT", Act::Hang, "done", "<m=1#0@example.org>: 250 ok; taken for a@example.org"),
    ] {
        let server = Server::at(beginning, act);
        let outcome = one(&server, "");
        expect(&outcome, kind, words);
    }
}

#[test]
fn nothing_goes_out_in_the_open() {
    let secure = |server: &Server| {
        let authority = Papers::new();
        let ca = authority.folder.join("ca.pem");
        let grant = server.grant("").replace("security: none", &format!("ca: '{}'", ca.display()));
        deliver(&mut mail(&grant), &[some("m:1#0")]).remove(0)
    };
    let plain = Server::new(|_| Act::Usual);
    expect(&secure(&plain), "later", "has no STARTTLS");
    assert!(!plain.heard().iter().any(|line| line.starts_with("MAIL")), "{:?}", plain.heard());

    // Somebody in between adds an answer that is to be taken for one that was said in secret.
    let injecting = Server::new(|heard| match heard.line.split(' ').next() {
        Some("EHLO") => Act::Say("250-x\r\n250 STARTTLS\r\n"),
        Some("STARTTLS") => Act::Say("220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n"),
        _ => Act::Usual,
    });
    expect(&secure(&injecting), "later", "said more than it may before TLS");

    let refusing = Server::new(|heard| match heard.line.split(' ').next() {
        Some("EHLO") => Act::Say("250-x\r\n250 STARTTLS\r\n"),
        Some("STARTTLS") => Act::Say("220 go\r\n"),
        // It has no ear for what TLS begins with, and hangs up.
        _ => Act::Usual,
    });
    expect(&secure(&refusing), "later", "TLS with the mail server");
}

#[test]
fn what_is_repeated_of_a_password() {
    const PASSWORD: &str = "S3cr/etPassw0rdXYZ-qwertzuiop";
    // \0me\0 and the password.
    const SENT: &str = "AG1lAFMzY3IvZXRQYXNzdzByZFhZWi1xd2VydHp1aW9w";
    let check = |said: &str, expected: &str| {
        // What servers say is known before they begin, for as long as the tests run.
        let server = Server::at("AUTH", Act::Say(format!("{said}\r\n").leak()));
        let mut mail = mail(&server.grant("username: me, credential: smtp"));
        let outcome = mail.deliver(&[some("m:1#0")], &Known::password(PASSWORD)).remove(0);
        let Outcome::Later { reason, .. } = outcome else { panic!("{outcome:?}") };
        assert!(reason.ends_with(&format!(": {expected}")), "{said}: {reason}");
    };
    check(&format!("535 no {SENT}"), "535 no ***");
    check(&format!("535 no {}", &SENT[..20]), "535 no ***");
    check("535 no S3cr/etPassw0r", "535 no ***");
    check(&format!("535 no {}", PASSWORD.to_lowercase()), "535 no ***");
    check(&format!("535 no {}", PASSWORD.replace('/', r"\/")), "535 no ***");
    let percent = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    check(&format!("535 no {percent}"), "535 no ***");
    check(&format!("535-no {}\r\n535 {}", &PASSWORD[..14], &PASSWORD[14..]), "535 no *** ***");
    // What makes no sense is told too.
    check(&format!("no {percent}"), "no answer: \"no ***\"");
}

#[test]
fn passwords() {
    let login = "username: me, credential: smtp";
    let server = Server::new(|_| Act::Usual);
    expect(&one(&server, login), "done", "");
    // \0me\0correct horse
    let line = "AUTH PLAIN AG1lAGNvcnJlY3QgaG9yc2U=";
    assert!(server.heard().iter().any(|heard| heard == line), "{:?}", server.heard());

    let server = Server::new(|heard| match &*heard.line {
        "EHLO tester" => Act::Say("250-x\r\n250 auth=LOGIN\r\n"),
        "AUTH LOGIN" | "bWU=" => Act::Say("334 VXNlcm5hbWU6\r\n"),
        "Y29ycmVjdCBob3JzZQ==" => Act::Say("235 in\r\n"),
        _ => Act::Usual,
    });
    expect(&one(&server, login), "done", "");

    let server = Server::at("AUTH", Act::Say("535 5.7.8 wrong\r\n"));
    let outcome = one(&server, login);
    expect(&outcome, "later", "does not let `me` in with credential `smtp`: 535 5.7.8 wrong");
    assert!(!format!("{outcome:?}").contains("horse"));

    // One that repeats what it was told, as it was sent and as it was meant.
    let echo = "535 no AUTH PLAIN AG1lAGNvcnJlY3QgaG9yc2U= Y29ycmVjdCBob3JzZQ== correct horse\r\n";
    let outcome = one(&Server::at("AUTH", Act::Say(echo)), login);
    expect(&outcome, "later", "535 no AUTH PLAIN *** *** ***");
    let outcome = one(&Server::at("RCPT", Act::Say("550 no correct horse\r\n")), login);
    assert!(!format!("{outcome:?}").contains("horse"), "{outcome:?}");

    // Split at its space.
    let outcome = one(&Server::at("RCPT", Act::Say("550-no correct\r\n550 horse\r\n")), login);
    expect(&outcome, "refused", "550 no ***");

    let server = Server::at("EHLO", Act::Say("250-x\r\n250 AUTH GSSAPI\r\n"));
    expect(&one(&server, login), "later", "neither PLAIN nor LOGIN");

    let server = Server::new(|_| Act::Usual);
    let grant = server.grant("username: me, credential: other");
    let outcome = deliver(&mut mail(&grant), &[some("m:1#0")]).remove(0);
    expect(&outcome, "later", "correlator credential set other");
    assert!(server.heard().is_empty(), "nobody is asked without a password");
}

#[test]
fn each_recipient_has_its_own_answer() {
    let server = Server::new(|heard| match &*heard.line {
        "RCPT TO:<never@example.org>" => Act::Say("550 unknown\r\n"),
        "RCPT TO:<later@example.org>" if heard.connection == 0 => Act::Say("450 greylisted\r\n"),
        _ => Act::Usual,
    });
    let mut mail = mail(&server.grant(""));
    let all = "a@example.org, never@example.org, later@example.org";
    let request = request("m:1#0", &[("to", all), ("subject", "s"), ("text", "t")]);
    let outcome = deliver(&mut mail, std::slice::from_ref(&request)).remove(0);
    expect(&outcome, "later", "later@example.org now: 450 greylisted");
    expect(&outcome, "later", "taken for a@example.org");
    expect(&outcome, "later", "refused for never@example.org: 550 unknown");
    let outcome = deliver(&mut mail, std::slice::from_ref(&request)).remove(0);
    expect(
        &outcome,
        "partly",
        "taken for a@example.org, later@example.org; refused for never@example.org",
    );
    let Outcome::Partly { missing, .. } = outcome else { panic!("{outcome:?}") };
    // The same words whatever else the server says: they are told once, and counted.
    assert!(missing[0].starts_with("sent, but not to never@example.org, whom"), "{missing:?}");
    assert!(missing[0].contains("(550)") && !missing[0].contains("unknown"), "{missing:?}");
    let second: Vec<String> = server
        .all()
        .into_iter()
        .filter(|heard| heard.connection == 1 && heard.line.starts_with("RCPT"))
        .map(|heard| heard.line)
        .collect();
    assert_eq!(second, ["RCPT TO:<later@example.org>"], "nobody gets it twice");
}

#[test]
fn many_mails_are_one_conversation() {
    let server = Server::new(|heard| {
        if heard.line.contains("Subject: bad") { Act::Say("554 bad\r\n") } else { Act::Usual }
    });
    let mut requests: Vec<Request> = (0..50).map(|n| some(&format!("m:{n}#0"))).collect();
    requests[7] = request("m:7#0", &[("subject", "bad"), ("text", "t")]);
    let outcomes = deliver(&mut mail(&server.grant("")), &requests);
    for (number, outcome) in outcomes.iter().enumerate() {
        expect(outcome, if number == 7 { "refused" } else { "done" }, "");
    }
    assert!(server.all().iter().all(|heard| heard.connection == 0));
}

#[test]
fn mails_that_are_handed_over_one_by_one_are_one_conversation_until_it_rests() {
    let server = Server::new(|_| Act::Usual);
    let (mut mail, secrets) = (mail(&server.grant("")), Known::password("correct horse"));
    assert_eq!(mail.at_once(), 1);
    for number in 0..6 {
        let outcome = mail.deliver(&[some(&format!("m:{number}#0"))], &secrets).remove(0);
        expect(&outcome, "done", "");
        if number == 3 {
            mail.rest();
        }
    }
    mail.rest();
    let mut connections = [0; 2];
    for heard in server.all().iter().filter(|heard| heard.line.starts_with("MAIL")) {
        connections[heard.connection] += 1;
    }
    assert_eq!(connections, [4, 2]);
    let farewells = server.heard().into_iter().filter(|line| line == "QUIT").count();
    assert_eq!(farewells, 2);
}

#[test]
fn who_may_fare_better_is_told() {
    for (beginning, act, expected) in [
        ("greeting", Act::Last("421 busy\r\n"), false),
        ("MAIL", Act::Say("452 full\r\n"), false),
        ("RCPT", Act::Say("450 later\r\n"), true),
        ("RCPT", Act::Last("421 bye\r\n"), false),
        ("DATA", Act::Last(""), false),
        ("mail", Act::Say("451 greylisted\r\n"), true),
        ("mail", Act::Last(""), false),
    ] {
        let outcome = one(&Server::at(beginning, act), "");
        let Outcome::Later { alone, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(alone, expected, "{beginning} {outcome:?}");
    }
}

#[test]
fn a_server_that_takes_one_mail_a_conversation() {
    let taken = std::sync::Mutex::new(vec![0; 100]);
    let server = Server::new(move |heard| {
        let mut taken = taken.lock().expect("the list");
        if heard.line.starts_with("mail") {
            taken[heard.connection] += 1;
        }
        let full = heard.line.starts_with("MAIL") && taken[heard.connection] == 1;
        if full { Act::Last("421 enough\r\n") } else { Act::Usual }
    });
    let requests: Vec<Request> = (0..5).map(|n| some(&format!("m:{n}#0"))).collect();
    for outcome in deliver(&mut mail(&server.grant("")), &requests) {
        expect(&outcome, "done", "");
    }
}

#[test]
fn a_server_that_breaks_is_not_asked_for_ever() {
    let server = Server::at("MAIL", Act::Hang);
    let requests: Vec<Request> = (0..100).map(|n| some(&format!("m:{n}#0"))).collect();
    let outcomes = deliver(&mut mail(&server.grant("")), &requests);
    for outcome in &outcomes {
        expect(outcome, "later", "no answer in time");
    }
    expect(&outcomes[99], "later", "not tried, after another mail failed");
}

#[test]
fn text_stays_text() {
    let server = Server::new(|_| Act::Usual);
    let evil = "x\r\n.\r\nMAIL FROM:<evil@evil.org>\r\nRCPT TO:<victim@evil.org>\r\nDATA\r\n\n.\nMAIL\r.\rRSET\n.\r\n";
    let subject = "s\r\n.\r\nQUIT\r\nBcc: victim@evil.org";
    let request = request("m:1#0", &[("subject", subject), ("text", evil), ("html", evil)]);
    let outcome = deliver(&mut mail(&server.grant("")), &[request]).remove(0);
    expect(&outcome, "done", "");
    let commands: Vec<String> =
        server.heard().into_iter().filter(|line| !line.starts_with("mail")).collect();
    let expected = [
        "greeting",
        "EHLO tester",
        "MAIL FROM:<c@example.org>",
        "RCPT TO:<a@example.org>",
        "DATA",
        "QUIT",
    ];
    assert_eq!(commands, expected);
}

#[test]
fn the_same_mail_is_told_by_its_id() {
    let server = Server::new(|heard| {
        let first = heard.connection == 0 && heard.line.starts_with("mail");
        if first { Act::Last("") } else { Act::Usual }
    });
    let mut mail = mail(&server.grant(""));
    expect(&deliver(&mut mail, &[some("m:1#0")])[0], "later", "sent again");
    expect(&deliver(&mut mail, &[some("m:1#0")])[0], "done", "");
    let ids: Vec<String> = server
        .heard()
        .iter()
        .flat_map(|heard| heard.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("Message-ID:") || line.starts_with("X-Correlator-Id:"))
        .collect();
    let both = ["Message-ID: <m=1#0@example.org>", "X-Correlator-Id: m:1#0"];
    assert_eq!(ids, [both, both].concat());
}

#[test]
fn secrets_are_nowhere_to_be_seen() {
    let server = Server::new(|_| Act::Usual);
    let mut mail = mail(&server.grant("username: me, credential: smtp"));
    assert_eq!(mail.credentials(), ["smtp"]);
    let request = some("m:1#0");
    let outcomes = deliver(&mut mail, std::slice::from_ref(&request));
    let shown = format!("{mail:?} {outcomes:?} {}", mail.plan(&request));
    assert!(!shown.contains("horse"), "{shown}");
    expect(&mail.undo(&request, &Known::password("x")), "refused", "can't be taken back");
}
