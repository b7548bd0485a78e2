//! Many documents in one request, and what the answer says of each.

use correlator_world::Outcome;
use serde_json::{Value, json};
use ureq::http::Method;

use super::server::Session;
use crate::client::Answer;
use crate::limit;
use crate::recipe::excerpt;

const NDJSON: &str = "application/x-ndjson";
/// What of the answer is of interest.
const PATH: &str =
    "/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason,items.*._index";
const TOO_LARGE: u16 = 413;
const MALFORMED: u16 = 400;
/// What an answer of 400 is about that an operator mends without another document: no room for more shards, an index that
/// is closed or is being made, a routing that the index asks for.
const MENDABLE: [&str; 5] = [
    "validation_exception",
    "index_closed_exception",
    "resource_already_exists_exception",
    "routing_missing_exception",
    "illegal_state_exception",
];
/// What is said of everything else that doesn't fit, and only the words tell what it is.
const ILLEGAL: &str = "illegal_argument_exception";
/// What of that is mendable, in small letters: a pipeline that is not there, an alias that leads nowhere, shards again, an
/// index that takes no more fields or documents.
const MENDABLE_WORDS: [&str; 5] = [
    "pipeline with id",
    "no write index",
    "shards open",
    "limit of total fields",
    "number of documents in the index",
];
/// What an answer of 400 to a whole request is about where one of its documents is not understood. All else is about the
/// request: it is no search engine that answers, or not where it should, or it is set up otherwise.
const MISREAD: [&str; 6] = [
    "action_request_validation_exception",
    "parse_exception",
    "parsing_exception",
    "x_content_parse_exception",
    "json_parse_exception",
    "json_e_o_f_exception",
];
/// The same, where only the words tell.
const MISREAD_WORDS: &str = "Malformed action";

/// A document on its way.
pub(super) struct Entry {
    /// Where among the requests it stands.
    pub at: usize,
    /// Its two lines.
    pub lines: Vec<u8>,
}

impl Entry {
    pub fn new(at: usize, index: &str, id: &str, document: &Value) -> Self {
        let action = json!({ "create": { "_index": index, "_id": id } });
        Self { at, lines: format!("{action}\n{document}\n").into_bytes() }
    }
}

/// Sends documents, as many at once as is good, and puts down what came of each. When the search engine is down the rest
/// is not sent.
pub(super) fn send(session: &Session, mut entries: &[Entry], outcomes: &mut [Option<Outcome>]) {
    while !entries.is_empty() {
        let (chunk, rest) = entries.split_at(fitting(entries));
        entries = rest;
        if let Err(outcome) = chunk_sent(session, chunk, outcomes) {
            let unsent = chunk.iter().chain(rest);
            let all_alike = matches!(outcome, Outcome::Later { .. });
            for entry in if all_alike { unsent.collect::<Vec<_>>() } else { chunk.iter().collect() }
            {
                outcomes[entry.at].get_or_insert_with(|| outcome.clone());
            }
            if all_alike {
                return;
            }
        }
    }
}

/// How many of them go in one request; one at least.
fn fitting(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let more = |entry: &&Entry| {
        bytes += entry.lines.len();
        bytes <= limit::BULK_BYTES_MAX
    };
    entries.iter().take(limit::BULK_DOCUMENTS_MAX).take_while(more).count().max(1)
}

