//! How values are written, and written back.

use jiff::tz::TimeZone;

use crate::stack::value::{duration, duration_text, float, integer, size, size_text, time};

#[test]
fn durations() {
    let check =
        |text: &str, expected: Option<i64>| assert_eq!(duration(text).ok(), expected, "{text}");
    check("300s", Some(300_000_000_000));
    check("5m", Some(300_000_000_000));
    check("48h", Some(172_800_000_000_000));
    check("1d", Some(86_400_000_000_000));
    check("2w", Some(1_209_600_000_000_000));
    check("250ms", Some(250_000_000));
    check("1h30m", Some(5_400_000_000_000));
    check("1h 30m", Some(5_400_000_000_000));
    check("1.5h", Some(5_400_000_000_000));
    check("0.25s", Some(250_000_000));
    check("7us", Some(7_000));
    check("7µs", Some(7_000));
    check("9ns", Some(9));
    check("-5m", Some(-300_000_000_000));
    check("0", Some(0));
    for wrong in [
        "",
        "5",
        "m",
        "5 parsecs",
        "5m5",
        "1..5s",
        ".5s",
        "5.s",
        "99999999999w",
        "--5m",
        "1_s",
        "٣s",
    ] {
        check(wrong, None);
    }
}

#[test]
fn durations_are_written_back() {
    let check = |text: &str, expected: &str| {
        let nanoseconds = duration(text).expect("it is a duration");
        assert_eq!(duration_text(nanoseconds), expected);
        assert_eq!(duration(expected), Ok(nanoseconds));
    };
    check("300s", "5m");
    check("90s", "1m30s");
    check("36h", "1d12h");
    check("1500ms", "1s500ms");
    check("-90s", "-1m30s");
    check("0", "0s");
    assert_eq!(duration_text(i64::MIN), "-106751d23h47m16s854ms775us808ns");
}

#[test]
fn sizes() {
    let check = |text: &str, expected: Option<u64>| assert_eq!(size(text).ok(), expected, "{text}");
    check("64MiB", Some(64 << 20));
    check("10MB", Some(10_000_000));
    check("1GB", Some(1_000_000_000));
    check("1 gib", Some(1 << 30));
    check("4_096", Some(4_096));
    check("0", Some(0));
    for wrong in [
        "",
        "MB",
        "10M",
        "1.5GB",
        "-1",
        "99999999TiB",
        "1__0",
        "_1",
        "0x10",
        "99999999999999999999999999999999999",
    ] {
        check(wrong, None);
    }
    for (bytes, expected) in [
        (64 << 20, "64MiB"),
        (10_000_000, "10MB"),
        (16_000_000, "16MB"),
        (1_234, "1234B"),
        (0, "0"),
        (1_000, "1kB"),
    ] {
        assert_eq!(size_text(bytes), expected);
        assert_eq!(size(expected), Ok(bytes));
    }
}

#[test]
fn numbers() {
    let check =
        |text: &str, expected: Option<i64>| assert_eq!(integer(text).ok(), expected, "{text}");
    check("20_000", Some(20_000));
    check("-3", Some(-3));
    check("9223372036854775807", Some(i64::MAX));
    check("-9223372036854775808", Some(i64::MIN));
    check("010", Some(10));
    for wrong in ["", "-", "--1", "+1", "1.0", "1e3", "0x10", "9223372036854775808", "1 000", "١"]
    {
        check(wrong, None);
    }
    let check =
        |text: &str, expected: Option<f64>| assert_eq!(float(text).ok(), expected, "{text}");
    check("0.5", Some(0.5));
    check("-1e-3", Some(-0.001));
    check("1_000", Some(1_000.0));
    for wrong in ["", "nan", "inf", "1e999", "e", "0x1"] {
        check(wrong, None);
    }
}

#[test]
fn times() {
    let berlin = TimeZone::get("Europe/Berlin").expect("the zone is known");
    let check = |text: &str, expected: Option<i64>| {
        assert_eq!(time(text, &berlin).ok(), expected, "{text}");
    };
    check("2023-02-20T20:12:47Z", Some(1_676_923_967_000_000_000));
    check("2023-02-20T21:12:47+01:00", Some(1_676_923_967_000_000_000));
    check("2023-02-20T21:12:47", Some(1_676_923_967_000_000_000));
    check("2023-02-20 21:12:47.5", Some(1_676_923_967_500_000_000));
    check("2023-02-20", Some(1_676_847_600_000_000_000));
    check("9999-01-01", None);
    check("yesterday", None);
    check("", None);
}
