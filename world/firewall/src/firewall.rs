//! The firewall as one grant allows it: what may be blocked is blocked, what may not be any more is lifted, and what
//! is gone is put back.

use std::cell::RefCell;
use std::time::Duration;

use ipnet::IpNet;

use crate::clock;
use crate::coming::Coming;
use crate::error::Error;
use crate::force::{self, Force, Found, Held, Set};
use crate::protected::Protected;
use crate::session::Sessions;
use crate::settings::{Granted, Settings};
use crate::table::FOREVER;
use crate::wish;

/// What an SSH daemon gives to those it starts.
const SSH_ENVIRONMENT: &str = "SSH_CONNECTION";

/// The firewall as one grant allows it.
pub struct Firewall {
    pub(crate) granted: Granted,
    pub(crate) force: Force,
    pub(crate) protected: RefCell<Protected>,
}

/// Something that is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The set, as the operator names it.
    pub set: String,
    /// The network: a single address has all of its bits.
    pub network: IpNet,
    /// For how long it still is; [`Duration::MAX`] if somebody else blocked it for good.
    pub remaining: Duration,
}

/// What came of restoring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many are in force.
    pub entries: usize,
    /// What is not, and why.
    pub left_out: Vec<(IpNet, String)>,
}

/// What looking after the firewall came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// How many entries were put back, with the table, because somebody had flushed it.
    pub healed: Option<usize>,
    /// What is blocked no more, for it must not be: with the reason.
    pub lifted: Vec<(Block, String)>,
}

impl Firewall {
    /// A firewall by these settings. Nothing is changed before something is blocked, restored or ensured.
    ///
    /// # Errors
    /// A setting that is not allowed, with what is.
    #[expect(clippy::needless_pass_by_value, reason = "all capabilities are made alike")]
    pub fn new(settings: Settings) -> Result<Self, String> {
        let granted = settings.checked()?;
        let sets = settings.sets.iter().map(|(name, set)| Set::new(name, set, granted.v6_prefix));
        let environment = std::env::var(SSH_ENVIRONMENT).ok();
        let sessions = Sessions::new(
            settings.ssh.ports.clone(),
            settings.ssh.login_grace.0,
            environment.as_deref(),
        );
        Ok(Self {
            force: Force::new(&granted.table, sets.collect()),
            protected: RefCell::new(Protected::new(&granted.allow, sessions)),
            granted,
        })
    }

    /// Looks after the firewall; to be called every second. What a reload of the host's rules has flushed is put back,
    /// what has become an address of the host, of a gateway or of an operator is lifted.
    ///
    /// # Errors
    /// The kernel does not let it.
    pub fn ensure(&mut self) -> Result<Ensured, Error> {
        let healed = self.heal()?;
        if !self.protected.get_mut().is_unswept() {
            return Ok(Ensured { healed, lifted: Vec::new() });
        }
        let lifted = self.lift(Protected::refusal)?;
        self.protected.get_mut().swept();
        Ok(Ensured { healed, lifted })
    }

    /// Looks at the host and at the table, and puts back what was flushed: how many entries, if any of it was.
    fn heal(&mut self) -> Result<Option<usize>, Error> {
        self.protected.get_mut().look()?;
        let found = self.force.look()?;
        let now = clock::uptime();
        self.force.sets.iter_mut().for_each(|set| set.entries.purge(now));
        let held = || self.force.sets.iter().map(|set| set.entries.len()).sum();
        Ok((found == Found::Lost).then(held))
    }

