//! A capability, and in front of it who is never acted against.
//!
//! It is asked before the capability is, and again when something is delivered that waited: what is on the list by then
//! counts. What the host noted of events is for this list, and no capability sees it.

use std::borrow::Cow;
use std::time::Duration;

use crate::allow::{Allow, NOTED};
use crate::{Capability, Kept, LeftOut, Needs, Outcome, Refused, Request, Secrets, Undone};

/// A capability behind an allow-list. Every method of [`Capability`] is handed on.
pub struct Guarded {
    allow: Allow,
    inner: Box<dyn Capability>,
}

impl Guarded {
    /// Puts an allow-list before a capability.
    #[must_use]
    pub fn new(allow: Allow, inner: Box<dyn Capability>) -> Self {
        Self { allow, inner }
    }

    fn allowed(&self, request: &Request) -> Result<(), String> {
        self.allow.refusal(request).map_or(Ok(()), Err)
    }
}

/// What was asked for, without what the host noted.
fn own(request: &Request) -> Cow<'_, Request> {
    if !request.cells.iter().any(|(name, _)| name.starts_with(NOTED)) {
        return Cow::Borrowed(request);
    }
    let mut own = request.clone();
    own.cells.retain(|(name, _)| !name.starts_with(NOTED));
    Cow::Owned(own)
}

impl Capability for Guarded {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        self.allowed(request).map_err(Refused::Denied)?;
        self.inner.check(&own(request))
    }

    fn plan(&self, request: &Request) -> String {
        self.inner.plan(&own(request))
    }

    fn knows(&self, target: &str) -> Result<(), Refused> {
        self.inner.knows(target)
    }

    fn usual_target(&self) -> Option<&str> {
        self.inner.usual_target()
    }

    fn leaves_out(&self, request: &Request) -> Option<LeftOut> {
        self.inner.leaves_out(&own(request))
    }

    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome> {
        let refused: Vec<Result<(), String>> =
            requests.iter().map(|request| self.allowed(request)).collect();
        let asked = requests.iter().zip(&refused).filter(|(_, refused)| refused.is_ok());
        let asked: Vec<Request> = asked.map(|(request, _)| own(request).into_owned()).collect();
        let outcomes =
            if asked.is_empty() { Vec::new() } else { self.inner.deliver(&asked, secrets) };
        let mut outcomes = outcomes.into_iter();
        let silent = || Outcome::later("the capability said nothing of it");
        let outcome = |refused: Result<(), String>| match refused {
            Ok(()) => outcomes.next().unwrap_or_else(silent),
            Err(why) => Outcome::Refused(format!("denied: {why}")),
        };
        refused.into_iter().map(outcome).collect()
    }

    fn at_once(&self) -> usize {
        self.inner.at_once()
    }

    fn rest(&mut self) {
        self.inner.rest();
    }

    fn close(&mut self) -> Vec<Undone> {
        self.inner.close()
    }

    fn undo(&mut self, request: &Request, secrets: &dyn Secrets) -> Outcome {
        self.inner.undo(&own(request), secrets)
    }

    fn undo_beside(
        &mut self,
        request: &Request,
        others: &[(&str, Duration)],
        secrets: &dyn Secrets,
    ) -> Outcome {
        self.inner.undo_beside(&own(request), others, secrets)
    }

    fn restore(&mut self, done: &[(Request, Duration)]) -> Result<Option<String>, String> {
        let may = done.iter().filter(|(request, _)| self.allow.refusal(request).is_none());
        let may: Vec<_> = may.map(|(request, since)| (own(request).into_owned(), *since)).collect();
        self.inner.restore(&may)
    }

    fn restores(&self) -> bool {
        self.inner.restores()
    }

    fn keep(&mut self) -> Result<Kept, String> {
        self.inner.keep()
    }

    fn is_idempotent(&self) -> bool {
        self.inner.is_idempotent()
    }

    fn needs(&self) -> Needs {
        self.inner.needs()
    }

    fn credentials(&self) -> Vec<String> {
        self.inner.credentials()
    }

    fn endpoint(&self, request: &Request) -> String {
        self.inner.endpoint(&own(request))
    }

    fn key(&self, request: &Request) -> Option<String> {
        self.inner.key(&own(request))
    }

    fn parties(&self, request: &Request) -> Vec<String> {
        self.inner.parties(&own(request))
    }

    fn lasts(&self, request: &Request, since: Duration) -> bool {
        self.inner.lasts(&own(request), since)
    }

    fn guards(&self) -> bool {
        !self.allow.is_empty() || self.inner.guards()
    }

    fn forbids_more(&mut self) -> bool {
        self.inner.forbids_more()
    }

    fn forbids(&self, request: &Request, since: Duration) -> Option<String> {
        let why =
            self.allow.refusal(request).or_else(|| self.inner.forbids(&own(request), since))?;
        self.lasts(request, since).then_some(why)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Guarded;
    use crate::allow::Allow;
    use crate::{Capability, Cell, Nowhere, Outcome, Refused, Request, Secrets};

    /// Does what it is asked for and says to whom; stumbles over what it does not know.
    struct World;

    impl Capability for World {
        fn check(&self, request: &Request) -> Result<(), Refused> {
            match request.cells.iter().find(|(name, _)| name != "who") {
                Some((name, _)) => Err(Refused::Malformed(name.clone())),
                None => Ok(()),
            }
        }

        fn plan(&self, request: &Request) -> String {
            request.text("who").unwrap_or_default().to_owned()
        }

        fn deliver(&mut self, requests: &[Request], _: &dyn Secrets) -> Vec<Outcome> {
            requests.iter().map(|request| Outcome::Done(self.plan(request))).collect()
        }

        fn restore(&mut self, done: &[(Request, Duration)]) -> Result<Option<String>, String> {
            let who = done.iter().map(|(request, _)| self.plan(request));
            Ok(Some(who.collect::<Vec<_>>().join(" ")))
        }

        fn lasts(&self, _: &Request, since: Duration) -> bool {
            since < Duration::from_secs(10)
        }

        fn forbids_more(&mut self) -> bool {
            true
        }
    }

    fn request(who: &str, user: &str) -> Request {
        let text = |name: &str, text: &str| (name.to_owned(), Cell::Text(text.to_owned()));
        Request { cells: vec![text("who", who), text("@user", user)], ..Request::default() }
    }

    #[test]
    fn who_is_on_the_list_is_passed_over() {
        let allow = Allow { users: vec!["backup".to_owned()], ..Allow::default() };
        let mut guarded = Guarded::new(allow, Box::new(World));
        let (one, two) = (request("a", "root"), request("b", "backup"));
        assert_eq!(guarded.check(&one), Ok(()));
        let denied = "user `backup` is on the allow-list".to_owned();
        assert_eq!(guarded.check(&two), Err(Refused::Denied(denied.clone())));
        let outcomes = guarded.deliver(&[two.clone(), one.clone()], &Nowhere);
        let refused = Outcome::Refused(format!("denied: {denied}"));
        assert_eq!(outcomes, [refused, Outcome::Done("a".to_owned())]);
        let (now, long_ago) = (Duration::ZERO, Duration::from_mins(1));
        let restored = guarded.restore(&[(two.clone(), now), (one.clone(), now)]);
        assert_eq!(restored, Ok(Some("a".to_owned())));
        assert_eq!(guarded.forbids(&two, now), Some(denied));
        assert_eq!(guarded.forbids(&two, long_ago), None);
        assert_eq!(guarded.forbids(&one, now), None);
        assert!(guarded.guards() && !World.guards());
        assert!(guarded.forbids_more());
    }
}
