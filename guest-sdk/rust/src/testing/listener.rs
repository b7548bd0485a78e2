//! A listener over a list of events.

use std::collections::BTreeSet;
use std::path::Path;

use correlator_frame::effect::{HEADER, Header, NO_EVENT};
use correlator_frame::event::{self, Rows};
use correlator_frame::text as written;

use super::cuts::{Cut, Cuts};
use super::events::Sample;
use super::module::{statistic_line, told};
use super::timers::Timers;
use super::{CUT_RUNS, line, options, samples};
use crate::effect::Effect;
use crate::instance::ListenerInstance;
use crate::listener::Listener;
use crate::options::{Options, Setting, complete};
use crate::time::Time;

/// Runs a listener over events that are written as in a sample, and gives its effects in lines. Settings that are
/// missing have their defaults.
///
/// # Errors
/// A sentence, if the events can't be read, the listener failed, or returned what no host would take.
pub fn effects<L: Listener>(events: &str, settings: &[Setting]) -> Result<Vec<String>, String> {
    let sample = Sample::read(events)?;
    let settings = complete(&L::Options::schemas(), settings);
    Run::<L>::new(&sample, &settings)?.finish(&mut Cuts::none())
}

/// Runs a listener over every sample in `samples` of the folder (`env!("CARGO_MANIFEST_DIR")`), compares with what is
/// expected, then cuts each at many places and compares again.
///
/// A sample is `samples/NAME.events`: lines `schema INSTANCE:EVENT SEVERITY "SUMMARY" COLUMN:KIND ...`, where
/// `COLUMN?:KIND` is optional, and events `TIME SEVERITY INSTANCE:EVENT COLUMN=VALUE ...`. Its effects stand in
/// `samples/NAME.effects`, its options in `samples/NAME.options`.
///
/// # Panics
/// If there is no sample, or if anything differs: it tells where, and how the sample was cut.
pub fn check_listener_samples<L: Listener>(folder: &str) {
    let result = samples::find(folder, "events")
        .and_then(|samples| samples.iter().try_for_each(|sample| check_sample::<L>(sample)));
    if let Err(sentence) = result {
        panic!("{sentence}");
    }
}

fn check_sample<L: Listener>(path: &Path) -> Result<(), String> {
    let place = path.display();
    let settings = samples::read_optional(&path.with_extension("options"))?;
    let settings = options::read(&settings, &L::Options::schemas())
        .map_err(|sentence| format!("options of {place}: {sentence}"))?;
    let sample = Sample::read(&samples::read_optional(path)?)
        .map_err(|sentence| format!("{place}: {sentence}"))?;
    let run = |cuts: &mut Cuts| Run::<L>::new(&sample, &settings)?.finish(cuts);
    let whole = run(&mut Cuts::none()).map_err(|sentence| format!("{place}: {sentence}"))?;
    samples::compare(&path.with_extension("effects"), &whole)?;
    for number in 0..CUT_RUNS {
        run(&mut Cuts::run(number))
            .and_then(|cut| samples::difference(&whole, &cut))
            .map_err(|sentence| format!("{place}, cut as in run {number}: {sentence}"))?;
    }
    Ok(())
}

/// A listener on its way through events.
struct Run<'a, L: Listener> {
    sample: &'a Sample,
    settings: &'a [Setting],
    instance: ListenerInstance<L>,
    timers: Timers,
    /// Rows of the batch in the making, how many they are, and how many came before.
    pending: Vec<u32>,
    count: usize,
    before: usize,
    targets: BTreeSet<String>,
    lines: Vec<String>,
}

impl<'a, L: Listener> Run<'a, L> {
    fn new(sample: &'a Sample, settings: &'a [Setting]) -> Result<Self, String> {
        let instance = configured::<L>(sample, settings)?;
        Ok(Self {
            sample,
            settings,
            timers: Timers::new(&instance.description().timers),
            instance,
            pending: Vec::new(),
            count: 0,
            before: 0,
            targets: BTreeSet::new(),
            lines: Vec::new(),
        })
    }