    /// Makes sure that there is a table to put something in.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        self.protected.get_mut().look()?;
        if self.force.is_built() {
            return Ok(());
        }
        self.heal().map(|_| ())
    }

    /// Puts in force what was in force before: at a start, from where the caller has kept it.
    ///
    /// # Errors
    /// The kernel does not let it.
    pub fn restore(
        &mut self,
        blocks: impl IntoIterator<Item = (String, IpNet, Duration)>,
    ) -> Result<Restored, Error> {
        self.ready()?;
        let blocks: Vec<_> = blocks.into_iter().collect();
        let _turn = force::turn();
        let known = blocks.iter().filter_map(|(set, net, _)| Some((self.set(set)?, *net)));
        let known: Vec<Held> = known.map(|(at, net)| (at, wish::canonical(net))).collect();
        self.force.learn(&known)?;
        let now = clock::uptime();
        let mut restored = Restored::default();
        let mut coming = Coming::new(&self.force.sets, self.granted.entries_max);
        for (set, net, remaining) in blocks {
            let net = wish::canonical(net);
            match self.restore_one(&set, net, now, remaining, &mut coming) {
                Ok(()) => restored.entries += 1,
                Err(why) => restored.left_out.push((net, why)),
            }
        }
        self.force.put(&coming.all())?;
        Ok(restored)
    }

    fn restore_one(
        &self,
        set: &str,
        net: IpNet,
        now: Duration,
        remaining: Duration,
        coming: &mut Coming,
    ) -> Result<(), String> {
        let at = self.set(set);
        let at = at.ok_or_else(|| format!("the grant has no set `{}`", wish::short(set)))?;
        if remaining.is_zero() {
            return Err("it has expired".into());
        }
        let large = wish::too_large(&self.granted, &net);
        large.or_else(|| self.protected.borrow().refusal(&net)).map_or(Ok(()), Err)?;
        let (sets, held) = (&self.force.sets, (at, net));
        let remaining = remaining.min(self.granted.duration_max);
        if coming.rest(sets, &held, now).is_some_and(|rest| rest >= remaining) {
            return Ok(());
        }
        coming.add(sets, held, now.saturating_add(remaining))
    }

    /// What is in force, as the kernel says.
    ///
    /// # Errors
    /// The kernel does not let this process ask.
    pub fn in_force(&mut self) -> Result<Vec<Block>, Error> {
        self.force.read()?;
        let now = clock::uptime();
        let of = |set: &Set| set.entries.all(now).map(|(net, rest)| set.block(net, rest)).collect();
        let mut blocks: Vec<Block> =
            self.force.sets.iter().flat_map(|set| -> Vec<_> { of(set) }).collect();
        blocks.sort_by(|a, b| (&a.set, a.network).cmp(&(&b.set, b.network)));
        Ok(blocks)
    }

    /// Lifts every block that an address or a network is touched by, in all sets of the grant.
    ///
    /// # Errors
    /// It is neither, or the kernel does not let it.
    pub fn remove(&mut self, address: &str) -> Result<Vec<Block>, Error> {
        let net = wish::network(address).map_err(Error::Value)?;
        self.force.read()?;
        self.lift(|_, held| wish::overlap(held, &net).then(String::new))
            .map(|lifted| lifted.into_iter().map(|(block, _)| block).collect())
    }

    /// Lifts what there is a reason for.
    fn lift(
        &mut self,
        reason: impl Fn(&Protected, &IpNet) -> Option<String>,
    ) -> Result<Vec<(Block, String)>, Error> {
        let now = clock::uptime();
        let (mut held, mut lifted): (Vec<Held>, Vec<_>) = (Vec::new(), Vec::new());
        let protected = self.protected.get_mut();
        for (at, set) in self.force.sets.iter().enumerate() {
            for (net, rest) in set.entries.all(now) {
                if let Some(reason) = reason(protected, &net) {
                    held.push((at, net));
                    lifted.push((set.block(net, rest), reason));
                }
            }
        }
        self.force.take(&held)?;
        Ok(lifted)
    }

    /// A set's place by its name.
    pub(crate) fn set(&self, name: &str) -> Option<usize> {
        self.force.sets.iter().position(|set| set.name == name)
    }
}

impl Set {
    fn block(&self, network: IpNet, remaining: Duration) -> Block {
        let remaining = if remaining < FOREVER { remaining } else { Duration::MAX };
        Block { set: self.name.clone(), network, remaining }
    }
}
