//! `correlator effects`: what listeners asked the world for, how it fares, and what to do with what does not go through.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use correlator_store::command::Of;
use correlator_store::effect::{Effect, Shown, State};
use correlator_store::error::StoreError;
use correlator_store::filter::EffectFilter;
use serde_json::{Value, json};

use super::output::Output;
use super::place::{self, Place, store, unread, user};
use super::reach::{Reach, say};
use super::table::{self, Cell, Column, Tint};
use super::trail;
use super::words::{count, moment};
use super::{EXIT_WELL, EXIT_WRONG, Failed};
use crate::control::Command as Engine;
use crate::pipeline::given_up;
use crate::status::Moment;
use crate::{clock, limit};

/// What can be done with effects.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List mails, messages, blocks, requests and commands that listeners asked for, the newest last.
    List(ListArguments),
    /// Show one: what was asked for, and all that came of it.
    Show(One),
    /// Have one tried again that is dead, refused or dropped, or that waits for its next try.
    Retry(One),
    /// Have all tried again that are dead or refused, of a listener, for a capability or for an endpoint: what was wrong is
    /// mended.
    RetryAll(Meant),
    /// Give one up that waits, is refused, or is dead.
    Drop(One),
    /// Give up all that wait of a listener, for a capability or for an endpoint: what is asked for next has their room.
    DropAll(Meant),
}

/// Which effects are listed.
#[derive(Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    reach: Reach,
    /// A state that they must be in: waiting, trying, done, refused, dead, denied, dry, undone or dropped; or else the
    /// state folder, where no engine runs to tell. May be given once for each.
    #[arg(long, value_name = "STATE|FOLDER")]
    state: Vec<PathBuf>,
    /// Those of this listener alone.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Those of this capability alone.
    #[arg(long, value_name = "NAME")]
    capability: Option<String>,
    /// Those of this endpoint alone, LISTENER/ENDPOINT as the status tells it.
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// At most so many, the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = limit::LISTED_DEFAULT)]
    limit: usize,
}

/// One effect.
#[derive(Args)]
pub(super) struct One {
    /// The effect, as `correlator effects list` names it.
    id: String,
    #[command(flatten)]
    place: Place,
}

