//! `correlator credential`: secrets put where the engine finds them, listed by name, removed, and looked for.
//!
//! It shows names and places. No value of a credential is ever printed.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use correlator_credential::{
    CredentialError, Lacking, Place, Removed, Settings, Stored, Vault, keep_out_of_dumps,
};
use serde_json::{Value, json};

use super::load::load_raw;
use super::output::Output;
use super::prompt::{self, Part};
use super::secrets::{IN_TEXT, is_line, lacking, needed, of_stack};
use super::table::{self, Cell, Column};
use super::words::count;
use super::{Common, EXIT_LOSSES, EXIT_MACHINE, EXIT_WELL, EXIT_WRONG, Failed};
use crate::stack::raw::RawStack;

/// What can be done with credentials.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Keep a secret under a name: it is asked for at the terminal, without being shown, or read from standard input.
    Set(SetArguments),
    /// List the names of all credentials, with the places that have them.
    List(ListArguments),
    /// Remove a credential from every place that has it.
    Remove(RemoveArguments),
    /// Look whether credentials can be got: those that are named, or all that a stack's listeners need.
    Check(CheckArguments),
}

/// What is kept, and where.
#[derive(Args)]
pub(super) struct SetArguments {
    /// Its name: lower-case letters, digits, `_`, `-` and `.`.
    name: String,
    #[command(flatten)]
    of: Of,
    /// The place that is to have it: keyring, keyutils, file [default: the first that can and that lasts].
    #[arg(long, value_name = "PLACE", value_parser = place)]
    place: Option<Place>,
    /// Protect the encrypted file by a passphrase instead of a key file, if it is made now. Where nobody can type, it is
    /// the first line of standard input.
    #[arg(long)]
    passphrase: bool,
}

/// Whose credentials are listed.
#[derive(Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    of: Of,
}

/// What is removed.
#[derive(Args)]
pub(super) struct RemoveArguments {
    /// Its name.
    name: String,
    #[command(flatten)]
    of: Of,
}

/// What is looked for.
#[derive(Args)]
pub(super) struct CheckArguments {
    /// Names, and a stack file (with a `/` in it, or at its end `.yaml` or `.yml`). With a stack alone, all that its
    /// listeners need is looked for.
    #[arg(value_name = "NAME|STACK", required = true)]
    what: Vec<String>,
}

/// Which settings hold.
#[derive(Args)]
struct Of {
    /// The stack file, whose `credentials` say where to look [default: every place].
    #[arg(value_name = "STACK")]
    stack: Option<PathBuf>,
}

/// Does what is asked with credentials.
pub(super) fn credential(
    command: &Command,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    if let Err(error) = keep_out_of_dumps() {
        tracing::warn!("{error}");
    }
    match command {
        Command::Set(arguments) => set(arguments, output),
        Command::List(arguments) => {
            let vault = open(&arguments.of.settings()?, output)?;
            Ok(list(&vault, output))
        }
        Command::Remove(arguments) => {
            let vault = open(&arguments.of.settings()?, output)?;
            let removed = vault.remove(&arguments.name).map_err(refused)?;
            told(&arguments.name, &removed, output)
        }
        Command::Check(arguments) => check(&arguments.what, common, output),
    }
}

fn place(word: &str) -> Result<Place, String> {
    Place::of_word(word).ok_or_else(|| {
        let places: Vec<_> = Place::ALL.iter().map(|place| place.word()).collect();
        format!("a place is one of {}", places.join(", "))
    })
}

impl Of {
    fn settings(&self) -> Result<Settings, Failed> {
        let Some(stack) = &self.stack else { return Ok(Settings::default()) };
        of_raw(&read(stack)?)
    }
}

/// What a stack says of the places. A secret must not go elsewhere, nor be looked for there, because that is mistyped.
fn of_raw(raw: &RawStack) -> Result<Settings, Failed> {
    raw.credentials().map_err(|problems| Failed::wrong(EXIT_WRONG, &problems))
}

fn read(path: &Path) -> Result<RawStack, Failed> {
    RawStack::read(path).map_err(|error| Failed { code: EXIT_WRONG, text: error.render() })
}

fn refused(error: CredentialError) -> Failed {
    let code = match error {
        CredentialError::Place { .. } | CredentialError::Nowhere { .. } => EXIT_MACHINE,
        _ => EXIT_WRONG,
    };
    Failed::new(code, error)
}

/// All places in their order, unlocked.
fn open(settings: &Settings, output: &mut Output) -> Result<Vault, Failed> {
    let vault = Vault::open(settings).map_err(refused)?;
    unlock(&vault, output)?;
    Ok(vault)
}

