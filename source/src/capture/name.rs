//! The name of a capture, which may stand for the time at which it begins: so each run of a service has its own.
//!
//! It must never know whether such a file is there.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::CaptureError;

/// The name with the time (UTC) in place of `%Y`, `%m`, `%d`, `%H`, `%M`, `%S` and the like, in nanoseconds since
/// 1970-01-01T00:00:00Z. `%%` stands for a percent sign. Folders are what they are called.
///
/// # Errors
/// Something else stands behind a percent sign.
pub fn name_at(path: &Path, time: i64) -> Result<PathBuf, CaptureError> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(path.to_owned());
    };
    if !name.contains('%') {
        return Ok(path.to_owned());
    }
    let time = Timestamp::from_nanosecond(i128::from(time)).ok();
    let name = time.and_then(|time| strtime::format(name, time).ok());
    // A `/` would make folders of it.
    let name = name.filter(|name| !name.contains('/'));
    let name = name.ok_or_else(|| CaptureError::Name { path: path.to_owned() })?;
    Ok(path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::name_at;

    #[test]
    fn names_stand_for_the_time() {
        let check = |name: &str, expected: Option<&str>| {
            let found = name_at(Path::new(name), 1_676_905_967_000_000_000).ok();
            assert_eq!(found.as_deref(), expected.map(Path::new), "{name}");
        };
        check("all.cap", Some("all.cap"));
        check("all-%Y%m%dT%H%M%S.cap", Some("all-20230220T151247.cap"));
        check("/var/100%/%F.cap", Some("/var/100%/2023-02-20.cap"));
        check("100%%.cap", Some("100%.cap"));
        check("100%.cap", None);
        check("%D.cap", None);
        check("all-%", None);
    }
}
