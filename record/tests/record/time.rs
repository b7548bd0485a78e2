//! Dates: every form, years that nobody wrote, zones, and clocks that are put forward and back.

use correlator_record::framing::Framing;

use crate::shown::{check, check_in, nanoseconds, records, settings};

/// Checks the time of a traditional record with this date; `expected` without the assumed priority's flag.
#[track_caller]
fn date(input: &str, expected: &str) {
    date_in("UTC", input, expected);
}

#[track_caller]
fn date_in(zone: &str, input: &str, expected: &str) {
    check_in(zone, &format!("<13>{input} h p[1]: m"), &format!("{expected}|h|p|1|||m"));
}

#[test]
fn forms() {
    date("Feb 20 15:12:47", "2023-02-20T15:12:47Z 0 1.5 ZY");
    date("Feb  3 15:12:47", "2023-02-03T15:12:47Z 0 1.5 ZY");
    date("Feb 3 15:12:47", "2023-02-03T15:12:47Z 0 1.5 ZY");
    date("Feb 03 15:12:47", "2023-02-03T15:12:47Z 0 1.5 ZY");
    date("FEB 20 15:12:47", "2023-02-20T15:12:47Z 0 1.5 ZY");
    date("Feb 20 15:12:47.757250", "2023-02-20T15:12:47.75725Z 0 1.5 ZY");
    date("Feb 20 15:12:47,757", "2023-02-20T15:12:47.757Z 0 1.5 ZY");
    date("Feb 20 2021 15:12:47", "2021-02-20T15:12:47Z 0 1.5 Z");
    date("2021 Feb 20 15:12:47", "2021-02-20T15:12:47Z 0 1.5 Z");
    date("Feb 20 15:12:47 2021", "2021-02-20T15:12:47Z 0 1.5 Z");
    date("Sat Feb 20 15:12:47 2021", "2021-02-20T15:12:47Z 0 1.5 Z");
    date("Feb 20 15:12:47 UTC", "2023-02-20T15:12:47Z 0 1.5 Y");
    date("Feb 20 15:12:47 EST", "2023-02-20T20:12:47Z -18000 1.5 Y");
    date("Feb 20 15:12:47 +0100", "2023-02-20T14:12:47Z 3600 1.5 Y");
    date("Feb 20 15:12:47+01:00", "2023-02-20T14:12:47Z 3600 1.5 Y");
    date("Feb 20 15:12:47 GMT+1", "2023-02-20T14:12:47Z 3600 1.5 Y");
    date("Feb 20 15:59:60", "2023-02-20T16:00:00Z 0 1.5 ZY");
    date("2023-02-20T15:12:47.757250-05:00", "2023-02-20T20:12:47.75725Z -18000 1.5 ");
    date("2023-02-20T15:12:47Z", "2023-02-20T15:12:47Z 0 1.5 ");
    date("2023-02-20T15:12:47+0100", "2023-02-20T14:12:47Z 3600 1.5 ");
    date("2023-02-20T15:12:47-03", "2023-02-20T18:12:47Z -10800 1.5 ");
    date("2023-02-20 15:12:47", "2023-02-20T15:12:47Z 0 1.5 Z");
    date("2023-02-20 15:12:47,757", "2023-02-20T15:12:47.757Z 0 1.5 Z");
    date("2023-02-20 15:12:47.757 +0100", "2023-02-20T14:12:47.757Z 3600 1.5 ");
    date("2023-02-20 15:12:47 UTC", "2023-02-20T15:12:47Z 0 1.5 ");
    date("Mon 2023-02-20 15:12:47 CET", "2023-02-20T14:12:47Z 3600 1.5 ");
    date("1676923967.757250", "2023-02-20T20:12:47.75725Z 0 1.5 ");
    date("2023/02/20 15:12:47", "2023-02-20T15:12:47Z 0 1.5 Z");
}

#[test]
fn hosts_that_look_like_zones_or_years() {
    let host = |host: &str| {
        check(
            &format!("<13>Feb 20 15:12:47 {host} p[1]: m"),
            &format!("2023-02-20T15:12:47Z 0 1.5 ZY|{host}|p|1|||m"),
        );
    };
    for name in
        ["ESTONIA", "EST1", "WEB01", "U7PG2", "192.168.1.1", "20231", "0815", "Z", "X", "TZ"]
    {
        if name != "Z" {
            host(name);
        }
    }
}

#[test]
fn dates_that_are_none() {
    for input in [
        "Feb 30 15:12:47",
        "Feb 20 24:12:47",
        "Feb 20 15:60:47",
        "Feb 20 15:12:61",
        "Foo 20 15:12:47",
    ] {
        check(
            &format!("{input} h p[1]: m"),
            &format!("2023-07-01T12:00:00Z 0 1.5 UTP||||||{input} h p[1]: m"),
        );
    }
}

