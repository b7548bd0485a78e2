//! Events as blocks in the firewall: who did it is kept out for a while, and longer each time.
//!
//! It decides which address an event is about, and for how long it is to be kept out. What may be blocked at all, and
//! who never, is the host's and the grant's to say.

mod address;

mod offender;

use correlator_dispatch::item::summary;
use correlator_sdk::prelude::*;

use self::address::Places;
use self::offender::{Offenders, Terms};

const CAPABILITY: &str = "firewall";

/// Bytes of the summary in a reason.
const REASON_BYTES_MAX: usize = 200;

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// The set that addresses are put into; the grant says what it does to them. Empty: the grant's only one, or of several
    /// the one called "blocked".
    #[option(default = "")]
    set: String,
    /// The columns that may hold the address, the first that does counts; EVENT=COLUMN holds for one event alone.
    #[option(default = "addr, address, ip, source_address, src_addr, src_ip, src, remote_addr")]
    columns: String,
    /// For how long the first time.
    #[option(default = "1h", at_least = "1s", at_most = "3650d")]
    duration: Duration,
    /// How many times longer each further time; 1 for always the same.
    #[option(default = 2, at_least = 1, at_most = 1000)]
    factor: u32,
    /// The longest.
    #[option(default = "7d", at_least = "1s", at_most = "3650d")]
    duration_max: Duration,
    /// How long after a block ended it is remembered that there was one.
    #[option(default = "7d", at_least = "0s", at_most = "3650d")]
    remember: Duration,
    /// An address that is blocked and appears all the same is asked for again after this.
    #[option(default = "1m", at_least = "1s", at_most = "1d")]
    again_after: Duration,
    /// How many bits of an IPv6 address are blocked: 128 for the address itself, 64 for the network that one host has.
    #[option(default = 128, at_least = 32, at_most = 128)]
    network_v6: u32,
}

/// Asks for blocks.
#[derive(Default, Serialize, Deserialize)]
pub struct Firewall {
    offenders: Offenders,
    blocks: u64,
    repeated: u64,
    in_force: u64,
    without_address: u64,
    #[serde(skip)]
    plan: Option<Plan>,
}

/// What follows from options and schemas.
struct Plan {
    target: Target,
    places: Places,
    terms: Terms,
}

impl Listener for Firewall {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "firewall",
            env!("CARGO_PKG_VERSION"),
            "Blocks the addresses that events are about, longer each time",
        )
        .criteria("severity >= warning")
        .wants(CAPABILITY, "puts addresses into sets of the firewall")
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        if options.duration_max < options.duration {
            return Err("option `duration_max` is shorter than `duration`: make it longer".into());
        }
        let columns = vec![
            EffectColumn::new("address", Kind::Text, "The address or network."),
            EffectColumn::new("duration", Kind::Duration, "For how long."),
            EffectColumn::new("reason", Kind::Text, "Why, for people."),
        ];
        self.plan = Some(Plan {
            target: Target::new(CAPABILITY, options.set.as_str(), columns)?,
            places: Places::new(&options.columns, schemas)?,
            terms: Terms {
                duration: options.duration,
                factor: options.factor,
                duration_max: options.duration_max,
                remember: options.remember,
                again_after: options.again_after,
            },
        });
        Ok(())
    }

    fn handle(
        &mut self,
        options: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        for event in events {
            self.one(options, &event, turn)?;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![
            Statistic::new("blocks_asked_for", self.blocks),
            Statistic::new("repeated", self.repeated),
            Statistic::new("in_force", self.in_force),
            Statistic::new("without_address", self.without_address),
        ]
    }
}

impl Firewall {
    fn one(
        &mut self,
        options: &Options,
        event: &Event<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        let Some(plan) = &self.plan else { return Err(Error::NotConfigured) };
        let Some(address) = plan.places.address(event, options.network_v6) else {
            self.without_address += 1;
            return Ok(());
        };
        let Some(sentence) = self.offenders.judge(&address, event.time(), &plan.terms) else {
            self.in_force += 1;
            return Ok(());
        };
        let schema = event.schema();
        let summary = summary(event, REASON_BYTES_MAX);
        let reason = format!("{} {}: {summary}", schema.instance, schema.name);
        turn.row(&plan.target, event)
            .cell(Some(Value::Text(address.as_bytes())))
            .cell(Some(Value::Duration(sentence.duration.nanoseconds())))
            .cell(Some(Value::Text(reason.as_bytes())))
            .finish()?;
        if sentence.is_new {
            self.blocks += 1;
        } else {
            self.repeated += 1;
        }
        Ok(())
    }
}

correlator_sdk::export_listener!(Firewall);
