//! The status as a page for people: what is well is quiet, what is not stands out.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::table::{self, Cell, Column, Tint};
use crate::cli::words::{bytes, count, number, short};
use crate::limit;
use crate::status::{
    BoundStatus, DeliveryStatus, EndpointStatus, GuestState, GuestStatus, ListenerStatus,
    ModuleStatus, Moment, SourceState, SourceStatus, SpoolStatus, Status,
};
use crate::text::clean;

/// Up to here a number is shown to the last digit.
const EXACT_MAX: u64 = 999_999;
/// A spool that is fuller than this, in hundredths, is something to look at.
const FULL_DOUBTFUL: u64 = 80;
/// What stands before a complaint.
const MARK: &str = "  ! ";

/// The page, of this width. `before` is an earlier status of the same engine, from which rates are taken.
pub(super) fn render(
    status: &Status,
    before: Option<&Status>,
    now: i64,
    coloured: bool,
    width: usize,
) -> String {
    let before = before.filter(|before| before.started == status.started);
    let mut page = Page { out: String::new(), coloured, width, now };
    page.heading(status, before);
    page.spools(status);
    page.sources(&status.sources);
    page.modules(&status.modules);
    page.listeners(&status.listeners);
    page.deliveries(status.deliveries.as_ref());
    page.out
}

struct Page {
    out: String,
    coloured: bool,
    width: usize,
    now: i64,
}

impl Page {
    fn heading(&mut self, status: &Status, before: Option<&Status>) {
        let title = Tint::Heading.paint(&format!("correlator {}", status.version), self.coloured);
        let uptime = Duration::try_from_secs_f64(status.uptime_seconds).unwrap_or_default();
        let stack = fit(&status.stack, self.width / 5 * 2);
        let _ = writeln!(
            self.out,
            "{title}  {stack}  process {}  up {}",
            status.pid,
            span(uptime.as_secs_f64())
        );
        let mut line = format!("{}, {}", count(status.records, "record"), bytes(status.bytes));
        if let Some(rate) = before.and_then(|before| rate(before, status)) {
            let _ = write!(line, ", {} records/s", number(rate));
        }
        if let Some(time) = status.time {
            let _ = write!(line, ", complete up to {}", moment(time));
        }
        if !status.live {
            line.push_str(", ends with its input");
        }
        let _ = writeln!(self.out, "{line}");
        if status.dead_letters + status.dropped > 0 {
            let mut words = count(status.dead_letters, "dead letter");
            if status.dropped > 0 {
                let _ = write!(words, ", {} dropped to make room", number(status.dropped));
            }
            self.complain(&format!("{words}; `correlator dead list` tells more"), Tint::Doubtful);
        }
    }

    fn table(&mut self, columns: &[Column], rows: &[Vec<Cell>]) {
        if !rows.is_empty() {
            self.out.push('\n');
            self.out.push_str(&table::within(columns, rows, self.coloured, self.width));
        }
    }

    /// A line about what is not well, as long as it has to be.
    fn complain(&mut self, words: &str, tint: Tint) {
        let words = clean(words, limit::MESSAGE_BYTES_MAX);
        let words = table::cut(&words, self.width.saturating_sub(MARK.len()));
        let _ = writeln!(self.out, "{MARK}{}", tint.paint(&words, self.coloured));
    }

    fn spools(&mut self, status: &Status) {
        let spools = [("records", &status.record_spool), ("events", &status.event_spool)];
        let spools = spools.into_iter().filter_map(|(name, spool)| Some((name, spool.as_ref()?)));
        let rows: Vec<_> = spools.clone().map(|(name, spool)| self::spool(name, spool)).collect();
        let columns = [
            Column::Words("SPOOL"),
            Column::Figures("HELD"),
            Column::Figures("NEEDED"),
            Column::Figures("SIZE"),
            Column::Figures("OF"),
            Column::Figures("FULL"),
            Column::Figures("DAMAGED"),
            Column::Figures("DROPPED"),
            Column::Words("DURABILITY"),
        ];
        self.table(&columns, &rows);
        for (name, spool) in spools {
            if let Some(missing) = spool.missing.filter(|missing| *missing > 0) {
                let words =
                    format!("{name}: {} were gone when the engine started", figure(missing));
                self.complain(&words, Tint::Bad);
            }
        }
    }

