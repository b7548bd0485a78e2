//! Many mails in one conversation, and what came of each.
//!
//! It must never know how often one was tried before.

use std::collections::VecDeque;
use std::fmt::Write;

use correlator_wire::clock;
use correlator_world::{Capability, LeftOut, Outcome, Refused, Request, Secret, Secrets};
use lettre::Address;

use crate::dialogue::{Dialogue, End, THE_MAIL, Told};
use crate::limit;
use crate::message::{Draft, message_id};
use crate::reply::Reply;
use crate::settings::{Rules, Settings};

/// The column with the same in HTML.
const HTML: &str = "html";

/// E-mail as one grant allows it.
#[derive(Debug)]
pub struct Mail {
    rules: Rules,
    partly: Partly,
    conversation: Conversation,
}

/// The conversation that there is, until nothing more is to be sent.
#[derive(Debug, Default)]
struct Conversation {
    dialogue: Option<Dialogue>,
    /// Mails that were handed over in it.
    mails: u32,
}

/// What is remembered of mails that some recipients have and others are still to get, the oldest first.
#[derive(Debug, Default)]
struct Partly(VecDeque<Share>);

/// One of them.
#[derive(Debug, Default)]
struct Share {
    id: String,
    /// Who has it.
    taken: Vec<Address>,
    /// Who will never get it, with what the server said.
    never: Vec<(Address, Reply)>,
}

/// What came of handing over one mail.
struct Handed {
    outcome: Outcome,
    /// The conversation was over before the server can have had it.
    ended_before: bool,
}

impl From<Outcome> for Handed {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, ended_before: false }
    }
}

impl Mail {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// A value makes no sense; it is named, and what is allowed.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let rules = Rules::new(settings)?;
        Ok(Self { rules, partly: Partly::default(), conversation: Conversation::default() })
    }

    /// The password, if there is a login.
    fn password(&self, secrets: &dyn Secrets) -> Result<Option<Secret>, String> {
        let login = self.rules.login.as_ref();
        let secret = login.map(|login| secrets.get(&login.credential)).transpose();
        secret.map_err(|error| error.to_string())
    }

    /// Hands over one mail in the conversation that there is. It is gone after that if it broke.
    fn hand_over(&mut self, request: &Request) -> Handed {
        let made = Draft::new(request, &self.rules).map_err(|error| error.to_string());
        let mail = made.and_then(|draft| {
            draft.mail(&request.id, &self.rules, clock::now()).map(|mail| (draft.to, mail))
        });
        let (to, mail) = match mail {
            Ok(mail) => mail,
            Err(error) => return Outcome::Refused(error).into(),
        };
        let mut share = self.partly.take(&request.id);
        let open: Vec<_> = to.into_iter().filter(|address| !share.knows(address)).collect();
        let dialogue = &mut self.conversation.dialogue;
        let Some(talking) = dialogue.as_mut().filter(|_| !open.is_empty()) else {
            return share.outcome(&[], &message_id(&request.id, self.rules.domain())).into();
        };
        let told = talking.send(&self.rules, &open, &mail);
        let mut ended_before = false;
        let goes_on = match &told.end {
            End::Taken(_) | End::Nobody => true,
            End::Not(_, reply) if reply.is_farewell() => {
                ended_before = true;
                false
            }
            End::Not(..) => talking.reset(),
            End::Broke { maybe_taken, .. } => {
                ended_before = !maybe_taken;
                false
            }
        };
        if !goes_on {
            *dialogue = None;
        }
        let outcome = self.outcome(&mut share, told, &request.id);
        if matches!(outcome, Outcome::Later { .. }) {
            self.partly.keep(share);
        }
        Handed { outcome, ended_before }
    }

    fn outcome(&self, share: &mut Share, told: Told, id: &str) -> Outcome {
        let mut later = Vec::new();
        for (address, reply) in told.refused {
            if reply.is_for_good() {
                share.never.push((address, reply));
            } else {
                later.push((address, reply.to_string()));
            }
        }
        match told.end {
            End::Taken(reply) => {
                share.taken.extend(told.accepted);
                let said = format!("{}: {reply}", message_id(id, self.rules.domain()));
                share.outcome(&later, &said)
            }
            End::Nobody => share.outcome(&later, &message_id(id, self.rules.domain())),
            End::Not(step, reply) if reply.is_for_good() => {
                Outcome::Refused(share.with(&format!("the mail server refuses the {step}: {reply}")))
            }
            End::Not(step, reply) => {
                let why = format!("the mail server does not take the {step} now: {reply}");
                // What is in it may be why, once the server has seen it.
                let alone = step == THE_MAIL && !reply.is_farewell();
                Outcome::Later { reason: share.with(&why), after: None, alone }
            }
            End::Broke { error, maybe_taken: false } => {
                Outcome::later(share.with(&format!("the mail server: {error}")))
            }
            End::Broke { error, maybe_taken: true } => Outcome::later(share.with(&format!(
                "the mail server did not say whether it has the mail: {error}; it is sent again with the same Message-ID"
            ))),
        }
    }
}

