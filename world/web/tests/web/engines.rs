//! What a real `OpenSearch` and a real Elasticsearch make of documents, where they are installed.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use correlator_web::elastic::{Elastic, Settings};
use correlator_world::{Capability, Cell, Outcome, Request};
use rcgen::generate_simple_self_signed;

use crate::engine::{Engine, PATIENCE, Site};
use crate::vault::{
    SECRET, Vault, assert_done, assert_later, assert_refused, event, request, text,
};

fn deliver(elastic: &mut Elastic, requests: &[Request]) -> Vec<Outcome> {
    for request in requests {
        elastic.check(request).expect("granted");
    }
    elastic.deliver(requests, &Vault::default())
}

fn all(engine: &Engine) {
    indices_are_made_by_kind(engine);
    streams_take_documents(engine);
    each_document_has_its_own_outcome(engine);
    a_cluster_without_room_is_waited_for(engine);
    what_an_operator_mends_is_waited_for(engine);
}

fn indices_are_made_by_kind(engine: &Engine) {
    let mut elastic = engine.elastic("index: 'correlator-{target}-{+yyyy.MM.dd}'");
    let requests: Vec<_> =
        (0..2_500).map(|number| event(&format!("r:{number}#0"), "events")).collect();
    for outcome in deliver(&mut elastic, &requests) {
        assert_done(&outcome, "created in correlator-events-2023.11.14");
    }
    // The same again, also by an engine that knows nothing of it: nothing is there twice.
    for outcome in
        deliver(&mut engine.elastic("index: 'correlator-{target}-{+yyyy.MM.dd}'"), &requests[..100])
    {
        assert_done(&outcome, "was there already");
    }
    assert_eq!(engine.count("event:login_failed%20AND%20severity:3"), 2_500);
    assert_eq!(engine.count("summary:logins"), 2_500);
    let mapping = engine.json("GET", "/correlator-events-2023.11.14/_mapping", "");
    let properties = &mapping["correlator-events-2023.11.14"]["mappings"]["properties"];
    assert_eq!(properties["severity"]["type"], "long");
    assert_eq!(properties["module"]["type"], "keyword");
    assert_eq!(properties["@timestamp"]["type"], "date");
    assert_done(&elastic.undo(&requests[7], &Vault::default()), "deleted from");
    assert_done(&elastic.undo(&requests[7], &Vault::default()), "was not in");
    assert_eq!(engine.count("*:*"), 2_499);
    // A new column of an index that is there has its kind too.
    let mut more = event("r:more", "events");
    more.cells.push(("began".into(), Cell::Time(1_000_000_000)));
    assert_done(&deliver(&mut elastic, &[more])[0], "created");
    let mapping = engine.json("GET", "/correlator-events-2023.11.14/_mapping", "");
    assert_eq!(
        mapping["correlator-events-2023.11.14"]["mappings"]["properties"]["began"]["type"],
        "date"
    );
}

fn streams_take_documents(engine: &Engine) {
    let mut elastic = engine.elastic("stream: 'correlator-stream-{module}'");
    let requests: Vec<_> = (0..10).map(|number| event(&format!("s:{number}"), "any")).collect();
    for outcome in deliver(&mut elastic, &requests) {
        assert_done(&outcome, "created in .ds-correlator-stream-sshd-");
    }
    assert_done(&deliver(&mut elastic, &requests)[0], "was there already");
    engine.json("GET", "/correlator-stream-sshd/_refresh", "");
    let answer = engine.json("GET", "/correlator-stream-sshd/_count", "");
    assert_eq!(answer["count"], 10);
}

fn each_document_has_its_own_outcome(engine: &Engine) {
    let mut elastic = engine.elastic("index: 'correlator-{target}'");
    let good = request("k:1", "kinds", &[("count", Cell::Integer(5)), ("user", text("root"))]);
    assert_done(
        &deliver(&mut elastic, std::slice::from_ref(&good))[0],
        "created in correlator-kinds",
    );
    let bad = request("k:2", "kinds", &[("count", text("many"))]);
    let odd = request(
        "k:3",
        "kinds",
        &[("user", text("\"}\n{\u{0}\u{202e}")), ("ratio", Cell::Float(f64::NAN))],
    );
    let outcomes = deliver(&mut elastic, &[good, bad, odd]);
    assert_done(&outcomes[0], "was there already");
    assert_refused(&outcomes[1], "status 400");
    assert_done(&outcomes[2], "created");
}