    fn sources(&mut self, sources: &[SourceStatus]) {
        let rows: Vec<_> = sources.iter().map(|source| self.source(source)).collect();
        let columns = [
            Column::Words("SOURCE"),
            Column::Words("KIND"),
            Column::Words("STATE"),
            Column::Figures("RECORDS"),
            Column::Figures("BYTES"),
            Column::Figures("OPEN"),
            Column::Figures("LAST"),
            Column::Words("PLACE"),
        ];
        self.table(&columns, &rows);
        for source in sources {
            let counts = [
                (source.dropped_by_kernel, "dropped by the kernel"),
                (source.connections_failed, "connections failed"),
                (source.unparsed, "not parsed"),
                (source.cut, "cut"),
                (source.invalid_utf8, "not UTF-8"),
                (source.late, "late"),
            ];
            let counts = counts.iter().filter(|(number, _)| *number > 0);
            let words: Vec<_> =
                counts.map(|(number, what)| format!("{} {what}", figure(*number))).collect();
            if !words.is_empty() {
                self.complain(&format!("{}: {}", source.name, words.join(", ")), Tint::Doubtful);
            }
            if let Some(error) = &source.error {
                self.complain(&format!("{}: {error}", source.name), Tint::Bad);
            }
        }
    }

    fn source(&self, source: &SourceStatus) -> Vec<Cell> {
        let tint = match source.state {
            SourceState::Open => Tint::Good,
            SourceState::Idle | SourceState::Ended => Tint::Faint,
            SourceState::Failed => Tint::Bad,
        };
        let last = source.last_record.map_or_else(String::new, |last| self.since(last));
        vec![
            name(&source.name),
            name(&source.kind),
            Cell::new(source.state.name(), tint),
            figure(source.records).into(),
            bytes(source.bytes).into(),
            figure(source.connections_open).into(),
            last.into(),
            name(&source.place),
        ]
    }

    fn modules(&mut self, modules: &[ModuleStatus]) {
        let row = |module: &ModuleStatus| {
            let own = [figure(module.events).into(), alarming(module.guest.set_aside)];
            guest(&module.guest, module.lag_records, own)
        };
        let rows: Vec<_> = modules.iter().map(row).collect();
        self.table(&guest_columns("MODULE", ["EVENTS", "ASIDE"]), &rows);
        for module in modules {
            self.failure(&module.guest);
        }
    }

    fn listeners(&mut self, listeners: &[ListenerStatus]) {
        let row = |listener: &ListenerStatus| {
            let own = [
                figure(listener.effects_done.values().sum()).into(),
                figure(listener.waiting).into(),
            ];
            guest(&listener.guest, listener.lag_events, own)
        };
        let rows: Vec<_> = listeners.iter().map(row).collect();
        self.table(&guest_columns("LISTENER", ["DONE", "WAITING"]), &rows);
        for listener in listeners {
            for (reason, count) in &listener.effects_refused {
                let words =
                    format!("{}: {} refused: {reason}", listener.guest.name, figure(*count));
                self.complain(&words, Tint::Doubtful);
            }
            for capability in &listener.dry_run {
                let words = format!(
                    "{}: {capability} is a dry run: what it asks for is planned and not done",
                    listener.guest.name
                );
                self.complain(&words, Tint::Doubtful);
            }
            self.failure(&listener.guest);
        }
        self.bounds(listeners);
    }

    /// How much of what grants bound is used, a line for each bound.
    fn bounds(&mut self, listeners: &[ListenerStatus]) {
        let row = |listener: &ListenerStatus, it: &BoundStatus| {
            let tint = match it.used.saturating_mul(100) {
                _ if it.used >= it.most => Tint::Bad,
                used if used / it.most.max(1) > FULL_DOUBTFUL => Tint::Doubtful,
                _ => Tint::Plain,
            };
            vec![
                name(&it.capability),
                name(&listener.guest.name),
                name(&it.bound),
                Cell::new(figure(it.used), tint),
                figure(it.most).into(),
                it.span_seconds.map_or_else(String::new, span).into(),
            ]
        };
        let rows = listeners.iter().flat_map(|of| of.bounds.iter().map(move |it| row(of, it)));
        let rows: Vec<_> = rows.collect();
        let columns = [
            Column::Words("GRANT"),
            Column::Words("LISTENER"),
            Column::Words("BOUND"),
            Column::Figures("USED"),
            Column::Figures("OF"),
            Column::Figures("IN"),
        ];
        self.table(&columns, &rows);
    }

