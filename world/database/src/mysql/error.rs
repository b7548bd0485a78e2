//! What the errors of MySQL and MariaDB mean.
//!
//! Their messages may quote values, so they are repeated only for those codes whose messages name columns and constraints.

use crate::fault::{Fault, shown};
use crate::mysql::packet::Parts;

/// What went wrong in an exchange.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The server said so.
    Server(ServerError),
    /// There is no connection any more, for a reason.
    Broken(String),
}

/// An error of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    code: u16,
    /// The first two letters of its SQLSTATE.
    class: String,
    message: String,
}

const CONFLICT: u16 = 1062;
const NO_TABLE: u16 = 1146;

/// Classes that are about a row alone: its values, constraints, the check of a view, what a trigger signals.
const OF_ROWS: [&str; 4] = ["22", "23", "44", "45"];

/// Codes whose messages have nothing of the row in them.
const HARMLESS: [u16; 8] = [1048, 1054, 1146, 1264, 1265, 1364, 1406, 4025];

impl Trouble {
    /// Whether a row with the same in a unique column is there.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Server(ServerError { code: CONFLICT, .. }))
    }

    /// Whether the table is not there.
    pub fn is_no_table(&self) -> bool {
        matches!(self, Self::Server(ServerError { code: NO_TABLE, .. }))
    }

    /// What it means.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Server(error) => error.fault(),
            Self::Broken(why) => Fault::Lost(why.clone()),
        }
    }
}

impl ServerError {
    /// Reads a packet that begins with 0xFF.
    pub fn read(packet: &[u8]) -> Self {
        let mut parts = Parts(packet.get(1..).unwrap_or_default());
        let code = parts.number(2).and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        // `#` and five letters of an SQLSTATE are there but in errors before the login.
        let rest = parts.0;
        let (class, message) = match rest.first() {
            Some(b'#') => (rest.get(1..3), rest.get(6..).unwrap_or_default()),
            _ => (None, rest),
        };
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { code, class: text(class.unwrap_or_default()), message: text(message) }
    }

    fn fault(&self) -> Fault {
        let words = self.words();
        match self.code {
            // Stopping, gone, cut off; or another server takes the writes since a failover; or not in its cluster now.
            1040 | 1047 | 1053 | 1077..=1080 | 1135 | 1152 | 1154..=1161 | 1184 | 1290 | 1792 | 1836 | 1927
            // It has ended the connection, since nothing came or somebody wanted that, and says so to what is asked next.
            | 3169 | 4031
            // A login that fails.
            | 1044 | 1045 | 1049 | 1129 | 1130 | 1203 | 1226 | 1251 | 1524 | 1698 | 1820 | 1862 | 3118 | 3159 | 4151
            // A right that is missing. Some that are given only hold for who logs in after that.
            | 1142 | 1143 | 1227 | 1370 => Fault::Lost(words),
            // Another has made the table or the column meanwhile, or it is gone.
            1050 | 1054 | 1060 | 1136 | 1146 | 1243 | 1615 => Fault::Changed(words),
            _ if self.is_of_row() => Fault::Refused(words),
            // Locks, limits of time, a full disk, damaged files, whatever a proxy or another product calls its troubles: what
            // is not known to be a row's is the server's, and no row is lost for it.
            _ => Fault::Later(words),
        }
    }

    /// Whether it is about one row, and the others are fine; or about the shape of the rows, which never fits.
    fn is_of_row(&self) -> bool {
        match self.code {
            // Names, columns and sizes that no table can have.
            1059 | 1102 | 1103 | 1117 | 1118 | 1166
            // Values and texts that don't fit their column, its character set, its partitions or its indices.
            | 1048 | 1062 | 1264 | 1265 | 1292 | 1300 | 1364 | 1366 | 1406 | 1451 | 1452 | 1525 | 1526 | 1713 | 1748 | 1916..=1918
            | 1267 | 1270 | 1271 | 1977 | 3643 | 3751 | 3752 | 3854 | 3905..=3908 | 3988
            // A check of the table or of a view, and what a trigger, or a generated column, makes of its values.
            | 1139 | 1162 | 1172 | 1242 | 1301 | 1339 | 1369 | 1411 | 1644 | 1690 | 1921 | 3684..=3700 | 3819 => true,
            _ => OF_ROWS.contains(&self.class.as_str()),
        }
    }

