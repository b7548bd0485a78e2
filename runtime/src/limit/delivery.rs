//! How effects are delivered: what is tried how often, and what is kept for how long.
//!
//! It must never know which capability delivers.

use std::time::Duration;

use correlator_store::limit as store;

/// Requests that an endpoint is given at once.
pub const DELIVERED_AT_ONCE_MAX: usize = 64;
/// How long a request, or an endpoint, is left alone after its first failure.
pub const DELIVERY_PAUSE_MIN: Duration = Duration::from_secs(1);
/// And after many.
pub const DELIVERY_PAUSE_MAX: Duration = Duration::from_mins(10);
/// How long an endpoint is left alone at the most that answers, but puts off one request after the other.
pub const DELIVERY_PAUSE_ALONE_MAX: Duration = Duration::from_secs(10);
/// Requests in a row that an endpoint puts off before it is left alone for a while; and how many one is given at once that
/// puts off most of them.
pub const DELIVERED_IN_VAIN_MAX: usize = 8;
/// After a request that is put off only after so long, no other is tried at once.
pub const DELIVERY_SLOW: Duration = Duration::from_secs(1);
/// How much more fickle an endpoint counts each time that it takes something after it put something off. It counts one less
/// with each request that it takes.
pub const FICKLE_STEP: u32 = 128;
/// One that counts less is down with the first request that it puts off: one in a hundred makes more of it. Who nothing is
/// known of counts just as much...
pub const FICKLE_MIN: u32 = 96;
/// ...and it never counts more than this.
pub const FICKLE_MAX: u32 = 2_048;
/// For so much one more request in a row may be put off before it is down: at the most 128. One that takes every tenth is
/// found down by mistake once in a million times.
pub const FICKLE_PER_REQUEST: u32 = 16;
/// Nothing waits longer for its time than this, whatever the world asked for: who does has seen another clock.
pub const DELIVERY_WAIT_MAX: Duration = Duration::from_hours(36);
/// How long rows of a turn that can't be written are left alone after many failures.
pub const TOGETHER_PAUSE_MAX: Duration = Duration::from_secs(32);
/// How long a request is tried before it is given up.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_hours(72);
/// Requests of a listener that a capability denies and that are recorded one by one within [`DENIALS_SPAN`]. Each
/// takes up to some kilobytes, so that a day of a listener that is denied everything stays below the bound of the store.
pub const DENIALS_RECORDED_MAX: u64 = 100;
/// How long it takes, in nanoseconds, before they are recorded one by one again.
pub const DENIALS_SPAN: i64 = 3_600 * SECOND_NANOSECONDS;
/// How often those beyond are told of in one entry, in nanoseconds.
pub const DENIALS_SUMMED_STEP: i64 = 60 * SECOND_NANOSECONDS;
/// A request is not given up before it was tried so often since it was accepted, or since an operator had it tried again.
pub const DELIVERY_TRIES_MIN: u32 = 20;
/// The shortest first pause that a grant may ask for, in nanoseconds.
pub const RETRY_PAUSE_LEAST: i64 = 10_000_000;
/// The longest pause that a grant may ask for, in nanoseconds.
pub const RETRY_PAUSE_MOST: i64 = DAY_NANOSECONDS;
/// How long a grant may have something tried, in nanoseconds.
pub const RETRY_TIME_MOST: i64 = 366 * DAY_NANOSECONDS;
/// How often a grant may have something tried before it is given up.
pub const RETRY_TRIES_MOST: u32 = 1_000_000;
/// Targets of a grant that are counted each alone; requests for more are denied.
pub const PARTIES_MAX: usize = 10_000;
/// Users, or networks, of an allow-list.
pub const ALLOW_MAX: usize = 10_000;
/// Bytes of a file that holds an option's value.
pub const OPTION_FILE_BYTES_MAX: usize = 1 << 20;
/// Effects that are read at once when what was done is put in force again.
pub const RESTORED_AT_ONCE: usize = 1_000;
/// How soon is tried again what should never fail: to put in force what was done before a start, to read what is due.
pub const TROUBLE_STEP: Duration = Duration::from_secs(10);
/// How often a delivery thread looks whether an operator gave it something to do.
pub const DELIVERY_LOOK: Duration = Duration::from_secs(1);
/// Effects, and entries of the audit trail, that are listed if nobody says how many.
pub const LISTED_DEFAULT: usize = 100;
/// Pieces of the record stream in which the record is looked for that caused an effect; there are older ones on the disk.
pub const TRACED_PIECES_MAX: usize = 64;
/// Orders that wait for one delivery thread.
pub const ORDERS_MAX: usize = 64;
/// How often in a row it is tried to take back what must not be in force, until there is another reason to try.
pub const LIFT_TRIES_MAX: u32 = 20;
/// How long an operator waits until a delivery thread has done as ordered: it may be asking the world for something else.
pub const ORDER_TIME: Duration = Duration::from_mins(2);
/// How long a run that has ended waits for what is due to be delivered.
pub const DELIVERY_DRAIN: Duration = Duration::from_secs(30);

