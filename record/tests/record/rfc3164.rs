//! RFC 3164: its own examples, and what is found in the wild.

use crate::shown::check;

/// The time of most lines here.
const DECEMBER: &str = "2022-12-10T06:55:46Z 0 1.5 PZY";

/// Checks what stands behind `Dec 10 06:55:46 `.
#[track_caller]
fn behind_date(input: &str, expected: &str) {
    check(&format!("Dec 10 06:55:46 {input}"), &format!("{DECEMBER}|{expected}"));
}

#[test]
fn examples_of_the_rfc() {
    check(
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        "2022-10-11T22:14:15Z 0 4.2 ZY|mymachine|su||||'su root' failed for lonvick on /dev/pts/8",
    );
    check("Use the BFG!", "2023-07-01T12:00:00Z 0 1.5 UTP||||||Use the BFG!");
    check(
        "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
        "2023-02-05T17:32:18Z 0 1.5 ZY|10.0.0.99|||||Use the BFG!",
    );
    check(
        "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.",
        "1987-08-24T11:34:00Z -21600 20.5 |mymachine|myproc|10|||%% It's time to make the do-nuts.",
    );
    check(
        "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!",
        "1990-10-22T16:52:01Z -21600 0.0 |scapegoat.dmz.example.org|||||10.1.2.3 sched[0]: That's All Folks!",
    );
}

#[test]
fn tags() {
    behind_date("LabSZ sshd[24200]: Invalid user x", "LabSZ|sshd|24200|||Invalid user x");
    behind_date("LabSZ sshd[24200] Invalid user x", "LabSZ|sshd|24200|||Invalid user x");
    behind_date("LabSZ sshd[24200]:Invalid user x", "LabSZ|sshd|24200|||Invalid user x");
    behind_date("LabSZ sshd: Invalid user x", "LabSZ|sshd||||Invalid user x");
    behind_date("LabSZ sshd 24200: Invalid user x", "LabSZ|sshd|24200|||Invalid user x");
    behind_date("LabSZ sshd:Invalid user x", "LabSZ|sshd||||Invalid user x");
    behind_date("h sshd-session[7]: m", "h|sshd-session|7|||m");
    behind_date("h postfix/smtpd[1]: m", "h|postfix/smtpd|1|||m");
    behind_date("h su(pam_unix)[1]: m", "h|su(pam_unix)|1|||m");
    behind_date("h CRON[1]: (root) CMD (x)", "h|CRON|1|||(root) CMD (x)");
    behind_date("h /usr/sbin/cron[1]: m", "h|/usr/sbin/cron|1|||m");
    behind_date("h kernel: [12.3] usb 1-1: x", "h|kernel||||[12.3] usb 1-1: x");
    behind_date("h kernel: [   12.345678] x", "h|kernel||||[   12.345678] x");
    behind_date("h systemd[1]: Started x.", "h|systemd|1|||Started x.");
    behind_date("h Foo::Bar[12]: m", "h|Foo::Bar|12|||m");
    behind_date("h Foo::Bar: m", "h|Foo::Bar||||m");
    behind_date("h java[main]: m", "h|java|main|||m");
    behind_date("h x[]: m", "h|x||||m");
    behind_date("mac Google Chrome Helper[77]: m", "mac|Google Chrome Helper|77|||m");
    behind_date(
        "mac com.apple.xpc.launchd[1] (com.apple.x): Service exited",
        "mac|com.apple.xpc.launchd|1|||(com.apple.x): Service exited",
    );
    behind_date("h sudo:    joe : TTY=pts/0 ;", "h|sudo||||joe : TTY=pts/0 ;");
    behind_date("h sshd[1]:", "h|sshd|1|||");
    behind_date("h sshd[1]: ", "h|sshd|1|||");
    behind_date("h sshd[1]: \u{feff}m", "h|sshd|1|||m");
}

#[test]
fn no_tag() {
    behind_date("h something without a tag", "h|||||something without a tag");
    behind_date("h see http://example.org/", "h|||||see http://example.org/");
    behind_date("h 10.0.0.1:514 is up", "h|||||10.0.0.1:514 is up");
    behind_date("h sshd[1 is broken", "h|||||sshd[1 is broken");
    behind_date("h last message repeated 3 times", "h|||||last message repeated 3 times");
    behind_date("last message repeated 3 times", "|||||last message repeated 3 times");
    behind_date("h -- MARK --", "h|||||-- MARK --");
    behind_date("-- MARK --", "|||||-- MARK --");
    behind_date("h", "h|||||");
    behind_date("", "|||||");
    behind_date("[12.3] usb", "|||||[12.3] usb");
    behind_date(
        "h sshd[1]: message repeated 2 times: [ x]",
        "h|sshd|1|||message repeated 2 times: [ x]",
    );
}

#[test]
fn hosts() {
    behind_date("sshd[24200]: m", "|sshd|24200|||m");
    behind_date("sshd: m", "|sshd||||m");
    behind_date("sshd 24200: m", "|sshd|24200|||m");
    behind_date("10.0.0.1 sshd[1]: m", "10.0.0.1|sshd|1|||m");
    behind_date("2001:db8::1 sshd[1]: m", "2001:db8::1|sshd|1|||m");
    behind_date("fe80::1%eth0 sshd[1]: m", "fe80::1%eth0|sshd|1|||m");
    behind_date("::1 sshd[1]: m", "::1|sshd|1|||m");
    behind_date("abcd:ef:1:2:3:4:5:6 sshd[1]: m", "abcd:ef:1:2:3:4:5:6|sshd|1|||m");
    behind_date("[::1] sshd[1]: m", "[::1]|sshd|1|||m");
    behind_date("s_net@host sshd[1]: m", "host|sshd|1|||m");
    behind_date("s_net@host/relay sshd[1]: m", "host|sshd|1|||m");
    behind_date("host/relay sshd[1]: m", "host|sshd|1|||m");
    behind_date("h  sshd[1]:  m", "h|sshd|1|||m");
    behind_date("asa1 : %ASA-6-302013: Built x", "asa1|%ASA-6-302013||||Built x");
}

