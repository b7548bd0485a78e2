//! What the events of modules looked like: kept with the state, so that events that wait while the engine is down can be
//! read when their module comes back with other columns.
//!
//! One small file of JSON in the state folder. A form is written down before the first event of it is told. It must never
//! know what is done with an event.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;
use serde::{Deserialize, Serialize};

use crate::declaration::{Column, EventSchema};
use crate::{limit, whole};

/// The file's name in the state folder.
const FILE: &str = "forms.json";
/// The version of its form.
const VERSION: u32 = 1;
const KINDS: [Kind; 6] =
    [Kind::Text, Kind::Integer, Kind::Float, Kind::Boolean, Kind::Time, Kind::Duration];

/// The forms that modules had, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    kept: Vec<Form>,
    /// Where they are written down, if anything is.
    path: Option<PathBuf>,
}

/// A form that the events of a module had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    module: String,
    events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    name: String,
    /// Name, kind, and whether it may be absent.
    columns: Vec<(String, String, bool)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    forms: Vec<Form>,
}

impl Form {
    fn of(module: &str, events: &[EventSchema]) -> Self {
        let column = |it: &Column| (it.name.clone(), it.kind.name().to_owned(), it.optional);
        let event = |it: &EventSchema| Event {
            name: it.name.clone(),
            columns: it.columns.iter().map(column).collect(),
        };
        Self { module: module.to_owned(), events: events.iter().map(event).collect() }
    }

    /// What it says of events; nothing if it was not written by us.
    fn schemas(&self) -> Option<Vec<EventSchema>> {
        let column = |(name, kind, optional): &(String, String, bool)| {
            let kind = KINDS.into_iter().find(|it| it.name() == kind)?;
            Some(Column { name: name.clone(), kind, optional: *optional, meaning: String::new() })
        };
        let event = |it: &Event| {
            let columns = it.columns.iter().map(column).collect::<Option<_>>()?;
            let (name, severity) = (it.name.clone(), Severity::Notice);
            let (summary, meaning) = Default::default();
            Some(EventSchema { name, severity, summary, meaning, columns })
        };
        self.events.iter().map(event).collect()
    }
}

impl Forms {
    /// Those that earlier runs left in this state folder. What can't be read is told, and the run begins without: events
    /// that wait are read as far as their modules are what they were.
    pub(crate) fn load(state: &Path) -> Self {
        let path = state.join(FILE);
        let kept = match read(&path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::error!(
                    "{}: {error}; events that wait of modules whose columns have changed since can't be read",
                    path.display()
                );
                Vec::new()
            }
        };
        Self { kept, path: Some(path) }
    }

    /// All that is known of a module's events, the latest last.
    pub(crate) fn of(&self, module: &str) -> impl Iterator<Item = Vec<EventSchema>> {
        self.kept.iter().filter(move |it| it.module == module).filter_map(Form::schemas)
    }

    /// Notes what a module tells from now on.
    pub(crate) fn note(&mut self, module: &str, events: &[EventSchema]) {
        let form = Form::of(module, events);
        if self.kept.iter().rfind(|it| it.module == module) == Some(&form) {
            return;
        }
        self.kept.retain(|it| *it != form);
        let of_module = |it: &Form| it.module == module;
        if self.kept.iter().filter(|it| of_module(it)).count() >= limit::FORMS_MAX
            && let Some(oldest) = self.kept.iter().position(of_module)
        {
            self.kept.remove(oldest);
        }
        self.kept.push(form);
        let Some(path) = &self.path else { return };
        if let Err(error) = write(path, &self.kept) {
            tracing::warn!(
                "{}: {error}; events of `{module}` that wait when the engine ends can't be read if it has other columns by then",
                path.display()
            );
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<Form>> {
    let File { version, forms } = serde_json::from_slice(&fs::read(path)?)?;
    if version == VERSION {
        return Ok(forms);
    }
    Err(io::Error::other(format!("it has the form {version}, not {VERSION}")))
}

fn write(path: &Path, forms: &[Form]) -> io::Result<()> {
    let file = File { version: VERSION, forms: forms.to_vec() };
    let mut text = serde_json::to_vec_pretty(&file)?;
    text.push(b'\n');
    whole::write(path, "new", &text).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use correlator_frame::severity::Severity;

    use super::{FILE, Forms, KINDS};
    use crate::declaration::{Column, EventSchema};
    use crate::limit;
    use crate::pipeline::crew::shape;

    fn events(names: &[&str]) -> Vec<EventSchema> {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            kind: KINDS[name.len() % KINDS.len()],
            optional: name.len().is_multiple_of(2),
            meaning: "what".to_owned(),
        };
        vec![EventSchema {
            name: "e".to_owned(),
            severity: Severity::Error,
            summary: String::new(),
            meaning: "that".to_owned(),
            columns: names.iter().map(column).collect(),
        }]
    }

    #[test]
    fn they_outlive_the_engine() {
        let name = format!("correlator-forms-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let (one, two) = (events(&["a", "bb", "ccc", "dddd"]), events(&["eeeee", "ffffff"]));
        let mut forms = Forms::load(&folder);
        forms.note("m", &one);
        forms.note("n", &two);
        forms.note("m", &two);
        forms.note("m", &one);
        let told = |forms: &Forms| forms.of("m").map(|it| shape(&it)).collect::<Vec<_>>();
        let expected = [shape(&two), shape(&one)];
        assert_eq!(told(&forms), expected);
        let mut forms = Forms::load(&folder);
        assert_eq!(told(&forms), expected, "in their order, and the same by their hash");
        for count in 0..2 * limit::FORMS_MAX {
            forms.note("m", &events(&[&"x".repeat(count + 1)]));
        }
        assert_eq!(told(&Forms::load(&folder)).len(), limit::FORMS_MAX);
        assert_eq!(forms.of("n").count(), 1, "others' stay");
        fs::write(folder.join(FILE), "{").expect("damaged");
        assert_eq!(told(&Forms::load(&folder)), [0; 0]);
        fs::remove_dir_all(folder).expect("clean up");
    }
}