fn a_cluster_without_room_is_waited_for(engine: &Engine) {
    let mut elastic = engine.elastic("index: 'correlator-{target}'");
    let documents = [request("k:9", "kinds", &[("count", Cell::Integer(9))])];
    let block = |value: &str| {
        let body = format!("{{\"index.blocks.read_only_allow_delete\": {value}}}");
        engine.json("PUT", "/correlator-kinds/_settings", &body);
    };
    block("true");
    assert_later(&deliver(&mut elastic, &documents)[0], "cluster_block_exception");
    block("null");
    assert_done(&deliver(&mut elastic, &documents)[0], "created");
}

fn what_an_operator_mends_is_waited_for(engine: &Engine) {
    let set = |name: &str, value: &str| {
        let body = format!("{{\"persistent\": {{\"{name}\": {value}}}}}");
        engine.json("PUT", "/_cluster/settings", &body);
    };
    let check = |number: u8, name: &str, value: &str, expected: &str| {
        let mut elastic = engine.elastic("index: 'correlator-{target}'");
        let target = format!("mended-{number}");
        let cells = [("count", Cell::Integer(1))];
        // One for an index that is there goes on, and one that is wrong itself is refused alone.
        let documents = [
            request(&format!("m:{number}"), &target, &cells),
            request(&format!("n:{number}"), "kinds", &cells),
            request(&format!("o:{number}"), "kinds", &[("count", text("many"))]),
        ];
        set(name, value);
        let outcomes = deliver(&mut elastic, &documents);
        assert_later(&outcomes[0], expected);
        assert_done(&outcomes[1], "created");
        assert_refused(&outcomes[2], "status 400");
        set(name, "null");
        assert_done(&deliver(&mut elastic, &documents[..1])[0], "created");
    };
    check(1, "action.auto_create_index", "\"false\"", "index_not_found_exception");
    check(2, "cluster.max_shards_per_node", "1", "validation_exception");
    engine.json("POST", "/correlator-kinds/_close", "");
    let mut elastic = engine.elastic("index: 'correlator-{target}'");
    let closed = [request("c:1", "kinds", &[("count", Cell::Integer(1))])];
    assert_later(&deliver(&mut elastic, &closed)[0], "closed");
    engine.json("POST", "/correlator-kinds/_open", "");
    assert_done(&deliver(&mut elastic, &closed)[0], "created");
    let limit = |value: &str| {
        let body = format!("{{\"index.mapping.total_fields.limit\": {value}}}");
        engine.json("PUT", "/correlator-kinds/_settings", &body);
    };
    limit("1");
    let mut plain = engine.elastic("index: 'correlator-{target}', template: false");
    let wide = [request("w:1", "kinds", &[("fresh", Cell::Integer(1))])];
    assert_later(&deliver(&mut plain, &wide)[0], "Limit of total fields");
    limit("null");
    assert_done(&deliver(&mut plain, &wide)[0], "created");
}

/// A second one that takes 50 kB at once, and little at a time.
fn too_much(name: &str) {
    let Some(engine) = Engine::start(name, "http.max_content_length: 50kb") else { return };
    let mut elastic = engine.elastic("index: 'correlator-{target}'");
    // Nothing that could be packed well.
    let noise = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let word = |_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            format!("{:016x}", state ^ (state >> 29))
        };
        (0..500).map(word).collect::<String>()
    };
    let cells = |number| [("text", text(&noise(number)))];
    let mut requests: Vec<_> =
        (0..40).map(|number| request(&number.to_string(), "much", &cells(number))).collect();
    let huge: String = (0..20).map(|number| noise(1_000 + number)).collect();
    requests.push(request("huge", "much", &[("text", text(&huge))]));
    let outcomes = deliver(&mut elastic, &requests);
    for outcome in &outcomes[..40] {
        assert_done(outcome, "created");
    }
    assert_refused(&outcomes[40], "413");
    assert_eq!(engine.count("*:*"), 40);
}

