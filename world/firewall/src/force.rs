//! What is in force: the kernel's sets, and what this process remembers of them, so that it can put them back when
//! somebody has flushed them. It must never know whether something ought to be blocked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use crate::clock;
use crate::entries::Entries;
use crate::error::Error;
use crate::kernel::{Kernel, RuleComment};
use crate::rule::Rule;
use crate::settings::SetSettings;
use crate::table::{self, Change, ELEMENT_BYTES_MAX, ELEMENTS_PER_MESSAGE_MAX, Width};
use crate::wire::Batch;

/// Elements that are renewed at once: each is said three times, and all three have to be in one batch.
const RENEWED_MAX: usize = ELEMENTS_PER_MESSAGE_MAX / 2;

/// Of more networks than this it is not asked one by one whether they are in: all are read.
const ASKED_MAX: usize = 256;

/// Reading takes one part in so many of the time.
const READING_SHARE: u32 = 20;

/// Two that have the same set change it one after the other: what one finds in force, and what it makes of that, belong
/// together. The kernel makes one change at a time anyway.
static TURN: Mutex<()> = Mutex::new(());

/// A set as the operator names it: a set of the kernel for each length of prefix, and chains that ask them.
pub(crate) struct Set {
    pub(crate) name: String,
    settings: SetSettings,
    pub(crate) widths: BTreeSet<Width>,
    pub(crate) entries: Entries,
}

/// One network in one set: the set by its place.
pub(crate) type Held = (usize, IpNet);

/// What was found when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// All as it was left.
    Intact,
    /// For the first time.
    First,
    /// Rules of ours were gone; all is put back.
    Lost,
}

/// The table and what is in it.
pub(crate) struct Force {
    table: String,
    kernel: Option<Kernel>,
    pub(crate) sets: Vec<Set>,
    /// The kernel's number of changes when all was as this process remembers it.
    generation: Option<u32>,
    /// Reading all entries because others change something takes no more than its share: not before this moment.
    read_due: Duration,
    built: bool,
    /// Whether somebody else has lifted something since this was last asked.
    misses: bool,
}

impl Set {
    pub(crate) fn new(name: &str, settings: &SetSettings, v6_prefix: u8) -> Self {
        // Single IPv6 addresses too where they stand for their networks: one of them may be ours.
        let widths = [(false, 32), (true, v6_prefix), (true, 128)];
        let widths = widths.map(|(v6, length)| Width { v6, length });
        let (name, settings) = (name.to_owned(), settings.clone());
        Self { name, settings, widths: widths.into(), entries: Entries::default() }
    }

    /// All rules that ought to be there.
    fn rules(&self) -> impl Iterator<Item = (String, Rule)> {
        self.chains().flat_map(|chain| {
            let of_width = |width: &Width| Rule::all(&self.settings, *width);
            self.widths.iter().flat_map(of_width).map(move |rule| (chain.clone(), rule))
        })
    }

    /// All chains that ought to be there.
    fn chains(&self) -> impl Iterator<Item = String> {
        let may = table::chains(&self.name, self.settings.hook).into_iter();
        may.filter_map(|(chain, hook)| hook.map(|_| chain))
    }
}