    /// Only what waits or is dead: what is done is quiet.
    fn deliveries(&mut self, status: Option<&DeliveryStatus>) {
        let Some(status) = status else { return };
        let row = |it: &EndpointStatus| {
            let since = it.oldest.map_or_else(String::new, |oldest| self.since(oldest));
            vec![
                name(&it.capability),
                name(&it.endpoint),
                figure(it.waiting).into(),
                since.into(),
                alarming(it.dead),
            ]
        };
        let rows: Vec<_> = status.endpoints.iter().map(row).collect();
        let columns = [
            Column::Words("DELIVERY"),
            Column::Words("ENDPOINT"),
            Column::Figures("WAITING"),
            Column::Figures("OLDEST"),
            Column::Figures("DEAD"),
        ];
        self.table(&columns, &rows);
        if status.dead > 0 {
            let words = format!(
                "{} given up; `correlator effects list --state dead` tells more",
                count(status.dead, "effect")
            );
            self.complain(&words, Tint::Doubtful);
        }
    }

    /// How long ago something was.
    fn since(&self, then: Moment) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a picture for people")]
        let seconds = self.now.saturating_sub(then.0).max(0) as f64 / 1e9;
        format!("{} ago", span(seconds))
    }

    fn failure(&mut self, guest: &GuestStatus) {
        if let Some(lost) = guest.lost.filter(|lost| *lost > 0) {
            let words = format!("{}: {} passed by unseen", guest.name, figure(lost));
            self.complain(&words, Tint::Bad);
        }
        if let Some(failure) = &guest.last_failure {
            self.complain(&format!("{}: {failure}", guest.name), Tint::Bad);
        }
        if guest.refused_checkpoints > 0 {
            let (name, count) = (&guest.name, guest.refused_checkpoints);
            let words = format!(
                "{name}: checkpoints that it did not take, kept as `{name}.refused-*`: {count}; the log says how to use them"
            );
            self.complain(&words, Tint::Doubtful);
        }
        if guest.state == GuestState::Suspended {
            let words = format!("`correlator modules release {}` lets it go on", guest.name);
            self.complain(&words, Tint::Bad);
        }
    }
}

fn spool(name: &str, spool: &SpoolStatus) -> Vec<Cell> {
    let full = spool.bytes.saturating_mul(100) / spool.bytes_max.max(1);
    let tint = if full > FULL_DOUBTFUL { Tint::Doubtful } else { Tint::Plain };
    vec![
        name.into(),
        figure(spool.next.saturating_sub(spool.first)).into(),
        figure(spool.next.saturating_sub(spool.oldest_needed)).into(),
        bytes(spool.bytes).into(),
        bytes(spool.bytes_max).into(),
        Cell::new(format!("{full} %"), tint),
        alarming(spool.damaged),
        alarming(spool.dropped),
        self::name(&spool.durability),
    ]
}

/// The columns of guests: what all have, and two of their part's own.
fn guest_columns(part: &'static str, own: [&'static str; 2]) -> [Column; 11] {
    let [first, second] = own;
    [
        Column::Words(part),
        Column::Words("STATE"),
        Column::Figures("LAG"),
        Column::Figures("BEHIND"),
        Column::Figures("HANDED"),
        Column::Figures(first),
        Column::Figures(second),
        Column::Figures("FAILED"),
        Column::Figures("FUEL"),
        Column::Figures("MEMORY"),
        Column::Figures("SAVED"),
    ]
}

fn guest(guest: &GuestStatus, lag: u64, own: [Cell; 2]) -> Vec<Cell> {
    let (state, lagging) = match guest.state {
        GuestState::Running => (Tint::Good, Tint::Plain),
        GuestState::Behind => (Tint::Doubtful, Tint::Doubtful),
        GuestState::Suspended => (Tint::Bad, Tint::Bad),
        GuestState::Disabled => (Tint::Faint, Tint::Faint),
    };
    let [first, second] = own;
    let seconds = |seconds: Option<f64>| seconds.map_or_else(String::new, span);
    vec![
        name(&guest.name),
        Cell::new(guest.state.name(), state),
        Cell::new(figure(lag), lagging),
        Cell::new(seconds(guest.lag_seconds), lagging),
        figure(guest.handed).into(),
        first,
        second,
        alarming(guest.failures),
        short(guest.fuel).into(),
        bytes(guest.memory_bytes).into(),
        seconds(guest.last_checkpoint_seconds).into(),
    ]
}