/// A third one that has no room for more than 10 kB on their way.
fn too_busy(name: &str) {
    let Some(engine) = Engine::start(name, "indexing_pressure.memory.limit: 10kb") else { return };
    let mut elastic = engine.elastic("index: 'correlator-{target}'");
    let large = [request("1", "busy", &[("text", text(&"x".repeat(20_000)))])];
    assert_later(&deliver(&mut elastic, &large)[0], "429");
    let small = [request("2", "busy", &[("text", text("x"))])];
    assert_done(&deliver(&mut elastic, &small)[0], "created");
}

const SECURITY: &str = "xpack.security.enabled: true\nxpack.security.http.ssl.enabled: true\n\
    xpack.security.http.ssl.certificate: http.crt\nxpack.security.http.ssl.key: http.key";

/// One that speaks TLS with a certificate of its own, and wants to know who asks.
fn secured(name: &str) {
    let Some(mut site) = Site::new(name, SECURITY) else { return };
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    fs::write(site.folder.join("config/http.crt"), made.cert.pem()).expect("written");
    fs::write(site.folder.join("config/http.key"), made.signing_key.serialize_pem())
        .expect("written");
    let mut keystore = site.command("elasticsearch-keystore");
    keystore.args(["add", "-x", "-f", "bootstrap.password"]).stdin(Stdio::piped());
    keystore.stdout(Stdio::null()).stderr(Stdio::null());
    let mut keystore = keystore.spawn().expect("it starts");
    let mut input = keystore.stdin.take().expect("a pipe");
    input.write_all(SECRET.as_bytes()).expect("written");
    drop(input);
    assert!(keystore.wait().expect("a child").success());
    let mut tokens = site.command("elasticsearch-service-tokens");
    let token = tokens.args(["create", "elastic/fleet-server", "it"]).output().expect("it starts");
    let token = String::from_utf8(token.stdout).expect("text");
    let token = token.rsplit(' ').next().expect("a word").trim().to_owned();
    let has_keys = site.add_words();
    site.master = Some(format!("Basic {}", BASE64_STANDARD.encode(format!("elastic:{SECRET}"))));
    let engine = site.start(|site| {
        let outcome = shown(site, "user: elastic", SECRET, &[event("1", "events")]).remove(0);
        matches!(outcome, Outcome::Done(_))
    });
    passwords(&engine.site);
    tokens_of_services(&engine.site, &token);
    if has_keys {
        keys(&engine);
    }
}

/// What comes of requests with this credential.
fn shown(site: &Site, more: &str, credential: &str, requests: &[Request]) -> Vec<Outcome> {
    let ca = site.folder.join("config/http.crt");
    let yaml = format!(
        "{{ url: 'https://{}', private: true, credential: token, {PATIENCE}, ca: '{}', {more} }}",
        site.address,
        ca.display()
    );
    let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
    let vault = Vault::with(&[("token", credential)]);
    Elastic::new(&settings).expect("a capability").deliver(requests, &vault)
}

fn passwords(site: &Site) {
    let one = [event("1", "events")];
    assert_done(&shown(site, "user: elastic", SECRET, &one)[0], "was there already");
    assert_later(&shown(site, "user: elastic", "wrong", &one)[0], "401");
    assert_later(&shown(site, "user: nobody", SECRET, &one)[0], "401");
    // Whom the system knows not.
    let yaml = format!(
        "{{ url: 'https://{}', private: true, user: elastic, credential: token }}",
        site.address
    );
    let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
    if let Ok(mut elastic) = Elastic::new(&settings) {
        let outcome = elastic.deliver(&one, &Vault::with(&[("token", SECRET)]));
        assert_later(&outcome[0], "TLS");
    }
}

