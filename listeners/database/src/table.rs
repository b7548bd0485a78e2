//! What the table of an event is called.
//!
//! Names of instances and events have what databases want to see in quotes. A table is called so that nobody needs any.

use correlator_dispatch::names::fill;
use correlator_sdk::prelude::{BoundSchema, Error};

/// Bytes of a name: what the database with the shortest names takes.
const NAME_BYTES_MAX: usize = 63;

/// The table of each schema.
pub fn names(pattern: &str, schemas: &[BoundSchema]) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::with_capacity(schemas.len());
    for (place, schema) in schemas.iter().enumerate() {
        let name = name(&fill(pattern, &schema.instance, &schema.name))?;
        let same = names.iter().position(|other| *other == name);
        if let Some(other) = same.map(|other| &schemas[other])
            && other.columns != schema.columns
        {
            return Err(Error::Said(format!(
                "option `table`: {}:{} and {}:{} have other columns, but would both be in table `{name}`; put \
                 {{module}} and {{event}} in it",
                other.instance, other.name, schemas[place].instance, schemas[place].name
            )));
        }
        names.push(name);
    }
    Ok(names)
}

/// Lower-case letters, digits and `_`, first a letter.
fn name(filled: &str) -> Result<String, Error> {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() => letter,
        _ => '_',
    };
    let name: String = filled.chars().map(plain).collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(Error::Said(format!(
            "option `table`: {name:?} can't be a table's name; it must begin with a letter"
        )));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::Said(format!(
            "option `table`: `{name}` has {} letters, but a table's name has {NAME_BYTES_MAX} at most; write a \
             shorter pattern",
            name.len()
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::{BoundColumn, BoundSchema, Kind, Severity};

    use super::names;

    fn schema(instance: &str, event: &str, column: &str) -> BoundSchema {
        let column = BoundColumn {
            name: column.to_owned(),
            kind: Kind::Text,
            optional: false,
            meaning: String::new(),
        };
        let (instance, event) = (instance.to_owned(), event.to_owned());
        BoundSchema::new(instance, event, Severity::Notice, "", String::new(), vec![column])
    }

    #[test]
    fn tables() {
        let schemas = [
            schema("sshd", "login-failed", "user"),
            schema("Edge-2", "login-failed", "user"),
            schema("sshd", "logout", "host"),
        ];
        let check = |pattern: &str, expected: &str| {
            let found = names(pattern, &schemas);
            let found = found.map_or_else(|error| error.to_string(), |names| names.join(" "));
            assert!(found.contains(expected), "{pattern}: {found}");
        };
        check("{module}_{event}", "sshd_login_failed edge_2_login_failed sshd_logout");
        check("t_{event}", "t_login_failed t_login_failed t_logout");
        check(
            "Log; DROP {event}",
            "log__drop_login_failed log__drop_login_failed log__drop_logout",
        );
        check("events", "sshd:login-failed and sshd:logout have other columns, but would both");
        check("2_{event}", "must begin with a letter");
        check("", "must begin with a letter");
        check("x{event}{event}{event}{event}{event}{event}", "has 73 letters");
    }
}