    fn finish(mut self, cuts: &mut Cuts) -> Result<Vec<String>, String> {
        for (time, row) in &self.sample.rows {
            for (timer, due) in self.timers.advance(*time) {
                self.flush()?;
                self.tick(Some(timer), due)?;
            }
            self.pending.extend_from_slice(row);
            self.count += 1;
            match cuts.after_record() {
                Cut::None => {}
                Cut::Batch => self.flush()?,
                Cut::Restart => self.restart()?,
            }
        }
        self.flush()?;
        self.tick(None, self.timers.now())?;
        self.lines.extend(self.instance.statistics().iter().map(statistic_line));
        Ok(self.lines)
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.count == 0 {
            return Ok(());
        }
        let effects =
            self.instance.handle(Sample::LAYOUT, &self.sample.text, &self.pending).map_err(told)?;
        self.take(&effects, Some(self.count))?;
        self.before += self.count;
        self.count = 0;
        self.pending.clear();
        Ok(())
    }

    fn tick(&mut self, timer: Option<u32>, time: Time) -> Result<(), String> {
        let effects = self.instance.tick(timer, time.nanoseconds()).map_err(told)?;
        self.take(&effects, None)
    }

    /// Saves, restores into a fresh instance, and goes on with that one.
    fn restart(&mut self) -> Result<(), String> {
        self.flush()?;
        let state = self.instance.save().map_err(told)?;
        let mut fresh = configured::<L>(self.sample, self.settings)?;
        fresh.restore(state.version, &state.bytes).map_err(told)?;
        if fresh.save().map_err(told)? != state {
            return Err("a restored instance saves other bytes than it was restored from".into());
        }
        self.instance = fresh;
        Ok(())
    }

    /// Takes a turn's rows in the order of their events: how they are grouped depends on where batches end.
    fn take(&mut self, effects: &[Effect], events: Option<usize>) -> Result<(), String> {
        let mut rows = Vec::new();
        for effect in effects {
            let mut found = Rows::new(&effect.index, HEADER);
            for row in found.by_ref() {
                let event = Header::read(row).event;
                let fits = match events {
                    Some(count) => (event as usize) < count,
                    None => event == NO_EVENT,
                };
                if !fits || row.len() != HEADER + 2 * effect.target.parts().columns.len() {
                    return Err(format!("a row that no host would take: {row:?}"));
                }
                rows.push((event, row_line(effect, row)?));
            }
            if !found.rest().is_empty() {
                return Err("rows that are cut off".to_owned());
            }
        }
        rows.sort_by_key(|(event, _)| *event);
        for (event, (target, columns, row)) in rows {
            if self.targets.insert(target.clone()) {
                self.lines.push(format!("target {target}{columns}"));
            }
            let number = if event == NO_EVENT {
                "-".to_owned()
            } else {
                (self.before + event as usize).to_string()
            };
            self.lines.push(format!("{number} {target}{row}"));
        }
        Ok(())
    }
}

fn configured<L: Listener>(
    sample: &Sample,
    settings: &[Setting],
) -> Result<ListenerInstance<L>, String> {
    let mut instance = ListenerInstance::<L>::new();
    instance.configure(settings, sample.schemas.clone()).map_err(told)?;
    Ok(instance)
}

/// The target, its columns and the row, as they stand in a line.
fn row_line(effect: &Effect, row: &[u32]) -> Result<(String, String, String), String> {
    let target = effect.target.parts();
    let absent = Header::read(row).absent;
    let (mut columns, mut values) = (String::new(), String::new());
    for (place, column) in target.columns.iter().enumerate() {
        let mark = if column.optional { "?" } else { "" };
        columns.extend([" ", &column.name, mark, ":", column.kind.name()]);
        match event::cell(&row[HEADER..], place, column.kind, absent, &effect.text) {
            Some(value) => {
                let mut shown = Vec::new();
                written::value(value, &mut shown);
                values.extend([" ", &column.name, "="]);
                line::write_value(&shown, &mut values);
            }
            None if column.optional => {}
            None => return Err(format!("{:?} lacks column {:?}", target.name, column.name)),
        }
    }
    Ok((format!("{} {}", target.capability, target.name), columns, values))
}
