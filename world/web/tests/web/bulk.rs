//! Bulks against a search engine that answers what a test wants.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use correlator_web::elastic::{Elastic, Settings};
use correlator_world::{Capability, Cell, Outcome, Refused, Request};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::server::{Reply, Seen, Server};
use crate::vault::{
    SECRET, Vault, assert_done, assert_later, assert_refused, event, request, text,
};

fn elastic(yaml: &str) -> Elastic {
    let settings: Settings = serde_yaml::from_str(yaml).expect("settings");
    Elastic::new(&settings).expect("a capability")
}

fn unpacked(seen: &Seen) -> String {
    let mut text = String::new();
    if seen.header("content-encoding") == Some("gzip") {
        GzDecoder::new(&*seen.body).read_to_string(&mut text).expect("gzip");
    } else {
        text = seen.text();
    }
    text
}

/// The actions and documents of a bulk.
fn pairs(seen: &Seen) -> Vec<(Value, Value)> {
    let text = unpacked(seen);
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// An answer to a bulk with these statuses.
fn items(statuses: &[(u16, &str)]) -> Reply {
    let item = |(status, kind): &(u16, &str)| match *kind {
        "" => json!({"create": {"_index": "i", "status": status}}),
        kind => {
            json!({"create": {"_index": "i", "status": status, "error": {"type": kind, "reason": format!("because {SECRET}")}}})
        }
    };
    let items: Vec<_> = statuses.iter().map(item).collect();
    Reply::text(200, &json!({ "items": items }).to_string())
}

fn is_bulk(seen: &Seen) -> bool {
    seen.path.starts_with("/_bulk?")
}

#[test]
fn a_turn_is_one_bulk_after_a_template() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => Reply::text(404, "{}"),
        "PUT" => Reply::text(200, "{\"acknowledged\":true}"),
        _ => items(&[(201, ""), (201, "")]),
    });
    let yaml =
        format!("{{ url: '{}/', private: true, user: me, credential: token }}", server.url(""));
    let mut elastic = elastic(&yaml);
    let requests = [event("r-1", "events"), event("r-2", "events")];
    let vault = Vault::with(&[("token", SECRET)]);
    for request in &requests {
        elastic.check(request).expect("granted");
    }
    for outcome in elastic.deliver(&requests, &vault) {
        assert_done(&outcome, "created in i");
    }
    let seen = server.seen();
    let paths: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path.split('?').next().unwrap_or("")))
        .collect();
    let expected = [
        "GET /_index_template/correlator-events",
        "PUT /_index_template/correlator-events",
        "PUT /correlator-events-*/_mapping",
        "POST /_bulk",
    ];
    assert_eq!(paths, expected);
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == Some("Basic bWU6czNjcjN0LVRvay9lbg=="))
    );
    let template: Value = serde_json::from_str(&unpacked(&seen[1])).expect("JSON");
    let properties = &template["template"]["mappings"]["properties"];
    assert_eq!(properties["severity"], json!({"type": "long"}));
    assert_eq!(properties["@timestamp"], json!({"type": "date"}));
    assert_eq!(properties["fields"], json!({"type": "flat_object"}));
    let (action, document) = pairs(&seen[3]).remove(0);
    assert_eq!(action, json!({"create": {"_index": "correlator-events-2023.11.14", "_id": "r-1"}}));
    assert_eq!(document["@timestamp"], "2023-11-14T22:13:20.25Z");
    assert_eq!(document["fields"]["failures"], 5);
    // What is known is not put again; what is new is.
    elastic.deliver(&requests, &vault);
    assert_eq!(server.seen().len(), 5);
    let mut more = requests;
    more[0].cells.push(("extra".into(), Cell::Boolean(true)));
    elastic.deliver(&more, &vault);
    assert_eq!(server.seen().len(), 9);
}

