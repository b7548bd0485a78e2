//! Every number that bounds something.
//!
//! What a stack may change stands in [`Limits`], with a default that lets honest guests in, whatever language they are
//! written in, and a greatest value that still protects the machine. What nobody may change is a constant. This room
//! must never know who is bounded.

mod delivery;

pub mod setting;

pub use delivery::*;

use std::time::Duration;

// What the engine can count on, whatever a stack says.

/// How often the clock ends what takes too long.
pub const EPOCH: Duration = Duration::from_millis(10);
/// The stack of a guest's calls.
pub const GUEST_STACK_BYTES: usize = 1 << 20;
/// Core instances in a guest's store. Script languages are linked from a dozen or two.
pub const GUEST_INSTANCES_MAX: usize = 100;
/// Memories in a guest's store.
pub const GUEST_MEMORIES_MAX: usize = 16;
/// Tables in a guest's store.
pub const GUEST_TABLES_MAX: usize = 32;
/// Component handles in a guest's store. The contract has no resources, so nothing honest needs them.
pub const GUEST_HANDLES_MAX: usize = 1_000;
/// Frames in the story of a trap.
pub const BACKTRACE_FRAMES_MAX: usize = 20;

/// Wall seconds that a compiling child may take for each of its CPU-seconds.
pub const COMPILE_WALL_PER_CPU: u64 = 4;
/// How often a compiling child is looked at.
pub const CHILD_POLL: Duration = Duration::from_millis(2);
/// Compiled code of one component.
pub const COMPILED_BYTES_MAX: u64 = 1 << 30;
/// What a compiling child may say when it fails.
pub const COMPLAINT_BYTES_MAX: u64 = 64 << 10;

// What guests say of themselves.

/// A name: of a guest, an instance, an event, a column, an option.
pub const NAME_BYTES_MAX: usize = 64;
/// A sentence that says what something means.
pub const MEANING_BYTES_MAX: usize = 1_024;
/// A message to people.
pub const MESSAGE_BYTES_MAX: usize = 2_048;
/// The story of a trap.
pub const TRAP_BYTES_MAX: usize = 4_096;
/// A line in the engine's log that a guest wrote.
pub const LOG_LINE_BYTES_MAX: usize = 2_048;
/// Lines that a guest may log in one call.
pub const LOG_LINES_PER_CALL_MAX: usize = 64;
/// Lines that a guest may try to log in one call before the call fails: each costs the host work that no fuel pays.
pub const LOG_ATTEMPTS_PER_CALL_MAX: u64 = 4_096;
/// Options of a guest.
pub const OPTIONS_MAX: usize = 256;
/// Texts that an option may be limited to.
pub const CHOICES_MAX: usize = 256;
/// Timers of a guest.
pub const TIMERS_MAX: usize = 64;
/// Clauses of an interest.
pub const INTERESTS_MAX: usize = 256;
/// Programs, or fields, in a clause of an interest.
pub const INTEREST_NAMES_MAX: usize = 256;
/// Literals in a clause of an interest.
pub const LITERALS_MAX: usize = 1_024;
/// A literal.
pub const LITERAL_BYTES_MAX: usize = 256;
/// Programs whose way through the filter is remembered.
pub const ROUTES_MAX: usize = 4_096;
/// Literals that are told of one record to one module.
pub const HITS_PER_RECORD_MAX: usize = 32;
/// Events that a module may declare.
pub const SCHEMAS_MAX: usize = 256;
/// Capabilities, or credentials, that a listener may ask for.
pub const WANTS_MAX: usize = 64;
/// Statistics of a guest.
pub const STATISTICS_MAX: usize = 256;
/// Targets that one turn may ask effects of.
pub const EFFECTS_PER_TURN_MAX: usize = 1_024;

// What people see.

/// How often the picture of the progress changes.
pub const PROGRESS_STEP: Duration = Duration::from_millis(100);

// What streams hold.

