//! How a running engine fares, as it tells it.
//!
//! Values and nothing else: the engine fills them in, the control socket carries them as JSON, the metrics and the
//! terminal show them. Every field is one that the engine knows; what it does not know is absent, not zero. This room
//! must never know who asks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The version of [`Status`] as JSON: it changes when a field changes its meaning or goes.
pub const STATUS_VERSION: u32 = 1;

/// A point in time, in nanoseconds since 1970-01-01T00:00:00Z; RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Timestamp::from_nanosecond(self.0.into()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time: Timestamp =
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)?;
        i64::try_from(time.as_nanosecond()).map(Self).map_err(de::Error::custom)
    }
}

/// How the engine fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The stack file, or how the stack was given.
    pub stack: String,
    /// The folder of the spools, checkpoints and dead letters; absent where nothing is kept.
    pub state: Option<String>,
    /// Since when it runs, by the machine's clock.
    pub started: Moment,
    /// For how long, by the clock that never jumps.
    pub uptime_seconds: f64,
    /// Whether a source goes on until it is told to stop.
    pub live: bool,
    /// Up to where the records' own time is complete; absent before the first record.
    pub time: Option<Moment>,
    /// Records taken since the start.
    pub records: u64,
    /// Bytes taken since the start.
    pub bytes: u64,
    /// What came by doors that can't be read again; absent where nothing is kept.
    pub record_spool: Option<SpoolStatus>,
    /// What modules concluded; absent where nothing is kept.
    pub event_spool: Option<SpoolStatus>,
    /// Each source.
    pub sources: Vec<SourceStatus>,
    /// Each module instance.
    pub modules: Vec<ModuleStatus>,
    /// Each listener instance.
    pub listeners: Vec<ListenerStatus>,
    /// Single effects: what waits to be delivered, and what came of the rest. Absent where nobody asks for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<DeliveryStatus>,
    /// Records and ticks that are set aside now.
    pub dead_letters: u64,
    /// Dead letters that were dropped to make room for newer ones, since the start.
    pub dropped: u64,
}

/// How a spool fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// The position of the first entry that is still there.
    pub first: u64,
    /// The position that the next entry gets.
    pub next: u64,
    /// What it takes on the disk.
    pub bytes: u64,
    /// What it may take.
    pub bytes_max: u64,
    /// How sure it is that what was taken survives: `none`, `batched (100ms)` or `each`.
    pub durability: String,
    /// The first position that a consumer still needs.
    pub oldest_needed: u64,
    /// Damaged places that were skipped, since the start.
    pub damaged: u64,
    /// Entries that an earlier run had, and that were gone at the start; absent where an older engine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
    /// Entries that were dropped because it was full, since the start.
    pub dropped: u64,
}

/// What a source is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Records can come.
    #[default]
    Open,
    /// Records can come, but have not for so long that nobody waits for them.
    Idle,
    /// It was read to its end.
    Ended,
    /// It broke off.
    Failed,
}

/// How a source fares. Everything is counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its name in the stack.
    pub name: String,
    /// By which kind of door records come: `file`, `tcp`, `tls`, `udp`, `unix-stream`, ...
    pub kind: String,
    /// The address or path.
    pub place: String,
    /// What it is doing.
    pub state: SourceState,
    /// Records.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
    /// Records that could not be parsed.
    pub unparsed: u64,
    /// Records that were too long.
    pub cut: u64,
    /// Records that were not UTF-8.
    pub invalid_utf8: u64,
    /// Records that came later than the stack allows.
    pub late: u64,
    /// Connections, or files, that are open now.
    pub connections_open: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that broke off or were refused.
    pub connections_failed: u64,
    /// Datagrams that the kernel dropped for want of room.
    pub dropped_by_kernel: u64,
    /// When the last record came, by the machine's clock.
    pub last_record: Option<Moment>,
    /// Why it broke off, or what it complained of last.
    pub error: Option<String>,
}

/// What a guest is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestState {
    /// It keeps up.
    #[default]
    Running,
    /// It works, but later than things come.
    Behind,
    /// It failed too often; `correlator modules release NAME` lets it go on.
    Suspended,
    /// The operator put it off; `correlator modules enable NAME` lets it go on.
    Disabled,
}

impl GuestState {
    /// All of them, in the order of concern.
    pub const ALL: [Self; 4] = [Self::Running, Self::Behind, Self::Suspended, Self::Disabled];

    /// Its name in JSON, in metrics and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Behind => "behind",
            Self::Suspended => "suspended",
            Self::Disabled => "disabled",
        }
    }
}

impl SourceState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Idle, Self::Ended, Self::Failed];

    /// Its name in JSON, in metrics and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Idle => "idle",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