#[test]
fn each_document_has_its_own_outcome() {
    let server = Server::with(items(&[
        (201, ""),
        (409, "version_conflict_engine_exception"),
        (400, "mapper_parsing_exception"),
        (429, "es_rejected_execution_exception"),
        (503, "unavailable_shards_exception"),
        (403, "cluster_block_exception"),
        (404, "index_not_found_exception"),
        (403, "security_exception"),
        (401, "security_exception"),
        (400, "validation_exception"),
        (400, "index_closed_exception"),
        (400, "illegal_argument_exception"),
        (400, "strict_dynamic_mapping_exception"),
    ]));
    let yaml = format!(
        "{{ url: '{}', private: true, template: false, credential: token }}",
        server.url("")
    );
    let requests: Vec<_> = (0..13).map(|number| event(&format!("r-{number}"), "t")).collect();
    let outcomes = elastic(&yaml).deliver(&requests, &Vault::with(&[("token", SECRET)]));
    assert_done(&outcomes[0], "created in i");
    assert_done(&outcomes[1], "was there already");
    assert_refused(&outcomes[2], "status 400: `mapper_parsing_exception: because ***`");
    assert_later(&outcomes[3], "429");
    assert_later(&outcomes[4], "503");
    assert_later(&outcomes[5], "cluster_block_exception");
    assert_later(&outcomes[6], "404");
    assert_later(&outcomes[7], "status 403: `security_exception");
    assert_later(&outcomes[8], "status 401: `security_exception");
    assert_later(&outcomes[9], "validation_exception");
    assert_later(&outcomes[10], "index_closed_exception");
    assert_refused(&outcomes[11], "illegal_argument_exception");
    assert_refused(&outcomes[12], "strict_dynamic_mapping_exception");
    assert_eq!(server.only().header("authorization"), Some(format!("ApiKey {SECRET}").as_str()));
}

#[test]
fn what_an_operator_mends_at_the_server_is_waited_for() {
    let check = |status: u16, kind: &str, reason: &str, assert: fn(&Outcome, &str)| {
        let error = json!({"type": kind, "reason": reason});
        let item = json!({"create": {"_index": "i", "status": status, "error": error}});
        let server = Server::with(Reply::text(200, &json!({ "items": [item] }).to_string()));
        let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
        assert(&elastic(&yaml).deliver(&[event("r", "t")], &Vault::default())[0], kind);
    };
    let shards = "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000] \
                  maximum normal shards open;";
    check(400, "validation_exception", shards, assert_later);
    check(400, "illegal_argument_exception", shards, assert_later);
    check(400, "illegal_argument_exception", "pipeline with id [p] does not exist", assert_later);
    check(400, "illegal_argument_exception", "mapper [a] cannot be changed", assert_refused);
    let fields = "Limit of total fields [4] has been exceeded";
    check(400, "illegal_argument_exception", fields, assert_later);
    let in_document = format!("[1:56] failed to parse: {fields} while adding new fields [1]");
    check(400, "document_parsing_exception", &in_document, assert_later);
    let documents = "Number of documents in the index can't exceed [2147483519]";
    check(400, "illegal_argument_exception", documents, assert_later);
    // What an event says decides nothing.
    let event = "failed to parse field [a], its value: 'no write index'";
    check(400, "mapper_parsing_exception", event, assert_refused);
    let event = "[1:9] failed to parse field [a]: 'failed to parse: limit of total fields'";
    check(400, "document_parsing_exception", event, assert_refused);
    check(404, "index_not_found_exception", "no such index [i]", assert_later);
    check(400, "document_parsing_exception", "failed to parse field [a]", assert_refused);
}