/// Pieces of a stream that are kept in memory, all together.
pub const TAIL_BYTES_MAX: usize = 16 << 20;
/// How much more than that there may be for a guest with large state, which is not saved so often.
pub const TAIL_BYTES_PER_STATE_BYTE: usize = 32;
/// And the most that it comes to.
pub const TAIL_BYTES_LARGE_MAX: usize = 64 << 20;
/// Those of them that the slowest consumer has not seen, where nothing is kept on disk: not much more than stays in the
/// caches of a processor.
pub const UNSEEN_BYTES_MAX: usize = 2 << 20;
/// Those that all consumers have seen, where the disk has them too: who asks for something wants to say what it is about.
pub const SEEN_BYTES_MAX: usize = 4 << 20;
/// How long a source that can wait does so for a consumer that is behind, for each item that this one reads: one that
/// reads 250,000 a second is waited for always, one that reads a twentieth of that for a twentieth of the time.
pub const GRACE_PER_ITEM: Duration = Duration::from_micros(4);
/// How long it is waited for at most while it reads nothing.
pub const GRACE_MAX: Duration = Duration::from_millis(100);
/// When so much has come to the spools, ledgers are written down and guests make checkpoints, so that the oldest segments
/// can go: their files are overwritten, which costs a fraction of what new ones do.
pub const SPOOLED_BETWEEN_CHECKPOINTS: u64 = 32 << 20;
/// But not before so many times as long has passed as saving took,
pub const WORK_PER_CHECKPOINT: u32 = 20;
/// and so many times as much has come as the guest's state has bytes.
pub const SPOOLED_PER_STATE_BYTE: u64 = 16;
/// Pieces that a consumer takes at once.
pub const PIECES_AT_ONCE: usize = 8;
/// Emptied pieces whose memory is kept for others.
pub const PIECES_SPARE: usize = 64;
/// How often whoever waits for room, or for something that can't wake it, looks again.
pub const RETRY_STEP: Duration = Duration::from_millis(100);
/// A live record that is further ahead of the engine's clock, in nanoseconds, is not believed at once: clocks that nobody sets
/// are minutes off, those in another zone, and what somebody has forged, by more.
pub const TIME_AHEAD_MAX: i64 = 10 * 60 * 1_000_000_000;
/// Event time that is further ahead of the engine's clock is told.
pub const TIME_AHEAD_TOLD: Duration = Duration::from_hours(1);
/// Live records in a row that must agree with a time that is far ahead before it is believed.
pub const TIME_WITNESSES: u32 = 16;
/// For how long they must agree, in nanoseconds.
pub const TIME_DOUBT_MIN: i64 = 60 * 1_000_000_000;
/// A record of a file that is further ahead of those before it, in nanoseconds, is not believed without another.
pub const FILE_TIME_AHEAD_MAX: i64 = 400 * 24 * 3_600 * 1_000_000_000;
/// How far the machine's clock may be from the engine's before it counts as set, in nanoseconds.
pub const CLOCK_DRIFT_MAX: i64 = 2_000_000_000;
/// For how long the machine's clock must stay as it was set before the engine follows.
pub const CLOCK_DOUBT: Duration = Duration::from_mins(1);
/// How long guests that are behind may work on when the engine is stopped and nothing would be lost.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);
/// What a piece may say on a spool besides its rows.
pub const PIECE_HEAD_BYTES: usize = 64 << 10;
/// How long a consumer tries to read a part of the disk before it passes over it.
pub const READ_TIME: Duration = Duration::from_mins(10);
/// How long a guest may stand still to save its state. Where that took longer, another instance saves in its place.
pub const SAVING_TIME_MAX: Duration = Duration::from_millis(20);
/// How long a guest works between two checkpoints, even where room on the disk runs short.
pub const CHECKPOINT_STEP_MIN: Duration = Duration::from_millis(50);
/// A guest that is more items behind the newest than this counts as behind.
pub const LAG_BEHIND: u64 = 100_000;
/// Turns of a guest between two looks at how far it is.
pub const TURNS_PER_PICTURE: u32 = 16;
/// How often the files of a stack are looked at.
pub const WATCH_STEP: Duration = Duration::from_millis(500);
/// Events of the engine's own that wait for their place in the stream.
pub const NOTICES_MAX: usize = 4_096;
/// How often the end of other threads is looked for.
pub const JOIN_STEP: Duration = Duration::from_millis(1);
/// How long it is waited for another engine to let go of a spool.
pub const LOCK_TIME: Duration = Duration::from_secs(2);
/// Numbers of records, and of events, that are left out where the machine was started anew: more than it can have lost.
pub const NUMBERS_LEFT_OUT: u64 = 1 << 32;
/// Descriptors that the engine asks for where the system sets no bound.
pub const DESCRIPTORS_MAX: u64 = 1 << 20;
/// How often it is told that there is no room.
pub const SHORTAGE_STEP: Duration = Duration::from_mins(1);
/// How often it is looked whether room on the disk runs short.
pub const PRESSED_STEP: Duration = Duration::from_millis(20);
/// How often the places up to which files have been read are written down.
pub const MARKS_STEP: Duration = Duration::from_secs(1);
/// How much time passes, in nanoseconds, before listeners are told without an event.
pub const TIME_TOLD_STEP: i64 = 1_000_000_000;
/// How often time passes without records.
pub const TIME_STEP: Duration = Duration::from_secs(1);

