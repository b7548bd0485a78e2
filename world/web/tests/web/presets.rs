//! Each preset as its service wants it, and with values that would like to be more than text.

use correlator_web::webhook::{Settings, Webhook};
use correlator_world::{Capability, Cell};
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::vault::{
    SECRET, Vault, assert_done, assert_later, assert_refused, event, request, text,
};

/// What a preset makes of a request, by way of a server that answers so.
fn sent(
    settings: &str,
    reply: Reply,
    request: &correlator_world::Request,
) -> (crate::server::Seen, correlator_world::Outcome) {
    let server = Server::with(reply);
    let yaml = settings.replace("URL", &server.url("/api"));
    let settings: Settings =
        serde_yaml::from_str(&format!("endpoints: {{ a: {yaml} }}")).expect("settings");
    let mut webhook = Webhook::new(&settings).expect("a webhook");
    let vault = Vault::with(&[("token", SECRET), ("url", &server.url("/hook"))]);
    webhook.check(request).expect("granted");
    let outcome = webhook.deliver(std::slice::from_ref(request), &vault).remove(0);
    (server.only(), outcome)
}

#[track_caller]
fn check(settings: &str, reply: Reply, said: &str, expected: &Value) {
    let (seen, outcome) = sent(settings, reply, &event("r-1", "a"));
    assert_done(&outcome, said);
    assert_eq!(seen.json(), *expected, "{}", seen.text());
}

const FOOTER: &str = "sshd login_failed 2023-11-14T22:13:20.25Z sshd:42#0";

#[test]
fn slack() {
    let expected = json!({
        "text": "*error*: 5 failed logins from &lt;192.0.2.7&gt; &amp; \"more\"",
        "unfurl_links": false, "unfurl_media": false,
        "attachments": [{
            "color": "#d84315",
            "fallback": "5 failed logins from &lt;192.0.2.7&gt; &amp; \"more\"",
            "text": "user: root\naddr: 192.0.2.7\nfailures: 5",
            "footer": FOOTER,
        }],
    });
    check(
        "{ preset: slack, credential: url, private: true }",
        Reply::text(200, "ok"),
        "200",
        &expected,
    );
}

/// A page of somebody in between is not its answer, whatever words are on it.
#[test]
fn slack_says_ok_and_nothing_else() {
    let settings = "{ preset: slack, credential: url, private: true }";
    let answered = |body: &str| sent(settings, Reply::text(200, body), &event("r", "a")).1;
    assert_done(&answered("ok\n"), "200");
    assert_later(&answered("<html>Please enable cookies</html>"), "enable cookies");
}

#[test]
fn mattermost() {
    let expected = json!({
        "text": "**error**: 5 failed logins from &lt;192.0.2.7> & \"more\"",
        "attachments": [{
            "color": "#d84315",
            "fallback": "5 failed logins from &lt;192.0.2.7> & \"more\"",
            "text": "user: root\naddr: 192.0.2.7\nfailures: 5",
            "footer": FOOTER,
        }],
    });
    check(
        "{ preset: mattermost, credential: url, private: true }",
        Reply::text(200, "ok"),
        "200",
        &expected,
    );
}