fn name(text: &str) -> Cell {
    clean(text, limit::MESSAGE_BYTES_MAX).into()
}

/// A number that had better be none.
fn alarming(number: u64) -> Cell {
    Cell::new(figure(number), if number > 0 { Tint::Bad } else { Tint::Plain })
}

/// A number that leaves room for others.
fn figure(figure: u64) -> String {
    if figure <= EXACT_MAX { number(figure) } else { short(figure) }
}

/// A path or the like, cut in front, where it says the least.
fn fit(text: &str, width: usize) -> String {
    let text = clean(text, limit::MESSAGE_BYTES_MAX);
    let length = text.chars().count();
    if length <= width {
        return text;
    }
    let rest: String = text.chars().skip(length - width + 1).collect();
    format!("…{rest}")
}

/// Records a second between two statuses.
fn rate(before: &Status, status: &Status) -> Option<u64> {
    let seconds = status.uptime_seconds - before.uptime_seconds;
    let records = status.records.checked_sub(before.records)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a picture for people, of numbers that are not negative"
    )]
    let rate = (seconds > 0.0).then(|| (records as f64 / seconds).round() as u64);
    rate
}

/// A span of time in its two largest units at the most.
fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let (seconds, minutes) = (time.as_secs(), time.as_secs() / 60);
    let (hours, days) = (minutes / 60, minutes / (60 * 24));
    match () {
        () if minutes < 2 => format!("{seconds} s"),
        () if hours < 2 => format!("{minutes} min"),
        () if days < 2 => format!("{hours} h"),
        () => format!("{} d", number(days)),
    }
}

