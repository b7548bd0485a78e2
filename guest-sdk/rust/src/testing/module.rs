//! A module over a log.

use std::path::Path;

use bstr::{BStr, BString};
use correlator_frame::event::{self, Rows, SEVERITY_OF_SCHEMA, TURN_HEADER, TurnHeader};
use correlator_frame::record::{Frame, LAYOUT};
use correlator_frame::severity::Severity;
use correlator_frame::text as written;

use super::cuts::{Cut, Cuts};
use super::timers::Timers;
use super::{CUT_RUNS, line, options, records, samples};
use crate::description::Statistic;
use crate::instance::{ModuleInstance, Parts};
use crate::module::Module;
use crate::options::{Options, Setting};
use crate::schema::EventSchema;
use crate::time::Time;

/// Records of a batch at the most, in a run that isn't cut.
const BATCH_RECORDS_MAX: usize = 1024;

/// An event that a module emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The schema's name.
    pub name: &'static str,
    /// When.
    pub time: Time,
    /// How severe.
    pub severity: Severity,
    /// The columns that are not absent, with their values as people read them.
    pub values: Vec<(&'static str, BString)>,
}

impl Emitted {
    /// The value of a column as people read it; nothing if it is absent.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&BStr> {
        let found = self.values.iter().find(|(name, _)| *name == column);
        found.map(|(_, value)| BStr::new(value))
    }

    /// It in one line, as it stands in the expected events.
    #[must_use]
    pub fn line(&self) -> String {
        let mut out = format!("{} {} {}", self.time, self.severity.name(), self.name);
        for (name, value) in &self.values {
            out.push(' ');
            out.push_str(name);
            out.push('=');
            line::write_value(value, &mut out);
        }
        out
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The events, in order.
    pub events: Vec<Emitted>,
    /// The statistics at the end.
    pub statistics: Vec<Statistic>,
}

impl Outcome {
    /// All of it in lines, as it stands in the expected events.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.events.iter().map(Emitted::line).collect();
        lines.extend(self.statistics.iter().map(statistic_line));
        lines
    }
}

pub(super) fn statistic_line(statistic: &Statistic) -> String {
    let mut value = Vec::new();
    written::value(statistic.value.as_value(), &mut value);
    let mut out = format!("statistic {}=", statistic.name);
    line::write_value(&value, &mut out);
    out
}

/// Runs a module over a log to its end. Settings that are missing have their defaults.
///
/// # Errors
/// A sentence, if the module failed or returned what no host would take.
pub fn run<M: Module>(log: &[u8], settings: &[Setting]) -> Result<Outcome, String> {
    let settings = crate::options::complete(&M::Options::schemas(), settings);
    Run::<M>::new(&records::parse(log), &settings)?.finish(&mut Cuts::none())
}

/// Runs a module over a log to its end, and gives what came in lines.
///
/// # Panics
/// If the module failed or returned what no host would take.
#[must_use]
pub fn lines<M: Module>(log: &[u8], settings: &[Setting]) -> Vec<String> {
    match run::<M>(log, settings) {
        Ok(outcome) => outcome.lines(),
        Err(sentence) => panic!("{sentence}"),
    }
}

/// Runs a module over every sample in `samples` of the folder (`env!("CARGO_MANIFEST_DIR")`), compares with what is
/// expected, then cuts each at many places and compares again.
///
/// # Panics
/// If there is no sample, or if anything differs: it tells where, and how the sample was cut.
pub fn check_samples<M: Module>(folder: &str) {
    let result = samples::find(folder, "log")
        .and_then(|samples| samples.iter().try_for_each(|sample| check_sample::<M>(sample)));
    if let Err(sentence) = result {
        panic!("{sentence}");
    }
}

fn check_sample<M: Module>(sample: &Path) -> Result<(), String> {
    let place = sample.display();
    let settings = samples::read_optional(&sample.with_extension("options"))?;
    let settings = options::read(&settings, &M::Options::schemas())
        .map_err(|sentence| format!("options of {place}: {sentence}"))?;
    let log = samples::read(sample)?;
    let whole = run::<M>(&log, &settings).map_err(|sentence| format!("{place}: {sentence}"))?;
    samples::compare(&sample.with_extension("events"), &whole.lines())?;
    check_cuts::<M>(&log, &settings).map_err(|sentence| format!("{place}: {sentence}"))
}

/// Cuts a log at many random places, where batches end or the state is saved and restored into a fresh instance, and
/// compares what comes with the uncut run. Settings that are missing have their defaults.
///
/// # Errors
/// A sentence, if the module failed or anything differs: it tells where, and which run of cuts it was.
pub fn check_cuts<M: Module>(log: &[u8], settings: &[Setting]) -> Result<(), String> {
    let settings = crate::options::complete(&M::Options::schemas(), settings);
    let frame = records::parse(log);
    let run = |cuts: &mut Cuts| Run::<M>::new(&frame, &settings)?.finish(cuts);
    let whole = run(&mut Cuts::none())?.lines();
    for number in 0..CUT_RUNS {
        run(&mut Cuts::run(number))
            .and_then(|cut| samples::difference(&whole, &cut.lines()))
            .map_err(|sentence| format!("cut as in run {number}: {sentence}"))?;
    }
    Ok(())
}

