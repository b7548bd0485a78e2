//! `correlator blocks`: the addresses that the firewall keeps out because a listener asked for it, and how to let one in.
//!
//! The store says who was blocked, by whom and for how long. Where the stack is named and this user may ask the kernel,
//! that has the last word on what is in force.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use correlator_firewall::{Firewall, Span};
use correlator_store::effect::{Effect, State};
use correlator_store::error::StoreError;
use correlator_store::filter::EffectFilter;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::load::load_raw;
use super::output::Output;
use super::place::{self, Place, unread};
use super::reach::say;
use super::table::{self, Cell, Column};
use super::trail;
use super::undo::WorldPlace;
use super::words::count;
use super::{Common, EXIT_LOSSES, EXIT_WELL, EXIT_WRONG, Failed, undo};
use crate::clock;
use crate::stack::grant::Grant;
use crate::stack::grant::world::FIREWALL;
use crate::status::Moment;

/// What can be done with blocks.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the addresses and networks that are blocked now.
    List(ListArguments),
    /// Lift every block that an address or a network is touched by.
    Remove(RemoveArguments),
}

/// Whose blocks are listed.
#[derive(Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    place: Place,
}

/// What is lifted.
#[derive(Args)]
pub(super) struct RemoveArguments {
    /// An address such as `192.0.2.1`, or a network such as `2001:db8::/64`.
    address: String,
    #[command(flatten)]
    place: WorldPlace,
}

/// What keeps somebody out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    network: IpNet,
    set: String,
    listener: String,
    effect: String,
    /// When it was done, and when it ends; never, if absent.
    since: i64,
    until: Option<i64>,
    /// Whether the kernel has it, if the kernel could be asked.
    in_kernel: Option<bool>,
}

/// Does what is asked with blocks.
pub(super) fn blocks(
    command: &Command,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    match command {
        Command::List(arguments) => list(&arguments.place, common, output),
        Command::Remove(arguments) => remove(arguments, common, output),
    }
}

fn list(place: &Place, common: &Common, output: &mut Output) -> Result<u8, Failed> {
    let now = clock::now();
    let mut blocks = known(place, now)?;
    if let Some(kernel) = kernel(place, common, now, output)? {
        compare(&mut blocks, kernel, now);
    }
    if output.json {
        output.value(&blocks.iter().map(|block| machine(block, now)).collect());
    } else if blocks.is_empty() {
        output.result("nobody is blocked\n");
    } else {
        output.result(&page(&blocks, now, Output::is_coloured()));
    }
    Ok(EXIT_WELL)
}

