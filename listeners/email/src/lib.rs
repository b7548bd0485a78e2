//! Events as mail: each by itself, or many together in a digest.
//!
//! It decides what is told when, and in which words. Who may get mail, by which server and from whom, is in the grant; the
//! host makes the message and sends it.
//!
//! # Layout
//! - `options`: what the stack may set
//! - `words`: subject and text, by templates
//! - this file: what is told at once, what waits, and when it has waited enough

mod options;

mod words;

use correlator_dispatch::digest::Digest;
use correlator_dispatch::item::Item;
use correlator_dispatch::quiet::{QuietHours, WallClock};
use correlator_dispatch::throttle::{Keys, Throttle};
use correlator_dispatch::variable::Message;
use correlator_sdk::effect::Row;
use correlator_sdk::prelude::*;

use self::options::Options;
use self::words::{Mail, Words};

const CAPABILITY: &str = "mail";
const TARGET: &str = "default";

/// How often it is looked whether a digest has waited enough.
const TICK: Duration = Duration::from_seconds(10);
const TIMER: &str = "digest";

/// Bytes of the mails of one call after which each says its summary alone. A flood of long lines must not make a turn
/// that the host refuses whole.
const TURN_BYTES_MAX: usize = 8 << 20;

/// Asks for mails.
#[derive(Default, Serialize, Deserialize)]
pub struct Email {
    throttle: Throttle,
    digest: Digest,
    mails: u64,
    digests: u64,
    #[serde(skip)]
    plan: Option<Plan>,
}

/// What follows from options and schemas.
struct Plan {
    target: Target,
    keys: Keys,
    words: Words,
    quiet: Option<QuietHours>,
    clock: WallClock,
    urgent: Severity,
}

impl Listener for Email {
    type Options = Options;

    const STATE_VERSION: u32 = 2;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "email",
            env!("CARGO_PKG_VERSION"),
            "Sends events by mail, each by itself or many in a digest",
        )
        .wants(CAPABILITY, "sends a mail for each event or digest")
        .timer(Timer::every(TIMER, TICK))
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let columns = vec![
            EffectColumn::new("to", Kind::Text, "Addresses with commas between them.")
                .optional(true),
            EffectColumn::new("subject", Kind::Text, "The subject."),
            EffectColumn::new("text", Kind::Text, "The text."),
            EffectColumn::new("html", Kind::Text, "The same as HTML.").optional(true),
        ];
        self.plan = Some(Plan {
            target: Target::new(CAPABILITY, TARGET, columns)?,
            keys: Keys::new("throttle_by", &options.throttle_by, schemas)?,
            words: Words::new(options, schemas)?,
            quiet: QuietHours::parse("quiet_hours", &options.quiet_hours)?,
            clock: WallClock::parse("time_zone", &options.time_zone)?,
            urgent: Severity::from_name(&options.urgent).unwrap_or(Severity::Critical),
        });
        Ok(())
    }

    fn handle(
        &mut self,
        options: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        let mut room = TURN_BYTES_MAX;
        for event in events {
            let bytes = self.one(options, &event, room > 0, turn)?;
            room = room.saturating_sub(bytes);
        }
        Ok(())
    }

    fn tick(&mut self, options: &Options, tick: Tick, turn: &mut EffectTurn) -> Result<(), Error> {
        let Some(plan) = &self.plan else { return Err(Error::NotConfigured) };
        let is_due = tick.is_end()
            || self.digest.is_due(tick.time, options.digest) && !plan.is_quiet(tick.time);
        if is_due && let Some(message) = gathered(&mut self.digest, &mut self.throttle) {
            write(turn.row_in_tick(&plan.target), options, plan.words.mail(options, message))?;
            self.digests += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![
            Statistic::new("mails_asked_for", self.mails),
            Statistic::new("digests_asked_for", self.digests),
            Statistic::new("held_back", self.throttle.held_back()),
        ]
    }
}

impl Email {
    /// What is done about one event. How many bytes of mail it makes.
    fn one(
        &mut self,
        options: &Options,
        event: &Event<'_>,
        at_length: bool,
        turn: &mut EffectTurn,
    ) -> Result<usize, Error> {
        let Some(plan) = &self.plan else { return Err(Error::NotConfigured) };
        let (key, time) = (plan.keys.of(event), event.time());
        let Some(held_back) = self.throttle.pass(&key, time, options.throttle) else {
            return Ok(0);
        };
        let item = Item::of(event);
        let is_quiet = plan.is_quiet(time);
        let waits = is_quiet || options.digest > Duration::ZERO;
        let message = if event.severity() <= plan.urgent || !waits {
            self.mails += 1;
            Message::one(item, held_back)
        } else {
            self.digest.push(item, held_back, options.digest_max);
            if is_quiet || !self.digest.is_full(options.digest_max) {
                return Ok(0);
            }
            self.digests += 1;
            let Some(message) = gathered(&mut self.digest, &mut self.throttle) else {
                return Ok(0);
            };
            message
        };
        let mail = if at_length {
            plan.words.mail(options, message)
        } else {
            plan.words.brief_mail(options, message)
        };
        write(turn.row(&plan.target, event), options, mail)
    }
}

impl Plan {
    fn is_quiet(&self, time: Time) -> bool {
        self.quiet.is_some_and(|hours| hours.hold(self.clock.minute(time)))
    }
}

/// A message about all that waits, and about all that was held back until now.
fn gathered(digest: &mut Digest, throttle: &mut Throttle) -> Option<Message> {
    if digest.is_empty() {
        return None;
    }
    digest.hold_back(throttle.take());
    Message::many(&digest.take())
}

/// Writes a mail's row. How many bytes it has.
fn write(mut row: Row<'_>, options: &Options, mail: Mail) -> Result<usize, Error> {
    let Mail { subject, text, html } = mail;
    let to = Some(options.to.trim()).filter(|to| !to.is_empty());
    row.cell(to.map(|to| Value::Text(to.as_bytes())))
        .cell(Some(Value::Text(subject.as_bytes())))
        .cell(Some(Value::Text(text.as_bytes())))
        .cell(html.as_ref().map(|html| Value::Text(html.as_bytes())))
        .finish()?;
    Ok(subject.len() + text.len() + html.map_or(0, |html| html.len()))
}

correlator_sdk::export_listener!(Email);
