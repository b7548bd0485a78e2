//! Where records come from: what was typed, checked.
//!
//! Files are the one kind of source in this version; another is another name beside `file`. This room must never open
//! anything.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use correlator_record::framing::Framing;
use correlator_source::settings::{Door, Source, SourcePath};
use jiff::tz::{self, TimeZone};

use super::node::{Key, Node, get, only};
use super::problem::{Problems, Wrong};
use super::{suggest, value};
use crate::limit;
use crate::text::clean;

/// The years of dates that can be told in nanoseconds.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=2261;

/// The names of a source's parts.
const FILE: &str = "file";
const FRAMING: &str = "framing";
const ZONE: &str = "time_zone";
const YEAR: &str = "year";

/// Reads what was typed for one source.
pub(super) fn read(
    name: &Key,
    node: &Arc<Node>,
    folder: &Path,
    stack_zone: &TimeZone,
    problems: &mut Problems,
) -> Option<Source> {
    let what = format!("source `{}`", clean(&name.text, limit::NAME_BYTES_MAX));
    let entries =
        node.map(&format!("the settings of {what}")).map_err(|wrong| match node.scalar("") {
            Ok(text) => wrong.help(format!("write `{FILE}: {}`", clean(text, 64))),
            Err(_) => wrong,
        });
    let entries = problems.take(&node.place, entries)?;
    only(entries, &what, &[FILE, FRAMING, ZONE, YEAR], problems);
    let Some(file) = get(entries, FILE) else {
        let wrong = Wrong::new(format!("{what} has no `{FILE}`"));
        problems.error(
            &name.place,
            wrong.help("add `file: PATH`, or `file: \"-\"` for standard input"),
        );
        return None;
    };
    let mut typed = vec![FILE];
    let mut field = |name: &'static str| get(entries, name).inspect(|_| typed.push(name));
    let (framing, zone, year) = (field(FRAMING), field(ZONE), field(YEAR));
    let framing_text = framing.and_then(|node| node.scalar("").ok()).unwrap_or("auto").to_owned();
    let framing = framing.and_then(|node| {
        let framing = node.scalar("`auto`, `lines`, `octets` or a trailer");
        problems.take(&node.place, framing.and_then(self::framing)).flatten()
    });
    let zone = zone.and_then(|node| {
        problems.take(&node.place, node.scalar("a time zone").and_then(self::zone))
    });
    let year = year.and_then(|node| {
        let year = node.scalar("a year").and_then(value::integer).and_then(|year| {
            let fits = i16::try_from(year).ok().filter(|_| YEARS.contains(&year));
            let (first, last) = (YEARS.start(), YEARS.end());
            fits.ok_or_else(|| {
                Wrong::new(format!("expected a year from {first} to {last}, found `{year}`"))
            })
        });
        problems.take(&node.place, year)
    });
    Some(Source {
        name: name.text.clone(),
        door: Door::Files { paths: paths(file, folder, problems), follow: false },
        lateness: Duration::ZERO,
        idle_after: Duration::ZERO,
        framing,
        framing_text,
        zone: zone.unwrap_or_else(|| stack_zone.clone()),
        year,
        typed,
    })
}

fn paths(node: &Arc<Node>, folder: &Path, problems: &mut Problems) -> Vec<SourcePath> {
    let nodes = node.one_or_many();
    if nodes.is_empty() || nodes.len() > limit::PATHS_MAX {
        let wrong = format!("expected 1 to {} paths, found {}", limit::PATHS_MAX, nodes.len());
        problems.error(&node.place, Wrong::new(wrong));
        return Vec::new();
    }
    let path = |node: Arc<Node>| {
        let text = node.scalar("a path, a glob or `\"-\"` for standard input");
        problems.take(&node.place, text.and_then(|text| path(text, folder)))
    };
    nodes.into_iter().filter_map(path).collect()
}

fn path(text: &str, folder: &Path) -> Result<SourcePath, Wrong> {
    if text == "-" {
        return Ok(SourcePath::Input);
    }
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new("expected a path, found an empty text"));
    }
    if !text.contains(['*', '?', '[']) {
        return Ok(SourcePath::File(folder.join(text)));
    }
    let told = clean(text, limit::NAME_BYTES_MAX);
    if let Err(error) = glob::Pattern::new(text) {
        return Err(Wrong::new(format!("`{told}` is no glob: {}", error.msg))
            .help("write `[*]`, `[?]` or `[[]` for the character itself"));
    }
    // The folder is no pattern, whatever characters are in its name.
    let pattern = if Path::new(text).is_absolute() || folder.as_os_str().is_empty() {
        text.to_owned()
    } else {
        format!("{}/{text}", glob::Pattern::escape(&folder.to_string_lossy()))
    };
    Ok(SourcePath::Glob(pattern))
}

/// How records are told apart; nothing for `auto`.
fn framing(text: &str) -> Result<Option<Framing>, Wrong> {
    let names = ["auto", "lines", "octets"];
    match text {
        "auto" => return Ok(None),
        "lines" => return Ok(Some(Framing::Lines)),
        "octets" => return Ok(Some(Framing::Octets)),
        _ => {}
    }
    let expected = "expected `auto`, `lines`, `octets` or a trailer such as \"\\r\"";
    let wrong = Wrong::new(format!("{expected}, found `{}`", clean(text, 48)));
    // A word is a name that was mistyped sooner than a trailer.
    let trailer = unescape(text).filter(|_| !text.chars().all(|c| c.is_ascii_alphanumeric()));
    match trailer {
        Some(bytes) if (1..=limit::TRAILER_BYTES_MAX).contains(&bytes.len()) => {
            Ok(Some(if bytes == b"\n" { Framing::Lines } else { Framing::Trailer(bytes) }))
        }
        _ => Err(wrong
            .maybe(suggest::nearest(text, &names).map(|near| format!("did you mean `{near}`?")))),
    }
}

/// The bytes of a trailer; `\r` may be typed as an escape where YAML knows none.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match characters.next()? {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            'x' => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2)?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// A time zone by its name, or a fixed offset such as `+02:00`.
pub(super) fn zone(text: &str) -> Result<TimeZone, Wrong> {
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
        return Ok(TimeZone::UTC);
    }
    if text.eq_ignore_ascii_case("system") || text.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    if let Some(offset) = offset(text) {
        return Ok(TimeZone::fixed(offset));
    }
    tz::db().get(text).map_err(|_| {
        let names: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        let near = suggest::nearest(text, &names).map(|near| format!("did you mean `{near}`?"));
        let help = near.unwrap_or_else(|| {
            "write a name such as `Europe/Berlin`, `UTC` or an offset such as `+02:00`".to_owned()
        });
        Wrong::new(format!("unknown time zone `{}`", clean(text, 64))).help(help)
    })
}

fn offset(text: &str) -> Option<tz::Offset> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match text[1..].split_once(':') {
        Some(parts) => parts,
        None if text.len() == 5 && text.is_ascii() => text[1..].split_at(2),
        None => (&text[1..], "0"),
    };
    let number = |text: &str| text.parse::<u8>().ok().map(i32::from);
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|&minutes| minutes < 60)?);
    tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}