#[test]
fn what_is_wrong_with_all_is_told_of_all() {
    let check = |reply: Reply, assert: fn(&Outcome, &str), expected: &str| {
        let server = Server::with(reply);
        let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
        let outcomes =
            elastic(&yaml).deliver(&[event("r-1", "t"), event("r-2", "t")], &Vault::default());
        assert_eq!(outcomes.len(), 2);
        for outcome in &outcomes {
            assert(outcome, expected);
        }
        server.seen().len()
    };
    let busy =
        "{\"error\":{\"reason\":\"rejected execution of coordinating operation\"},\"status\":429}";
    check(Reply::text(429, busy), assert_later, "429 Too Many Requests: `rejected execution");
    check(Reply::status(503), assert_later, "503 Service Unavailable");
    check(Reply::status(502), assert_later, "502");
    // Whoever mends the credential finds nothing lost.
    check(Reply::status(401), assert_later, "are its user and credential right?");
    check(Reply::status(403), assert_later, "are its user and credential right?");
    check(Reply::status(404), assert_later, "is `url` the address of a search engine?");
    check(Reply::header(301, "location", "/x"), assert_later, "give its new `url`");
    // No search engine, or not there: that is about none of the documents, and they are not asked for one by one.
    let proxy = "<h1>400 Bad Request</h1> request header or cookie too large";
    assert_eq!(check(Reply::text(400, proxy), assert_later, "cookie too large"), 1);
    let path = "{\"error\":\"no handler found for uri [/a/b/_bulk]\"}";
    assert_eq!(check(Reply::text(400, path), assert_later, "no handler found"), 1);
    let own = json!({"error": {"type": "illegal_argument_exception", "reason": "explicit index in bulk is not allowed"}});
    assert_eq!(check(Reply::text(400, &own.to_string()), assert_later, "explicit index"), 1);
    let misread = json!({"error": {"type": "illegal_argument_exception", "reason": "Malformed action/metadata line [1]"}});
    check(Reply::text(400, &misread.to_string()), assert_refused, "Malformed action");
    check(Reply::text(200, "{}"), assert_later, "200 OK");
    check(Reply::text(200, "<html>"), assert_later, "<html>");
    check(items(&[(201, "")]), assert_later, "200 OK");
    check(Reply::text(200, "{\"items\":[{},{\"index\":7}]}"), assert_later, "lacks this document");
}

#[test]
fn who_is_busy_says_for_how_long() {
    let server = Server::with(Reply::header(429, "Retry-After", "9"));
    let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
    let outcome = elastic(&yaml).deliver(&[event("r", "t")], &Vault::default()).remove(0);
    assert!(matches!(outcome, Outcome::Later { after: Some(after), .. } if after.as_secs() == 9));
}

#[test]
fn what_is_too_much_is_halved() {
    // Takes two documents at the most, and never the one that is called `large`.
    let server = Server::start(|seen| {
        let pairs = pairs(seen);
        let large = pairs.iter().any(|(action, _)| action["create"]["_id"] == "large");
        if pairs.len() > 2 || large {
            Reply::status(413)
        } else {
            items(&vec![(201, ""); pairs.len()])
        }
    });
    let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
    let ids = ["a", "b", "c", "large", "d", "e", "f"];
    let requests: Vec<_> = ids.iter().map(|id| event(id, "t")).collect();
    let outcomes = elastic(&yaml).deliver(&requests, &Vault::default());
    for (id, outcome) in ids.iter().zip(&outcomes) {
        match *id {
            "large" => assert_refused(outcome, "413"),
            _ => assert_done(outcome, "created"),
        }
    }
}

#[test]
fn one_that_is_not_understood_harms_no_other() {
    let server = Server::start(|seen| {
        let pairs = pairs(seen);
        let odd = pairs.iter().any(|(action, _)| action["create"]["_id"] == "odd");
        let error = json!({"error": {"type": "parse_exception", "reason": "odd"}});
        if odd {
            Reply::text(400, &error.to_string())
        } else {
            items(&vec![(201, ""); pairs.len()])
        }
    });
    let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
    let requests: Vec<_> = ["a", "odd", "b", "c"].iter().map(|id| event(id, "t")).collect();
    let outcomes = elastic(&yaml).deliver(&requests, &Vault::default());
    assert_refused(&outcomes[1], "400 Bad Request: `odd`");
    for at in [0, 2, 3] {
        assert_done(&outcomes[at], "created");
    }
}

