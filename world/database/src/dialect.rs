//! What the three databases write differently: quotes, types, statements. Text only; nothing here talks to anyone.

use correlator_world::Kind;
use serde::Deserialize;

use crate::name::KEY;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// A file of SQLite.
    Sqlite,
    /// A server of PostgreSQL.
    #[serde(alias = "postgresql")]
    Postgres,
    /// A server of MySQL or MariaDB.
    #[serde(alias = "mariadb")]
    Mysql,
}

/// How a value is written into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As what it is.
    Plain,
    /// A span of time as PostgreSQL's `interval`.
    Interval,
}

impl Dialect {
    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        }
    }

    /// A name as an identifier.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
            Self::Sqlite | Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// The table as it stands in statements.
    pub(crate) fn table(self, schema: Option<&str>, table: &str) -> String {
        match schema {
            Some(schema) => format!("{}.{}", self.quote(schema), self.quote(table)),
            None => self.quote(table),
        }
    }

    /// Whether two names are one column.
    pub(crate) fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Postgres => one == other,
            Self::Sqlite => one.eq_ignore_ascii_case(other),
            Self::Mysql => one.to_lowercase() == other.to_lowercase(),
        }
    }

    /// The type of a column that is made for a kind.
    pub(crate) fn type_of(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, Kind::Text | Kind::Time) => "TEXT",
            (Self::Sqlite, Kind::Integer | Kind::Duration) => "INTEGER",
            (Self::Sqlite, Kind::Float) => "REAL",
            (Self::Sqlite | Self::Mysql, Kind::Boolean) => "BOOLEAN",
            (Self::Postgres, Kind::Text) => "text",
            (Self::Postgres, Kind::Integer | Kind::Duration) => "bigint",
            (Self::Postgres, Kind::Float) => "double precision",
            (Self::Postgres, Kind::Boolean) => "boolean",
            (Self::Postgres, Kind::Time) => "timestamp with time zone",
            // TEXT ends at 64 KiB there, which is less than a text may have.
            (Self::Mysql, Kind::Text) => "MEDIUMTEXT",
            (Self::Mysql, Kind::Integer | Kind::Duration) => "BIGINT",
            (Self::Mysql, Kind::Float) => "DOUBLE",
            (Self::Mysql, Kind::Time) => "DATETIME(6)",
        }
    }

    /// The statement that makes a table, if it is not there. `table` is quoted, columns are not.
    pub(crate) fn create(self, table: &str, columns: &[(&str, Kind)]) -> String {
        // Ids differ by case, and MySQL's own collations don't.
        let (key, end) = match self {
            Self::Sqlite => ("TEXT NOT NULL PRIMARY KEY", ""),
            Self::Postgres => ("text PRIMARY KEY", ""),
            Self::Mysql => (
                "VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY",
                " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4",
            ),
        };
        let mut text = format!("CREATE TABLE IF NOT EXISTS {table} ({} {key}", self.quote(KEY));
        for (name, kind) in columns {
            text.push_str(", ");
            text.push_str(&self.column(name, *kind));
        }
        text + ")" + end
    }

    /// The statement that adds a column to a table.
    pub(crate) fn add(self, table: &str, name: &str, kind: Kind) -> String {
        format!("ALTER TABLE {table} ADD COLUMN {}", self.column(name, kind))
    }

    /// The statement that adds rows; each has the key first.
    pub(crate) fn insert(self, table: &str, columns: &[String], rows: usize) -> String {
        let names: Vec<String> = columns.iter().map(|name| self.quote(name)).collect();
        let key = self.quote(KEY);
        let mut text = format!("INSERT INTO {table} ({key}");
        for name in names {
            text.push_str(", ");
            text.push_str(&name);
        }
        text.push_str(") VALUES ");
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..=columns.len() {
                text.push_str(if column == 0 { "" } else { ", " });
                text.push_str(&self.parameter(row * (columns.len() + 1) + column + 1));
            }
            text.push(')');
        }
        match self {
            // The row that is there is the same one; any other conflict is an error, and MySQL's IGNORE would hide it.
            Self::Sqlite | Self::Postgres => text + " ON CONFLICT (" + &key + ") DO NOTHING",
            Self::Mysql => text,
        }
    }

    /// The statement that takes away the row of an id.
    pub(crate) fn delete(self, table: &str) -> String {
        format!("DELETE FROM {table} WHERE {} = {}", self.quote(KEY), self.parameter(1))
    }

    fn parameter(self, number: usize) -> String {
        match self {
            Self::Postgres => format!("${number}"),
            Self::Sqlite | Self::Mysql => "?".into(),
        }
    }

    /// A column as it is made. MySQL's older servers make timestamps that are never null unless it is said.
    fn column(self, name: &str, kind: Kind) -> String {
        format!("{} {} NULL", self.quote(name), self.type_of(kind))
    }

    /// Whether a column of a type, as the database names it, takes values of a kind, and how they are written.
    pub(crate) fn fits(self, kind: Kind, column: &str) -> Option<Form> {
        let column = column.to_ascii_lowercase();
        // `varchar(20)`, `decimal(10,2) unsigned`, `datetime(6)`: the name ends there.
        let base = column.split(['(', ' ']).next().unwrap_or_default();
        match self {
            Self::Sqlite => fits_sqlite(kind, &column),
            Self::Postgres => fits_postgres(kind, base),
            Self::Mysql => fits_mysql(kind, base),
        }
    }
}