#[test]
fn years_that_nobody_wrote() {
    // The reference is 2023-07-01T12:00:00Z; a day more is this year's, a second more is last year's.
    date("Jul  1 12:00:00", "2023-07-01T12:00:00Z 0 1.5 ZY");
    date("Jul  2 12:00:00", "2023-07-02T12:00:00Z 0 1.5 ZY");
    date("Jul  2 12:00:01", "2022-07-02T12:00:01Z 0 1.5 ZY");
    date("Dec 31 23:59:59", "2022-12-31T23:59:59Z 0 1.5 ZY");
    date("Jan  1 00:00:00", "2023-01-01T00:00:00Z 0 1.5 ZY");
    date("Feb 29 12:00:00", "2020-02-29T12:00:00Z 0 1.5 ZY");
}

#[test]
fn the_year_turns_with_the_reference() {
    let mut new_year = settings("UTC");
    new_year.reference = nanoseconds("2022-12-31T23:30:00Z");
    let input = b"<13>Jan  1 00:10:00 h p: m\n<13>Dec 31 23:50:00 h p: m\n";
    let times: Vec<String> = records(new_year, &Framing::Lines, input)
        .iter()
        .map(|record| record.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(times, ["2023-01-01T00:10:00Z", "2022-12-31T23:50:00Z"]);
}

#[test]
fn zones_of_the_stack() {
    date_in("Europe/Vienna", "Feb 20 15:12:47", "2023-02-20T14:12:47Z 3600 1.5 ZY");
    date_in("Europe/Vienna", "Jun 20 15:12:47", "2023-06-20T13:12:47Z 7200 1.5 ZY");
    date_in("Europe/Vienna", "2023-06-20 15:12:47", "2023-06-20T13:12:47Z 7200 1.5 Z");
    date_in("Europe/Vienna", "2023-06-20T15:12:47Z", "2023-06-20T15:12:47Z 0 1.5 ");
    date_in("Asia/Kathmandu", "2023-06-20 15:12:47", "2023-06-20T09:27:47Z 20700 1.5 Z");
}

#[test]
fn clocks_put_forward_and_back() {
    let new_york = "America/New_York";
    date_in(new_york, "2023-03-12 01:59:59", "2023-03-12T06:59:59Z -18000 1.5 Z");
    date_in(new_york, "2023-03-12 02:30:00", "2023-03-12T07:30:00Z -14400 1.5 Z");
    date_in(new_york, "2023-03-12 03:00:00", "2023-03-12T07:00:00Z -14400 1.5 Z");
    date_in(new_york, "2022-11-06 01:30:00", "2022-11-06T05:30:00Z -14400 1.5 Z");
    date_in(new_york, "2022-11-06 02:00:00", "2022-11-06T07:00:00Z -18000 1.5 Z");
    // Half an hour, in the middle of one.
    let lord_howe = "Australia/Lord_Howe";
    date_in(lord_howe, "2022-10-02 02:15:00", "2022-10-01T15:45:00Z 39600 1.5 Z");
    date_in(lord_howe, "2022-10-02 02:45:00", "2022-10-01T15:45:00Z 39600 1.5 Z");
}

#[test]
fn the_cached_hour_changes_nothing() {
    let lines: Vec<String> =
        ["Mar 12 01", "Mar 12 02", "Mar 12 03", "Nov  6 01", "Jul  2 08", "Jul  2 07"]
            .iter()
            .flat_map(|hour| {
                ["00:00", "00:01", "29:59", "59:60", "59:59"].map(|rest| format!("{hour}:{rest}"))
            })
            .flat_map(|date| {
                let iso = format!("2023-0{}-12 02:{}", date.len() % 9 + 1, &date[10..]);
                [
                    format!("<13>{date} h p: m"),
                    format!("<13>{iso} h p: m"),
                    format!("<13>{date} h p: m"),
                ]
            })
            .collect();
    let zone = || settings("America/New_York");
    let together = records(zone(), &Framing::Lines, lines.join("\n").as_bytes());
    let alone: Vec<String> =
        lines.iter().flat_map(|line| records(zone(), &Framing::Lines, line.as_bytes())).collect();
    assert_eq!(together, alone);
}

#[test]
fn no_time_is_that_of_the_record_before() {
    let input = b"x\n<13>Feb 20 15:12:47 EST h p: m\n<13>m\nx\n<13>1 - h p - - - m\n";
    let shown = records(settings("UTC"), &Framing::Lines, input);
    let expected = [
        "2023-07-01T12:00:00Z 0 1.5 UTP||||||x",
        "2023-02-20T20:12:47Z -18000 1.5 Y|h|p||||m",
        "2023-02-20T20:12:47Z -18000 1.5 T||||||m",
        "2023-02-20T20:12:47Z -18000 1.5 UTP||||||x",
        "2023-02-20T20:12:47Z -18000 1.5 T5|h|p||||m",
    ];
    assert_eq!(shown, expected);
}
