//! `--dry-run`: everything is done but what touches the world, and what would have been done is shown.
//!
//! Tables and lines of the log are the engine's own and are written as always. The plan is read from the store when the run
//! is over: what was planned is an effect like any other.

use std::fmt::Write;

use correlator_store::effect::{Effect, State};
use correlator_store::filter::EffectFilter;
use correlator_store::reader::Reader;

use super::Failed;
use super::output::Output;
use super::place::{reader, unread};
use super::trail;
use super::words::count;
use crate::stack::grant::Grant;
use crate::stack::{ListenerInstance, Stack};

/// Effects that are shown; the store has the others.
const SHOWN_MAX: usize = 1_000;

/// Makes a dry run of it: whatever listeners may ask the world for is recorded, and not done.
pub(super) fn make(stack: &mut Stack) {
    for grant in stack.listeners.iter_mut().flat_map(|listener| &mut listener.grants) {
        if let Grant::World(grant) = grant {
            grant.dry_run = true;
        }
    }
}

/// What is told at the start of a run that is none as a whole, if the stack grants anything as one.
pub(super) fn granted(stack: &Stack) -> Option<String> {
    let of = |listener: &ListenerInstance| {
        let planned = listener.grants.iter().filter(|grant| grant.is_dry());
        let name = |grant: &Grant| format!("{} of `{}`", grant.name(), trail::line(&listener.name));
        planned.map(name).collect::<Vec<_>>()
    };
    let planned: Vec<_> = stack.listeners.iter().flat_map(of).collect();
    (!planned.is_empty()).then(|| {
        let planned = planned.join(", ");
        format!("dry run by `dry_run` in the stack: this is planned and not done: {planned}\n")
    })
}

/// What is told at the start.
pub(super) fn words(stack: &Stack) -> String {
    let mut planned = Vec::new();
    let mut written = Vec::new();
    for listener in &stack.listeners {
        for grant in &listener.grants {
            let list = if matches!(grant, Grant::World(_)) { &mut planned } else { &mut written };
            list.push(format!("{} of `{}`", grant.name(), listener.name));
        }
    }
    let mut out = if planned.is_empty() {
        "dry run: no listener asks the world for anything\n".to_owned()
    } else {
        format!("dry run: this is planned and not done: {}\n", planned.join(", "))
    };
    if !written.is_empty() {
        let _ = writeln!(out, "this is written as always: {}", written.join(", "));
    }
    out
}

/// What would have been done since then, the newest of it.
pub(super) fn planned(stack: &Stack, since: i64) -> Result<Vec<Effect>, Failed> {
    let Some(keeping) = &stack.keeping else { return Ok(Vec::new()) };
    // Without a store nobody asked for anything that is kept.
    let Ok(reader): Result<Reader, _> = reader(&keeping.folder)? else { return Ok(Vec::new()) };
    let filter = EffectFilter {
        state: Some(State::Dry),
        since: Some(since),
        limit: usize::MAX,
        ..EffectFilter::default()
    };
    reader.effects(&filter).map_err(unread)
}

/// The plan, for people.
pub(super) fn tell(effects: &[Effect], output: &mut Output) {
    output.result(&page(effects));
}

fn page(effects: &[Effect]) -> String {
    let all = count(effects.len() as u64, "effect");
    let mut out = format!("dry run: {all} would have been asked of the world\n");
    let skipped = effects.len().saturating_sub(SHOWN_MAX);
    if skipped > 0 {
        let _ = writeln!(
            out,
            "  {} before these; `correlator effects list --state dry`",
            count(skipped as u64, "other")
        );
    }
    for effect in &effects[skipped..] {
        let (listener, capability) = (trail::line(&effect.listener), &effect.capability);
        let _ = writeln!(out, "  {listener} {capability}: {}", trail::line(&effect.plan));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::trail::tests::an_effect;
    use super::{SHOWN_MAX, page};

    #[test]
    fn the_plan_has_a_line_for_each_effect() {
        let expected =
            "dry run: 1 effect would have been asked of the world\n  ops webhook: POST to chat\n";
        assert_eq!(page(&[an_effect()]), expected);
        let many = vec![an_effect(); SHOWN_MAX + 2];
        let page = page(&many);
        assert!(
            page.contains("1,002 effects would") && page.contains("2 others before these"),
            "{page}"
        );
        assert_eq!(page.lines().count(), SHOWN_MAX + 2);
    }
}
