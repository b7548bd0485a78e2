//! What the errors of PostgreSQL mean.
//!
//! Its messages quote values, so they are never repeated: the code tells what it was, and the fields beside it which column
//! and which constraint.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;

use crate::fault::{Fault, shown};

/// An error of the server, without its message.
#[derive(Clone, Debug, Default)]
pub struct ServerError {
    code: String,
    fatal: bool,
    column: Option<String>,
    constraint: Option<String>,
    /// Whether a policy of the table's rows forbids this one: its code is that of a missing right.
    is_policy: bool,
    /// Whether a trigger says it in words and with a code of its own.
    is_raised: bool,
}

/// Where in the server's source that comes from; the message says the same, in any language.
const POLICY: &str = "ExecWithCheckOptions";
/// The same, of what a function raises.
const RAISED: &str = "exec_stmt_raise";

/// Classes that are about a row alone: its values, constraints, the check of a view, what functions and triggers make of
/// it, limits of the program.
const OF_ROWS: [&str; 11] = ["09", "20", "21", "22", "23", "27", "38", "39", "44", "54", "P0"];
/// Classes that a trigger that raises them means as they are: it shall be tried again.
const OF_SERVER: [&str; 5] = ["40", "53", "55", "57", "58"];

impl ServerError {
    /// Reads the fields of an error that may be told.
    pub fn read(body: &ErrorResponseBody) -> Self {
        let mut error = Self::default();
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let text = shown(&String::from_utf8_lossy(field.value_bytes()));
            match field.type_() {
                b'C' => error.code = text,
                b'V' => error.fatal = text == "FATAL" || text == "PANIC",
                b'c' => error.column = Some(text),
                b'n' => error.constraint = Some(text),
                b'R' => {
                    error.is_policy = text == POLICY;
                    error.is_raised = text == RAISED;
                }
                _ => {}
            }
        }
        error
    }

    /// What it means.
    pub fn fault(&self) -> Fault {
        let words = self.words();
        let class = self.code.get(..2).unwrap_or_default();
        match self.code.as_str() {
            // After a failover the name leads to another server, so the connection is given up.
            "25006" => Fault::Lost(words),
            _ if self.fatal => Fault::Lost(words),
            _ if matches!(class, "08" | "28") => Fault::Lost(words),
            _ if OF_ROWS.contains(&class) || self.is_policy => Fault::Refused(words),
            _ if self.is_raised && !OF_SERVER.contains(&class) => Fault::Refused(words),
            // Names that no table can have.
            "42602" | "42622" | "42939" => Fault::Refused(words),
            // Another has made the table or the column meanwhile, or it is gone.
            "42P01" | "42P07" | "42701" | "42703" | "42P10" => Fault::Changed(words),
            // Rights, schemas and rooms are given, locks go, and what is damaged is put right without another row: what is not
            // known to be a row's is the server's, and no row is lost for it.
            _ => Fault::Later(words),
        }
    }

    fn words(&self) -> String {
        let what = match self.code.as_str() {
            "22001" => "a text is too long for its column",
            "22003" => "a number is out of its column's range",
            "22008" => "a time is out of its column's range",
            "22P02" | "22007" | "22P05" | "22021" => "a value can't be read as its column's type",
            "23502" => "a column must not be null",
            "23503" => "a row that it refers to is not there",
            "23505" => "another row has the same in a unique column",
            "23514" => "a check of the table forbids it",
            "25006" => "the server takes no writes now",
            "28P01" | "28000" => "the user or the password was refused",
            "3D000" => "there is no such database",
            "3F000" => "there is no such schema",
            "40001" | "40P01" => "others were in the way",
            "42501" if self.is_policy => "a policy of the table forbids it",
            "42501" => "the user has no right to it; grant it",
            "42P01" => "there is no such table",
            "42703" => "there is no such column",
            "53100" => "the server's disk is full",
            "53300" => "the server has too many connections",
            "55P03" => "others keep it locked",
            "57014" => "it took too long",
            "57P01" | "57P02" | "57P03" => "the server is stopping or starting",
            "P0001" => "a trigger of the table forbids it",
            _ => "the server refused it",
        };
        let mut words = format!("{what} (SQLSTATE {}", self.code);
        for (title, name) in [("column", &self.column), ("constraint", &self.constraint)] {
            if let Some(name) = name {
                words = format!("{words}, {title} `{name}`");
            }
        }
        words + ")"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        let kind = |fault: &Fault| match fault {
            Fault::Lost(_) => "lost",
            Fault::Later(_) => "later",
            Fault::Changed(_) => "changed",
            Fault::Refused(_) => "refused",
        };
        let cases = [
            ("23505", false, "refused"),
            ("22P02", false, "refused"),
            ("42501", false, "later"),
            ("3F000", false, "later"),
            ("P0001", false, "refused"),
            ("40P01", false, "later"),
            ("53100", false, "later"),
            ("55P03", false, "later"),
            ("57014", false, "later"),
            ("25006", false, "lost"),
            ("57P01", true, "lost"),
            ("28P01", true, "lost"),
            ("53300", true, "lost"),
            ("42P01", false, "changed"),
            ("42P07", false, "changed"),
            ("54000", false, "refused"),
            ("55000", false, "later"),
            ("XX000", false, "later"),
            ("XX001", false, "later"),
            ("AB001", false, "later"),
            ("", false, "later"),
        ];
        for (code, fatal, expected) in cases {
            let error = ServerError { code: code.into(), fatal, ..ServerError::default() };
            assert_eq!(kind(&error.fault()), expected, "{code}");
        }
        let policy =
            ServerError { code: "42501".into(), is_policy: true, ..ServerError::default() };
        assert_eq!(kind(&policy.fault()), "refused");
        for (code, expected) in [("AB001", "refused"), ("55000", "later"), ("40001", "later")] {
            let error =
                ServerError { code: code.into(), is_raised: true, ..ServerError::default() };
            assert_eq!(kind(&error.fault()), expected, "{code}");
        }
    }
}
