//! Many mails in one conversation, and what came of each.
//!
//! It must never know how often one was tried before.

use std::collections::VecDeque;
use std::fmt::Write;

use correlator_wire::clock;
use correlator_world::{Capability, Outcome, Refused, Request, Secret, Secrets};
use lettre::Address;

use crate::dialogue::{Dialogue, End, Told};
use crate::limit;
use crate::message::{Draft, message_id};
use crate::settings::{Rules, Settings};

/// E-mail as one grant allows it.
#[derive(Debug)]
pub struct Mail {
    rules: Rules,
    partly: Partly,
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
    never: Vec<(Address, String)>,
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
        Ok(Self { rules: Rules::new(settings)?, partly: Partly::default() })
    }

    /// The password, if there is a login.
    fn password(&self, secrets: &dyn Secrets) -> Result<Option<Secret>, String> {
        let login = self.rules.login.as_ref();
        let secret = login.map(|login| secrets.get(&login.credential)).transpose();
        secret.map_err(|error| error.to_string())
    }

    /// Hands over one mail in the conversation that there is. It is gone after that if it broke.
    fn hand_over(&mut self, dialogue: &mut Option<Dialogue>, request: &Request) -> Handed {
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
        let Some(conversation) = dialogue.as_mut().filter(|_| !open.is_empty()) else {
            return share.outcome(&[], &message_id(&request.id, self.rules.domain())).into();
        };
        let told = conversation.send(&self.rules, &open, &mail);
        let mut ended_before = false;
        let goes_on = match &told.end {
            End::Taken(_) | End::Nobody => true,
            End::Not(_, reply) if reply.is_farewell() => {
                ended_before = true;
                false
            }
            End::Not(..) => conversation.reset(),
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
                share.never.push((address, reply.to_string()));
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
            End::Not(step, reply) => Outcome::later(
                share.with(&format!("the mail server does not take the {step} now: {reply}")),
            ),
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
            return Outcome::later(self.with(&format!(
                "the mail server does not take it for {address}{others} now: {reply}"
            )));
        }
        if self.taken.is_empty() {
            return Outcome::Refused(self.with("no recipient was accepted"));
        }
        Outcome::Done(self.with(said))
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

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Capability for Mail {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        Draft::new(request, &self.rules).map(|_| ())
    }

    fn plan(&self, request: &Request) -> String {
        match Draft::new(request, &self.rules) {
            Ok(draft) => draft.plan(),
            Err(error) => error.to_string(),
        }
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(requests.len());
        let mut dialogue = None;
        // Mails that this conversation took, and conversations that broke since one was taken.
        let (mut taken, mut broken) = (0, 0);
        while outcomes.len() < requests.len() {
            if dialogue.is_none() {
                let password = self.password(secrets);
                match password.and_then(|word| Dialogue::open(&self.rules, word.as_ref())) {
                    Ok(open) => dialogue = Some(open),
                    Err(why) => return filled(outcomes, requests.len(), &Outcome::later(why)),
                }
            }
            let Handed { outcome, ended_before } =
                self.hand_over(&mut dialogue, &requests[outcomes.len()]);
            if dialogue.is_none() && ended_before && taken > 0 {
                // Some servers end a conversation after so many mails.
                taken = 0;
                continue;
            }
            broken += u32::from(dialogue.is_none());
            if matches!(outcome, Outcome::Done(_)) {
                (taken, broken) = (taken + 1, 0);
            }
            outcomes.push(outcome);
            if broken == limit::BROKEN_MAX
                && let Some(last) = outcomes.last().cloned()
            {
                return filled(outcomes, requests.len(), &last);
            }
        }
        if let Some(dialogue) = dialogue {
            dialogue.quit();
        }
        outcomes
    }

    fn credentials(&self) -> Vec<String> {
        self.rules.login.iter().map(|login| login.credential.clone()).collect()
    }

    fn endpoint(&self, _: &Request) -> String {
        self.rules.server.to_string()
    }
}

/// The rest would fare the same, each after a while, so nobody tries.
fn filled(mut outcomes: Vec<Outcome>, count: usize, with: &Outcome) -> Vec<Outcome> {
    let reason = match with {
        Outcome::Later { reason, .. } | Outcome::Refused(reason) | Outcome::Done(reason) => reason,
    };
    let words = if outcomes.is_empty() {
        reason.clone()
    } else {
        format!("not tried, after another mail failed: {reason}")
    };
    outcomes.resize(count, Outcome::later(words));
    outcomes
}