impl Partly {
    fn take(&mut self, id: &str) -> Share {
        let found = self.0.iter().position(|share| share.id == id);
        let share = found.and_then(|place| self.0.remove(place));
        share.unwrap_or_else(|| Share { id: id.to_owned(), ..Share::default() })
    }

    fn keep(&mut self, share: Share) {
        if share.taken.is_empty() && share.never.is_empty() {
            return;
        }
        if self.0.len() == limit::PARTLY_MAX {
            self.0.pop_front();
        }
        self.0.push_back(share);
    }
}

impl Share {
    fn knows(&self, address: &Address) -> bool {
        self.taken.contains(address) || self.never.iter().any(|(other, _)| other == address)
    }

    /// What came of a mail to its end, but for those who are to get it later.
    fn outcome(&self, later: &[(Address, String)], said: &str) -> Outcome {
        if let Some((address, reply)) = later.first() {
            let others = if later.len() > 1 { " and others" } else { "" };
            return Outcome::later_alone(self.with(&format!(
                "the mail server does not take it for {address}{others} now: {reply}"
            )));
        }
        if self.taken.is_empty() {
            return Outcome::Refused(self.with("no recipient was accepted"));
        }
        let said = self.with(said);
        if self.never.is_empty() {
            return Outcome::Done(said);
        }
        Outcome::Partly { said, missing: self.never.iter().map(missing).collect() }
    }

    /// Words, with what is known of the recipients added.
    fn with(&self, words: &str) -> String {
        let mut words = words.to_owned();
        if !self.taken.is_empty() {
            let _ = write!(words, "; taken for {}", list(&self.taken));
        }
        for (address, reply) in &self.never {
            let _ = write!(words, "; refused for {address}: {reply}");
        }
        words
    }
}

/// Who does not get it. What a server says beside the number may be other words each time.
fn missing((address, reply): &(Address, Reply)) -> String {
    format!(
        "sent, but not to {address}, whom the mail server refuses ({}); `correlator effects list` tells what it said",
        reply.code
    )
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Capability for Mail {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        Draft::new(request, &self.rules).map(|_| ())
    }

    fn leaves_out(&self, request: &Request) -> Option<LeftOut> {
        request.text(HTML).filter(|_| !self.rules.html)?;
        let why = "HTML is not granted, so mails go without it".to_owned();
        let way = "write `html: false` in its options, or `html: true` in the grant";
        Some(LeftOut { column: HTML, why, way })
    }

    fn plan(&self, request: &Request) -> String {
        match Draft::new(request, &self.rules) {
            Ok(draft) => draft.plan(),
            Err(error) => error.to_string(),
        }
    }

    fn at_once(&self) -> usize {
        1
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(requests.len());
        // Conversations that broke since one took a mail.
        let mut broken = 0;
        while outcomes.len() < requests.len() {
            if self.conversation.dialogue.is_none() {
                let password = self.password(secrets);
                match password.and_then(|word| Dialogue::open(&self.rules, word.as_ref())) {
                    Ok(open) => {
                        self.conversation = Conversation { dialogue: Some(open), mails: 0 };
                    }
                    Err(why) => return filled(outcomes, requests.len(), &Outcome::later(why)),
                }
            }
            let Handed { outcome, ended_before } = self.hand_over(&requests[outcomes.len()]);
            let ended = self.conversation.dialogue.is_none();
            if ended && ended_before && self.conversation.mails > 0 {
                // Some servers end a conversation after so many mails, or while nothing is said.
                continue;
            }
            self.conversation.mails += 1;
            let done = matches!(outcome, Outcome::Done(_) | Outcome::Partly { .. });
            broken = if done { 0 } else { broken + u32::from(ended) };
            outcomes.push(outcome);
            if broken == limit::BROKEN_MAX
                && let Some(last) = outcomes.last().cloned()
            {
                return filled(outcomes, requests.len(), &last);
            }
        }
        outcomes
    }

    fn rest(&mut self) {
        if let Some(dialogue) = self.conversation.dialogue.take() {
            dialogue.quit();
        }
    }

    fn credentials(&self) -> Vec<String> {
        self.rules.login.iter().map(|login| login.credential.clone()).collect()
    }

    fn endpoint(&self, _: &Request) -> String {
        self.rules.server.to_string()
    }

    /// Each recipient, however his address is written.
    fn parties(&self, request: &Request) -> Vec<String> {
        let to = Draft::new(request, &self.rules).map(|draft| draft.to).unwrap_or_default();
        to.iter().map(|address| address.to_string().to_ascii_lowercase()).collect()
    }
}

/// The rest would fare the same, each after a while, so nobody tries.
fn filled(mut outcomes: Vec<Outcome>, count: usize, with: &Outcome) -> Vec<Outcome> {
    let reason = match with {
        Outcome::Later { reason, .. }
        | Outcome::Refused(reason)
        | Outcome::Done(reason)
        | Outcome::Partly { said: reason, .. } => reason,
    };
    let words = if outcomes.is_empty() {
        reason.clone()
    } else {
        format!("not tried, after another mail failed: {reason}")
    };
    outcomes.resize(count, Outcome::later(words));
    outcomes
}
