//! Where the session's bus is.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::error::quoted;
use crate::variables::Variables;

/// A socket of this machine. Buses elsewhere are none for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(&quoted(&path.to_string_lossy())),
            Self::Abstract(name) => write!(f, "@{}", quoted(&String::from_utf8_lossy(name))),
        }
    }
}

/// Where the session's bus is, if there is one: as its address says, or where systemd puts it.
pub(crate) fn session(variables: &Variables) -> Option<Address> {
    if let Some(text) = variables.get("DBUS_SESSION_BUS_ADDRESS") {
        return parse(text.to_str()?);
    }
    let path = variables.path("XDG_RUNTIME_DIR")?.join("bus");
    path.exists().then_some(Address::Path(path))
}

/// The first address of a list that is a socket: `unix:path=/run/bus,guid=1;unix:abstract=x`.
fn parse(list: &str) -> Option<Address> {
    list.split(';').find_map(|address| {
        let (_, keys) = address.split_once(':').filter(|(kind, _)| *kind == "unix")?;
        keys.split(',').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let value = unescape(value)?;
            match key {
                "path" => Some(Address::Path(OsString::from_vec(value).into())),
                "abstract" => Some(Address::Abstract(value)),
                _ => None,
            }
        })
    })
}

/// A value without its escapes: `%20` is a space.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, more)) = rest.split_first() {
        rest = more;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    (!bytes.is_empty() && !bytes.contains(&0)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Address, parse, session};
    use crate::variables::Variables;

    #[test]
    fn addresses_are_read() {
        let check =
            |text: &str, expected: Option<Address>| assert_eq!(parse(text), expected, "{text}");
        let path = |path: &str| Some(Address::Path(path.into()));
        check("unix:path=/run/user/1000/bus", path("/run/user/1000/bus"));
        check("unix:guid=1,path=/a%20b", path("/a b"));
        check("unix:abstract=/tmp/x,guid=1", Some(Address::Abstract(b"/tmp/x".to_vec())));
        check("tcp:host=localhost,port=1;unix:path=/b", path("/b"));
        check("tcp:host=localhost,port=1", None);
        check("autolaunch:", None);
        check("unix:path=", None);
        check("unix:path=/a%2", None);
        check("unix:path=/a%zz", None);
        check("unix:path=/a%00", None);
        check("", None);
    }

    #[test]
    fn without_a_bus_there_is_no_address() {
        let given = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
            session(&Variables::Given(pairs.collect::<BTreeMap<_, _>>()))
        };
        assert_eq!(given(&[]), None);
        assert_eq!(given(&[("XDG_RUNTIME_DIR", "/nowhere")]), None);
        assert_eq!(given(&[("DBUS_SESSION_BUS_ADDRESS", "disabled:")]), None);
    }
}