// How guests are kept.

/// The stack of a worker's thread: a guest's, and room for the host's own calls.
pub const WORKER_STACK_BYTES: usize = GUEST_STACK_BYTES + (1 << 20);
/// Fuel that a guest burns before its state is saved, at least.
pub const FUEL_BETWEEN_SAVINGS: u64 = 2_000_000;
/// How much more fuel a guest's work must burn than saving its state did before it is saved again.
pub const WORK_PER_SAVING: u64 = 25;

// How a running engine is reached.

/// Connections to the control socket at once; another is told to come again.
pub const CONTROL_CLIENTS_MAX: usize = 16;
/// Connections for metrics at once; another is told to come again.
pub const METRICS_CLIENTS_MAX: usize = 8;
/// A request to the control socket.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 16 << 10;
/// An answer of the control socket.
pub const CONTROL_ANSWER_BYTES_MAX: usize = 64 << 20;
/// What an answer says that went wrong: a refused stack may have much wrong with it.
pub const CONTROL_ERROR_BYTES_MAX: usize = 64 << 10;
/// The head of a request for metrics.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 << 10;
/// How long a client may take to send a request.
pub const CLIENT_READ_TIME: Duration = Duration::from_secs(5);
/// How long a client may take to receive an answer.
pub const CLIENT_WRITE_TIME: Duration = Duration::from_secs(2);
/// How long a client waits to be let in, and for a status.
pub const ENGINE_ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long a client waits for a command: components may have to be compiled for it.
pub const ENGINE_COMMAND_TIME: Duration = Duration::from_mins(10);
/// How often a status that is watched is drawn.
pub const STATUS_STEP: Duration = Duration::from_secs(1);
/// How long the server rests after the system refused it a connection, for want of descriptors mostly.
pub const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long a service manager that is busy is waited for.
pub const NOTIFY_TIME: Duration = Duration::from_secs(1);
/// Signals that come closer together than this are one.
pub const SIGNALS_APART: Duration = Duration::from_millis(500);
/// A state that is told to the service manager.
pub const SERVICE_STATUS_BYTES_MAX: usize = 512;

// What is set aside.

/// Dead letters that are kept; then the oldest makes room.
pub const DEAD_LETTERS_MAX: usize = 10_000;
/// What the dead letters may take on the disk, all together.
pub const DEAD_BYTES_MAX: u64 = 256 << 20;
/// The file of one dead letter: the longest record, escaped in the longest way, and what is said about it.
pub const LETTER_BYTES_MAX: u64 = 1 << 20;
/// Forms of a module's events that are remembered; then the oldest is forgotten.
pub const FORMS_MAX: usize = 16;
/// How long it is waited for a guest's checkpoints to be behind what is tried again.
pub const LETTER_PASSED_TIME: Duration = Duration::from_secs(3);

/// A batch on which a guest failed is handed over again in so many smaller ones.
pub const SUSPECTS_SPLIT: usize = 16;

/// How often a listener's state is saved with the lengths of its tables, at the least.
pub const LISTENER_CHECKPOINT_STEP: Duration = Duration::from_secs(1);
/// About how large the segments of a spool are: small, so that those that are used again and again stay in memory.
pub const SEGMENT_BYTES: u64 = 16 << 20;
/// How much of a checkpoint is written at once, and written through before more is: others' turn at the disk comes between.
pub const CHECKPOINT_PIECE_BYTES: usize = 4 << 20;
/// From this size on the file of a checkpoint is used again for another: to overwrite pages costs a fraction of making them.
pub const CHECKPOINT_REUSED_BYTES: usize = 64 << 10;
/// By how much threads that save step back behind those that work on records.
pub const SAVING_NICENESS: i32 = 5;
/// Checkpoints of one guest that are kept aside since it did not take them.
pub const REFUSED_CHECKPOINTS_MAX: usize = 8;
/// A checkpoint's file.
pub const CHECKPOINT_BYTES_MAX: u64 = 2 << 30;

