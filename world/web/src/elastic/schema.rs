//! Index templates: which fields are of which kind, told before the first document is there.
//!
//! A template grows: what earlier runs and other engines put into it stays. A field keeps the kind that it has first; a
//! document that has another there is refused by the search engine, alone.

use std::collections::BTreeMap;

use correlator_world::{Kind, Outcome};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::document::{FIELDS, TIMESTAMP};
use super::server::Session;
use crate::client::Answer;
use crate::limit;

/// Above what search engines bring along, which have 100 to 200.
const PRIORITY: usize = 300;
const JSON: &str = "application/json";
/// What holds an object of unknown fields: by `OpenSearch`, by Elasticsearch, by whatever has neither.
const OBJECTS: [&str; 3] = ["flat_object", "flattened", "object"];

/// What templates are known to be there.
#[derive(Default)]
pub(super) struct Schemas {
    /// The fields of each family of indices.
    known: BTreeMap<String, BTreeMap<String, Kind>>,
}

impl Schemas {
    /// Sees to it that the template of a family knows these fields.
    ///
    /// # Errors
    /// It could not be put: what that means for the documents.
    pub fn ensure(
        &mut self,
        session: &Session,
        family: &str,
        is_stream: bool,
        kinds: &BTreeMap<String, Kind>,
    ) -> Result<(), Outcome> {
        let known = self.known.get(family);
        let has = |name: &String| known.is_some_and(|known| known.contains_key(name));
        let full = known.is_some_and(|known| known.len() >= limit::TEMPLATE_FIELDS_MAX);
        if full || known.is_some() && kinds.keys().all(has) {
            return Ok(());
        }
        let mut wanted = known.cloned().unwrap_or_default();
        for (name, kind) in kinds {
            if wanted.len() < limit::TEMPLATE_FIELDS_MAX {
                wanted.entry(name.clone()).or_insert(*kind);
            }
        }
        put(session, family, is_stream, &wanted)?;
        self.known.insert(family.to_owned(), wanted);
        Ok(())
    }
}

/// Puts a template, if what is there lacks something, and tells indices that are there already.
fn put(
    session: &Session,
    family: &str,
    is_stream: bool,
    kinds: &BTreeMap<String, Kind>,
) -> Result<(), Outcome> {
    let path = format!("/_index_template/{}", name(family));
    let there = session.ask(Method::GET, &path, None, limit::TEMPLATE_BYTES_MAX)?;
    let there = match there.status {
        200 => properties(&there),
        404 => Map::new(),
        _ => return Err(session.outcome(&there)),
    };
    if kinds.keys().all(|name| there.contains_key(name)) && there.contains_key(TIMESTAMP) {
        return Ok(());
    }
    let mut refused = None;
    for object in OBJECTS {
        let mut properties = fields(kinds, object);
        properties.extend(there.clone());
        let template = template(family, is_stream, &properties).to_string();
        let body = Some((JSON, template.as_bytes()));
        let answer = session.ask(Method::PUT, &path, body, limit::ANSWER_BYTES_MAX)?;
        match answer.status {
            200..=299 => {
                return extend(session, family, &properties);
            }
            // It may not know this kind of object; then the next.
            400 if kinds.contains_key(FIELDS) => refused = Some(session.outcome(&answer)),
            _ => return Err(session.outcome(&answer)),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Tells indices that are there already about the fields. Those that have other kinds keep them; and who may only write
/// documents may not tell them, so they find out the kinds by themselves until the next index.
fn extend(session: &Session, family: &str, properties: &Map<String, Value>) -> Result<(), Outcome> {
    let path = format!("/{family}/_mapping?allow_no_indices=true&ignore_unavailable=true");
    let body = json!({ "properties": properties }).to_string();
    let body = Some((JSON, body.as_bytes()));
    let answer = session.ask(Method::PUT, &path, body, limit::ANSWER_BYTES_MAX)?;
    match answer.status {
        200..=299 | 400 | 403 | 404 => Ok(()),
        _ => Err(session.outcome(&answer)),
    }
}

/// The name of a family's template.
fn name(family: &str) -> String {
    family.strip_suffix("-*").unwrap_or(family).replace('*', "_")
}

fn template(family: &str, is_stream: bool, properties: &Map<String, Value>) -> Value {
    let mut template = json!({
        "index_patterns": [family],
        // A family within another is the more particular one.
        "priority": PRIORITY + family.len(),
        "_meta": { "managed_by": "correlator" },
        "template": {
            "mappings": {
                "date_detection": false,
                "numeric_detection": false,
                "dynamic_templates": [
                    { "texts": { "match_mapping_type": "string", "mapping": keyword() } }
                ],
                "properties": properties,
            },
        },
    });
    if is_stream {
        template["data_stream"] = json!({});
    }
    template
}

fn fields(kinds: &BTreeMap<String, Kind>, object: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert(TIMESTAMP.into(), json!({ "type": "date" }));
    for (name, kind) in kinds {
        let field = match (name.as_str(), kind) {
            (FIELDS, Kind::Text) if object == "object" => {
                json!({ "type": object, "enabled": false })
            }
            (FIELDS, Kind::Text) => json!({ "type": object }),
            ("summary", Kind::Text) => json!({ "type": "text" }),
            (_, Kind::Text) => keyword(),
            (_, Kind::Integer) => json!({ "type": "long" }),
            (_, Kind::Float | Kind::Duration) => json!({ "type": "double" }),
            (_, Kind::Boolean) => json!({ "type": "boolean" }),
            (_, Kind::Time) => json!({ "type": "date" }),
        };
        fields.insert(name.clone(), field);
    }
    fields
}

fn keyword() -> Value {
    json!({ "type": "keyword", "ignore_above": limit::KEYWORD_CHARACTERS_MAX })
}

/// The fields of a template that is there.
fn properties(answer: &Answer) -> Map<String, Value> {
    let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let at = "/index_templates/0/index_template/template/mappings/properties";
    parsed.pointer(at).and_then(Value::as_object).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use correlator_world::Kind;
    use serde_json::json;

    use super::{fields, name, template};

    #[test]
    fn templates_know_kinds() {
        let kinds = BTreeMap::from([
            ("count".to_owned(), Kind::Integer),
            ("fields".to_owned(), Kind::Text),
            ("took".to_owned(), Kind::Duration),
        ]);
        let made = template("c-*", true, &fields(&kinds, "flattened"));
        let properties = json!({
            "@timestamp": {"type": "date"}, "count": {"type": "long"}, "fields": {"type": "flattened"},
            "took": {"type": "double"},
        });
        assert_eq!(made["template"]["mappings"]["properties"], properties);
        assert_eq!(made["data_stream"], json!({}));
        assert_eq!(made["index_patterns"], json!(["c-*"]));
        assert_eq!(made["priority"], json!(303));
    }

    #[test]
    fn templates_have_names() {
        let check = |family: &str, expected: &str| assert_eq!(name(family), expected);
        check("correlator-events-*", "correlator-events");
        check("c-*-*", "c-_");
        check("events", "events");
    }
}
