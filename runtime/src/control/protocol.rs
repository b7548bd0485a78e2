//! A request and its answer: a line of JSON each, with the version of the protocol in both.
//!
//! `{"version":1,"command":"disable","name":"sshd"}` and `{"version":1,"result":{...}}` or `{"version":1,"error":"..."}`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Command, Engine};
use crate::limit;
use crate::status::Status;
use crate::text::clean;

/// It changes when an old client would misunderstand a new engine.
const VERSION: u64 = 1;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Status,
    Do(Command),
}

impl Request {
    /// The line that asks for it.
    pub(super) fn line(&self) -> String {
        let value = match self {
            Self::Status => Ok(serde_json::json!({ "command": "status" })),
            Self::Do(command) => serde_json::to_value(command),
        };
        let mut request = match value {
            Ok(Value::Object(request)) => request,
            // A command is an object by its making.
            _ => Map::new(),
        };
        request.insert("version".to_owned(), VERSION.into());
        format!("{}\n", Value::Object(request))
    }

    fn parse(line: &[u8]) -> Result<Self, String> {
        let told = |error| format!("the request is not understood: {error}");
        let value: Value = serde_json::from_slice(line).map_err(|error| told(error.to_string()))?;
        let Value::Object(mut request) = value else {
            return Err(told("it must be a JSON object".to_owned()));
        };
        match request.remove("version").as_ref().map(Value::as_u64) {
            Some(Some(VERSION)) => {}
            None => return Err(told(format!("it must say `\"version\":{VERSION}`"))),
            Some(_) => {
                return Err(format!(
                    "this engine speaks version {VERSION} of the control protocol; use the `correlator` that it was started with"
                ));
            }
        }
        if request.get("command").and_then(Value::as_str) == Some("status") {
            return Ok(Self::Status);
        }
        serde_json::from_value(Value::Object(request))
            .map(Self::Do)
            .map_err(|error| told(error.to_string()))
    }
}

/// What an engine answers.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The answer's line to a request's line of this user.
pub(super) fn answer(line: &[u8], engine: &dyn Engine, by: u32) -> String {
    let result = Request::parse(line).and_then(|request| match request {
        Request::Status => status(&engine.status()),
        Request::Do(command) => engine.command(command, by),
    });
    match result {
        Ok(result) => render(&Answer { version: VERSION, result: Some(result), error: None }),
        Err(error) => refusal(&error),
    }
}

fn status(status: &Status) -> Result<Value, String> {
    serde_json::to_value(status).map_err(|error| format!("the status can't be told: {error}"))
}

/// The line that refuses a request.
pub(super) fn refusal(error: &str) -> String {
    // Requests and guests may be quoted in it.
    let error = lines(error);
    render(&Answer { version: VERSION, result: None, error: Some(error) })
}

/// What is wrong, which may take several lines, such as all the mistakes of a stack: each of them fit to print.
fn lines(error: &str) -> String {
    let mut clean_lines = String::new();
    for line in error.lines() {
        let room = limit::CONTROL_ERROR_BYTES_MAX.saturating_sub(clean_lines.len());
        if room == 0 {
            break;
        }
        if !clean_lines.is_empty() {
            clean_lines.push('\n');
        }
        clean_lines.push_str(&clean(line, room));
    }
    clean_lines
}

fn render(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap_or_default() + "\n"
}

/// What an answer's line says: the outer error is that it makes no sense.
pub(super) fn read(line: &[u8]) -> Result<Result<Value, String>, String> {
    let answer: Answer = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match answer {
        Answer { error: Some(error), .. } => Ok(Err(lines(&error))),
        Answer { version: VERSION, result: Some(result), .. } => Ok(Ok(result)),
        Answer { version, .. } => Err(format!("it speaks version {version} of the protocol")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Request, read, refusal};
    use crate::limit;

    #[test]
    fn requests_come_back_the_same() {
        let name = "a\"b".to_owned();
        for request in [
            Request::Status,
            Request::Do(Command::Reload),
            Request::Do(Command::Enable { name: name.clone() }),
            Request::Do(Command::Disable { name: name.clone() }),
            Request::Do(Command::Release { name: name.clone() }),
            Request::Do(Command::Checkpoint),
            Request::Do(Command::Stop),
            Request::Do(Command::DeadRetry { id: name.clone() }),
            Request::Do(Command::DeadDrop { id: name.clone() }),
            Request::Do(Command::EffectRetry { id: name.clone() }),
            Request::Do(Command::EffectDrop { id: name.clone() }),
            Request::Do(Command::EffectDropAll {
                listener: Some(name.clone()),
                capability: None,
                endpoint: None,
            }),
            Request::Do(Command::EffectUndo { id: name.clone() }),
        ] {
            let line = request.line();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_with_a_request_is_told() {
        let check = |line: &str, expected: &str| {
            let error = Request::parse(line.as_bytes()).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        };
        check("", "not understood");
        check("[1]", "a JSON object");
        check(r#"{"command":"stop"}"#, r#"it must say `"version":1`"#);
        check(r#"{"version":2,"command":"stop"}"#, "speaks version 1");
        check(r#"{"version":"1","command":"stop"}"#, "speaks version 1");
        check(r#"{"version":1,"command":"dance"}"#, "unknown variant `dance`");
        check(r#"{"version":1,"command":"enable"}"#, "missing field `name`");
        check(r#"{"version":1}"#, "missing field `command`");
        check(&"[".repeat(100_000), "recursion limit");
    }

    #[test]
    fn answers_are_read_and_their_words_are_fit_to_print() {
        let said = read(br#"{"version":1,"result":{"message":"done"}}"#).expect("an answer");
        assert_eq!(said.expect("a result")["message"], "done");
        let said = read(refusal("no\x1b[31m").as_bytes()).expect("an answer");
        assert_eq!(said, Err("no\\u{1b}[31m".to_owned()));
        let said = read(refusal("one\n --> two\x07\n").as_bytes()).expect("an answer");
        assert_eq!(said, Err("one\n --> two\\u{7}".to_owned()));
        let long = "x\n".repeat(limit::CONTROL_ERROR_BYTES_MAX);
        let said = read(refusal(&long).as_bytes()).expect("an answer").expect_err("an error");
        assert!(said.len() <= limit::CONTROL_ERROR_BYTES_MAX + 8, "{}", said.len());
        assert!(read(b"hello").is_err());
        assert!(read(br#"{"version":9,"result":1}"#).expect_err("new").contains("version 9"));
    }
}