/// Asks for the passphrase of the encrypted file, if it has one.
pub(super) fn unlock(vault: &Vault, output: &mut Output) -> Result<(), Failed> {
    if !vault.is_locked() {
        return Ok(());
    }
    let passphrase = prompt::secret("passphrase of the credentials' file", Part::Line, output)?;
    vault.unlock(&passphrase).map_err(|error| Failed::new(EXIT_WRONG, error))
}

fn set(arguments: &SetArguments, output: &mut Output) -> Result<u8, Failed> {
    let vault = Vault::open(&arguments.of.settings()?).map_err(refused)?;
    // A name that is none is told before anybody types a secret for it.
    correlator_credential::Name::parse(&arguments.name).map_err(refused)?;
    if vault.is_locked() {
        unlock(&vault, output)?;
    } else if arguments.passphrase {
        let words = "new passphrase of the credentials' file";
        let passphrase = prompt::secret(words, Part::Line, output)?;
        if prompt::is_terminal() && prompt::secret("once more", Part::Line, output)? != passphrase {
            return Err(Failed::new(EXIT_WRONG, "these are two different ones; nothing was kept"));
        }
        vault.unlock(&passphrase).map_err(refused)?;
    }
    let words = format!("secret for `{}`", arguments.name);
    let secret = prompt::secret(&words, Part::Rest, output)?;
    let stored = vault.set(&arguments.name, &secret, arguments.place).map_err(refused)?;
    if output.json {
        output.value(&json!({
            "name": arguments.name,
            "place": stored.place.word(),
            "shadowed_by": stored.shadowed_by.map(Place::word),
            "is_line": is_line(&secret),
        }));
    } else {
        output.result(&kept(&arguments.name, &stored, is_line(&secret)));
    }
    Ok(EXIT_WELL)
}

fn kept(name: &str, stored: &Stored, is_line: bool) -> String {
    let mut out = format!("`{name}` is kept in {}\n", stored.place);
    if let Some(first) = stored.shadowed_by {
        let _ = writeln!(
            out,
            "but {first} has one of this name too and is asked first, so that one goes on to be used; `correlator \
             credential remove {name}` removes both"
        );
    }
    if stored.place == Place::Keyutils {
        out.push_str("it is gone when the machine restarts\n");
    }
    if !is_line {
        let _ = writeln!(out, "it is no text on one line, which `{}` need", IN_TEXT.join("`, `"));
    }
    out
}

/// Shows all names. A list that may lack some does not pass for a whole one.
fn list(vault: &Vault, output: &mut Output) -> u8 {
    let listing = vault.list();
    let exit = if listing.unreachable.is_empty() { EXIT_WELL } else { EXIT_LOSSES };
    if output.json {
        let names = listing.names.iter().map(|(name, places)| {
            let places: Vec<_> = places.iter().map(|place| place.word()).collect();
            json!({ "name": name.as_str(), "places": places })
        });
        let silent = listing.unreachable.iter();
        let silent = silent.map(|(place, why)| json!({ "place": place.word(), "why": why }));
        output.value(&json!({
            "credentials": names.collect::<Vec<_>>(),
            "unreachable": silent.collect::<Vec<_>>(),
        }));
        return exit;
    }
    let row = |(name, places): (&correlator_credential::Name, &Vec<Place>)| {
        let places: Vec<_> = places.iter().map(|place| place.word()).collect();
        vec![Cell::from(name.as_str()), places.join(", ").into()]
    };
    let rows: Vec<_> = listing.names.iter().map(row).collect();
    if rows.is_empty() {
        let known = if exit == EXIT_WELL { "" } else { " in the places that say what they have" };
        output.result(&format!("no credentials{known}\n"));
    } else {
        let columns = [Column::Words("CREDENTIAL"), Column::Words("PLACES")];
        output.result(&table::render(&columns, &rows, Output::is_coloured()));
        output.result(&format!("\n{}\n", count(rows.len() as u64, "credential")));
    }
    for (place, why) in &listing.unreachable {
        let words = "does not say what it has, so the list may lack some";
        output.error(&format!("error: {place} {words}: {why}\n"));
    }
    exit
}

/// What became of a credential that was to be removed.
fn told(name: &str, removed: &Removed, output: &mut Output) -> Result<u8, Failed> {
    if removed.from.is_empty() && removed.remains.is_empty() {
        return Err(Failed::new(EXIT_WRONG, format!("there is no credential `{name}`")));
    }
    let from: Vec<_> = removed.from.iter().map(|place| place.word()).collect();
    if output.json {
        let remains = removed.remains.iter();
        let remains = remains.map(|(place, why)| json!({ "place": place.word(), "why": why }));
        output.value(&json!({
            "name": name,
            "removed_from": from,
            "remains": remains.collect::<Vec<_>>(),
        }));
    } else if !from.is_empty() {
        output.result(&format!("`{name}` is removed from {}\n", from.join(", ")));
    }
    for (place, why) in &removed.remains {
        output.error(&format!("{place} may still have `{name}`: {why}\n"));
    }
    Ok(if removed.remains.is_empty() { EXIT_WELL } else { EXIT_LOSSES })
}