    fn words(&self) -> String {
        let what = match self.code {
            1021 | 1114 => "the server's disk is full",
            1040 | 1203 | 1226 => "the server has too many connections",
            1044 | 1045 | 1130 | 1698 => "the user or the password was refused",
            1049 => "there is no such database",
            1053 => "the server is stopping",
            3169 | 4031 => "the server has ended the connection",
            1062 => "another row has the same in a unique column",
            1036 => "the table is read-only",
            1142 | 1143 | 1227 | 1370 => "the user has no right to it; grant it",
            1356 | 1449 => "a trigger or a view of it has no right to what it does",
            1205 => "others keep it locked",
            1213 => "others were in the way",
            1290 | 1792 | 1836 => "the server takes no writes now",
            1317 | 1969 | 3024 => "it took too long",
            1366 => "a text has characters that its column can't hold",
            1292 | 1411 => "a value can't be read as its column's type",
            1451 | 1452 => "a row that it refers to is not there",
            1644 => "a trigger of the table forbids it",
            3819 => "a check of the table forbids it",
            code if HARMLESS.contains(&code) => {
                return format!("{} (error {code})", shown(&self.message));
            }
            _ => "the server refused it",
        };
        format!("{what} (error {})", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read() {
        let error = |code, class: &str, message: &str| ServerError {
            code,
            class: class.into(),
            message: message.into(),
        };
        let cases: [(&[u8], ServerError); 4] = [
            (
                b"\xff\x26\x04#23000Duplicate entry 'secret'",
                error(1062, "23", "Duplicate entry 'secret'"),
            ),
            (b"\xff\x10\x04Too many connections", error(1040, "", "Too many connections")),
            (b"\xff", error(0, "", "")),
            (b"\xff\x10\x04#x", error(1040, "", "")),
        ];
        for (packet, expected) in cases {
            assert_eq!(ServerError::read(packet), expected);
        }
    }

    #[test]
    fn codes_and_words() {
        let cases = [
            (
                1062,
                "lies",
                Fault::Refused("another row has the same in a unique column (error 1062)".into()),
            ),
            (
                1048,
                "Column 'x' cannot be null",
                Fault::Refused("Column 'x' cannot be null (error 1048)".into()),
            ),
            (
                1366,
                "'secret'",
                Fault::Refused(
                    "a text has characters that its column can't hold (error 1366)".into(),
                ),
            ),
            (9001, "secret", Fault::Later("the server refused it (error 9001)".into())),
            (1034, "secret", Fault::Later("the server refused it (error 1034)".into())),
            (9999, "secret", Fault::Later("the server refused it (error 9999)".into())),
            (1213, "", Fault::Later("others were in the way (error 1213)".into())),
            (1114, "", Fault::Later("the server's disk is full (error 1114)".into())),
            (4031, "", Fault::Lost("the server has ended the connection (error 4031)".into())),
            (1290, "", Fault::Lost("the server takes no writes now (error 1290)".into())),
            (
                1142,
                "INSERT command denied to 'secret'",
                Fault::Lost("the user has no right to it; grant it (error 1142)".into()),
            ),
            (1143, "", Fault::Lost("the user has no right to it; grant it (error 1143)".into())),
            (1045, "", Fault::Lost("the user or the password was refused (error 1045)".into())),
            (1036, "", Fault::Later("the table is read-only (error 1036)".into())),
            (1146, "no t", Fault::Changed("no t (error 1146)".into())),
        ];
        for (code, message, expected) in cases {
            let error = ServerError { code, class: "HY".into(), message: message.into() };
            assert_eq!(error.fault(), expected);
        }
    }

    #[test]
    fn what_is_of_a_row_by_its_class() {
        for (class, of_row) in
            [("22", true), ("23", true), ("45", true), ("HY", false), ("", false)]
        {
            let error = ServerError { code: 30_001, class: class.into(), message: String::new() };
            assert_eq!(matches!(error.fault(), Fault::Refused(_)), of_row, "{class}");
        }
    }
}
