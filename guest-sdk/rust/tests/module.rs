//! A module as its author writes it, and what the harness says of modules that forget.

use std::collections::HashMap;

use correlator_sdk::options::{Options as _, Setting};
use correlator_sdk::prelude::*;
use correlator_sdk::testing;

/// A user came from an address for the first time.
#[derive(Event)]
#[event(severity = "warning", summary = "{user} came from {address} for the first time, {{so}}")]
struct NewAddress<'a> {
    /// Who logged in.
    user: &'a BStr,
    /// From where.
    address: &'a str,
    /// How many addresses the user came from.
    r#type: u64,
    /// Whether that is many.
    #[column(name = "is-many")]
    many: Option<bool>,
}

/// The day is over.
#[derive(Event)]
#[event(name = "day", summary = "{users} users")]
struct Day {
    /// How many users there are.
    users: u32,
}

/// Never declared.
#[derive(Event)]
#[event(summary = "nobody sees this")]
struct Stranger;

/// What the stack may set.
#[derive(Options)]
struct Options {
    /// How many addresses to remember for each user.
    #[option(default = 2, at_least = 1, at_most = 1000)]
    addresses: usize,
    /// How long to remember them.
    #[option(default = "48h", at_most = "30d")]
    age: Duration,
    /// What to do.
    #[option(default = "tell", choices = ["tell", "row", "stranger", "half", "more"])]
    way: String,
}

const LITERALS: [&str; 2] = ["Accepted password for ", "Accepted publickey for "];

#[derive(Default, Serialize, Deserialize)]
struct FirstSeen {
    seen: Expiring<BString, Vec<BString>>,
}

impl Module for FirstSeen {
    type Options = Options;

    fn describe() -> Description {
        Description::new("first-seen", env!("CARGO_PKG_VERSION"), "Tells of new addresses")
            .interest(Interest::program("sshd").starts_with_any(&LITERALS))
            .event::<NewAddress<'static>>()
            .event::<Day>()
            .timer(Timer::daily("day", 0, 0))
    }

