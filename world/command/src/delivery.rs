//! Requests, and what came of each.

use std::collections::BTreeMap;
use std::time::Duration;

use correlator_world::{Capability, Needs, Outcome, Refused, Request, Secrets, target};

use crate::command::Command;
use crate::limit;
use crate::run::{End, Run, run};
use crate::settings::Settings;

/// Commands as one grant allows them.
#[derive(Debug)]
pub struct Commands {
    commands: BTreeMap<String, Command>,
}

impl Commands {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// A value makes no sense; it is named, and what is allowed.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        if settings.commands.is_empty() || settings.commands.len() > limit::COMMANDS_MAX {
            let most = limit::COMMANDS_MAX;
            return Err(format!("commands: name one at least and {most} at most"));
        }
        let commands = settings.commands.iter().map(|(name, command)| {
            let command = Command::new(command).map_err(|error| format!("commands.{name}.{error}"));
            Ok((name.clone(), command?))
        });
        Ok(Self { commands: commands.collect::<Result<_, String>>()? })
    }

    fn command(&self, name: &str) -> Result<&Command, Refused> {
        self.commands.get(name).ok_or_else(|| {
            let target: String = name.escape_debug().take(TARGET_SHOWN_MAX).collect();
            let known: Vec<&str> = self.commands.keys().map(String::as_str).collect();
            let known = known.join(", ");
            Refused::Denied(format!(
                "command `{target}` is not granted; those of the stack: {known}"
            ))
        })
    }
}

/// Characters that are shown of a name that is none.
const TARGET_SHOWN_MAX: usize = 80;

/// What a run means.
fn outcome(command: &Command, run: &Run) -> Outcome {
    let said = said(run);
    match &run.end {
        End::Code(0) => Outcome::Done(format!("exit code 0{said}")),
        End::Code(code) if command.retry_codes.contains(code) => {
            Outcome::later_alone(format!("exit code {code}{said}"))
        }
        End::Code(code) => Outcome::Refused(format!("exit code {code}{said}")),
        End::Signal(signal) => Outcome::later_alone(format!("ended by signal {signal}{said}")),
        End::Late => {
            let most = command.timeout;
            Outcome::later(format!("it took longer than {most} and was ended{said}"))
        }
        End::NotStarted(error) => {
            let program = command.program.display();
            Outcome::later(format!("{program} can't be run as {}: {error}", command.user))
        }
    }
}

/// What it said, in one line: the beginning, and the end if it is long.
fn said(run: &Run) -> String {
    let text = String::from_utf8_lossy(&run.output);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let cut = if run.is_cut { " (and more than `output_max`)" } else { "" };
    let count = text.chars().count();
    if count <= limit::TOLD_FIRST + limit::TOLD_LAST {
        return format!("; it said: {}{cut}", text.escape_debug());
    }
    let first: String = text.chars().take(limit::TOLD_FIRST).collect();
    let last: String = text.chars().skip(count - limit::TOLD_LAST).collect();
    format!("; it said: {} ... {}{cut}", first.escape_debug(), last.escape_debug())
}

impl Capability for Commands {
    /// What a program did may hold for good.
    fn lasts(&self, request: &Request, _: Duration) -> bool {
        self.command(&request.target).is_ok_and(|command| command.undo(request).is_some())
    }

    fn needs(&self) -> Needs {
        let run = self.commands.values().map(|command| command.program.clone()).collect();
        Needs { run, ..Needs::default() }
    }

    fn check(&self, request: &Request) -> Result<(), Refused> {
        self.command(&request.target)?.arguments(request).map(|_| ())
    }

    fn knows(&self, target: &str) -> Result<(), Refused> {
        self.command(target).map(|_| ())
    }

    fn usual_target(&self) -> Option<&str> {
        target::meant(self.commands.keys().map(String::as_str), "default")
    }

    fn plan(&self, request: &Request) -> String {
        let found = self.command(&request.target);
        match found.and_then(|command| command.arguments(request).map(|list| (command, list))) {
            Ok((command, arguments)) => {
                format!("run {} as {} with {arguments:?}", command.program.display(), command.user)
            }
            Err(error) => error.to_string(),
        }
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver(&mut self, requests: &[Request], _: &dyn Secrets) -> Vec<Outcome> {
        let one = |request: &Request| {
            let command = self.command(&request.target)?;
            let arguments = command.arguments(request)?;
            Ok(outcome(command, &run(command, &arguments, &request.id)))
        };
        let refused = |error: Refused| Outcome::Refused(error.to_string());
        requests.iter().map(|request| one(request).unwrap_or_else(refused)).collect()
    }

    fn undo(&mut self, request: &Request, _: &dyn Secrets) -> Outcome {
        let command = match self.command(&request.target) {
            Ok(command) => command,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        match command.undo(request) {
            None => Outcome::Refused("it can't be taken back: the command has no `undo`".into()),
            Some(Err(error)) => Outcome::Refused(error.to_string()),
            Some(Ok(arguments)) => outcome(command, &run(command, &arguments, &request.id)),
        }
    }
}