#[test]
fn routers() {
    check(
        "<189>29: *Mar  1 00:00:00.123 UTC: %LINK-3-UPDOWN: Interface x, changed state to up",
        "2023-03-01T00:00:00.123Z 0 23.5 Y||%LINK-3-UPDOWN||||Interface x, changed state to up",
    );
    check(
        "<189>29: router1: *Mar  1 18:46:11: %SYS-5-CONFIG_I: Configured",
        "2023-03-01T18:46:11Z 0 23.5 ZY|router1|%SYS-5-CONFIG_I||||Configured",
    );
    check(
        "<189>000123: 000124: .Mar  1 18:46:11 CET: %SYS-5-CONFIG_I: Configured",
        "2023-03-01T17:46:11Z 3600 23.5 Y||%SYS-5-CONFIG_I||||Configured",
    );
    check(
        "<190>: 2023 Feb 20 15:12:47 UTC: %DAEMON-6-SYSTEM_MSG: x",
        "2023-02-20T15:12:47Z 0 23.6 ||%DAEMON-6-SYSTEM_MSG||||x",
    );
    check(
        "<166>Jun 30 2023 10:11:12: %ASA-6-302013: Built x",
        "2023-06-30T10:11:12Z 0 20.6 Z||%ASA-6-302013||||Built x",
    );
    check(
        "<166>Jun 30 2023 10:11:12 asa1 : %ASA-6-302013: Built x",
        "2023-06-30T10:11:12Z 0 20.6 Z|asa1|%ASA-6-302013||||Built x",
    );
    check(
        "*Mar  1 00:00:00.123: %LINK-3-UPDOWN: x",
        "2023-03-01T00:00:00.123Z 0 1.5 PZY||%LINK-3-UPDOWN||||x",
    );
}

#[test]
fn priority_without_date() {
    let none = "2023-07-01T12:00:00Z 0";
    check("<34>", &format!("{none} 4.2 T||||||"));
    check("<34>sshd[7]: m", &format!("{none} 4.2 T||sshd|7|||m"));
    check("<34>sshd: m", &format!("{none} 4.2 T||sshd||||m"));
    check("<34>h sshd[7]: m", &format!("{none} 4.2 T|h|sshd|7|||m"));
    check("<34>Use the BFG: now", &format!("{none} 4.2 T||||||Use the BFG: now"));
    check("<13>\u{feff}m", &format!("{none} 1.5 T||||||m"));
}

#[test]
fn neither_priority_nor_date() {
    for input in [
        "x",
        "<",
        "<>",
        "<1",
        "<1234>x",
        "<a>x",
        "<192>x",
        "<-1>x",
        "Dec",
        "2023-02-20",
        "Dec 10 06:55",
    ] {
        check(input, &format!("2023-07-01T12:00:00Z 0 1.5 UTP||||||{input}"));
    }
}

#[test]
fn what_stands_before_a_record() {
    check(" <34>Oct 11 22:14:15 h p: m", "2022-10-11T22:14:15Z 0 4.2 ZY|h|p||||m");
    check("<34> Oct 11 22:14:15 h p: m", "2022-10-11T22:14:15Z 0 4.2 ZY|h|p||||m");
    check("\u{feff}<34>Oct 11 22:14:15 h p: m", "2022-10-11T22:14:15Z 0 4.2 ZY|h|p||||m");
    check("<034>Oct 11 22:14:15 h p: m", "2022-10-11T22:14:15Z 0 4.2 ZY|h|p||||m");
    check("<192>Oct 11 22:14:15 h p: m", "2022-10-11T22:14:15Z 0 1.5 PZY|h|p||||m");
}

#[test]
fn priorities_in_words() {
    let date = "2023-02-20T15:12:47Z 0";
    check("Feb 20 15:12:47 h auth.info sshd[1]: m", &format!("{date} 4.6 ZY|h|sshd|1|||m"));
    check("Feb 20 15:12:47 <auth.info> h sshd[1]: m", &format!("{date} 4.6 ZY|h|sshd|1|||m"));
    check(
        "Feb 20 15:12:47 h auth|security:info sshd[1]: m",
        &format!("{date} 4.6 ZY|h|sshd|1|||m"),
    );
    check("Feb 20 15:12:47 h daemon:notice sshd[1]: m", &format!("{date} 3.5 ZY|h|sshd|1|||m"));
    check("Mon Feb 20 15:12:47 2023 authpriv.warn x[1]: m", &format!("{date} 10.4 Z||x|1|||m"));
    check("Feb 20 15:12:47 h kern.err no tag", &format!("{date} 0.3 ZY|h|||||no tag"));
    // Where a number says it, words are words.
    check("<13>Feb 20 15:12:47 auth.info x[1]: m", &format!("{date} 1.5 ZY|auth.info|x|1|||m"));
    check(
        "Feb 20 15:12:47 www.example.info x[1]: m",
        &format!("{date} 1.5 PZY|www.example.info|x|1|||m"),
    );
}

#[test]
fn a_collectors_date_before_the_senders() {
    check(
        "2023-02-20T15:12:48.000Z Feb 20 10:12:47 ip-10-0-0-1 sshd[1]: m",
        "2023-02-20T15:12:48Z 0 1.5 P|ip-10-0-0-1|sshd|1|||m",
    );
    check("2023-02-20T15:12:48Z web x[1]: m", "2023-02-20T15:12:48Z 0 1.5 P|web|x|1|||m");
}
