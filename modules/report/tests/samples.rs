//! The samples of this module, whole and cut at random places.

use correlator_module_report::Report;
use correlator_sdk::testing;

#[test]
fn samples() {
    testing::check_samples::<Report>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn a_record_of_many_lines_is_one_line() {
    let log = b"<13>1 2023-02-20T20:13:03Z host app 1 - - one\ntwo\r\nthree\0";
    let lines = testing::lines::<Report>(log, &[]);
    let expected = "2023-02-20T20:13:03.000000Z notice notice \
                    message=\"2023-02-20 20:13:03: host app 1 one two  three\"";
    assert_eq!(lines[0], expected);
}

#[test]
fn no_record_no_totals() {
    assert_eq!(testing::lines::<Report>(b"", &[]), ["statistic messages=0", "statistic size=0"]);
}