/// Which effects are meant: those for which all of this holds.
#[derive(Args)]
#[group(id = "of", required = true, multiple = true, args = ["listener", "capability", "endpoint"])]
pub(super) struct Meant {
    /// Those of this listener.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Those for this capability.
    #[arg(long, value_name = "NAME")]
    capability: Option<String>,
    /// Those for this endpoint, LISTENER/ENDPOINT as the status tells it.
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Does what is asked with effects.
pub(super) fn effects(command: &Command, output: &mut Output) -> Result<u8, Failed> {
    match command {
        Command::List(arguments) => list(arguments, output),
        Command::Show(one) => {
            show(&one.place.reader()?.show(&one.id).map_err(unread)?, output);
            Ok(EXIT_WELL)
        }
        Command::Retry(one) => retry(&one.id, &one.place, output),
        Command::RetryAll(meant) => retry_all(meant, output),
        Command::Drop(one) => {
            let here = |folder: &Path, _: &mut Output| {
                store(folder)?.drop_effect(&one.id, user(), clock::now()).map_err(unread)?;
                Ok(format!("{} is given up", one.id))
            };
            one.place.order(Engine::EffectDrop { id: one.id.clone() }, here, output)
        }
        Command::DropAll(meant) => drop_all(meant, output),
    }
}

fn retry(id: &str, place: &Place, output: &mut Output) -> Result<u8, Failed> {
    let here = |folder: &Path, _: &mut Output| {
        store(folder)?.retry(id, user(), clock::now()).map_err(unread)?;
        Ok(format!("{id} is tried again when the engine is started"))
    };
    place.order(Engine::EffectRetry { id: id.to_owned() }, here, output)
}

/// The oldest first, so that what is done in order is. What was given up by hand stays so.
fn retry_all(meant: &Meant, output: &mut Output) -> Result<u8, Failed> {
    let reader = meant.place.reader()?;
    let mut ended: Vec<(u64, String)> = Vec::new();
    for state in [State::Dead, State::Refused] {
        let filter = EffectFilter {
            listener: meant.listener.clone(),
            capability: meant.capability.clone(),
            endpoint: meant.endpoint.clone(),
            state: Some(state),
            limit: usize::MAX,
            ..EffectFilter::default()
        };
        let found = newest(filter, |filter| reader.effects(filter).map_err(unread))?;
        ended.extend(found.into_iter().map(|effect| (effect.number, effect.request.id)));
    }
    drop(reader);
    ended.sort_unstable();
    for (_, id) in &ended {
        retry(id, &meant.place, output)?;
    }
    if ended.is_empty() {
        say(&json!({ "message": "nothing of these is dead or refused" }), output);
    }
    Ok(EXIT_WELL)
}

fn drop_all(meant: &Meant, output: &mut Output) -> Result<u8, Failed> {
    let Meant { listener, capability, endpoint, place } = meant;
    let (listener, capability, endpoint) = (listener.clone(), capability.clone(), endpoint.clone());
    let of = Of { listener, capability, endpoint };
    let here = |folder: &Path, _: &mut Output| {
        let dropped = store(folder)?.drop_waiting(&of, user(), clock::now());
        Ok(given_up(dropped.map_err(unread)?))
    };
    let Of { listener, capability, endpoint } = of.clone();
    place.order(Engine::EffectDropAll { listener, capability, endpoint }, here, output)
}

/// What `--state` says: the state that is wanted, and the folder.
fn states(typed: &[PathBuf]) -> Result<(Option<State>, Option<PathBuf>), Failed> {
    let (mut state, mut folder) = (None, None);
    for typed in typed {
        let known = typed.to_str().and_then(|text| text.parse::<State>().ok());
        let twice = match known {
            Some(known) => state.replace(known).is_some(),
            None => folder.replace(typed.clone()).is_some(),
        };
        if twice {
            let names: Vec<_> = State::all().map(State::name).collect();
            let text = format!(
                "`--state` names one state ({}) and one folder at the most",
                names.join(", ")
            );
            return Err(Failed::new(EXIT_WRONG, text));
        }
    }
    Ok((state, folder))
}

fn list(arguments: &ListArguments, output: &mut Output) -> Result<u8, Failed> {
    let (state, folder) = states(&arguments.state)?;
    let filter = EffectFilter {
        listener: arguments.listener.clone(),
        capability: arguments.capability.clone(),
        endpoint: arguments.endpoint.clone(),
        state,
        limit: arguments.limit,
        ..EffectFilter::default()
    };
    let folder = place::folder(&arguments.reach, folder.as_deref())?;
    let effects = match place::reader(&folder)? {
        Ok(reader) => newest(filter, |filter| reader.effects(filter).map_err(unread))?,
        // Nobody has asked for anything yet.
        Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(unread(error)),
    };
    if output.json {
        output.value(&effects.iter().map(trail::effect).collect());
    } else if effects.is_empty() {
        output.result("no effects\n");
    } else {
        output.result(&page(&effects, arguments.limit, Output::is_coloured()));
    }
    Ok(EXIT_WELL)
}

/// As many as are wanted, the newest: the store tells so many at once and no more.
fn newest(
    mut filter: EffectFilter,
    look: impl Fn(&EffectFilter) -> Result<Vec<Effect>, Failed>,
) -> Result<Vec<Effect>, Failed> {
    let mut pages = Vec::new();
    while filter.limit > 0 {
        let page = look(&filter)?;
        let Some(first) = page.first() else { break };
        filter.before = Some(first.number);
        filter.limit = filter.limit.saturating_sub(page.len());
        pages.push(page);
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

fn page(effects: &[Effect], limit: usize, coloured: bool) -> String {
    let columns = [
        Column::Figures("EFFECT"),
        Column::Words("STATE"),
        Column::Figures("TRIES"),
        Column::Words("SAID"),
    ];
    let row = |effect: &Effect| {
        let said = effect.said.as_deref().unwrap_or(&effect.plan);
        vec![
            Cell::from(effect.request.id.as_str()),
            Cell::new(effect.state.name(), trail::tint(effect.state)),
            effect.attempts.to_string().into(),
            trail::line(said).into(),
        ]
    };
    let rows: Vec<_> = effects.iter().map(row).collect();
    let mut out = table::render(&columns, &rows, coloured);
    let all = count(effects.len() as u64, "effect");
    let more = if effects.len() == limit { ", the newest; `--limit` shows more" } else { "" };
    let _ = writeln!(out, "\n{all}{more}; `correlator effects show ID` tells all of one");
    out
}

fn show(shown: &Shown, output: &mut Output) {
    if output.json {
        output.value(&value(shown));
    } else {
        output.result(&pages(shown, Output::is_coloured()));
    }
}

/// All of an effect, for a machine.
pub(super) fn value(shown: &Shown) -> Value {
    json!({
        "id": shown.id,
        "effect": shown.effect.as_ref().map(trail::effect),
        "trail": shown.entries.iter().map(trail::entry).collect::<Vec<_>>(),
    })
}

/// All of an effect, for people.
fn pages(shown: &Shown, coloured: bool) -> String {
    let mut out = Tint::Heading.paint(&trail::line(&shown.id), coloured) + "\n\n";
    match &shown.effect {
        Some(effect) => facts(effect, coloured, &mut out),
        None => out.push_str("it is so old that only the audit trail knows of it\n"),
    }
    out.push('\n');
    for entry in &shown.entries {
        let _ = writeln!(out, "{}", trail::dated(entry));
    }
    out
}

fn facts(effect: &Effect, coloured: bool, out: &mut String) {
    let mut state = trail::tint(effect.state).paint(effect.state.name(), coloured);
    let remarks = [
        (effect.behind, "behind an earlier one of its key"),
        (effect.maybe_done, "it may have been done"),
        (effect.undoing, "it is being undone"),
    ];
    for (_, remark) in remarks.iter().filter(|(holds, _)| *holds) {
        let _ = write!(state, ", {remark}");
    }
    let next = effect.next_at.filter(|_| effect.state == State::Waiting);
    let facts = [
        ("state", Some(state)),
        ("said", effect.said.as_deref().map(trail::line)),
        ("attempts", Some(effect.attempts.to_string())),
        ("next try", next.map(|next| moment(Moment(next)))),
        ("plan", Some(trail::line(&effect.plan))),
        (
            "listener",
            Some(format!(
                "{} ({})",
                trail::line(&effect.listener),
                trail::digest(&effect.component)
            )),
        ),
        ("target", Some(format!("{} {}", effect.capability, trail::line(&effect.request.target)))),
        ("endpoint", Some(trail::line(&effect.endpoint))),
        ("key", effect.key.as_deref().map(trail::line)),
        ("asked for", Some(moment(Moment(effect.since)))),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(out, "{name:<10}  {value}");
        }
    }
    out.push('\n');
    for (name, cell) in &effect.request.cells {
        let _ = writeln!(out, "  {} = {}", trail::line(name), trail::cell(cell));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use correlator_store::effect::{Shown, State};

    use super::super::trail::tests::{an_effect, an_entry};
    use super::{page, pages, states};

    #[test]
    fn a_state_and_a_folder_are_told_apart() {
        let check = |typed: &[&str], expected: Option<(Option<State>, Option<&str>)>| {
            let typed: Vec<PathBuf> = typed.iter().map(PathBuf::from).collect();
            let expected = expected.map(|(state, folder)| (state, folder.map(PathBuf::from)));
            assert_eq!(states(&typed).ok(), expected, "{typed:?}");
        };
        check(&[], Some((None, None)));
        check(&["dead"], Some((Some(State::Dead), None)));
        check(&["./dead", "dead"], Some((Some(State::Dead), Some("./dead"))));
        check(&["kept"], Some((None, Some("kept"))));
        check(&["dead", "done"], None);
        check(&["a", "b"], None);
    }

    #[test]
    fn effects_are_listed_with_what_was_said_last() {
        let page = page(&[an_effect()], 100, false);
        let row = page.lines().nth(1).expect("a row");
        assert_eq!(row, "ops:sshd:1:2:0:webhook.1:0  waiting      2  refused\\u{1b}[2J", "{page}");
        assert!(page.contains("\n1 effect; `correlator effects show ID`"), "{page}");
        assert!(super::page(&[an_effect()], 1, false).contains("`--limit` shows more"));
    }

    #[test]
    fn one_is_shown_whole_and_steers_no_terminal() {
        let effect = an_effect();
        let shown = Shown {
            id: effect.request.id.clone(),
            effect: Some(effect),
            entries: vec![an_entry()],
        };
        let text = pages(&shown, false);
        for expected in [
            "state       waiting\n",
            "next try    1970-01-01 00:00:05Z\n",
            "listener    ops (0011223344556677)\n",
            "target      webhook chat\n",
            "  wait = 0:01:00\n",
            "attempt 2 later: refused",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        assert!(!text.contains('\x1b'));
        let old = Shown { effect: None, ..shown };
        assert!(pages(&old, false).contains("only the audit trail knows"));
    }

    #[test]
    fn more_than_the_store_tells_at_once_are_put_together() {
        let check = |limit: usize, expected: &[u64]| {
            let filter = super::EffectFilter { limit, ..super::EffectFilter::default() };
            let look = |filter: &super::EffectFilter| {
                let end = filter.before.unwrap_or(8).saturating_sub(1);
                let first = end.saturating_sub(filter.limit.min(3) as u64) + 1;
                Ok((first.max(1)..=end)
                    .map(|number| super::Effect { number, ..an_effect() })
                    .collect())
            };
            let all = super::newest(filter, look).unwrap_or_default();
            let numbers: Vec<u64> = all.iter().map(|effect| effect.number).collect();
            assert_eq!(numbers, expected, "{limit}");
        };
        check(0, &[]);
        check(2, &[6, 7]);
        check(5, &[3, 4, 5, 6, 7]);
        check(100, &[1, 2, 3, 4, 5, 6, 7]);
    }
}
