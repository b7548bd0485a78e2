//! What an operator may write wrongly is told when the stack is checked, with the option's name.

use correlator_listener_email::Email;
use correlator_sdk::options::Setting;
use correlator_sdk::testing;

const EVENTS: &str = "schema m:e notice \"{a}\" a:text\n2023-02-20T20:14:09Z notice m:e a=x\n";

#[test]
fn mistakes_are_told() {
    let check = |option: &str, value: &str, expected: &str| {
        let told = testing::effects::<Email>(EVENTS, &[Setting::new(option, value)]).err();
        let told = told.unwrap_or_default();
        assert!(told.contains(option) && told.contains(expected), "{option}: {told}");
    };
    check("template_text", "{{ a }}", "`a` is no variable");
    check("template_html", "<p>{% if %}", "line 1");
    check("template_text", "{{ fields.nouser }}", "no event that may arrive has a column `nouser`");
    check("template_digest_text", "{{ summary", "line 1");
    check("template_digest_html", "{{ x }}", "`x` is no variable");
    check("subject", "{{ subjct }}", "`subjct` is no variable");
    check("subject_digest", "{% for %}", "line 1");
    check("quiet_hours", "10pm-7am", "write it like 22:00-07:00");
    check("throttle_by", "addr", "no event that may arrive has a column `addr`");
}

/// A mail tells of the event even if the operator's template fails on it.
#[test]
fn a_template_that_fails_costs_no_mail() {
    let template = Setting::new("template_text", "{{ fields.a.b.c }}");
    let lines = testing::effects::<Email>(EVENTS, &[template, Setting::new("html", false)]);
    let lines = lines.unwrap_or_else(|told| panic!("{told}"));
    assert!(
        lines[1].contains("subject=x text=\"x\\n\\ntime  2023-02-20T20:14:09.000000Z"),
        "{lines:?}"
    );
}