/// Sends these at once. If that is too much for the search engine, or one of them is more than it understands, in halves:
/// the others are not to blame.
fn chunk_sent(
    session: &Session,
    chunk: &[Entry],
    outcomes: &mut [Option<Outcome>],
) -> Result<(), Outcome> {
    let body: Vec<u8> = chunk.iter().flat_map(|entry| &entry.lines).copied().collect();
    let bytes_max = limit::ANSWER_BYTES_MAX
        + limit::BULK_ANSWER_BYTES_PER_DOCUMENT * u64::try_from(chunk.len()).unwrap_or(u64::MAX);
    let answer = session.ask(Method::POST, PATH, Some((NDJSON, &body)), bytes_max)?;
    let of_document = is_of_document(&answer);
    if of_document && chunk.len() > 1 {
        let (left, right) = chunk.split_at(chunk.len() / 2);
        chunk_sent(session, left, outcomes)?;
        return chunk_sent(session, right, outcomes);
    }
    if of_document {
        // It is about this one document, and the search engine is fine.
        outcomes[chunk[0].at] = Some(session.refusal(&answer));
        return Ok(());
    }
    let items = items(&answer).filter(|items| items.len() == chunk.len());
    let Some(items) = items.filter(|_| answer.status == 200) else {
        return Err(session.outcome(&answer));
    };
    for (entry, item) in chunk.iter().zip(&items) {
        let result = &item["create"];
        let index = result["_index"].as_str().unwrap_or_default();
        let done = session.strike(&format!("created in {index}"));
        outcomes[entry.at] = Some(result_outcome(session, result, &answer, &done));
    }
    Ok(())
}

/// Takes back a document.
pub(super) fn take_back(session: &Session, index: &str, id: &str) -> Outcome {
    let action = format!("{}\n", json!({ "delete": { "_index": index, "_id": id } }));
    let body = Some((NDJSON, action.as_bytes()));
    let answer = match session.ask(Method::POST, PATH, body, limit::ANSWER_BYTES_MAX) {
        Ok(answer) => answer,
        Err(outcome) => return outcome,
    };
    let items = items(&answer).unwrap_or_default();
    let Some(result) = items.first().and_then(|item| item.get("delete")) else {
        return session.outcome(&answer);
    };
    match result["status"].as_u64() {
        Some(404) => Outcome::Done(format!("was not in {index}")),
        _ => result_outcome(session, result, &answer, &format!("deleted from {index}")),
    }
}

/// Whether an answer to a whole request is about a document in it.
fn is_of_document(answer: &Answer) -> bool {
    if answer.status != MALFORMED {
        return answer.status == TOO_LARGE;
    }
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |at: &str| said.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/error/type");
    MISREAD.contains(&kind) || kind == ILLEGAL && text("/error/reason").starts_with(MISREAD_WORDS)
}

fn items(answer: &Answer) -> Option<Vec<Value>> {
    let mut parsed: Value = serde_json::from_slice(&answer.body).ok()?;
    match parsed.get_mut("items")?.take() {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// What came of one document.
fn result_outcome(session: &Session, result: &Value, answer: &Answer, done: &str) -> Outcome {
    let text = |at: &str| result.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = result["status"].as_u64().unwrap_or_default();
    let kind = text("/error/type");
    let said = session.strike(&format!("{kind}: {}", text("/error/reason")));
    let reason = format!("status {status}{}", excerpt(&said, limit::SAID_CHARACTERS_MAX));
    match status {
        200..=299 => Outcome::Done(done.to_owned()),
        409 if kind.is_empty() || kind == "version_conflict_engine_exception" => {
            Outcome::Done("was there already".into())
        }
        // Nothing that is an answer to it.
        0 => Outcome::later("its answer lacks this document"),
        400 | 413 if !is_mendable(&kind, &text("/error/reason")) => Outcome::Refused(reason),
        // No right, no index, no room, no master: nothing of that is the document's fault, and none is lost until it is
        // mended.
        _ => Outcome::Later { reason, after: answer.retry_after, alone: false },
    }
}

fn is_mendable(kind: &str, reason: &str) -> bool {
    let reason = reason.to_lowercase();
    let mut words = MENDABLE_WORDS.iter();
    if kind == ILLEGAL {
        return words.any(|words| reason.contains(words));
    }
    // Other kinds repeat what a document has in it, but not at the beginning, or right behind a place in it: `[1:56] failed
    // to parse: `.
    let is_place = |text: &str| text.bytes().all(|byte| b"[:] 0123456789".contains(&byte));
    let parsed = reason.split_once("failed to parse: ");
    let own = parsed.filter(|(place, _)| is_place(place)).map_or(reason.as_str(), |(_, own)| own);
    MENDABLE.contains(&kind) || words.any(|words| own.starts_with(words))
}
