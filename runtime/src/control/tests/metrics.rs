//! The page of metrics, by a small parser of its format, and by Prometheus' own if it is there.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::process::{Command, Stdio};

use super::super::metrics::render;
use super::{installed, status};
use crate::status::Status;

/// What a page says: each series and its number. Panics at what the format forbids.
fn parse(page: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut metrics = HashSet::new();
    let (mut helped, mut current) = ("", ("", ""));
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(help.ends_with('.') && !help.contains('\\'), "{line}");
            assert!(metrics.insert(name), "{name} comes twice");
            helped = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split_once(' ').expect("a type");
            assert_eq!(current.0, helped, "help and type are of one metric");
            assert!(matches!(current.1, "counter" | "gauge"), "{line}");
            assert_eq!(current.1 == "counter", current.0.ends_with("_total"), "{line}");
        } else {
            let (name, number) = sample(line);
            let metric = name.split('{').next().expect("a name");
            assert_eq!(metric, current.0, "samples stand with their metric");
            assert!(series.insert(name.to_owned(), number).is_none(), "{name} comes twice");
        }
    }
    assert!(page.ends_with('\n'));
    series
}

fn sample(line: &str) -> (&str, f64) {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let length = line.find(['{', ' ']).expect("a name");
    assert!(is_name(&line[..length]), "{line}");
    let mut rest = &line[length..];
    while let Some(labels) = rest.strip_prefix(['{', ',']) {
        let (label, value) = labels.split_once("=\"").expect("a label");
        assert!(is_name(label), "{line}");
        let mut escaped = false;
        let end = value.find(|character: char| {
            assert!(!escaped || matches!(character, '\\' | '"' | 'n'), "{line}");
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        rest = &value[end.expect("the value's end") + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            rest = after;
            break;
        }
    }
    let number = rest.strip_prefix(' ').expect("a space before the number");
    (&line[..line.len() - rest.len()], number.parse().expect("a number"))
}

#[test]
fn the_page_is_what_the_format_allows_and_says_what_the_status_does() {
    let series = parse(&render(&status()));
    let check = |name: &str, expected: f64| {
        let found = *series.get(name).unwrap_or_else(|| panic!("{name} in {series:#?}"));
        assert!((found - expected).abs() < f64::EPSILON, "{name}: {found}");
    };
    check("correlator_build_info{version=\"0.1.0\"}", 1.0);
    check("correlator_records_total", 2_000.0);
    check("correlator_start_time_seconds", 1_700_000_000.0);
    check("correlator_spool_dropped_total{spool=\"records\"}", 7.0);
    check("correlator_spool_missing_total{spool=\"records\"}", 34.0);
    check("correlator_module_lost_total{module=\"sshd\"}", 5.0);
    check("correlator_source_dropped_by_kernel_total{source=\"net\",kind=\"tcp\"}", 8.0);
    check("correlator_source_state{source=\"net\",kind=\"tcp\",state=\"open\"}", 1.0);
    check("correlator_source_state{source=\"net\",kind=\"tcp\",state=\"failed\"}", 0.0);
    check("correlator_deliveries_waiting{capability=\"webhook\",endpoint=\"ops/chat\"}", 3.0);
    check("correlator_deliveries_dead{capability=\"webhook\",endpoint=\"ops/chat\"}", 1.0);
    let bound = "{listener=\"csv\",capability=\"mail\",bound=\"each.rate\"}";
    check(&format!("correlator_grant_used{bound}"), 3.0);
    check(&format!("correlator_grant_most{bound}"), 10.0);
    check("correlator_store_bytes", 8_192.0);
    check("correlator_module_lag_records{module=\"sshd\"}", 1_000.0);
    check("correlator_module_lag_seconds{module=\"sshd\"}", 2.5);
    check("correlator_module_events_total{module=\"we\\\"ird\\\\\\n\"}", 0.0);
    check("correlator_listener_effects_done_total{listener=\"csv\",effect=\"table:logins\"}", 27.0);
    check("correlator_listener_state{listener=\"csv\",state=\"behind\"}", 1.0);
    // What is not known has no sample.
    assert!(!series.contains_key("correlator_module_lag_seconds{module=\"we\\\"ird\\\\\\n\"}"));
    assert!(render(&status()).contains(&format!("fuel_total{{module=\"sshd\"}} {}\n", u64::MAX)));
}

#[test]
fn an_engine_that_has_nothing_has_no_empty_metrics() {
    let page = render(&Status::default());
    let series = parse(&page);
    let names: HashSet<&str> =
        series.keys().map(|name| name.split('{').next().unwrap_or("")).collect();
    let declared = page.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(declared, names.len());
    assert!(!page.contains("correlator_event_time_seconds"));
}

#[test]
fn prometheus_itself_finds_nothing_wrong() {
    let Some(promtool) = installed("promtool") else {
        eprintln!("skipped: promtool is not installed, so only the small parser has read the page");
        return;
    };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(render(&status()).as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