/// A token of a service, which may write to streams of logs.
fn tokens_of_services(site: &Site, token: &str) {
    let bearer = "auth: bearer, stream: 'logs-{target}', template: false";
    let one = [event("1", "correlator")];
    assert_done(&shown(site, bearer, token, &one)[0], "created in");
    assert_done(&shown(site, bearer, token, &one)[0], "was there already");
    let elsewhere = "auth: bearer, index: 'correlator-{target}', template: false";
    // Somebody may still grant that.
    assert_later(&shown(site, elsewhere, token, &one)[0], "status 403");
    assert_later(&shown(site, bearer, &token.replace("AAEAA", "AAEBB"), &one)[0], "401");
    // It is no API key, and may make no templates.
    assert_later(&shown(site, "stream: 'logs-{target}'", token, &one)[0], "401");
    assert_later(&shown(site, "auth: bearer, stream: 'logs-{target}'", token, &one)[0], "403");
}

/// API keys that may no more than is needed.
fn keys(engine: &Engine) {
    let key = |name: &str, privileges: &str| {
        let body = format!(
            "{{\"name\": \"{name}\", \"role_descriptors\": {{\"writer\": {{\"cluster\": [\"manage_index_templates\"],
                \"index\": [{{\"names\": [\"correlator-*\"], \"privileges\": [{privileges}]}}]}}}}}}"
        );
        let made = engine.json("POST", "/_security/api_key", &body);
        made["encoded"].as_str().expect("a key").to_owned()
    };
    let site = &engine.site;
    let index = "index: 'correlator-{target}'";
    let writer = key("writer", "\"create_index\", \"create_doc\"");
    let mut rows = [event("k:1", "keys"), event("k:2", "keys")];
    for outcome in shown(site, index, &writer, &rows) {
        assert_done(&outcome, "created in correlator-keys");
    }
    assert_done(&shown(site, index, &writer, &rows)[0], "was there already");
    // A new column of an index that is there: it may not be told, and takes the document all the same.
    rows[0] = event("k:3", "keys");
    rows[0].cells.push(("began".into(), Cell::Time(1_000_000_000)));
    assert_done(&shown(site, index, &writer, &rows)[0], "created");
    // And one of `passwords`.
    assert_eq!(engine.count("*:*"), 4);
    // The key alone says who asks.
    let headed = format!("{index}, auth: {{ header: Authorization }}");
    assert_done(&shown(site, &headed, &format!("ApiKey {writer}"), &rows)[0], "was there already");
    let undo = |credential: &str| {
        let yaml = format!(
            "{{ url: 'https://{}', private: true, credential: token, ca: '{}', {index} }}",
            site.address,
            site.folder.join("config/http.crt").display()
        );
        let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
        let vault = Vault::with(&[("token", credential)]);
        Elastic::new(&settings).expect("a capability").undo(&rows[1], &vault)
    };
    assert_later(&undo(&writer), "status 403");
    let eraser = key("eraser", "\"create_index\", \"create_doc\", \"delete\"");
    assert_done(&undo(&eraser), "deleted from correlator-keys");
    // Where it may not write, and when it is no more.
    let other = "index: 'other-{target}', template: false";
    assert_later(&shown(site, other, &writer, &rows)[0], "security_exception");
    assert_later(&shown(site, index, "bm9ib2R5Om5vdGhpbmc=", &rows)[0], "401");
    assert_later(&shown(site, index, "no base64", &rows)[0], "40");
    engine.json("DELETE", "/_security/api_key", "{\"name\": \"writer\"}");
    assert_later(&shown(site, index, &writer, &rows)[0], "401");
}

/// They are large: one at a time.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn opensearch() {
    let _turn = TURN.lock();
    if let Some(engine) = Engine::start("opensearch", "") {
        all(&engine);
        drop(engine);
        too_much("opensearch");
        too_busy("opensearch");
    }
}

#[test]
fn elasticsearch() {
    let _turn = TURN.lock();
    if let Some(engine) = Engine::start("elasticsearch", "xpack.security.enabled: false") {
        all(&engine);
        drop(engine);
        secured("elasticsearch");
    }
}