/// A point in time to the second, in the zone of whoever reads.
fn moment(moment: Moment) -> String {
    let time = Timestamp::from_nanosecond(moment.0.into()).unwrap_or_default();
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::{render, span};
    use crate::status::{
        BoundStatus, DeliveryStatus, EndpointStatus, GuestState, GuestStatus, ListenerStatus,
        ModuleStatus, Moment, SourceState, SourceStatus, SpoolStatus, Status,
    };

    const PAGE_WIDTH: usize = 100;
    const NOW: i64 = 1_700_000_003_000_000_000;

    fn guest(name: &str, state: GuestState) -> GuestStatus {
        GuestStatus {
            name: name.to_owned(),
            state,
            handed: 12_345_678,
            fuel: u64::MAX,
            memory_bytes: 250 << 20,
            lag_seconds: Some(2.5),
            last_checkpoint_seconds: Some(4.0),
            ..GuestStatus::default()
        }
    }

    fn bound(bound: &str, used: u64, most: u64, span_seconds: Option<f64>) -> BoundStatus {
        let (capability, bound) = ("database".to_owned(), bound.to_owned());
        BoundStatus { capability, bound, used, most, span_seconds }
    }

    fn status() -> Status {
        let failing = GuestStatus {
            failures: 5,
            lost: Some(77),
            set_aside: 2,
            last_failure: Some("trapped:\x1b[2J unreachable".to_owned()),
            ..guest("a-name-that-is-as-long-as-the-stack-lets-it-be", GuestState::Suspended)
        };
        Status {
            version: "0.1.0".to_owned(),
            stack: "/etc/correlator/".to_owned() + &"deep/".repeat(20) + "stack.yaml",
            started: Moment(NOW - 3_600_000_000_000),
            uptime_seconds: 3_600.0,
            live: true,
            records: 1_000,
            record_spool: Some(SpoolStatus {
                next: 50,
                bytes: 90,
                bytes_max: 100,
                durability: "batched (1s)".to_owned(),
                missing: Some(34),
                ..SpoolStatus::default()
            }),
            sources: vec![SourceStatus {
                name: "net".to_owned(),
                kind: "unix-datagram".to_owned(),
                place: "/run/".to_owned() + &"p".repeat(200),
                state: SourceState::Open,
                records: 12_345_678_901,
                bytes: u64::MAX,
                dropped_by_kernel: 8,
                last_record: Some(Moment(NOW - 2_000_000_000)),
                ..SourceStatus::default()
            }],
            modules: vec![
                ModuleStatus { guest: failing, lag_records: 999_999, events: 999_999 },
                ModuleStatus {
                    guest: guest("sshd", GuestState::Running),
                    ..ModuleStatus::default()
                },
            ],
            listeners: vec![ListenerStatus {
                guest: guest("csv", GuestState::Behind),
                effects_done: [("table".to_owned(), 27)].into(),
                effects_refused: [("not granted".to_owned(), 3)].into(),
                dry_run: vec!["webhook".to_owned()],
                waiting: 1,
                bounds: vec![
                    bound("rate", 81, 100, Some(3_600.0)),
                    bound("total", u64::MAX, u64::MAX, None),
                    bound("each.total", 0, 50, None),
                ],
                ..ListenerStatus::default()
            }],
            deliveries: Some(DeliveryStatus {
                waiting: 4,
                dead: 1,
                endpoints: vec![EndpointStatus {
                    capability: "webhook".to_owned(),
                    endpoint: "ops/".to_owned() + &"chat".repeat(40),
                    waiting: 4,
                    dead: 1,
                    oldest: Some(Moment(NOW - 90_000_000_000)),
                }],
                ..DeliveryStatus::default()
            }),
            dead_letters: 2,
            ..Status::default()
        }
    }

    #[test]
    fn the_page_fits_and_its_columns_stand_under_each_other() {
        let page = render(&status(), None, NOW, false, PAGE_WIDTH);
        for line in page.lines() {
            assert!(line.chars().count() <= PAGE_WIDTH, "{} in\n{page}", line.chars().count());
        }
        let heading = page.lines().find(|line| line.starts_with("MODULE")).expect("a heading");
        let row = page.lines().find(|line| line.starts_with("sshd")).expect("a row");
        let ends = |line: &str, word: &str| line.find(word).map(|place| place + word.len());
        assert_eq!(ends(heading, "HANDED"), ends(row, "12.3 M"), "{page}");
        assert_eq!(ends(heading, "MEMORY"), ends(row, "250.0 MiB"), "{page}");
    }

    #[test]
    fn what_is_not_well_is_told_and_the_rest_is_quiet() {
        let page = render(&status(), None, NOW, false, PAGE_WIDTH);
        for expected in [
            "up 60 min",
            "2 dead letters; `correlator dead list`",
            "! net: 8 dropped by the kernel\n",
            "2.0 s ago",
            "90 %",
            "! records: 34 were gone when the engine started\n",
            ": 77 passed by unseen\n",
            "lets it go on",
            "trapped:\\u{1b}[2J unreachable",
            "! csv: 3 refused: not granted",
            "! csv: webhook is a dry run: what it asks for is planned and not done",
            "1 effect given up; `correlator effects list --state dead`",
            "90 s ago",
            "database  csv       rate",
            "81     100  60 min\n",
        ] {
            assert!(page.contains(expected), "{expected} in\n{page}");
        }
        assert!(!page.contains('\x1b'));
        assert!(
            render(&status(), None, NOW, true, PAGE_WIDTH).contains("\x1b[1;31msuspended\x1b[0m")
        );
        let bounds = render(&status(), None, NOW, true, PAGE_WIDTH);
        assert!(
            bounds.contains("\x1b[33m81\x1b[0m") && bounds.contains("\x1b[1;31m18"),
            "{bounds}"
        );
        let quiet = render(&Status::default(), None, NOW, false, PAGE_WIDTH);
        assert!(!quiet.contains('!') && !quiet.contains("MODULE"), "{quiet}");
        assert!(!quiet.contains("GRANT"), "{quiet}");
    }

    #[test]
    fn rates_are_those_between_two_looks_at_one_engine() {
        let (status, mut before) = (status(), status());
        assert!(!render(&status, None, NOW, false, PAGE_WIDTH).contains("records/s"));
        before.records = 400;
        before.uptime_seconds -= 2.0;
        assert!(render(&status, Some(&before), NOW, false, PAGE_WIDTH).contains("300 records/s"));
        before.started = Moment(0);
        assert!(!render(&status, Some(&before), NOW, false, PAGE_WIDTH).contains("records/s"));
    }

    #[test]
    fn spans_are_short() {
        let check = |seconds: f64, expected: &str| assert_eq!(span(seconds), expected);
        check(-1.0, "0.0 s");
        check(2.54, "2.5 s");
        check(59.0, "59 s");
        check(119.0, "119 s");
        check(120.0, "2 min");
        check(7_199.0, "119 min");
        check(7_200.0, "2 h");
        check(172_800.0, "2 d");
    }
}
