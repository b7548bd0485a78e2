//! What the target of an event is called.
//!
//! Documents of one index have fields of one kind: a field that is a number in one and a text in the other loses one of
//! them. So events share a target only where their columns agree.

use correlator_dispatch::names::fill;
use correlator_sdk::prelude::{BoundSchema, Error};

/// The target of each schema.
pub fn names(pattern: &str, schemas: &[BoundSchema]) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::with_capacity(schemas.len());
    for schema in schemas {
        let name = name(&fill(pattern, &schema.instance, &schema.name))?;
        for (other, _) in schemas.iter().zip(&names).filter(|(_, known)| **known == name) {
            if let Some(column) = disagreement(schema, other) {
                return Err(Error::Said(format!(
                    "option `target`: column `{column}` is of one kind in {}:{} and of another in {}:{}, but both \
                     would be in target `{name}`; put {{module}} and {{event}} in it",
                    other.instance, other.name, schema.instance, schema.name
                )));
            }
        }
        names.push(name);
    }
    Ok(names)
}

/// A column that both have, but not of the same kind.
fn disagreement<'a>(one: &'a BoundSchema, other: &BoundSchema) -> Option<&'a str> {
    let differs = one.columns.iter().find(|column| {
        let same = other.column(&column.name).map(|place| other.columns[place].kind);
        same.is_some_and(|kind| kind != column.kind)
    });
    differs.map(|column| column.name.as_str())
}

/// Lower-case letters, digits, `_` and `-`: what an index may be called.
fn name(filled: &str) -> Result<String, Error> {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-' => letter,
        _ => '_',
    };
    let name: String = filled.chars().map(plain).collect();
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Ok(name);
    }
    Err(Error::Said(format!(
        "option `target`: {name:?} can't be a target's name; it must begin with a letter or a digit"
    )))
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::{BoundColumn, BoundSchema, Kind, Severity};

    use super::names;

    fn schema(instance: &str, event: &str, kind: Kind) -> BoundSchema {
        let column =
            BoundColumn { name: "user".to_owned(), kind, optional: false, meaning: String::new() };
        let (instance, event) = (instance.to_owned(), event.to_owned());
        BoundSchema::new(instance, event, Severity::Notice, "", String::new(), vec![column])
    }

    #[test]
    fn targets() {
        let schemas = [
            schema("sshd", "login", Kind::Text),
            schema("sshd", "logout", Kind::Text),
            schema("Edge.2", "login", Kind::Integer),
        ];
        let check = |pattern: &str, expected: &str| {
            let found = names(pattern, &schemas);
            let found = found.map_or_else(|error| error.to_string(), |names| names.join(" "));
            assert!(found.contains(expected), "{pattern}: {found}");
        };
        check("{module}", "sshd sshd edge_2");
        check("{module}-{event}", "sshd-login sshd-logout edge_2-login");
        check(
            "{event}",
            "column `user` is of one kind in sshd:login and of another in Edge.2:login",
        );
        check("all", "but both would be in target `all`; put {module} and {event} in it");
        check("../{module}", "must begin with a letter or a digit");
        check("", "must begin");
    }
}