/// SQLite's columns have affinities; a declared type says which by the letters in it.
fn fits_sqlite(kind: Kind, column: &str) -> Option<Form> {
    let has = |part: &str| column.contains(part);
    let (integer, text) = (has("int"), has("char") || has("clob") || has("text"));
    let open = column.is_empty() || column == "any";
    let moment = has("date") || has("time");
    let real = has("real") || has("floa") || has("doub");
    let numeric = !integer && !text && !real && !has("blob");
    let fits = match kind {
        Kind::Text => text && !integer,
        Kind::Time => (text && !integer) || moment,
        Kind::Integer | Kind::Duration => integer || (numeric && !moment),
        Kind::Boolean => integer || has("bool"),
        Kind::Float => !integer && (real || (numeric && !moment)),
    };
    (open || fits).then_some(Form::Plain)
}

/// The names are those of `pg_type`.
fn fits_postgres(kind: Kind, base: &str) -> Option<Form> {
    let texts =
        ["text", "varchar", "bpchar", "citext", "inet", "cidr", "macaddr", "uuid", "json", "jsonb"];
    let fits = match kind {
        Kind::Text => texts.contains(&base),
        Kind::Integer => ["int2", "int4", "int8", "numeric"].contains(&base),
        Kind::Float => ["float4", "float8", "numeric"].contains(&base),
        Kind::Boolean => base == "bool",
        Kind::Time => ["timestamptz", "timestamp"].contains(&base),
        Kind::Duration if base == "interval" => return Some(Form::Interval),
        Kind::Duration => ["int8", "numeric"].contains(&base),
    };
    fits.then_some(Form::Plain)
}