/// Waits until nobody else of this process changes anything, and keeps others from it.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    // It guards nothing that could be left half done.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Force {
    pub(crate) fn new(table: &str, sets: Vec<Set>) -> Self {
        Self {
            table: table.to_owned(),
            kernel: None,
            sets,
            generation: None,
            read_due: Duration::ZERO,
            built: false,
            misses: false,
        }
    }

    fn kernel(&mut self) -> Result<&mut Kernel, Error> {
        opened(&mut self.kernel, &self.table)
    }

    /// Finds out whether all is there, and makes it so. Where nobody has changed anything it costs one question.
    pub(crate) fn look(&mut self) -> Result<Found, Error> {
        let generation = self.kernel()?.generation()?;
        if self.built && self.generation == Some(generation) {
            return Ok(Found::Intact);
        }
        self.read_widths()?;
        let whole = self.is_whole()?;
        // What is remembered counts only where the kernel has lost it.
        let read = !self.built || (whole && clock::uptime() >= self.read_due);
        if read {
            self.read_entries()?;
        }
        if !whole {
            self.build()?;
        }
        // Who changes something from here on makes it another number.
        self.generation = (whole && read).then_some(generation);
        let first = !std::mem::replace(&mut self.built, true);
        Ok(match (first, whole) {
            (true, _) => Found::First,
            (false, true) => Found::Intact,
            (false, false) => Found::Lost,
        })
    }

    /// Whether the kernel has just the rules that ought to be there.
    fn is_whole(&mut self) -> Result<bool, Error> {
        let found = self.kernel()?.rules()?;
        let mut chains = BTreeSet::new();
        let mut wanted: Vec<RuleComment> = Vec::new();
        for set in &self.sets {
            chains.extend(table::chains(&set.name, set.settings.hook).map(|(chain, _)| chain));
            wanted.extend(
                set.rules().map(|(chain, rule)| (chain, rule.comment(set.settings.priority))),
            );
        }
        wanted.sort_unstable();
        let ours = found.into_iter().filter(|(chain, _)| chains.contains(chain));
        Ok(ours.eq(wanted))
    }

    /// Whether the table was made, or found, by this process.
    pub(crate) fn is_built(&self) -> bool {
        self.built
    }

    /// Whether somebody else has lifted something since this was last asked.
    pub(crate) fn misses_some(&mut self) -> bool {
        std::mem::take(&mut self.misses)
    }

    /// Learns from the kernel what is in force, if this process has not looked after it so far.
    pub(crate) fn read_if_unbuilt(&mut self) -> Result<(), Error> {
        if self.built { Ok(()) } else { self.read() }
    }

    /// Learns from the kernel what is in force.
    pub(crate) fn read(&mut self) -> Result<(), Error> {
        self.read_widths()?;
        self.read_entries()
    }

    /// Learns of some networks whether they are in force, if somebody has changed anything since all was read: another
    /// listener may have the same set.
    pub(crate) fn learn(&mut self, held: &[Held]) -> Result<(), Error> {
        let generation = self.kernel()?.generation()?;
        if self.generation == Some(generation) {
            return Ok(());
        }
        self.read_widths()?;
        if held.len() > ASKED_MAX {
            return self.read_entries();
        }
        for (at, net) in held {
            let set = &mut self.sets[*at];
            let rest = opened(&mut self.kernel, &self.table)?.rest(&set.name, net)?;
            let now = clock::uptime();
            if let Some(rest) = rest {
                set.entries.put(*net, now.saturating_add(rest));
            } else {
                self.misses |= set.entries.is_missed(net, now);
                set.entries.take(net);
            }
        }
        Ok(())
    }

    /// Learns what sets there are: another grant may have the same one.
    fn read_widths(&mut self) -> Result<(), Error> {
        let kernel = opened(&mut self.kernel, &self.table)?;
        for set in &mut self.sets {
            set.widths.extend(kernel.widths(&set.name)?);
        }
        Ok(())
    }

    fn read_entries(&mut self) -> Result<(), Error> {
        let start = clock::uptime();
        let kernel = opened(&mut self.kernel, &self.table)?;
        for set in &mut self.sets {
            let before = std::mem::take(&mut set.entries);
            for width in &set.widths {
                let elements = kernel.elements(&set.name, *width)?;
                let now = clock::uptime();
                for (net, rest) in elements {
                    set.entries.put(net, now.saturating_add(rest));
                }
            }
            self.misses |= !before.are_in(&set.entries, clock::uptime());
        }
        let end = clock::uptime();
        self.read_due = end + end.saturating_sub(start) * READING_SHARE;
        Ok(())
    }

    /// Makes the table, the sets, the chains and the rules, and puts back what is remembered.
    fn build(&mut self) -> Result<(), Error> {
        let mut batch = self.kernel()?.batch();
        table::add_table(&mut batch, &self.table);
        for set in &self.sets {
            for width in &set.widths {
                table::add_set(&mut batch, &self.table, &set.name, *width);
            }
            let priority = set.settings.priority;
            for (chain, hook) in table::chains(&set.name, set.settings.hook) {
                table::replace_chain(&mut batch, &self.table, &chain, hook, priority);
            }
            for (chain, rule) in set.rules() {
                let of = rule.width.set(&set.name);
                table::add_rule(&mut batch, &self.table, &chain, rule, &of, priority);
            }
        }
        self.kernel()?.commit(batch)?;
        let now = clock::uptime();
        let held = self.sets.iter().enumerate().flat_map(|(at, set)| {
            set.entries.all(now).map(move |(net, rest)| ((at, net), now.saturating_add(rest)))
        });
        let held: Vec<(Held, Duration)> = held.collect();
        self.say(&held, |_, _| false)
    }

    /// Puts networks in until the moment of each. What is in already is renewed.
    pub(crate) fn put(&mut self, wanted: &[(Held, Duration)]) -> Result<(), Error> {
        let lingers = |sets: &[Set], (at, net): &Held| sets[*at].entries.lingers(net);
        let mut said = self.say(wanted, lingers);
        if said.as_ref().is_err_and(Error::is_gone) {
            // The table was flushed since it was last looked at.
            said = self.build().and_then(|()| self.say(wanted, lingers));
        }
        if said.is_err() {
            // Some of it may be in force: the kernel will tell.
            self.generation = None;
        }
        said?;
        for ((at, net), until) in wanted {
            self.sets[*at].entries.put(*net, *until);
        }
        Ok(())
    }

    /// Tells the kernel, in as many batches as it takes.
    fn say(
        &mut self,
        wanted: &[(Held, Duration)],
        renewed: impl Fn(&[Set], &Held) -> bool,
    ) -> Result<(), Error> {
        let now = clock::uptime();
        let mut groups: BTreeMap<(usize, Width, bool), Vec<(IpAddr, Duration)>> = BTreeMap::new();
        for ((at, net), until) in wanted {
            let group = (*at, Width::of(net), renewed(&self.sets, &(*at, *net)));
            groups.entry(group).or_default().push((net.addr(), until.saturating_sub(now)));
        }
        let mut batch = self.kernel()?.batch();
        for ((at, width, renewed), elements) in groups {
            self.widen(&mut batch, at, width);
            let name = width.set(&self.sets[at].name);
            let (most, times) =
                if renewed { (RENEWED_MAX, 3) } else { (ELEMENTS_PER_MESSAGE_MAX, 1) };
            for part in elements.chunks(most) {
                if !batch.has_room(part.len() * times * ELEMENT_BYTES_MAX + 1024) {
                    let full = std::mem::replace(&mut batch, self.kernel()?.batch());
                    self.commit(full)?;
                }
                let set = (self.table.as_str(), name.as_str());
                table::change_elements(&mut batch, Change::Add, set, part);
                if renewed {
                    // The kernel leaves an element that is there as it is. So it goes and comes again; no packet
                    // sees it missing, for the batch is one. It was added first because it may have expired, and
                    // deleting what isn't there fails.
                    table::change_elements(&mut batch, Change::Delete, set, part);
                    table::change_elements(&mut batch, Change::Add, set, part);
                }
            }
        }
        self.commit(batch)
    }

    /// Has a set hold a length of prefix that it did not hold so far.
    fn widen(&mut self, batch: &mut Batch, at: usize, width: Width) {
        let set = &mut self.sets[at];
        if !set.widths.insert(width) {
            return;
        }
        table::add_set(batch, &self.table, &set.name, width);
        for chain in set.chains() {
            for rule in Rule::all(&set.settings, width) {
                let (of, priority) = (width.set(&set.name), set.settings.priority);
                table::add_rule(batch, &self.table, &chain, rule, &of, priority);
            }
        }
    }

    /// Lifts networks; one that isn't in any more is no failure.
    pub(crate) fn take(&mut self, held: &[Held]) -> Result<(), Error> {
        for part in held.chunks(ELEMENTS_PER_MESSAGE_MAX) {
            match self.delete(part) {
                // One of them has expired meanwhile, and none is lifted.
                Err(error) if error.is_gone() => part.iter().try_for_each(|one| {
                    let deleted = self.delete(std::slice::from_ref(one));
                    deleted.or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) })
                })?,
                other => other?,
            }
            for (at, net) in part {
                self.sets[*at].entries.take(net);
            }
        }
        Ok(())
    }

    fn delete(&mut self, held: &[Held]) -> Result<(), Error> {
        let mut batch = self.kernel()?.batch();
        let mut groups: BTreeMap<(usize, Width), Vec<(IpAddr, Duration)>> = BTreeMap::new();
        for (at, net) in held {
            groups.entry((*at, Width::of(net))).or_default().push((net.addr(), Duration::ZERO));
        }
        for ((at, width), elements) in groups {
            let name = width.set(&self.sets[at].name);
            table::change_elements(&mut batch, Change::Delete, (&self.table, &name), &elements);
        }
        self.commit(batch)
    }

    /// Has the kernel make changes, and counts them as our own.
    fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        self.kernel()?.commit(batch)?;
        // 0 is left out when the number starts over.
        self.generation = self.generation.map(|generation| generation.wrapping_add(1).max(1));
        Ok(())
    }
}

/// The way to the kernel, opened when it is first needed.
fn opened<'a>(kernel: &'a mut Option<Kernel>, table: &str) -> Result<&'a mut Kernel, Error> {
    if kernel.is_none() {
        *kernel = Some(Kernel::new(table)?);
    }
    kernel.as_mut().ok_or(Error::Missing)
}
