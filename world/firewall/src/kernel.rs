//! The kernel's nftables, asked and told. It must never know what should be there.

use std::time::Duration;

use ipnet::IpNet;
use rustix::net::netlink;

use crate::error::Error;
use crate::table::{self, Width};
use crate::wire::{Batch, Wire};

/// A table of the kernel's, which may be there or not.
pub(crate) struct Kernel {
    wire: Wire,
    pub(crate) table: String,
}

/// A chain, and what one of its rules says of itself.
pub(crate) type RuleComment = (String, String);

impl Kernel {
    /// A way to ask.
    pub(crate) fn new(table: &str) -> Result<Self, Error> {
        let wire =
            Wire::new(Some(netlink::NETFILTER)).map_err(Error::of("be asked about nftables"))?;
        Ok(Self { wire, table: table.to_owned() })
    }

    /// A number that every change makes another, whoever changes what.
    pub(crate) fn generation(&mut self) -> Result<u32, Error> {
        let mut found = None;
        self.wire
            .ask(table::GET_GENERATION, &table::generation(), |message| {
                found = table::read_generation(message);
            })
            .map_err(Error::of("tell its number of changes"))?;
        found.ok_or_else(|| Error::Value("the kernel does not tell its number of changes".into()))
    }

    /// The rules of the table, each with its chain, sorted.
    pub(crate) fn rules(&mut self) -> Result<Vec<RuleComment>, Error> {
        let mut found = Vec::new();
        let name = self.table.clone();
        self.list("list rules", table::GET_RULE, None, |message| match message {
            None => found.clear(),
            Some(message) => found.extend(table::read_rule(message, &name)),
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// What sets of a name there are.
    pub(crate) fn widths(&mut self, name: &str) -> Result<Vec<Width>, Error> {
        let mut found = Vec::new();
        let of_table = self.table.clone();
        self.list("list sets", table::GET_SET, None, |message| match message {
            None => found.clear(),
            Some(message) => found.extend(table::read_set(message, &of_table, name)),
        })?;
        Ok(found)
    }

    /// What is in a set, and for how long.
    pub(crate) fn elements(
        &mut self,
        name: &str,
        width: Width,
    ) -> Result<Vec<(IpNet, Duration)>, Error> {
        let mut found = Vec::new();
        let set = width.set(name);
        self.list("list a set", table::GET_ELEMENT, Some(&set), |message| match message {
            None => found.clear(),
            Some(message) => {
                table::read_elements(message, width, |net, rest| found.push((net, rest)));
            }
        })?;
        Ok(found)
    }

    /// For how long a network is in a set; none if it is not, or there is no such set.
    pub(crate) fn rest(&mut self, name: &str, net: &IpNet) -> Result<Option<Duration>, Error> {
        let width = Width::of(net);
        let mut found = None;
        let body = table::element_of(&self.table, &width.set(name), net.addr());
        let read = |message: &crate::wire::Message<'_>| {
            table::read_elements(message, width, |_, rest| found = Some(rest));
        };
        match self.wire.ask(table::GET_ELEMENT, &body, read).map_err(Error::of("show an element")) {
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    /// Lists something; where there is no table, there is nothing.
    fn list(
        &mut self,
        attempt: &'static str,
        kind: u16,
        set: Option<&str>,
        read: impl FnMut(Option<&crate::wire::Message<'_>>),
    ) -> Result<(), Error> {
        let body = table::everything_of(&self.table, set);
        match self.wire.dump(kind, &body, read).map_err(Error::of(attempt)) {
            Err(error) if error.is_gone() => Ok(()),
            other => other,
        }
    }

    /// Changes to be made together.
    pub(crate) fn batch(&mut self) -> Batch {
        self.wire.batch(table::SUBSYSTEM)
    }

    /// Makes them.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        self.wire.commit(batch).map_err(Error::of("change the firewall"))
    }
}
