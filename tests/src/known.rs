//! A known stream through bundled guests, and what one engine tells of it that is left alone.
//!
//! `report` gives a row for each record, so its table says what was taken, and in which order; `sshd` remembers much, has
//! timers, and tells something else as soon as a record is missing, doubled or in another place.

use std::collections::HashMap;

use crate::log::{self, Line};
use crate::rows::Tables;
use crate::site::Site;

/// The guests.
pub const GUESTS: [&str; 8] =
    ["--module", "sshd", "--module", "report", "--listener", "csv", "--output", "rows"];
/// What is kept, and that it is kept often.
pub const KEPT: [&str; 4] = ["--state", "state", "--checkpoint-every", "100ms"];
/// The table with a row for each record.
pub const NOTICES: &str = "report-notice.csv";

/// Arguments, one after the other.
#[must_use]
pub fn args<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// What one engine tells of a file when it is left alone and keeps nothing.
///
/// # Panics
/// If it does not end well.
#[must_use]
pub fn alone(lines: &[Line], more: &[&str]) -> Tables {
    let site = Site::new("alone").with(&args(&[&GUESTS, &["--file", "log"], more]));
    site.put("log", log::file(lines));
    site.run();
    site.tables()
}

/// The lines in the order in which the engine took them, by the rows of the table [`NOTICES`].
#[must_use]
pub fn taken(lines: &[Line], notices: &[String]) -> Vec<Line> {
    let by_row: HashMap<String, &Line> = lines.iter().map(|line| (line.row(), line)).collect();
    notices.iter().filter_map(|row| by_row.get(row).map(|&line| line.clone())).collect()
}

/// Waits until a running engine has worked off everything that came, each record of which has a row by then.
///
/// # Panics
/// If it does not.
pub fn until_done(site: &Site, records: usize) {
    site.until_rows(NOTICES, records);
    site.until("idle", |status| {
        let none = |guests: &str, lag: &str| {
            status[guests].as_array().is_some_and(|all| all.iter().all(|it| it[lag] == 0))
        };
        (none("modules", "lag_records") && none("listeners", "lag_events")).then_some(())
    });
}

/// Has the input of a site end, so that its modules say their last words.
///
/// # Panics
/// If that run does not end well.
pub fn end(site: &mut Site) {
    site.set(&args(&[&GUESTS, &KEPT, &["--file", "nothing"]]));
    site.put("nothing", "");
    site.run();
}
