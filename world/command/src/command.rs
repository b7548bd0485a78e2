//! One command, checked: what a run needs to know, and nothing that a guest can change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use correlator_world::human::{Size, Span};
use correlator_world::{Refused, Request};

use crate::account::Account;
use crate::limit;
use crate::program;
use crate::settings::CommandSettings;
use crate::template::{Filling, Template, is_name};
use crate::value::Rule;

/// The environment that everybody has.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The variable that has the id of the request.
pub(crate) const ID: &str = "CORRELATOR_ID";

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    pub program: PathBuf,
    arguments: Vec<Template>,
    undo: Option<Vec<Template>>,
    pub account: Option<Account>,
    pub user: String,
    pub timeout: Span,
    pub output_max: usize,
    pub environment: BTreeMap<String, String>,
    pub directory: PathBuf,
    values: BTreeMap<String, Rule>,
    pub retry_codes: Vec<i32>,
}

impl Command {
    pub fn new(settings: &CommandSettings) -> Result<Self, String> {
        program::check(&settings.program).map_err(|error| format!("program: {error}"))?;
        check_bounds(settings)?;
        let values: Result<BTreeMap<_, _>, String> = settings
            .values
            .iter()
            .map(|(name, value)| {
                if !is_name(name) {
                    return Err(format!("values: `{name}` is no name; use a-z, 0-9 and `_`"));
                }
                let rule = Rule::new(value).map_err(|error| format!("values.{name}: {error}"))?;
                Ok((name.clone(), rule))
            })
            .collect();
        let values = values?;
        let arguments = templates("arguments", &settings.arguments, &values)?;
        let undo = settings.undo.as_ref();
        let undo = undo.map(|undo| templates("undo.arguments", &undo.arguments, &values));
        let used = |name: &str| arguments.iter().any(|part| part.names().any(|used| used == name));
        if let Some(name) = values.keys().find(|name| !used(name)) {
            return Err(format!("values.{name}: no argument has `{{{name}}}` in it"));
        }
        let mut environment = settings.environment.clone();
        environment.entry("PATH".into()).or_insert_with(|| PATH.into());
        Ok(Self {
            program: settings.program.clone(),
            undo: undo.transpose()?,
            account: Account::find(&settings.user, settings.group.as_deref())?,
            user: settings.user.clone(),
            timeout: settings.timeout,
            output_max: usize::try_from(settings.output_max.0).unwrap_or(usize::MAX),
            environment,
            directory: settings.directory.clone(),
            retry_codes: settings.retry_codes.clone(),
            arguments,
            values,
        })
    }

    /// The arguments that a request makes.
    pub fn arguments(&self, request: &Request) -> Result<Vec<String>, Refused> {
        self.fill(&self.arguments, request)
    }

    /// Those that take it back; nothing if there are none.
    pub fn undo(&self, request: &Request) -> Option<Result<Vec<String>, Refused>> {
        self.undo.as_ref().map(|undo| self.fill(undo, request))
    }

    fn fill(&self, templates: &[Template], request: &Request) -> Result<Vec<String>, Refused> {
        if let Some((name, _)) =
            request.cells.iter().find(|(name, _)| !self.values.contains_key(name))
        {
            let name: String = name.escape_debug().take(NAME_SHOWN_MAX).collect();
            let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(Refused::Malformed(format!("there is no value `{name}`; it has: {known}")));
        }
        let mut values: BTreeMap<String, Filling> = BTreeMap::new();
        for (name, rule) in &self.values {
            if let Some(cell) = request.cell(name) {
                values.insert(name.clone(), rule.admit(name, cell)?);
            }
        }
        let filled = templates.iter().map(|template| template.fill(&values));
        let filled = filled.collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = filled.iter().map(|argument| argument.len() + 1).sum();
        if bytes > limit::ARGUMENTS_BYTES_MAX {
            return Err(Refused::Denied(format!("its arguments have {bytes} bytes together")));
        }
        Ok(filled)
    }
}

/// Characters that are shown of a name that is none.
const NAME_SHOWN_MAX: usize = 80;

fn check_bounds(settings: &CommandSettings) -> Result<(), String> {
    let bounds = limit::TIMEOUT_MIN..=limit::TIMEOUT_MAX;
    if !bounds.contains(&settings.timeout.0) {
        let (least, most) = (Span(*bounds.start()), Span(*bounds.end()));
        return Err(format!("timeout: {} is not from {least} to {most}", settings.timeout));
    }
    if settings.output_max.0 > limit::OUTPUT_MAX {
        let most = Size(limit::OUTPUT_MAX);
        return Err(format!("output_max: {} is more than {most}", settings.output_max));
    }
    if !settings.directory.is_absolute() {
        return Err(format!("directory: `{}` is no whole path", settings.directory.display()));
    }
    for (name, value) in &settings.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') || name == ID {
            return Err(format!("environment: `{}` can't be set", name.escape_debug()));
        }
    }
    if let Some(code) = settings.retry_codes.iter().find(|code| !(1..=255).contains(*code)) {
        return Err(format!("retry_codes: {code} is not from 1 to 255"));
    }
    Ok(())
}

fn templates(
    key: &str,
    texts: &[String],
    values: &BTreeMap<String, Rule>,
) -> Result<Vec<Template>, String> {
    if texts.len() > limit::ARGUMENTS_MAX {
        return Err(format!("{key}: {} are more than {}", texts.len(), limit::ARGUMENTS_MAX));
    }
    let made = texts.iter().map(|text| {
        let shown = text.escape_debug();
        let template = Template::new(text).map_err(|error| format!("{key}: `{shown}`: {error}"))?;
        let unknown = template.names().find(|name| !values.contains_key(*name)).map(str::to_owned);
        match unknown {
            Some(name) => Err(format!("{key}: say under `values` what `{name}` must be like")),
            None => Ok(template),
        }
    });
    made.collect()
}