/// The blocks that the store knows and whose time is not over, the oldest first.
fn known(place: &Place, now: i64) -> Result<Vec<Block>, Failed> {
    let reader = match place::reader(&place.folder()?)? {
        Ok(reader) => reader,
        Err(StoreError::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(unread(error)),
    };
    let mut blocks: Vec<Block> = Vec::new();
    let mut before = None;
    loop {
        let filter = EffectFilter {
            capability: Some(FIREWALL.to_owned()),
            state: Some(State::Done),
            before,
            limit: usize::MAX,
            ..EffectFilter::default()
        };
        let effects = reader.effects(&filter).map_err(unread)?;
        let Some(first) = effects.first() else { break };
        before = Some(first.number);
        blocks.extend(effects.iter().rev().filter_map(block));
    }
    blocks.retain(|block| block.until.is_none_or(|until| until > now));
    blocks.reverse();
    Ok(blocks)
}

/// What a firewall's effect did, by what was said of it: `192.0.2.1 is blocked for 10m`.
fn block(effect: &Effect) -> Option<Block> {
    let (network, span) = correlator_firewall::told(effect.said.as_deref()?)?;
    let until =
        i64::try_from(span.as_nanos()).ok().and_then(|it| effect.changed_at.checked_add(it));
    Some(Block {
        network,
        set: effect.request.target.clone(),
        listener: effect.listener.clone(),
        effect: effect.request.id.clone(),
        since: effect.changed_at,
        until,
        in_kernel: None,
    })
}

/// An address or a network.
fn parse(text: &str) -> Option<IpNet> {
    let address = text.parse::<std::net::IpAddr>().ok().map(|it| IpNet::from(it.to_canonical()));
    address.or_else(|| text.parse::<IpNet>().ok().map(|net| net.trunc()))
}

fn touches(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// What is in force, and in which table each listener has things put.
#[derive(Debug, Default)]
struct Kernel {
    /// Until when something is, by its table, its set and the network; several listeners may have the same set.
    held: BTreeMap<(String, String, IpNet), Option<i64>>,
    tables: BTreeMap<String, String>,
}

/// What is in force by the kernel's own word, where a stack says whose tables are meant and this user may ask.
fn kernel(
    place: &Place,
    common: &Common,
    now: i64,
    output: &mut Output,
) -> Result<Option<Kernel>, Failed> {
    let Some(raw) = place.reach.raw()? else { return Ok(None) };
    let stack = load_raw(&raw, common)?.stack;
    let grants = stack
        .listeners
        .iter()
        .flat_map(|listener| listener.grants.iter().map(move |grant| (&listener.name, grant)));
    let mut all = None;
    for (listener, grant) in grants {
        let Grant::World(grant) = grant else { continue };
        let Some(settings) = &grant.firewall else { continue };
        let made = Firewall::new((**settings).clone());
        let asked = made.and_then(|mut made| made.in_force().map_err(|error| error.to_string()));
        match asked {
            Ok(blocks) => {
                let all: &mut Kernel = all.get_or_insert_default();
                all.tables.insert(listener.clone(), settings.table.clone());
                for block in blocks {
                    let rest = i64::try_from(block.remaining.as_nanos()).ok();
                    let until = rest.and_then(|rest| now.checked_add(rest));
                    all.held.insert((settings.table.clone(), block.set, block.network), until);
                }
            }
            Err(error) => {
                output.note(&format!(
                    "the kernel can't be asked, so this is what the store knows: {error}\n"
                ));
                return Ok(None);
            }
        }
    }
    Ok(all)
}

/// Notes which blocks the kernel has, and adds those that it alone knows. What several effects stand for is in force for
/// each of them, and as long as the longest says.
fn compare(blocks: &mut Vec<Block>, kernel: Kernel, now: i64) {
    for block in blocks.iter_mut() {
        block.in_kernel = Some(false);
    }
    for ((table, set, network), until) in kernel.held {
        let is_same = |block: &&mut Block| {
            let of = kernel.tables.get(&block.listener);
            block.network == network && block.set == set && of.is_none_or(|of| *of == table)
        };
        let ends = |block: &Block| block.until.unwrap_or(i64::MAX);
        let mut same: Vec<&mut Block> = blocks.iter_mut().filter(is_same).collect();
        let longest = same.iter().map(|block| ends(block)).max();
        for block in &mut same {
            block.in_kernel = Some(true);
            let is_shorter = until.is_some_and(|until| until < ends(block));
            if is_shorter || Some(ends(block)) == longest {
                block.until = until;
            }
        }
        if longest.is_none() {
            let (listener, effect) = (String::new(), String::new());
            let in_kernel = Some(true);
            blocks.push(Block { network, set, listener, effect, since: now, until, in_kernel });
        }
    }
}

fn machine(block: &Block, now: i64) -> Value {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    json!({
        "address": shown(&block.network),
        "set": block.set,
        "listener": text(&block.listener),
        "effect": text(&block.effect),
        "since": text(&block.effect).map(|_| Moment(block.since)),
        "until": block.until.map(Moment),
        "remaining_seconds": block.until.map(|until| (until - now) / 1_000_000_000),
        "in_kernel": block.in_kernel,
    })
}

fn page(blocks: &[Block], now: i64, coloured: bool) -> String {
    let columns = [
        Column::Figures("BLOCKED"),
        Column::Words("SET"),
        Column::Figures("STILL FOR"),
        Column::Words("LISTENER"),
        Column::Words("EFFECT"),
    ];
    let row = |block: &Block| {
        let rest =
            block.until.map(|until| Duration::from_nanos((until - now).max(0).unsigned_abs()));
        let rest = match (block.in_kernel, rest) {
            (Some(false), _) => "not in force".to_owned(),
            (_, None) => "ever".to_owned(),
            (_, Some(rest)) => Span(Duration::from_secs(rest.as_secs())).to_string(),
        };
        vec![
            Cell::from(shown(&block.network)),
            trail::line(&block.set).into(),
            rest.into(),
            trail::line(&block.listener).into(),
            trail::line(&block.effect).into(),
        ]
    };
    let rows: Vec<_> = blocks.iter().map(row).collect();
    let mut out = table::render(&columns, &rows, coloured);
    let all = count(blocks.len() as u64, "block");
    let _ = writeln!(out, "\n{all}; `correlator blocks remove ADDRESS` lifts one");
    out
}

/// A single address without its length.
fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// Every block is lifted as what it is: an effect that is undone, so that the store and the trail know of it.
fn remove(arguments: &RemoveArguments, common: &Common, output: &mut Output) -> Result<u8, Failed> {
    let address = arguments.address.as_str();
    let network = parse(address).ok_or_else(|| {
        let text = format!("`{}` is neither an address nor a network", trail::line(address));
        Failed::new(EXIT_WRONG, text)
    })?;
    let place = arguments.place.place();
    let blocks = known(&place, clock::now())?;
    let all: Vec<_> = blocks.into_iter().filter(|it| touches(&it.network, &network)).collect();
    if all.is_empty() {
        let text = format!(
            "no block that an effect made touches {address}; `nft list ruleset` shows what others made"
        );
        return Err(Failed::new(EXIT_WRONG, text));
    }
    let mut code = EXIT_WELL;
    for block in &all {
        // What one listener blocked more than once is lifted as one.
        let shown = place.reader()?.show(&block.effect).map_err(unread)?;
        if shown.effect.is_some_and(|effect| effect.state == State::Undone) {
            say(&json!({ "message": format!("{} is undone with it", block.effect) }), output);
            continue;
        }
        if let Err(failed) = undo::one(&block.effect, &place, common, output) {
            output.error(&failed.text);
            code = EXIT_LOSSES;
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use correlator_store::effect::{Effect, State};

    use super::super::trail::tests::an_effect;
    use super::{Block, Kernel, block, compare, machine, page, parse, touches};

    const SECOND: i64 = 1_000_000_000;

    fn effect(said: &str) -> Effect {
        let mut effect = Effect {
            capability: "firewall".to_owned(),
            state: State::Done,
            said: Some(said.to_owned()),
            changed_at: 100 * SECOND,
            ..an_effect()
        };
        effect.request.target = "ssh".to_owned();
        effect
    }

    #[test]
    fn what_was_said_tells_what_is_blocked_and_until_when() {
        let check = |said: &str, expected: Option<(&str, i64)>| {
            let found = block(&effect(said));
            let found =
                found.map(|it| (it.network.to_string(), it.until.expect("an end") / SECOND));
            let expected = expected.map(|(network, until)| (network.to_owned(), until));
            assert_eq!(found, expected, "{said}");
        };
        check("192.0.2.1 is blocked for 10m", Some(("192.0.2.1/32", 700)));
        check("2001:db8::/64 is blocked for 1h30m", Some(("2001:db8::/64", 5_500)));
        check("192.0.2.1 is blocked already, longer than for 90s", Some(("192.0.2.1/32", 190)));
        check("somebody is blocked for 10m", None);
        check("done", None);
    }

    #[test]
    fn addresses_touch_networks() {
        let check = |one: &str, other: &str, expected: bool| {
            let [one, other] = [one, other].map(|text| parse(text).expect("a network"));
            assert_eq!(touches(&one, &other), expected, "{one} {other}");
        };
        check("192.0.2.1", "192.0.2.0/24", true);
        check("192.0.2.0/24", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        check("2001:db8::7", "2001:db8::/64", true);
        assert_eq!(parse("example.org"), None);
    }

    /// A kernel that has networks, each in a set for so many seconds from second 200 on.
    fn holding(held: &[(&str, &str, &str, i64)]) -> Kernel {
        let one = |(table, set, network, rest): &(&str, &str, &str, i64)| {
            let network = parse(network).expect("a network");
            (((*table).to_owned(), (*set).to_owned(), network), Some((200 + rest) * SECOND))
        };
        let tables = [("ops", "correlator"), ("edge", "another")];
        let tables = tables.map(|(listener, table)| (listener.to_owned(), table.to_owned()));
        Kernel { held: held.iter().map(one).collect(), tables: tables.into() }
    }

    #[test]
    fn the_kernel_has_the_last_word() {
        let ours = block(&effect("192.0.2.1 is blocked for 10m")).expect("a block");
        let gone = block(&effect("192.0.2.9 is blocked for 10m")).expect("a block");
        let mut blocks = vec![ours, gone];
        let now = 200 * SECOND;
        let held = holding(&[
            ("correlator", "ssh", "192.0.2.1", 60),
            ("correlator", "ssh", "198.51.100.0/24", 60),
        ]);
        compare(&mut blocks, held, now);
        let values: Vec<_> = blocks.iter().map(|block| machine(block, now)).collect();
        assert_eq!(
            (&values[0]["in_kernel"], &values[0]["remaining_seconds"]),
            (&true.into(), &60.into())
        );
        assert_eq!(values[1]["in_kernel"], false);
        assert_eq!(values[2]["address"], "198.51.100.0/24");
        assert_eq!(values[2]["effect"], serde_json::Value::Null);
        let page = page(&blocks, now, false);
        assert!(
            page.contains("1m") && page.contains("not in force") && page.contains("3 blocks"),
            "{page}"
        );
    }

    #[test]
    fn what_stands_more_than_once_is_in_force_for_each() {
        let of = |listener: &str, said: &str| {
            block(&Effect { listener: listener.to_owned(), ..effect(said) }).expect("a block")
        };
        let check = |held: &[(&str, &str, &str, i64)], expected: [Option<i64>; 5]| {
            let mut blocks = vec![
                of("ops", "192.0.2.1 is blocked for 10m"),
                of("ops", "192.0.2.1 is blocked already, longer than for 5m"),
                of("two", "192.0.2.1 is blocked for 1h"),
                of("edge", "192.0.2.1 is blocked for 30m"),
                of("ops", "192.0.2.2 is blocked for 30m"),
            ];
            compare(&mut blocks, holding(held), 200 * SECOND);
            let rest = |block: &Block| {
                let until = block.until.expect("an end") / SECOND - 200;
                block.in_kernel.expect("asked").then_some(until)
            };
            let first: Vec<_> = blocks.iter().take(5).map(rest).collect();
            assert_eq!(first, expected, "{held:?}");
        };
        check(&[], [None; 5]);
        let ours = ("correlator", "ssh", "192.0.2.1", 3_499);
        // The longest is as long as the kernel says; nobody knows a listener that is not in the stack any more by its table.
        check(&[ours], [Some(500), Some(200), Some(3_499), None, None]);
        let other = ("another", "ssh", "192.0.2.1", 1_700);
        check(&[other], [None, None, Some(1_700), Some(1_700), None]);
        check(&[("correlator", "web", "192.0.2.1", 60)], [None; 5]);
        let short = ("correlator", "ssh", "192.0.2.1", 60);
        check(&[short], [Some(60), Some(60), Some(60), None, None]);
    }
}
