//! RFC 5424: its own examples, its grammar's corners, and what senders get wrong.

use crate::shown::check;

#[test]
fn examples_of_the_rfc() {
    check(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8",
        "2003-10-11T22:14:15.003Z 0 4.2 5|mymachine.example.com|su||ID47||'su root' failed for lonvick on /dev/pts/8",
    );
    check(
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        "2003-08-24T12:14:15.000003Z -25200 20.5 5|192.0.2.1|myproc|8710|||%% It's time to make the do-nuts.",
    );
    check(
        "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] \u{feff}An application event log entry...",
        "2003-10-11T22:14:15.003Z 0 20.5 5|mymachine.example.com|evntslog||ID47|exampleSDID@32473.iut=3,exampleSDID@32473.eventSource=Application,exampleSDID@32473.eventID=1011|An application event log entry...",
    );
    check(
        "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"]",
        "2003-10-11T22:14:15.003Z 0 20.5 5|mymachine.example.com|evntslog||ID47|exampleSDID@32473.iut=3,exampleSDID@32473.eventSource=Application,exampleSDID@32473.eventID=1011,examplePriority@32473.class=high|",
    );
}

#[test]
fn nil_everything() {
    check("<0>1 - - - - - -", "2023-07-01T12:00:00Z 0 0.0 T5||||||");
    check("<191>999 - - - - - - m", "2023-07-01T12:00:00Z 0 23.7 T5||||||m");
    check("<13>1 - h - - - - - - m", "2023-07-01T12:00:00Z 0 1.5 T5|h|||||- - m");
}

#[test]
fn timestamps() {
    let at = |timestamp: &str, expected: &str| {
        check(&format!("<13>1 {timestamp} h p - - - m"), &format!("{expected}|h|p||||m"));
    };
    at("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z 0 1.5 5");
    at("1985-04-12T19:20:50.52-04:00", "1985-04-12T23:20:50.52Z -14400 1.5 5");
    at("2003-08-24T05:14:15.000000003-07:00", "2003-08-24T12:14:15.000000003Z -25200 1.5 5");
    at("2003-08-24T05:14:15+05:45", "2003-08-23T23:29:15Z 20700 1.5 5");
    at("2003-08-24t05:14:15z", "2003-08-24T05:14:15Z 0 1.5 5");
    at("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z 0 1.5 5");
    at("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z 0 1.5 5");
    at("2003-08-24T05:14:15", "2003-08-24T05:14:15Z 0 1.5 Z5");
    // No time is better than a wrong one.
    at("2023-02-29T00:00:00Z", "2023-07-01T12:00:00Z 0 1.5 T5");
    at("2023-02-20T24:00:00Z", "2023-07-01T12:00:00Z 0 1.5 T5");
    at("2023-02-20T15:12:47.5Zulu", "2023-07-01T12:00:00Z 0 1.5 T5");
    at("9999-12-31T23:59:59Z", "2023-07-01T12:00:00Z 0 1.5 T5");
}