#[test]
fn many_are_sent_in_several() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |seen| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => items(&vec![(201, ""); pairs(seen).len()]),
        _ => Reply::status(503),
    });
    let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
    let requests: Vec<_> = (0..6_500).map(|number| event(&number.to_string(), "t")).collect();
    let outcomes = elastic(&yaml).deliver(&requests, &Vault::default());
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
    let later = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Later { .. })).count();
    // Who is down is not asked for the rest.
    assert_eq!((done, later, server.seen().len()), (2_000, 4_500, 2));
}

#[test]
fn documents_without_their_template_wait() {
    let check = |reply: Reply, assert: fn(&Outcome, &str), expected: &str| {
        let server = Server::start(
            move |seen| if is_bulk(seen) { items(&[(201, "")]) } else { reply.clone() },
        );
        let yaml =
            format!("{{ url: '{}', private: true, stream: 's-{{target}}' }}", server.url(""));
        let outcomes = elastic(&yaml).deliver(&[event("r", "t")], &Vault::default());
        assert(&outcomes[0], expected);
        assert!(!server.seen().iter().any(is_bulk));
    };
    check(Reply::status(503), assert_later, "503");
    check(Reply::status(403), assert_later, "403");
    check(Reply::status(400), assert_later, "400");
    check(Reply::Bytes(Vec::new()), assert_later, "");
}

#[test]
fn a_template_grows_and_knows_its_server() {
    let there = json!({"index_templates": [{"index_template": {"template": {"mappings": {"properties": {
        "@timestamp": {"type": "date_nanos"}, "old": {"type": "ip"}}}}}}]});
    let server = Server::start(move |seen| match (seen.method.as_str(), unpacked(seen)) {
        ("GET", _) => Reply::text(200, &there.to_string()),
        ("PUT", body) if body.contains("flat_object") => {
            Reply::text(400, "{\"error\":{\"reason\":\"No handler for type [flat_object]\"}}")
        }
        ("PUT", _) => Reply::text(200, "{}"),
        _ => items(&[(201, "")]),
    });
    let yaml = format!("{{ url: '{}', private: true, stream: 's-{{target}}' }}", server.url(""));
    assert_done(&elastic(&yaml).deliver(&[event("r", "t")], &Vault::default())[0], "created");
    let seen = server.seen();
    let template: Value = serde_json::from_str(&unpacked(&seen[2])).expect("JSON");
    let properties = &template["template"]["mappings"]["properties"];
    assert_eq!(properties["old"], json!({"type": "ip"}));
    assert_eq!(properties["@timestamp"], json!({"type": "date_nanos"}));
    assert_eq!(properties["fields"], json!({"type": "flattened"}));
    assert_eq!(template["data_stream"], json!({}));
    assert_eq!(pairs(&seen[4])[0].0, json!({"create": {"_index": "s-t", "_id": "r"}}));
}

#[test]
fn a_document_can_be_taken_back() {
    let check = |settings: &str, status: u16, assert: fn(&Outcome, &str), expected: &str| {
        let answer = json!({"items": [{"delete": {"_index": "i", "status": status}}]});
        let server = Server::with(Reply::text(200, &answer.to_string()));
        let yaml = format!("{{ url: '{}', private: true, {settings} }}", server.url(""));
        assert(&elastic(&yaml).undo(&event("r-1", "t"), &Vault::default()), expected);
        server.seen().first().map(unpacked)
    };
    let dated = "index: 'c-{target}-{+yyyy}'";
    let sent = check(dated, 200, assert_done, "deleted from c-t-2023").expect("asked");
    let sent: Value = serde_json::from_str(&sent).expect("one line of JSON");
    assert_eq!(sent, json!({"delete": {"_index": "c-t-2023", "_id": "r-1"}}));
    check(dated, 404, assert_done, "was not in c-t-2023");
    check(dated, 503, assert_later, "503");
    check("stream: 'c-{target}'", 200, assert_refused, "keeps what is in it");
    let mut timeless = elastic("{ url: 'https://search.example.org' }");
    let outcome = timeless.undo(&request("r", "t", &[]), &Vault::default());
    assert_refused(&outcome, "it has no time");
}

