//! What an operator may write wrongly is told when the stack is checked, and what is long is cut.

use correlator_listener_sms::Sms;
use correlator_sdk::options::Setting;
use correlator_sdk::testing;

const EVENTS: &str = "schema m:e notice \"{a}\" a:text\n2023-02-20T20:14:09Z notice m:e a=x\n";

#[test]
fn mistakes_are_told() {
    let check = |settings: &[Setting], expected: &str| {
        let told = testing::effects::<Sms>(EVENTS, settings).err().unwrap_or_default();
        assert!(told.contains(expected), "{told}");
    };
    let to = Setting::new("to", "+15005550006");
    check(&[], "option \"to\" has no value");
    check(&[Setting::new("to", " , ")], "option `to` names no number");
    check(&[to.clone(), Setting::new("template", "{{ a }}")], "`a` is no variable");
    check(&[to, Setting::new("throttle_by", "b")], "no event that may arrive has a column `b`");
}

#[test]
fn a_message_is_cut() {
    let template = Setting::new("template", "{% for a in range(5000) %}ü{% endfor %}");
    let settings = [Setting::new("to", "+15005550006"), template];
    let lines = testing::effects::<Sms>(EVENTS, &settings).unwrap_or_else(|told| panic!("{told}"));
    assert!(lines[1].ends_with(&format!("text={}", "ü".repeat(1_600))), "{}", lines[1]);
}
