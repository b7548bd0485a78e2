//! Which address an event is about.
//!
//! A column is chosen by its name, at configuration. What it holds was written by a stranger: what is no address is
//! passed over, and an address comes out in one form, whatever form it came in.

use std::net::{IpAddr, Ipv6Addr};

use correlator_dispatch::names;
use correlator_sdk::prelude::{BString, BoundSchema, Error, Event, Kind, Value};

/// Bytes of an address; the longest, with a zone, has fewer.
const ADDRESS_BYTES_MAX: usize = 128;
const V6_BITS: u32 = 128;

/// The columns that may hold an address, in the order in which they are tried, for each schema.
pub struct Places(Vec<Vec<usize>>);

impl Places {
    /// The columns of the option: `COLUMN` for every event, `EVENT=COLUMN` for one.
    pub fn new(columns: &str, schemas: &[BoundSchema]) -> Result<Self, Error> {
        let (mut own, mut any) = (Vec::new(), Vec::new());
        for name in names::list(columns) {
            match name.split_once('=') {
                Some((event, column)) => own.push((event.trim(), column.trim())),
                None => any.push(name),
            }
        }
        for (event, column) in &own {
            let fits =
                |schema: &BoundSchema| schema.name == *event && place(schema, column).is_some();
            if !schemas.is_empty() && !schemas.iter().any(fits) {
                return Err(Error::Said(format!(
                    "option `columns`: no event `{event}` that may arrive has a text column `{column}`"
                )));
            }
        }
        let of_schema = |schema: &BoundSchema| {
            let mine = own.iter().filter(|(event, _)| *event == schema.name);
            let mine: Vec<usize> = mine.filter_map(|(_, name)| place(schema, name)).collect();
            if mine.is_empty() {
                any.iter().filter_map(|name| place(schema, name)).collect()
            } else {
                mine
            }
        };
        let places: Vec<Vec<usize>> = schemas.iter().map(of_schema).collect();
        if !places.is_empty() && places.iter().all(Vec::is_empty) {
            return Err(Error::Said(format!(
                "no event that may arrive has a column that holds an address: tried {columns}; name one with \
                 option `columns`"
            )));
        }
        Ok(Self(places))
    }

    /// The address that an event is about, or the network of so many bits if it is IPv6.
    pub fn address(&self, event: &Event<'_>, network_v6: u32) -> Option<BString> {
        let places = self.0.get(event.schema_place())?;
        places.iter().find_map(|place| match event.value(*place) {
            Some(Value::Text(bytes)) => network(bytes, network_v6),
            _ => None,
        })
    }
}

fn place(schema: &BoundSchema, name: &str) -> Option<usize> {
    schema.column(name).filter(|place| schema.columns[*place].kind == Kind::Text)
}

/// An address in its one form: IPv4 wherever it is IPv4 at heart, without a zone.
fn network(bytes: &[u8], network_v6: u32) -> Option<BString> {
    if bytes.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    let text = core::str::from_utf8(bytes).ok()?.trim();
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    let shown = match text.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V6(address) if network_v6 < V6_BITS => {
            let mask = u128::MAX.checked_shl(V6_BITS - network_v6).unwrap_or(0);
            format!("{}/{network_v6}", Ipv6Addr::from(u128::from(address) & mask))
        }
        address => address.to_string(),
    };
    Some(shown.into())
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn addresses() {
        let check = |text: &str, bits, expected: Option<&str>| {
            let found = network(text.as_bytes(), bits).map(|it| it.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("192.0.2.7", 128, Some("192.0.2.7"));
        check("192.0.2.7", 64, Some("192.0.2.7"));
        check(" 192.0.2.7\n", 128, Some("192.0.2.7"));
        check("::ffff:192.0.2.7", 64, Some("192.0.2.7"));
        check("2001:DB8:0::7", 128, Some("2001:db8::7"));
        check("2001:db8:1:2:3:4:5:6", 64, Some("2001:db8:1:2::/64"));
        check("2001:db8:1:2:3:4:5:6", 48, Some("2001:db8:1::/48"));
        check("fe80::1%eth0", 128, Some("fe80::1"));
        for wrong in ["", "host", "192.0.2.7:22", "192.0.2.0/24", "0.0.0.0/0", "1.2.3", "[::1]"] {
            check(wrong, 128, None);
        }
        check(&" ".repeat(1_000), 128, None);
    }
}