    fn process(
        &mut self,
        options: &Options,
        record: Record<'_>,
        turn: &mut Turn,
    ) -> Result<(), Error> {
        let Some(hit) = record.hit() else { return Err("a record without a hit".into()) };
        assert!(hit.before.is_empty() && record.after(hit.literal) == Some(hit.rest));
        let mut words = hit.rest.split_str(" ");
        let (Some(user), Some(b"from"), Some(address)) = (words.next(), words.next(), words.next())
        else {
            return Ok(());
        };
        self.seen.expire(record.time());
        let seen = self.seen.entry(BStr::new(user), record.time() + options.age, Vec::new);
        if seen.iter().any(|known| known == address) {
            return Ok(());
        }
        if seen.len() >= options.addresses {
            seen.remove(0);
        }
        seen.push(address.into());
        let count = seen.len() as u64;
        match options.way.as_str() {
            "stranger" => turn.emit(&Stranger),
            "row" => turn.row("day", &[("users", Value::Integer(7))]),
            "half" => turn.row("new_address", &[("user", Value::Text(b"root"))]),
            "more" => turn.row("day", &[("users", Value::Integer(7)), ("x", Value::Integer(7))]),
            _ => {
                let many = (count > 1).then_some(true);
                let address = address.to_str_lossy();
                turn.emit(&NewAddress { user: user.into(), address: &address, r#type: count, many })
            }
        }
    }

    fn tick(&mut self, _: &Options, tick: Tick, turn: &mut Turn) -> Result<(), Error> {
        if !tick.is_timer("day") && !tick.is_end() {
            return Err(format!("{tick:?} was not asked for").into());
        }
        turn.emit(&Day { users: self.seen.len() as u32 })
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("users", self.seen.len())]
    }
}

correlator_sdk::export_module!(FirstSeen);

const LOG: &[u8] = b"\
<38>1 2023-02-20T20:12:47Z host sshd 1 - - Accepted password for root from 192.0.2.1 port 1 ssh2
<38>1 2023-02-20T20:12:48Z host cron 1 - - Accepted password for root from 192.0.2.2 port 1 ssh2
<38>1 2023-02-20T20:12:49Z host sshd 1 - - Failed password for root from 192.0.2.2 port 1 ssh2
<38>1 2023-02-20T20:12:50Z host SSHD 1 - - Accepted publickey for root from 192.0.2.3 port 1 ssh2
<38>1 2023-02-20T20:12:51Z host sshd 1 - - Accepted publickey for root from 192.0.2.1 port 1 ssh2
<38>1 2023-02-21T00:00:00Z host cron 1 - - job
<38>1 2023-02-22T20:12:52Z host sshd 1 - - Accepted password for ann from 192.0.2.9 port 1 ssh2
";

fn with_way(way: &str) -> Vec<Setting> {
    vec![Setting::new("way", way)]
}

#[test]
fn events_ticks_and_statistics() {
    let expected = [
        "2023-02-20T20:12:47.000000Z warning new_address user=root address=192.0.2.1 type=1",
        "2023-02-20T20:12:50.000000Z warning new_address user=root address=192.0.2.3 type=2 \
         is-many=true",
        "2023-02-21T00:00:00.000000Z informational day users=1",
        "2023-02-22T00:00:00.000000Z informational day users=1",
        "2023-02-22T20:12:52.000000Z warning new_address user=ann address=192.0.2.9 type=1",
        "2023-02-22T20:12:52.000000Z informational day users=1",
        "statistic users=1",
    ];
    assert_eq!(testing::lines::<FirstSeen>(LOG, &[]), expected);
    assert_eq!(testing::check_cuts::<FirstSeen>(LOG, &[]), Ok(()));
    assert_eq!(
        testing::lines::<FirstSeen>(LOG, &with_way("row"))[0].split(' ').nth(3),
        Some("users=7")
    );
}

#[test]
fn wrong_events_are_named() {
    let check = |way, expected: &[&str]| {
        let error = testing::run::<FirstSeen>(LOG, &with_way(way)).err().unwrap_or_default();
        for part in expected {
            assert!(error.contains(part), "{way}: {error}");
        }
    };
    check("stranger", &["\"stranger\"", "not declared"]);
    check("half", &["\"new_address\"", "\"address\"", "not optional"]);
    check("more", &["\"day\"", "no column \"x\"", "users"]);
}

#[test]
fn options_are_declared_and_read() {
    let schemas = Options::schemas();
    let shown: Vec<_> = schemas.iter().map(|one| (one.name, one.at_least, one.at_most)).collect();
    let month = Duration::from_days(30).nanoseconds();
    assert_eq!(
        shown,
        [("addresses", Some(1), Some(1000)), ("age", None, Some(month)), ("way", None, None)]
    );
    assert_eq!(schemas[1].meaning, "How long to remember them.");
    let options = Options::defaults().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((options.addresses, options.age), (2, Duration::from_hours(48)));
    let check = |settings: &[Setting], expected: &str| {
        let error = Options::read(settings).err().map(|error| error.to_string());
        assert!(error.as_deref().is_some_and(|error| error.contains(expected)), "{error:?}");
    };
    check(&[], "\"addresses\" has no value");
    check(&[Setting::new("addresses", "two")], "\"addresses\" must be a number");
    check(&[Setting::new("addresses", -1_i64)], "\"addresses\" must be a number");
}

#[test]
fn schemas_are_derived() {
    let schema = NewAddress::schema();
    assert_eq!((schema.name, schema.severity), ("new_address", Severity::Warning));
    assert_eq!(schema.meaning, "A user came from an address for the first time.");
    let columns: Vec<_> =
        schema.columns.iter().map(|one| (one.name, one.kind, one.optional)).collect();
    let expected = [
        ("user", Kind::Text, false),
        ("address", Kind::Text, false),
        ("type", Kind::Integer, false),
        ("is-many", Kind::Boolean, true),
    ];
    assert_eq!(columns, expected);
}

/// Counts records in ways that a restart or the end of a batch shows.
macro_rules! counting {
    ($name:ident, $($attribute:meta)?, $type:ty, $count:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $name {
            $(#[$attribute])?
            count: $type,
        }

        impl Module for $name {
            type Options = ();

            fn describe() -> Description {
                Description::new("counting", "1", "Counts").event::<Day>()
            }

            fn process(&mut self, _: &(), record: Record<'_>, turn: &mut Turn) -> Result<(), Error> {
                let count: fn(&mut $type, Record<'_>) -> u32 = $count;
                turn.emit(&Day { users: count(&mut self.count, record) })
            }
        }
    };
}

counting!(Faithful, , u32, |count, _| { *count += 1; *count });
counting!(Forgetful, serde(skip), u32, |count, _| {
    *count += 1;
    *count
});
counting!(Unordered, , HashMap<String, u32>, |counts, record| {
    *counts.entry(record.message().to_string()).or_default() += 1;
    counts.values().sum()
});

#[test]
fn what_save_forgets_is_found() {
    assert_eq!(testing::check_cuts::<Faithful>(LOG, &[]), Ok(()));
    let check = |result: Result<(), String>, expected: &str| {
        let error = result.err().unwrap_or_default();
        assert!(error.contains("cut as in run") && error.contains(expected), "{error}");
    };
    check(testing::check_cuts::<Forgetful>(LOG, &[]), "expected");
    check(testing::check_cuts::<Unordered>(LOG, &[]), "HashMap");
}

#[test]
#[should_panic(expected = "has no samples")]
fn a_module_without_samples_fails() {
    testing::check_samples::<Faithful>(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/empty"));
}

#[test]
fn state_of_another_version_is_refused() {
    let mut instance = correlator_sdk::instance::ModuleInstance::<Faithful>::new();
    let check = |result: Result<(), Error>, expected: &str| {
        let error = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    };
    check(instance.restore(7, &[]), "version 7");
    check(instance.restore(1, &[]), "can't be restored");
    check(instance.restore(1, &[1, 2]), "1 bytes are left over");
    check(instance.tick(None, 0).map(drop), "before it was configured");
}