#[test]
fn structured_data() {
    let data = |data: &str, fields: &str, message: &str| {
        check(
            &format!("<13>1 2023-01-01T00:00:00Z h p 1 i {data}"),
            &format!("2023-01-01T00:00:00Z 0 1.5 5|h|p|1|i|{fields}|{message}"),
        );
    };
    data("[a]", "a", "");
    data("[a][a]", "a,a", "");
    data("[a x=\"1\" x=\"2\"][b][a x=\"3\"] m", "a.x=1,a.x=2,b,a.x=3", "m");
    data(r#"[a x="say \"hi\" \\ \]"] m"#, r#"a.x=say "hi" \ ]"#, "m");
    data(r#"[a x="C:\dir\n" y="\"" z=""] m"#, r#"a.x=C:\dir\n,a.y=",a.z="#, "m");
    data(r#"[a x="\\\\"] m"#, r"a.x=\\", "m");
    data("[a x=\"line\nline\"] two\nlines", "a.x=line\nline", "two\nlines");
    data("[exampleSDID@32473 ü=\"é\"] m", "exampleSDID@32473.ü=é", "m");
    data("[origin ip=\"[::1]:50570\"] m", "origin.ip=[::1]:50570", "m");
    data("[a  x=\"1\"  y=\"2\" ] m", "a.x=1,a.y=2", "m");
    data("[a x=\"1\"]m", "a.x=1", "m");
    data("[a x=\"1\"] [b] m", "a.x=1", "[b] m");
    let long = "n".repeat(300);
    data(&format!("[{long} {long}=\"1\"] m"), &format!("{long}.{long}=1"), "m");
}

#[test]
fn broken_structured_data_stays_in_the_message() {
    for data in [
        "[a x=\"1\" m",
        "[a x=1] m",
        "[a x=\"1] m",
        "[ a] m",
        "[] m",
        "[a x] m",
        "[a \"1\"] m",
        "[a x=\"1\\\"] m",
        "[",
    ] {
        check(
            &format!("<13>1 2023-01-01T00:00:00Z h p 1 i {data}"),
            &format!("2023-01-01T00:00:00Z 0 1.5 5|h|p|1|i||{data}"),
        );
    }
    check(
        r#"<13>1 2023-01-01T00:00:00Z h p 1 i [a x="\""][b y="\" m"#,
        r#"2023-01-01T00:00:00Z 0 1.5 5|h|p|1|i|a.x="|[b y="\" m"#,
    );
}

#[test]
fn messages() {
    let message = |end: &str, message: &str| {
        check(
            &format!("<13>1 2023-01-01T00:00:00Z h p 1 i{end}"),
            &format!("2023-01-01T00:00:00Z 0 1.5 5|h|p|1|i||{message}"),
        );
    };
    message("", "");
    message(" -", "");
    message(" - ", "");
    message(" - \u{feff}", "");
    message(" - \u{feff}m", "m");
    message(" -  two spaces, as relays write them", "two spaces, as relays write them");
    message(" - one\n\ttwo\r\nthree", "one\n\ttwo\r\nthree");
    message(" -x", "-x");
    message(" no structured data", "no structured data");
}

#[test]
fn heads_that_are_not_quite_right() {
    check(
        "<13>1  2023-01-01T00:00:00Z  h  p  1  i  - m",
        "2023-01-01T00:00:00Z 0 1.5 5|h|p|1|i||m",
    );
    // An empty name.
    check("<13>1 2023-01-01T00:00:00Z h p  i - m", "2023-01-01T00:00:00Z 0 1.5 5|h|p||i||m");
    check("<13>1 2023-01-01T00:00:00Z", "2023-01-01T00:00:00Z 0 1.5 5||||||");
    check("<13>1 2023-01-01T00:00:00Z h", "2023-01-01T00:00:00Z 0 1.5 5|h|||||");
    check("<192>1 2023-01-01T00:00:00Z h p 1 i - m", "2023-01-01T00:00:00Z 0 1.5 P5|h|p|1|i||m");
    check("1 2023-01-01T00:00:00Z h p 1 i - m", "2023-01-01T00:00:00Z 0 1.5 P5|h|p|1|i||m");
    // RFC 3164's tag behind RFC 5424's time.
    check(
        "<86>1 2023-01-01T00:00:00Z h sshd[7]: Accepted password for x",
        "2023-01-01T00:00:00Z 0 10.6 5|h|sshd|7|||Accepted password for x",
    );
    check("<86>1 2023-01-01T00:00:00Z h sshd: m", "2023-01-01T00:00:00Z 0 10.6 5|h|sshd||||m");
    let long = "n".repeat(500);
    check(
        &format!("<13>1 2023-01-01T00:00:00Z {long} {long} {long} {long} - m"),
        &format!("2023-01-01T00:00:00Z 0 1.5 5|{long}|{long}|{long}|{long}||m"),
    );
}