/// A module on its way through a log.
struct Run<'a, M: Module> {
    frame: &'a Frame,
    settings: &'a [Setting],
    instance: ModuleInstance<M>,
    timers: Timers,
    pending: Frame,
    events: Vec<Emitted>,
}

impl<'a, M: Module> Run<'a, M> {
    fn new(frame: &'a Frame, settings: &'a [Setting]) -> Result<Self, String> {
        let instance = configured::<M>(settings)?;
        let timers = Timers::new(&instance.description().timers);
        Ok(Self {
            frame,
            settings,
            instance,
            timers,
            pending: Frame::default(),
            events: Vec::new(),
        })
    }

    fn finish(mut self, cuts: &mut Cuts) -> Result<Outcome, String> {
        let interest = self.instance.description().interest.clone();
        for (place, record) in self.frame.batch().records().enumerate() {
            for (timer, due) in self.timers.advance(Time::from_nanoseconds(record.time())) {
                self.flush()?;
                self.tick(Some(timer), due)?;
            }
            if let Some(hits) = records::select(&interest, record) {
                self.pending.gather(self.frame, place, &hits);
            }
            match cuts.after_record() {
                Cut::None if self.pending.len() < BATCH_RECORDS_MAX => {}
                Cut::None | Cut::Batch => self.flush()?,
                Cut::Restart => self.restart()?,
            }
        }
        self.flush()?;
        self.tick(None, self.timers.now())?;
        Ok(Outcome { events: self.events, statistics: self.instance.statistics() })
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let parts = self.instance.process(LAYOUT, self.pending.batch()).map_err(told)?;
        let records = self.pending.len();
        self.pending.clear();
        self.take(&parts, records)
    }

    fn tick(&mut self, timer: Option<u32>, time: Time) -> Result<(), String> {
        let parts = self.instance.tick(timer, time.nanoseconds()).map_err(told)?;
        self.take(&parts, 1)
    }

    /// Saves, restores into a fresh instance, and goes on with that one.
    fn restart(&mut self) -> Result<(), String> {
        self.flush()?;
        let state = self.instance.save().map_err(told)?;
        let mut fresh = configured::<M>(self.settings)?;
        fresh.restore(state.version, &state.bytes).map_err(told)?;
        if fresh.save().map_err(told)? != state {
            let sentence = "a restored instance saves other bytes than it was restored from: \
                            is there a HashMap in the state, or a field that isn't saved?";
            return Err(sentence.to_owned());
        }
        self.instance = fresh;
        Ok(())
    }

    fn take(&mut self, (text, index): &Parts, records: usize) -> Result<(), String> {
        let schemas = &self.instance.description().events;
        let mut rows = Rows::new(index, TURN_HEADER);
        let mut record = 0;
        for row in rows.by_ref() {
            let header = TurnHeader::read(row);
            let in_order = (record..records).contains(&(header.record as usize));
            let schema = schemas.get(header.schema as usize);
            let schema =
                schema.filter(|schema| row.len() == TURN_HEADER + 2 * schema.columns.len());
            let (true, Some(schema)) = (in_order, schema) else {
                return Err(format!("a row that no host would take: {row:?}"));
            };
            record = header.record as usize;
            self.events.push(emitted(schema, header, &row[TURN_HEADER..], text)?);
        }
        if rows.rest().is_empty() { Ok(()) } else { Err("rows that are cut off".to_owned()) }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn told(error: crate::Error) -> String {
    format!("the guest failed: {error}")
}

fn configured<M: Module>(settings: &[Setting]) -> Result<ModuleInstance<M>, String> {
    let mut instance = ModuleInstance::<M>::new();
    instance.configure(settings).map_err(told)?;
    Ok(instance)
}

fn emitted(
    schema: &EventSchema,
    header: TurnHeader,
    cells: &[u32],
    text: &[u8],
) -> Result<Emitted, String> {
    let severity = match header.severity {
        SEVERITY_OF_SCHEMA => schema.severity,
        number => Severity::from_number(number)
            .ok_or_else(|| format!("event {:?} has severity {number}", schema.name))?,
    };
    let mut values = Vec::new();
    for (place, column) in schema.columns.iter().enumerate() {
        match event::cell(cells, place, column.kind, header.absent, text) {
            Some(value) => {
                let mut shown = Vec::new();
                written::value(value, &mut shown);
                values.push((column.name, BString::from(shown)));
            }
            None if column.optional => {}
            None => return Err(format!("event {:?} lacks column {:?}", schema.name, column.name)),
        }
    }
    let time = Time::from_nanoseconds(header.time);
    Ok(Emitted { name: schema.name, time, severity, values })
}