/// Pages that are written ahead in the store before they are moved to their place. Whoever commits next after that waits for
/// the disk: that is to be far less than one block in a hundred, when fifty a second are asked for.
pub const SETTLE_PAGES: u64 = 4_096;
/// How long fewer may lie there.
pub const SETTLE_STEP: Duration = Duration::from_secs(30);
/// How often what is old goes from the store.
pub const PRUNE_STEP: Duration = Duration::from_hours(1);
/// How long effects that are finished are kept, in nanoseconds: a month.
pub const EFFECTS_KEPT: i64 = 30 * DAY_NANOSECONDS;
/// Those that were given up: a quarter of a year.
pub const DEAD_EFFECTS_KEPT: i64 = 90 * DAY_NANOSECONDS;
/// The audit trail: two years.
pub const TRAIL_KEPT: i64 = 730 * DAY_NANOSECONDS;
/// What is kept where it is enough that older ones go.
pub const EFFECTS_KEPT_RATHER: i64 = DAY_NANOSECONDS;
/// What is kept in any case, and what is kept from before the oldest checkpoint of a listener: it may ask for that once more
/// after a crash, and a checkpoint is written a while after what it tells of.
pub const EFFECTS_KEPT_MIN: i64 = 3_600 * SECOND_NANOSECONDS;
/// More than this, younger ones go too: above a gigabyte the store takes nothing new, and the last eighth of it is for listeners
/// that have little in it.
pub const STORE_BYTES: u64 = 768 << 20;
/// Where it takes more than this, that is not put off.
pub const STORE_BYTES_PRESSED: u64 = 832 << 20;
// What may go goes before anybody has to wait because he has much in it.
const _: () =
    assert!(STORE_BYTES_PRESSED < store::BYTES_MAX - store::BYTES_MAX / store::RESERVE_PART);
/// How long it is left alone then, so that whoever asks comes in between.
pub const PRUNE_PRESSED_STEP: Duration = Duration::from_secs(5);
/// And where nothing more may go.
pub const PRUNE_IN_VAIN_STEP: Duration = Duration::from_mins(5);
/// What was denied one listener, or only planned for it, takes no more than this.
pub const PLANNED_BYTES_MAX: u64 = 64 << 20;
/// A clock that is farther ahead than this of what is to be expected, in nanoseconds, makes nothing old...
pub const CLOCK_LEAP_MAX: i64 = 7 * DAY_NANOSECONDS;
/// ...until it has said so for this long.
pub const CLOCK_DOUBTED: i64 = DAY_NANOSECONDS;
/// A second, in nanoseconds.
const SECOND_NANOSECONDS: i64 = 1_000_000_000;
/// A day, in nanoseconds.
const DAY_NANOSECONDS: i64 = 24 * 3_600 * SECOND_NANOSECONDS;
