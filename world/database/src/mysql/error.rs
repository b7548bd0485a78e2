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
    message: String,
}

const CONFLICT: u16 = 1062;
const NO_TABLE: u16 = 1146;

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
        let message =
            if rest.first() == Some(&b'#') { rest.get(6..).unwrap_or_default() } else { rest };
        Self { code, message: String::from_utf8_lossy(message).into_owned() }
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
            // Deadlocks, locks, limits of time, a group of servers that does not agree.
            1020 | 1205 | 1206 | 1213 | 1223 | 1317 | 1969 | 3024 | 3100 | 3101
            // A full disk, files that can't be written, no memory, an engine in trouble, a table that is read-only or broken.
            | 3..=5 | 1016 | 1017 | 1021 | 1026 | 1030 | 1036..=1038 | 1041 | 1114 | 1180 | 1194 | 1195 | 1461 | 1637
            // What a trigger or a view of the table does somebody has no right to, or it is not there.
            | 1356 | 1449 => Fault::Later(words),
            1054 | 1136 | 1146 | 1243 | 1615 => Fault::Changed(words),
            _ => Fault::Refused(words),
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
        let error = |code, message: &str| ServerError { code, message: message.into() };
        let cases: [(&[u8], ServerError); 4] = [
            (
                b"\xff\x26\x04#23000Duplicate entry 'secret'",
                error(1062, "Duplicate entry 'secret'"),
            ),
            (b"\xff\x10\x04Too many connections", error(1040, "Too many connections")),
            (b"\xff", error(0, "")),
            (b"\xff\x10\x04#x", error(1040, "")),
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
            (9999, "secret", Fault::Refused("the server refused it (error 9999)".into())),
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
            assert_eq!(ServerError { code, message: message.into() }.fault(), expected);
        }
    }
}