// What listeners ask for.

/// Names of targets, and reasons of refusals, that are counted each for itself.
pub const COUNTED_NAMES_MAX: usize = 256;

/// Table files that one listener may have open.
pub const TABLE_FILES_MAX: usize = 512;
/// The header of a table file.
pub const TABLE_HEADER_BYTES_MAX: u64 = 16 << 10;
/// The name of an effect's target.
pub const TARGET_BYTES_MAX: usize = 160;

// What an operator writes.

/// A stack file.
pub const STACK_BYTES_MAX: usize = 1 << 20;
/// Values in a stack file, those that aliases repeat among them.
pub const STACK_VALUES_MAX: usize = 100_000;
/// How deep values of a stack file nest.
pub const STACK_DEPTH_MAX: usize = 32;
/// Sources in a stack.
pub const SOURCES_MAX: usize = 256;
/// Modules, or listeners, in a stack.
pub const INSTANCES_MAX: usize = 1_024;
/// Paths of one source.
pub const PATHS_MAX: usize = 1_024;
/// A trailer that ends a record.
pub const TRAILER_BYTES_MAX: usize = 16;
/// Fragments, or components, in a drop-in folder.
pub const DROP_INS_MAX: usize = 1_024;
/// Instances of one module.
pub const MODULE_INSTANCES_MAX: u64 = 256;
/// The name of a field that records are shared out by.
pub const PARTITION_BYTES_MAX: usize = 256;
/// Names of which a client's certificate must have one.
pub const CLIENT_NAMES_MAX: usize = 1_024;
/// A name in a certificate.
pub const CLIENT_NAME_BYTES_MAX: usize = 253;
/// The path of a socket, as the kernel takes it.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The name of a socket that systemd hands over.
pub const SOCKET_NAME_BYTES_MAX: usize = 255;
/// Problems of one stack that are told.
pub const PROBLEMS_MAX: usize = 100;
/// How much of a line is shown with a problem.
pub const EXCERPT_CHARACTERS_MAX: usize = 160;
/// Criteria of a listener.
pub const CRITERIA_BYTES_MAX: usize = 16 << 10;
/// How deep criteria nest.
pub const CRITERIA_DEPTH_MAX: usize = 32;
/// A pattern with `*` and `?` in criteria: its length times the text's is the time that it takes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Files that a table keeps beside the one that it writes.
pub const TABLE_KEEP_MAX: u32 = 10_000;
/// The least size at which a table's file is rotated.
pub const TABLE_ROTATE_BYTES_MIN: u64 = 1_000;

/// What a limit counts: how it is read and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Time, in nanoseconds.
    Time,
}

/// A limit that a stack may set.
pub struct Limit {
    /// Its name in a stack.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Its value where the stack says nothing.
    pub default: u64,
    /// The least value that leaves a guest able to work.
    pub at_least: u64,
    /// The greatest value that protects the machine.
    pub at_most: u64,
    /// What it means, for people.
    pub meaning: &'static str,
    /// Reads it.
    pub get: fn(&Limits) -> u64,
    /// Sets it.
    pub set: fn(&mut Limits, u64),
}

impl Limit {
    /// The limit of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        LIMITS.iter().find(|limit| limit.name == name)
    }
}

/// A number as a field of [`Limits`] holds it.
trait Field {
    fn number(&self) -> u64;
    fn of(number: u64) -> Self;
}

impl Field for u64 {
    fn number(&self) -> u64 {
        *self
    }
    fn of(number: u64) -> Self {
        number
    }
}

impl Field for usize {
    fn number(&self) -> u64 {
        *self as u64
    }
    fn of(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }
}

impl Field for Duration {
    fn number(&self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }
    fn of(number: u64) -> Self {
        Self::from_nanos(number)
    }
}

