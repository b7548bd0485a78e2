//! What a real `OpenSearch` and a real Elasticsearch make of documents, where they are installed.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use correlator_web::elastic::{Elastic, Settings};
use correlator_world::{Capability, Cell, Outcome, Request};
use rcgen::generate_simple_self_signed;

use crate::engine::{Engine, Site};
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

/// One that speaks TLS with a certificate of its own, and wants a password.
fn with_passwords(name: &str) {
    let settings = "xpack.security.enabled: true\nxpack.security.http.ssl.enabled: true\n\
        xpack.security.http.ssl.certificate: http.crt\nxpack.security.http.ssl.key: http.key";
    let Some(site) = Site::new(name, settings) else { return };
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let ca = site.folder.join("config/http.crt");
    fs::write(&ca, made.cert.pem()).expect("written");
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
    let elastic = |site: &Site, ca: &str| {
        let yaml = format!(
            "{{ url: 'https://{}', private: true, user: elastic, credential: token, {ca} }}",
            site.address
        );
        let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
        Elastic::new(&settings)
    };
    let ca = format!("ca: '{}'", ca.display());
    let index = |site: &Site, password: &str| {
        let vault = Vault::with(&[("token", password)]);
        let mut elastic = elastic(site, &ca).expect("a capability");
        elastic.deliver(&[event("1", "events")], &vault).remove(0)
    };
    let engine = site.start(|site| matches!(index(site, SECRET), Outcome::Done(_)));
    assert_done(&index(&engine.site, SECRET), "was there already");
    assert_refused(&index(&engine.site, "wrong"), "401");
    if let Ok(mut elastic) = elastic(&engine.site, "template: true") {
        let outcome = elastic.deliver(&[event("2", "events")], &Vault::with(&[("token", SECRET)]));
        assert_later(&outcome[0], "TLS");
    }
}

#[test]
fn opensearch() {
    if let Some(engine) = Engine::start("opensearch", "") {
        all(&engine);
        drop(engine);
        too_much("opensearch");
        too_busy("opensearch");
    }
}

#[test]
fn elasticsearch() {
    if let Some(engine) = Engine::start("elasticsearch", "xpack.security.enabled: false") {
        all(&engine);
        drop(engine);
        with_passwords("elasticsearch");
    }
}