/// Whether a word is a stack file's path rather than a credential's name.
fn is_stack(word: &str) -> bool {
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    word.contains('/') || matches!(ending, Some("yaml" | "yml"))
}

fn check(what: &[String], common: &Common, output: &mut Output) -> Result<u8, Failed> {
    let (stacks, names): (Vec<_>, Vec<_>) = what.iter().partition(|word| is_stack(word));
    let mut names: BTreeSet<String> = names.into_iter().cloned().collect();
    let file = stacks.first().map(Path::new);
    let mut whole = None;
    let settings = match stacks.as_slice() {
        [] => Settings::default(),
        [stack] => {
            let raw = read(Path::new(stack))?;
            let settings = of_raw(&raw)?;
            if names.is_empty() {
                let stack = load_raw(&raw, common)?.stack;
                names = needed(&stack);
                whole = Some(stack);
            }
            settings
        }
        [..] => return Err(Failed::new(EXIT_WRONG, "one stack can be checked at a time")),
    };
    let vault = open(&settings, output)?;
    let lacking = lacking(&vault, &names, whole.as_ref());
    let lacking = lacking.map(|lacking| of_stack(lacking, &settings, file));
    let is_lacking = |name: &&String| {
        lacking.iter().flat_map(|lacking| &lacking.wants).any(|want| want.name == **name)
    };
    let found = names.iter().filter(|name| !is_lacking(name));
    let found: Vec<_> =
        found.filter_map(|name| Some((name.as_str(), vault.place(name)?))).collect();
    if output.json {
        output.value(&machine(&found, lacking.as_ref()));
    } else {
        for (name, place) in &found {
            output.result(&format!("{name}: in {place}\n"));
        }
        if names.is_empty() {
            output.result("no listener of this stack needs a credential\n");
        }
        if let Some(lacking) = &lacking {
            output.error(&format!("error: {lacking}\n"));
        }
    }
    Ok(if lacking.is_some() { EXIT_LOSSES } else { EXIT_WELL })
}

fn machine(found: &[(&str, Place)], lacking: Option<&Lacking>) -> Value {
    let found = found.iter().map(|(name, place)| json!({ "name": name, "place": place.word() }));
    let wants = lacking.into_iter().flat_map(|lacking| &lacking.wants).map(|want| {
        json!({
            "name": want.name,
            "why": want.why,
            "unreachable": want.unreachable,
            "command": want.command,
        })
    });
    json!({ "found": found.collect::<Vec<_>>(), "lacking": wants.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use correlator_credential::{Lacking, Place, Stored, Want};

    use super::{is_stack, kept, machine, place};

    #[test]
    fn a_stack_is_told_from_a_name() {
        let check = |word: &str, expected: bool| assert_eq!(is_stack(word), expected, "{word}");
        check("smtp", false);
        check("sms.twilio", false);
        check("stack.yaml", true);
        check("stack.yml", true);
        check("./stack", true);
        check("/etc/correlator/stack", true);
    }

    #[test]
    fn places_have_words() {
        assert_eq!(place("file"), Ok(Place::File));
        assert!(place("vault").is_err_and(|error| error.contains("keyring, keyutils")));
    }

    #[test]
    fn what_was_kept_is_confirmed() {
        let stored = Stored { place: Place::File, shadowed_by: None };
        assert_eq!(kept("smtp", &stored, true), "`smtp` is kept in file\n");
        let told = kept("smtp", &stored, false);
        assert!(told.contains("no text on one line, which `sms`, `webhook`, `elastic` need"));
        let stored = Stored { place: Place::Keyutils, shadowed_by: Some(Place::Keyring) };
        let told = kept("smtp", &stored, true);
        assert!(told.contains("keyring has one of this name too") && told.contains("restarts"));
    }

    #[test]
    fn what_is_lacking_comes_with_what_adds_it() {
        let want = Want {
            name: "smtp".to_owned(),
            unreachable: false,
            why: "it is nowhere".to_owned(),
            command: Some("correlator credential set smtp".to_owned()),
        };
        let value = machine(&[("sms", Place::File)], Some(&Lacking { wants: vec![want] }));
        assert_eq!(value["found"][0]["place"], "file");
        assert_eq!(value["lacking"][0]["command"], "correlator credential set smtp");
    }
}