/// Writes the struct, its defaults and the table from one list, so that none can forget a limit.
macro_rules! limits {
    ($($(#[doc = $meaning:literal])+ $field:ident $name:literal: $type:ty, $unit:ident,
        $default:expr, $least:expr => $most:expr;)+) => {
        /// What bounds one guest: the stack's values over the defaults.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $meaning])+ pub $field: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: Field::of($default),)+ }
            }
        }

        /// Every limit that a stack may set, in the order of the manual.
        pub const LIMITS: &[Limit] = &[$(Limit {
            name: $name,
            unit: Unit::$unit,
            default: $default,
            at_least: $least,
            at_most: $most,
            meaning: concat!($($meaning),+).trim_ascii(),
            get: |limits| Field::number(&limits.$field),
            set: |limits, number| limits.$field = Field::of(number),
        },)+];
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
/// The greatest budget of fuel: the clock has ended a turn long before.
const FUEL_MAX: u64 = 1_000_000_000_000_000;

// Fuel burns at some ten units a nanosecond. Measured on honest guests, a record costs 4,000 (compiled), 10,000 (Python),
// 27,000 (SpiderMonkey), 364,000 (QuickJS, byte by byte); with the defaults a full batch of 2,048 records and 1 MiB has
// five milliards of units, so a hostile turn ends after half a second, or by the clock after two.
limits! {
    /// Fuel of every call, whatever it is handed.
    fuel_per_turn "fuel_per_turn": u64, Count, 1_000_000_000, 1_000_000 => FUEL_MAX;
    /// Fuel of a call for each record or event that it is handed.
    fuel_per_record "fuel_per_record": u64, Count, 1_000_000, 0 => FUEL_MAX;
    /// Fuel of a call for each byte that it is handed.
    fuel_per_byte "fuel_per_byte": u64, Count, 2_000, 0 => FUEL_MAX;
    /// How long a call may take by the clock, whatever fuel is left.
    turn_time "turn_time": Duration, Time, 2 * SECOND, 10 * MILLISECOND => 3_600 * SECOND;
    /// Memory of the guest, all its memories together.
    memory_bytes "memory": usize, Bytes, 256 * MIB, 64 * KIB => 4 * GIB;
    /// Elements of the guest's tables, all together.
    table_elements "table_elements": usize, Count, 100_000, 0 => 10_000_000;
    /// What one call may return.
    turn_bytes "turn_bytes": usize, Bytes, 16 * MIB, 4 * KIB => GIB;
    /// Events that one call of a module may return.
    events_per_turn "events_per_turn": usize, Count, 65_536, 1 => 10_000_000;
    /// Events that a module may return in a minute.
    events_per_minute "events_per_minute": u64, Count, 600_000_000, 1 => 1_000_000_000_000;
    /// Effects that one call of a listener may ask for.
    effects_per_turn "effects_per_turn": usize, Count, 65_536, 1 => 10_000_000;
    /// Effects that a listener may ask for in a minute.
    effects_per_minute "effects_per_minute": u64, Count, 600_000_000, 1 => 1_000_000_000_000;
    /// Saved state.
    state_bytes "state_bytes": usize, Bytes, 32 * MIB, KIB => GIB;
    /// Lines that the guest may write to the engine's log in a minute.
    log_lines_per_minute "log_lines_per_minute": u64, Count, 600, 0 => 1_000_000;
    /// How often the guest may fail within `failure_window` before it is suspended.
    failures "failures": u64, Count, 5, 1 => 1_000_000;
    /// How long a failure counts.
    failure_window "failure_window": Duration, Time, 600 * SECOND, SECOND => 30 * DAY;
    /// How long a suspended guest waits before it is tried again; at 0 it waits to be released by hand.
    release_after "release_after": Duration, Time, 600 * SECOND, 0 => 30 * DAY;
    /// Size of the component's file.
    component_bytes "component_bytes": usize, Bytes, 64 * MIB, 8 => GIB;
    /// Records, or events, that one call is handed at the most.
    batch_records "batch_records": usize, Count, 2_048, 1 => 65_536;
    /// Bytes that one call is handed at the most.
    batch_bytes "batch_bytes": usize, Bytes, MIB, 4 * KIB => 64 * MIB;
    /// CPU time that compiling any component may take.
    compile_time "compile_time": Duration, Time, 5 * SECOND, SECOND => 3_600 * SECOND;
    /// CPU time that compiling may take besides for each MiB of component.
    compile_time_per_mib "compile_time_per_mib": Duration, Time, 5 * SECOND, 0 => 600 * SECOND;
    /// Memory that compiling any component may take.
    compile_memory_bytes "compile_memory": u64, Bytes, 512 * MIB, 64 * MIB => 64 * GIB;
    /// Memory that compiling may take besides for each MiB of component.
    compile_memory_bytes_per_mib "compile_memory_per_mib": u64, Bytes, 128 * MIB, 0 => 4 * GIB;
}

impl Limits {
    /// The fuel of a call that is handed so many records (or events) and bytes.
    #[must_use]
    pub fn fuel(&self, records: usize, bytes: usize) -> u64 {
        let records = self.fuel_per_record.saturating_mul(records as u64);
        let bytes = self.fuel_per_byte.saturating_mul(bytes as u64);
        self.fuel_per_turn.saturating_add(records).saturating_add(bytes)
    }

    /// The CPU-seconds that compiling a component of so many bytes may take.
    #[must_use]
    pub fn compile_seconds(&self, component_bytes: usize) -> u64 {
        let share = self.compile_time_per_mib.as_nanos() * component_bytes as u128;
        let nanoseconds = self.compile_time.as_nanos() + share / u128::from(MIB);
        u64::try_from(nanoseconds.div_ceil(u128::from(SECOND))).unwrap_or(u64::MAX)
    }

    /// The bytes of memory that compiling a component of so many bytes may take.
    #[must_use]
    pub fn compile_memory_bytes(&self, component_bytes: usize) -> u64 {
        let product = u128::from(self.compile_memory_bytes_per_mib) * component_bytes as u128;
        let share = u64::try_from(product / u128::from(MIB)).unwrap_or(u64::MAX);
        self.compile_memory_bytes.saturating_add(share)
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMITS, Limit, Limits};

    #[test]
    fn defaults_are_within_bounds_and_names_are_unique() {
        for limit in LIMITS {
            assert!(limit.at_least <= limit.default, "{}", limit.name);
            assert!(limit.default <= limit.at_most, "{}", limit.name);
            assert_eq!((limit.get)(&Limits::default()), limit.default, "{}", limit.name);
            assert!(!limit.meaning.is_empty() && limit.meaning.ends_with('.'), "{}", limit.name);
            assert_eq!(LIMITS.iter().filter(|other| other.name == limit.name).count(), 1);
        }
    }

    #[test]
    fn a_limit_is_set_by_its_name() {
        for limit in LIMITS {
            let mut limits = Limits::default();
            (limit.set)(&mut limits, limit.at_most);
            assert_eq!((limit.get)(&limits), limit.at_most, "{}", limit.name);
            assert_eq!(Limit::find(limit.name).map(|found| found.name), Some(limit.name));
        }
        assert!(Limit::find("fuel").is_none());
    }

    #[test]
    fn honest_guests_get_enough() {
        let limits = Limits::default();
        // QuickJS that loops over bytes, a full batch; twice what was measured.
        assert!(limits.fuel(2_048, 2_048 * 110) > 2 * 2_048 * 364_000);
        // Python: 15 CPU-seconds for 18 MB were measured. SpiderMonkey needs 96 MiB to run in.
        assert!(limits.compile_seconds(18 << 20) >= 2 * 15);
        assert!(limits.memory_bytes >= 96 << 20);
        assert!(limits.component_bytes >= 20 << 20);
    }

    #[test]
    fn hostile_turns_get_little() {
        let limits = Limits::default();
        let seconds_at_ten_a_nanosecond = limits.fuel(2_048, 1 << 20) / 10_000_000_000;
        assert_eq!(seconds_at_ten_a_nanosecond, 0);
        assert!(limits.compile_seconds(79_000) <= 6);
    }

    #[test]
    fn budgets_saturate() {
        let limits = Limits {
            fuel_per_record: u64::MAX,
            compile_memory_bytes_per_mib: u64::MAX,
            ..Limits::default()
        };
        assert_eq!(limits.fuel(2, 2), u64::MAX);
        assert_eq!(limits.compile_memory_bytes(usize::MAX), u64::MAX);
    }
}