/// How a guest fares, module or listener. Everything is counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestStatus {
    /// Its name in the stack; of several instances of one module, with the instance's number.
    pub name: String,
    /// The bundled guest, or the component's file.
    pub component: String,
    /// The guest's version, as it says.
    pub version: String,
    /// What it is doing.
    pub state: GuestState,
    /// Up to which position, exclusive, it has worked.
    pub position: u64,
    /// How old the oldest thing is that waits for it; absent where nobody knows.
    pub lag_seconds: Option<f64>,
    /// Records, or events, that it was handed.
    pub handed: u64,
    /// Records, or events, that it never got: they were gone or damaged, or it was suspended; absent where an older engine
    /// tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Calls that failed.
    pub failures: u64,
    /// Records, or events, that were set aside because they made it fail.
    pub set_aside: u64,
    /// How it failed last.
    pub last_failure: Option<String>,
    /// Fuel that it burned.
    pub fuel: u64,
    /// Memory that it takes now.
    pub memory_bytes: u64,
    /// Calls that went well.
    pub turns: u64,
    /// How long all its calls took together.
    pub turn_seconds: f64,
    /// How long ago its last checkpoint was made; absent before the first, and where nothing is kept.
    pub last_checkpoint_seconds: Option<f64>,
    /// The size of its last saved state.
    pub state_bytes: u64,
    /// Checkpoints that it did not take when it was started, and that are kept aside.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_checkpoints: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How a module instance fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModuleStatus {
    /// What it has in common with every guest.
    #[serde(flatten)]
    pub guest: GuestStatus,
    /// Records between its position and the newest.
    pub lag_records: u64,
    /// Events that it made.
    pub events: u64,
}

/// How a listener instance fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// What it has in common with every guest.
    #[serde(flatten)]
    pub guest: GuestStatus,
    /// Events between its position and the newest.
    pub lag_events: u64,
    /// Effects that were carried out, by capability or target.
    pub effects_done: BTreeMap<String, u64>,
    /// Effects that were not, by reason.
    pub effects_refused: BTreeMap<String, u64>,
    /// Effects that wait to be carried out.
    pub waiting: u64,
    /// How much of what its grants bound is used; left out where nothing is bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<BoundStatus>,
    /// The capabilities that it is granted as a dry run: what it asks of them is planned and not done. Left out where there
    /// is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<String>,
}

/// How much of a grant's bound is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BoundStatus {
    /// The capability that is granted.
    pub capability: String,
    /// The bound, as the grant calls it: `rate`, `total`, `each.rate`, `each.total`.
    pub bound: String,
    /// Requests that count for it now; of `each`, those for the target that has the most.
    pub used: u64,
    /// Requests that it covers.
    pub most: u64,
    /// The span in which a rate counts; absent for what is counted in all.
    pub span_seconds: Option<f64>,
}

/// How single effects fare, those of earlier runs among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveryStatus {
    /// Effects that wait to be done, or are being done.
    pub waiting: u64,
    /// Effects that were tried too often.
    pub dead: u64,
    /// Effects that are done.
    pub done: u64,
    /// Effects that the world does not want.
    pub refused: u64,
    /// Effects that no grant covers.
    pub denied: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Moment>,
    /// Endpoints for which something waits or is dead.
    pub endpoints: Vec<EndpointStatus>,
    /// What the store takes on the disk.
    pub bytes: u64,
}

/// How what shares one fate fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// The capability.
    pub capability: String,
    /// The listener, and the endpoint: `ops/chat`.
    pub endpoint: String,
    /// Effects that wait to be done, or are being done.
    pub waiting: u64,
    /// Effects that were tried too often.
    pub dead: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Moment>,
}

#[cfg(test)]
mod tests {
    use super::{GuestState, GuestStatus, ModuleStatus, Moment, SourceState, Status};

    #[test]
    fn moments_are_rfc_3339() {
        let check = |nanoseconds: i64, expected: &str| {
            let json = serde_json::to_string(&Moment(nanoseconds)).expect("a moment");
            assert_eq!(json, expected);
            let back: Moment = serde_json::from_str(&json).expect("the same");
            assert_eq!(back, Moment(nanoseconds));
        };
        check(0, r#""1970-01-01T00:00:00Z""#);
        check(1_700_000_000_000_000_001, r#""2023-11-14T22:13:20.000000001Z""#);
        check(i64::MAX, r#""2262-04-11T23:47:16.854775807Z""#);
        check(i64::MIN, r#""1677-09-21T00:12:43.145224192Z""#);
        assert!(serde_json::from_str::<Moment>(r#""yesterday""#).is_err());
    }

    #[test]
    fn a_guest_is_flat_and_comes_back_the_same() {
        let guest = GuestStatus {
            name: "sshd/1".to_owned(),
            state: GuestState::Suspended,
            lag_seconds: Some(1.5),
            ..GuestStatus::default()
        };
        let module = ModuleStatus { guest, lag_records: 7, events: 3 };
        let status = Status { modules: vec![module], ..Status::default() };
        let json = serde_json::to_value(&status).expect("a status");
        assert_eq!(json["modules"][0]["name"], "sshd/1");
        assert_eq!(json["modules"][0]["state"], "suspended");
        assert_eq!(json["modules"][0]["lag_records"], 7);
        assert_eq!(json["time"], serde_json::Value::Null);
        let back: Status = serde_json::from_value(json).expect("the same");
        assert_eq!(back, status);
    }

    #[test]
    fn states_have_one_name() {
        for state in GuestState::ALL {
            assert_eq!(serde_json::to_value(state).expect("a state"), state.name());
        }
        for state in SourceState::ALL {
            assert_eq!(serde_json::to_value(state).expect("a state"), state.name());
        }
    }
}