/// The names are those of `SHOW COLUMNS`.
fn fits_mysql(kind: Kind, base: &str) -> Option<Form> {
    let integers = ["tinyint", "smallint", "mediumint", "int", "bigint"];
    let texts = [
        "text",
        "tinytext",
        "mediumtext",
        "longtext",
        "varchar",
        "char",
        "json",
        "enum",
        "inet6",
        "inet4",
        "uuid",
    ];
    let fits = match kind {
        Kind::Text => texts.contains(&base),
        Kind::Integer => integers.contains(&base) || base == "decimal",
        Kind::Float => ["float", "double", "decimal"].contains(&base),
        Kind::Boolean => integers.contains(&base),
        Kind::Time => ["datetime", "timestamp"].contains(&base),
        Kind::Duration => ["bigint", "decimal"].contains(&base),
    };
    fits.then_some(Form::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let cases = [
            (Dialect::Sqlite, "a\"b", "\"a\"\"b\""),
            (Dialect::Postgres, "x\"; DROP TABLE t; --", "\"x\"\"; DROP TABLE t; --\""),
            (Dialect::Mysql, "a`b\"", "`a``b\"`"),
        ];
        for (dialect, name, expected) in cases {
            assert_eq!(dialect.quote(name), expected);
        }
    }

    #[test]
    fn statements() {
        let columns = [("a", Kind::Text), ("t", Kind::Time)];
        let names = ["a".to_owned(), "t".to_owned()];
        assert_eq!(
            Dialect::Postgres.create("\"public\".\"x\"", &columns),
            "CREATE TABLE IF NOT EXISTS \"public\".\"x\" (\"correlator_id\" text PRIMARY KEY, \"a\" text NULL, \"t\" timestamp with time zone NULL)"
        );
        assert_eq!(
            Dialect::Postgres.insert("\"x\"", &names, 1),
            "INSERT INTO \"x\" (\"correlator_id\", \"a\", \"t\") VALUES ($1, $2, $3) ON CONFLICT (\"correlator_id\") DO NOTHING"
        );
        assert_eq!(
            Dialect::Mysql.insert("`x`", &names, 2),
            "INSERT INTO `x` (`correlator_id`, `a`, `t`) VALUES (?, ?, ?), (?, ?, ?)"
        );
        assert_eq!(
            Dialect::Mysql.add("`x`", "b`", Kind::Float),
            "ALTER TABLE `x` ADD COLUMN `b``` DOUBLE NULL"
        );
        assert_eq!(
            Dialect::Sqlite.delete("\"x\""),
            "DELETE FROM \"x\" WHERE \"correlator_id\" = ?"
        );
    }

    #[test]
    fn what_is_made_fits() {
        let kinds =
            [Kind::Text, Kind::Integer, Kind::Float, Kind::Boolean, Kind::Time, Kind::Duration];
        for kind in kinds {
            for dialect in [Dialect::Sqlite, Dialect::Mysql] {
                // MySQL makes a tinyint(1) of a BOOLEAN.
                let made = dialect.type_of(kind);
                let made = if made == "BOOLEAN" && dialect == Dialect::Mysql {
                    "tinyint(1)"
                } else {
                    made
                };
                assert_eq!(dialect.fits(kind, made), Some(Form::Plain), "{dialect:?} {kind:?}");
            }
        }
    }

    #[test]
    fn what_was_there_fits_or_not() {
        let cases = [
            (Dialect::Sqlite, Kind::Text, "VARCHAR(20)", true),
            (Dialect::Sqlite, Kind::Text, "INTEGER", false),
            (Dialect::Sqlite, Kind::Text, "", true),
            (Dialect::Sqlite, Kind::Time, "DATETIME", true),
            (Dialect::Sqlite, Kind::Integer, "TEXT", false),
            (Dialect::Sqlite, Kind::Integer, "DATETIME", false),
            (Dialect::Sqlite, Kind::Float, "NUMERIC", true),
            (Dialect::Sqlite, Kind::Float, "INTEGER", false),
            (Dialect::Postgres, Kind::Text, "inet", true),
            (Dialect::Postgres, Kind::Text, "int8", false),
            (Dialect::Postgres, Kind::Integer, "int4", true),
            (Dialect::Postgres, Kind::Integer, "float8", false),
            (Dialect::Postgres, Kind::Time, "date", false),
            (Dialect::Mysql, Kind::Text, "varchar(10)", true),
            (Dialect::Mysql, Kind::Float, "decimal(10,2) unsigned", true),
            (Dialect::Mysql, Kind::Time, "date", false),
            (Dialect::Mysql, Kind::Integer, "bigint(20) unsigned", true),
        ];
        for (dialect, kind, column, expected) in cases {
            assert_eq!(
                dialect.fits(kind, column).is_some(),
                expected,
                "{dialect:?} {kind:?} {column}"
            );
        }
        assert_eq!(Dialect::Postgres.fits(Kind::Duration, "interval"), Some(Form::Interval));
    }
}
