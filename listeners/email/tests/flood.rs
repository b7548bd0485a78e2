//! Whoever writes logs may write much. What comes of it stays within what a host takes of one call.

use correlator_listener_email::Email;
use correlator_sdk::testing;

/// What a host takes of one call if the stack says nothing else.
const TURN_BYTES: usize = 16 << 20;

#[test]
fn a_flood_of_long_lines_is_told() {
    let long = "<\"&/".repeat(2_000);
    let mut events = "schema m:e warning \"{a} {b}\" a:text b:text\n".to_owned();
    let line =
        format!("2023-02-20T20:14:09Z warning m:e a=\"{}\" b=x\n", long.replace('"', "\\\""));
    events.push_str(&line.repeat(2_048));
    let lines = testing::effects::<Email>(&events, &[]).unwrap_or_else(|told| panic!("{told}"));
    let mails = lines.iter().filter(|line| line.contains(" mail default subject=")).count();
    assert_eq!(mails, 2_048);
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < TURN_BYTES, "{bytes} bytes");
    assert!(lines[1].contains(" html=") && !lines[2_040].contains(" html="));
}