#[test]
fn teams() {
    let settings = "{ preset: teams, credential: url, private: true }";
    let (seen, outcome) = sent(settings, Reply::status(202), &event("r-1", "a"));
    assert_done(&outcome, "202 Accepted");
    let body = seen.json();
    assert_eq!(body["type"], "message");
    let card = &body["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["version"], "1.4");
    let first = json!({
        "type": "TextBlock", "wrap": true, "weight": "bolder", "color": "attention",
        "text": "error: 5 failed logins from \\<192.0.2.7\\> & \"more\"",
    });
    assert_eq!(card["content"]["body"][0], first);
    assert_eq!(card["content"]["body"][1]["text"], "user: root\n\naddr: 192.0.2.7\n\nfailures: 5");
    let failed = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
    let (_, outcome) = sent(settings, Reply::text(200, failed), &event("r-1", "a"));
    assert_later(&outcome, "HTTP error 429");
}

#[test]
fn pagerduty() {
    let settings = "{ preset: pagerduty, url: URL, credential: token, private: true }";
    let expected = json!({
        "routing_key": SECRET, "event_action": "trigger", "dedup_key": "r-1", "client": "Correlator",
        "payload": {
            "summary": "5 failed logins from <192.0.2.7> & \"more\"", "source": "correlator", "severity": "error",
            "timestamp": "2023-11-14T22:13:20.25Z", "component": "sshd", "class": "login_failed",
            "custom_details": {"user": "root", "addr": "192.0.2.7", "failures": 5},
        },
    });
    let answer = "{\"status\":\"success\",\"dedup_key\":\"r-1\"}";
    check(settings, Reply::text(202, answer), "202 Accepted: `r-1`", &expected);
    let (_, outcome) =
        sent(settings, Reply::text(400, &format!("{{\"key\":\"{SECRET}\"}}")), &event("r", "a"));
    assert_refused(&outcome, "***");
}

#[test]
fn a_url_that_is_the_secret_is_never_repeated() {
    let check = |answer: &str| {
        let server = Server::with(Reply::text(404, answer));
        let yaml = "endpoints: { a: { preset: slack, credential: url, private: true } }";
        let settings: Settings = serde_yaml::from_str(yaml).expect("settings");
        let url = server.url("/services/T0ABCDEF/B0ABCDEF/XXXXSECRETXXXX");
        let mut webhook = Webhook::new(&settings).expect("a webhook");
        let outcome = webhook.deliver(&[event("r", "a")], &Vault::with(&[("url", &url)])).remove(0);
        assert_refused(&outcome, "404 Not Found");
        let told = format!("{outcome:?}");
        assert!(told.contains("***") && !told.contains("SECRET"), "{answer}: {told}");
        assert!(!told.contains("T0ABCDEF"), "{answer}: {told}");
    };
    check("no hook /services/T0ABCDEF/B0ABCDEF/XXXXSECRETXXXX");
    check(r#"{"path":"\/services\/T0ABCDEF\/B0ABCDEF\/XXXXSECRETXXXX","hook":"XXXXSECRETXXXX"}"#);
    check("XXXXSECRETXXXX");
    check("<p>%2Fservices%2FT0ABCDEF%2FB0ABCDEF%2FXXXXSECRET...");
}

#[test]
fn servicenow() {
    let (seen, outcome) = sent(
        "{ preset: servicenow, url: URL, user: me, credential: token, private: true }",
        Reply::text(201, "{\"result\":{\"number\":\"INC0010001\"}}"),
        &event("r-1", "a"),
    );
    assert_done(&outcome, "INC0010001");
    assert!(seen.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    let body = seen.json();
    assert_eq!(body["short_description"], "5 failed logins from <192.0.2.7> & \"more\"");
    assert_eq!((&body["impact"], &body["urgency"]), (&json!("2"), &json!("2")));
    assert_eq!(body["correlation_id"], "r-1");
}

#[test]
fn jira() {
    let settings = "{ preset: jira, url: URL, user: me@example.org, credential: token, private: true, values: { project: SEC } }";
    let (seen, outcome) =
        sent(settings, Reply::text(201, "{\"id\":\"1\",\"key\":\"SEC-24\"}"), &event("r-1", "a"));
    assert_done(&outcome, "SEC-24");
    let fields = &seen.json()["fields"];
    assert_eq!(fields["project"], json!({"key": "SEC"}));
    assert_eq!(fields["issuetype"], json!({"name": "Task"}));
    assert_eq!(fields["labels"], json!(["correlator", "correlator-r-1"]));
    let description = fields["description"].as_str().expect("text");
    assert!(description.contains("event: login\\_failed"), "{description}");
}

#[test]
fn alertmanager() {
    let expected = json!([{
        "labels": {"alertname": "login_failed", "severity": "error", "module": "sshd", "event_id": "r-1"},
        "annotations": {
            "summary": "5 failed logins from <192.0.2.7> & \"more\"",
            "description": "user: root\naddr: 192.0.2.7\nfailures: 5", "id": "sshd:42#0",
        },
        "startsAt": "2023-11-14T22:13:20.25Z",
    }]);
    check(
        "{ preset: alertmanager, url: URL, private: true }",
        Reply::status(200),
        "200",
        &expected,
    );
}

#[test]
fn a_body_of_ones_own() {
    let settings = "{ url: URL, private: true, values: { room: ops }, json: { room: '{$room}', n: '{severity}', t: 'x {summary}' } }";
    let (seen, _) = sent(
        settings,
        Reply::status(200),
        &request("r", "a", &[("severity", Cell::Integer(1)), ("summary", text("s"))]),
    );
    assert_eq!(seen.json(), json!({"room": "ops", "n": 1, "t": "x s"}));
    let settings = "{ url: URL, private: true, form: { t: '{summary}', none: '{event?}' } }";
    let (seen, _) =
        sent(settings, Reply::status(200), &request("r", "a", &[("summary", text("a&b=c\r\n"))]));
    assert_eq!(seen.text(), "t=a%26b%3Dc%0D%0A");
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[test]
fn little_is_enough_and_hostile_text_stays_text() {
    let hostile = "\"},{\"text\":\"x\"}] <!channel> <http://evil|good> @channel [a](http://evil) \u{202e}\r\n{@credential} {$project} \\";
    let urls = ["slack", "teams", "mattermost"]
        .map(|name| format!("{{ preset: {name}, credential: url, private: true }}"));
    let others = [
        "{ preset: pagerduty, url: URL, credential: token, private: true }",
        "{ preset: servicenow, url: URL, credential: token, private: true }",
        "{ preset: jira, url: URL, credential: token, private: true, values: { project: SEC } }",
        "{ preset: alertmanager, url: URL, private: true }",
    ];
    for settings in urls.iter().map(String::as_str).chain(others) {
        let request = request("r", "a", &[("summary", text(hostile))]);
        let (seen, outcome) = sent(settings, Reply::text(200, "ok"), &request);
        assert_done(&outcome, "200");
        let body = seen.json().to_string();
        assert!(
            !settings.contains("slack") || !body.contains("<!channel>") && !body.contains("<http"),
            "{body}"
        );
        assert!(
            !settings.contains("mattermost")
                || !body.contains("@channel") && !body.contains("[a]("),
            "{body}"
        );
        assert!(!settings.contains("teams") || !body.contains("[a]("), "{body}");
        assert!(!body.contains('\u{202e}'), "{settings}: {body}");
        assert_eq!(body.contains(SECRET), settings.contains("pagerduty"), "{body}");
    }
}

/// The bounds that services have published: what is longer would be cut where it hurts, or refused.
#[test]
fn long_texts_keep_to_the_bounds_of_services() {
    let long = |count: usize| text(&"\u{1f980}*<\\".repeat(count));
    let fields = serde_json::json!({ "a": "\u{1f980}*<\\".repeat(20_000), "b": 1 }).to_string();
    let cells = [
        ("severity", Cell::Integer(0)),
        ("summary", long(20_000)),
        ("event", long(500)),
        ("module", long(500)),
        ("time", Cell::Time(1_700_000_000_250_000_000)),
        ("id", long(500)),
        ("fields", text(&fields)),
    ];
    let id = "i".repeat(200);
    let made = |settings: &str| {
        let (seen, _) = sent(settings, Reply::text(200, "ok"), &request(&id, "a", &cells));
        (seen.body.len(), seen.json())
    };
    let characters = |value: &Value| value.as_str().expect("text").chars().count();
    let hook = |name: &str| format!("{{ preset: {name}, credential: url, private: true }}");
    // Slack and Mattermost: 300 of a footer; markup counts too, but only where it is.
    let (_, slack) = made(&hook("slack"));
    assert!(characters(&slack["text"]) <= 40_000);
    let (_, mattermost) = made(&hook("mattermost"));
    assert!(characters(&mattermost["text"]) <= 16_383);
    assert!(characters(&mattermost["attachments"][0]["footer"]) <= 300);
    // Teams: 28 kB in all.
    let (bytes, _) = made(&hook("teams"));
    assert!(bytes <= 28 * 1024, "{bytes}");
    let (_, body) = made("{ preset: pagerduty, url: URL, credential: token, private: true }");
    assert!(characters(&body["payload"]["summary"]) <= 1_024);
    assert!(characters(&body["dedup_key"]) <= 255);
    assert!(
        ["critical", "error", "warning", "info"]
            .contains(&body["payload"]["severity"].as_str().expect("text"))
    );
    let (_, body) = made("{ preset: servicenow, url: URL, credential: token, private: true }");
    assert!(characters(&body["short_description"]) <= 160);
    assert!(characters(&body["description"]) <= 4_000);
    assert!(body["description"].as_str().expect("text").contains("severity: emergency"));
    assert!(characters(&body["correlation_id"]) <= 100);
    let (_, body) = made(
        "{ preset: jira, url: URL, credential: token, private: true, values: { project: SEC } }",
    );
    assert!(characters(&body["fields"]["summary"]) <= 255);
    assert!(characters(&body["fields"]["description"]) <= 32_767);
    for label in body["fields"]["labels"].as_array().expect("a list") {
        assert!(characters(label) <= 255 && !label.as_str().expect("text").contains(' '));
    }
}

#[test]
fn long_ids_that_differ_at_their_end_stay_apart() {
    let check = |settings: &str, at: &str, most: usize| {
        let keys = |end: &str| {
            let id = format!("{}{end}", "i".repeat(300));
            let (seen, _) = sent(settings, Reply::text(201, "{}"), &event(&id, "a"));
            let key = seen.header("idempotency-key").expect("a key").to_owned();
            let body = seen.json();
            (key, body.pointer(at).and_then(Value::as_str).expect("a text").to_owned())
        };
        let ((one_key, one), (other_key, other)) = (keys(":1f:0"), keys(":1f:1"));
        assert!(one != other && one_key != other_key, "{settings}: {one}");
        assert!(one.chars().count() <= most && one_key.len() <= 255, "{settings}: {one}");
        assert_eq!(keys(":1f:0"), (one_key, one), "{settings}: the same when it is sent again");
    };
    let of = |preset: &str| {
        format!(
            "{{ preset: {preset}, url: URL, credential: token, private: true, values: {{ project: SEC }} }}"
        )
    };
    check(&of("servicenow").replace(", values: { project: SEC }", ""), "/correlation_id", 100);
    check(&of("pagerduty").replace(", values: { project: SEC }", ""), "/dedup_key", 255);
    check(&of("jira"), "/fields/labels/1", 255);
}

#[test]
fn what_a_preset_lacks_is_told() {
    let settings: Settings = serde_yaml::from_str(
        "endpoints: { a: { preset: slack, credential: u }, b: { preset: pagerduty, credential: k } }",
    )
    .expect("settings");
    let webhook = Webhook::new(&settings).expect("a webhook");
    let check = |target: &str, cells: &[(&str, Cell)], expected: &str| {
        let refused =
            webhook.check(&request("r", target, cells)).expect_err("malformed").to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    check(
        "a",
        &[("severity", Cell::Integer(1))],
        "not understood: the column `summary` is missing",
    );
    check(
        "a",
        &[("summary", text("s")), ("severity", Cell::Integer(8))],
        "no whole number from 0 to 7",
    );
    check(
        "b",
        &[("summary", text("s")), ("fields", text("{"))],
        "the column `fields`: it is no JSON",
    );
}