#[test]
fn guests_stay_within_the_grant() {
    let elastic = elastic("{ url: 'https://search.example.org', targets: [events] }");
    let check = |request: Request, expected: &str| {
        let refused = elastic.check(&request).expect_err("not granted").to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    elastic.check(&event("r", "events")).expect("granted");
    check(event("r", "audit"), "denied: `audit` is not among the `targets`");
    check(request("r", "events", &[("_id", text("x"))]), "can't be a field");
    check(request("r", "events", &[("a\"}}\n{\"delete\":{", text("x"))]), "can't be a field");
    let large = request("r", "events", &[("body", text(&"x".repeat(2 << 20)))]);
    assert!(matches!(elastic.check(&large), Err(Refused::Denied(_))));
}

#[test]
fn a_guest_makes_no_thousand_indices() {
    let server = Server::start(|seen| items(&vec![(201, ""); pairs(seen).len()]));
    let yaml =
        format!("{{ url: '{}', private: true, template: false, indices_max: 2 }}", server.url(""));
    let of =
        |id: &str, day: i64| request(id, "t", &[("time", Cell::Time(day * 86_400_000_000_000))]);
    let outcomes = elastic(&yaml)
        .deliver(&[of("1", 0), of("2", 1), of("3", 2), of("4", 0)], &Vault::default());
    assert_done(&outcomes[0], "created");
    assert_done(&outcomes[1], "created");
    assert_refused(&outcomes[2], "raise `indices_max`");
    assert_done(&outcomes[3], "created");
}

#[test]
fn hostile_values_stay_one_line() {
    let server = Server::with(items(&[(201, "")]));
    let yaml = format!("{{ url: '{}', private: true, template: false }}", server.url(""));
    let hostile = "x\"}\n{\"delete\":{\"_index\":\".security\",\"_id\":\"1\"}}\n\u{2028}";
    let request = request("r", "t", &[("user", text(hostile)), ("time", Cell::Time(0))]);
    assert_done(&elastic(&yaml).deliver(&[request], &Vault::default())[0], "created");
    let pairs = pairs(&server.only());
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].1["user"], hostile);
}

#[test]
fn settings_that_make_no_sense_are_told() {
    let check = |yaml: &str, expected: &str| {
        let settings = serde_yaml::from_str::<Settings>(yaml);
        let said = settings
            .map_or_else(|error| error.to_string(), |s| Elastic::new(&s).err().unwrap_or_default());
        assert!(said.contains(expected), "{yaml}: {said}");
    };
    check("{}", "`url` says where");
    check("{ url: 'https://x.org', index: a, stream: b }", "it can't be both");
    check("{ url: 'https://x.org', index: '{target}' }", "it begins with a word of yours");
    check("{ url: 'https://x.org', index: 'A-{target}' }", "other characters than");
    check("{ url: 'https://x.org', user: me }", "needs a `credential`");
    check("{ url: 'https://x.org', auth: basic, credential: c }", "needs a `user`");
    check("{ url: 'http://x.org', credential: c }", "over plain HTTP");
    check("{ url: 'http://127.0.0.1:9200' }", "is the machine itself");
    check("{ url: 'https://x.org/?q=1' }", "without `?` and `#`");
    check("{ url: 'https://x.org', indices_max: 0 }", "1 at least");
    check("{ url: 'https://x.org', indexes: 1 }", "indexes");
}
