//! What an operator may write wrongly is told when the stack is checked; what strangers write stays in its place.

use correlator_listener_webhook::Webhook;
use correlator_sdk::options::Setting;
use correlator_sdk::testing;

const EVENTS: &str = "schema m:e notice \"{a}\" a:text\n\
    2023-02-20T20:14:09Z notice m:e a=\"\\\", \\\"admin\\\": \\\"yes\"\n";

#[test]
fn mistakes_are_told() {
    let check = |option: &str, value: &str, expected: &str| {
        let told = testing::effects::<Webhook>(EVENTS, &[Setting::new(option, value)]).err();
        let told = told.unwrap_or_default();
        assert!(told.contains(option) && told.contains(expected), "{option}: {told}");
    };
    check("body", "{\"text\": {{ a }}}", "`a` is no variable");
    check("body", "{\"text\": {{ summary|shorten }}}", "line 1: filter shorten is unknown");
    check("body", "{", "what it makes is no JSON");
    check("body", "{\"text\": \"{{ summary }}\"}", "leave the quotes around {{ }} out");
    check("body", "{\"a\": {{ fields.b }}}", "no event that may arrive has a column `b`");
    check("throttle_by", "b", "no event that may arrive has a column `b`");
}

#[test]
fn a_value_does_not_break_out() {
    let body = Setting::new("body", "{\"text\": {{ summary }}}");
    let lines =
        testing::effects::<Webhook>(EVENTS, &[body]).unwrap_or_else(|told| panic!("{told}"));
    // The line's own quotes are escaped once more.
    let expected = r#"body="{\"text\": \"\\\", \\\"admin\\\": \\\"yes\"}""#;
    assert!(lines[1].ends_with(expected), "{}", lines[1]);
}
