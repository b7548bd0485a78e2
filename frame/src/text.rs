//! Values as people read them: the one form that table files, logs and summaries share.

use crate::value::Value;

const SECOND: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Appends a moment as `2023-02-20T20:12:47.757250Z`: UTC, to the microsecond.
pub fn time(nanoseconds: i64, out: &mut Vec<u8>) {
    let seconds = nanoseconds.div_euclid(SECOND);
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS) as u32;
    let microseconds = (nanoseconds.rem_euclid(SECOND) / 1000) as u32;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    // The range of nanoseconds in 64 bits lies within the years 1677 to 2262, so four digits hold a year.
    let year = year.unsigned_abs() as u32;
    pair(&mut text, 0, year / 100);
    pair(&mut text, 2, year % 100);
    pair(&mut text, 5, month as u32);
    pair(&mut text, 8, day as u32);
    pair(&mut text, 11, second / 3600);
    pair(&mut text, 14, second / 60 % 60);
    pair(&mut text, 17, second % 60);
    pair(&mut text, 20, microseconds / 10_000);
    pair(&mut text, 22, microseconds / 100 % 100);
    pair(&mut text, 24, microseconds % 100);
    out.extend_from_slice(&text);
}

/// Writes a number below 100 as two digits.
#[inline]
fn pair(text: &mut [u8; 27], place: usize, number: u32) {
    text[place] = b'0' + (number / 10) as u8;
    text[place + 1] = b'0' + (number % 10) as u8;
}

/// Appends a span as `0:01:21.300827`: hours without an end, microseconds only where there are some.
pub fn duration(nanoseconds: i64, out: &mut Vec<u8>) {
    // What is shown is whole microseconds: nothing is negative that shows as nothing.
    if nanoseconds <= -1000 {
        out.push(b'-');
    }
    let nanoseconds = nanoseconds.unsigned_abs();
    let seconds = nanoseconds / SECOND.cast_unsigned();
    clock(seconds / 3600, 1, seconds, out);
    let microseconds = nanoseconds % SECOND.cast_unsigned() / 1000;
    if microseconds > 0 {
        out.push(b'.');
        digits(microseconds, 6, out);
    }
}

/// Appends any value; text as it is.
pub fn value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => out.extend_from_slice(bytes),
        Value::Integer(number) => integer(number, out),
        Value::Float(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Boolean(yes) => out.extend_from_slice(if yes { b"true" } else { b"false" }),
        Value::Time(nanoseconds) => time(nanoseconds, out),
        Value::Duration(nanoseconds) => duration(nanoseconds, out),
    }
}

/// Appends a number.
pub fn integer(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    digits(number.unsigned_abs(), 1, out);
}

fn clock(hours: u64, hour_digits: usize, seconds: u64, out: &mut Vec<u8>) {
    digits(hours, hour_digits, out);
    out.push(b':');
    digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    digits(seconds % 60, 2, out);
}

/// Appends a number with at least so many digits.
fn digits(mut number: u64, least: usize, out: &mut Vec<u8>) {
    let mut buffer = [b'0'; 20];
    let mut start = buffer.len();
    while number > 0 {
        start -= 1;
        buffer[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&buffer[start.min(buffer.len() - least)..]);
}

/// Year, month and day of a day counted from 1970-01-01, by Hinnant's method.
fn civil(day: i64) -> (i64, u64, u64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.cast_unsigned(), day.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::{duration, time};

    fn text(write: fn(i64, &mut Vec<u8>), number: i64) -> String {
        let mut out = Vec::new();
        write(number, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn moments() {
        let check = |number, expected| assert_eq!(text(time, number), expected);
        check(0, "1970-01-01T00:00:00.000000Z");
        check(1_676_923_967_757_250_000, "2023-02-20T20:12:47.757250Z");
        check(951_782_399_999_999_999, "2000-02-28T23:59:59.999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(i64::MAX, "2262-04-11T23:47:16.854775Z");
        check(i64::MIN, "1677-09-21T00:12:43.145224Z");
    }

    #[test]
    fn spans() {
        let check = |number, expected| assert_eq!(text(duration, number), expected);
        check(0, "0:00:00");
        check(81_300_827_000, "0:01:21.300827");
        check(300_000_000_000, "0:05:00");
        check(360_000_000_000_000, "100:00:00");
        check(-1_500_000_000, "-0:00:01.500000");
        check(i64::MIN, "-2562047:47:16.854775");
    }
}
