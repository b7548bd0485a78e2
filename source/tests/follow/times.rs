//! Dates without a year, and records without a time.

use std::fs::File;
use std::time::{Duration, SystemTime};

use correlator_source::clock;

use crate::support::{Folder, Taken, follow};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

#[test]
fn what_was_there_is_as_old_as_the_file_and_what_comes_is_new() {
    let folder = Folder::new("times");
    let path = folder.path("app.log");
    // The record's day is that of the reading, but the file was changed last in March 2020.
    folder.write("app.log", "no time at all\nFeb 10 06:55:46 host app: old\n");
    let changed = SystemTime::UNIX_EPOCH + Duration::from_hours(440_000);
    let file = File::options().append(true).open(&path).expect("a log");
    file.set_modified(changed).expect("changed");
    let begun = clock::now();
    let taken = follow(&path, Taken::default(), |taker| {
        taker.wait_for(2);
        folder.append("app.log", "Feb 10 06:55:46 host app: new\nno time again\n");
        taker.wait_for(4);
    });
    let [untimed, old, new, after] = taken.times[..] else { panic!("{:?}", taken.records) };
    assert_eq!(untimed, 1_584_000_000 * SECOND);
    assert_eq!(old, 1_581_317_746 * SECOND);
    assert!(begun - new < 366 * DAY && new < clock::now() + DAY, "{new}");
    assert_eq!(after, new, "it has the time of the record before it");
}

#[test]
fn records_without_a_time_have_that_of_their_arrival() {
    let folder = Folder::new("untimed");
    let path = folder.path("app.log");
    folder.write("app.log", "one\n");
    let taken = follow(&path, Taken::default(), |taker| {
        taker.wait_for(1);
        folder.append("app.log", "two\n");
        taker.wait_for(2);
    });
    assert!(taken.times[1] > taken.times[0], "{:?}", taken.times);
    assert!(clock::now() - taken.times[1] < DAY, "{:?}", taken.times);
}
