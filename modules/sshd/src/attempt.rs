//! A connection on which somebody tries to log in.
//!
//! One failure may be told of up to three times: by a PAM module, by sshd on PAM's behalf, and by sshd as `Failed`.
//! So what PAM modules say is only noted; sshd's own words count, and where they never come, the notes do.

use correlator_sdk::prelude::*;

use crate::bytes::same;
use crate::message::Method;
use crate::peer::{Peer, Who};

/// What is known of an attempt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Attempt {
    /// The account and after it the address: one allocation for both, which a known connection never repeats.
    names: Vec<u8>,
    user_length: u32,
    port: u16,
    /// Whether sshd itself has told the address: PAM and lists of users tell a name where the server looks it up.
    told: bool,
    /// Whether the account does not exist or may not log in: such an attempt has failed, come what may.
    pub refused: bool,
    /// Failures that count.
    pub failures: u32,
    /// Failures that a PAM module reported and that do not count yet.
    noted: u32,
    /// Notes that were counted because nothing confirmed them in time.
    overdue: u32,
    /// Which PAM module reported them: several report the same failure.
    module: u32,
    /// Whether sshd counted a refusal by PAM that it may report again as `Failed`.
    repeated: bool,
}

impl Attempt {
    /// The account; empty if unknown.
    #[inline]
    pub fn user(&self) -> &BStr {
        BStr::new(&self.names[..self.user_length as usize])
    }

    /// The address; empty if unknown.
    #[inline]
    pub fn addr(&self) -> &BStr {
        BStr::new(&self.names[self.user_length as usize..])
    }

    /// The port; 0 if unknown.
    #[inline]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether nothing was counted, though a PAM module reported failures.
    pub fn is_noted_only(&self) -> bool {
        self.noted > 0 && self.failures == 0
    }

    /// Whether this is the connection of `who` and nothing new is told of it.
    #[inline]
    pub fn is_same(&self, who: &Who<'_>) -> bool {
        self.told
            && self.port == who.peer.port
            && self.refused >= who.invalid
            && same(self.user(), who.user)
            && same(self.addr(), who.peer.addr)
    }

    /// Whether this can't be the connection of `who`, whom sshd itself tells: its process id was used again.
    #[inline]
    pub fn is_other(&self, who: &Who<'_>) -> bool {
        let port_differs = self.port != 0 && who.peer.port != 0 && self.port != who.peer.port;
        let known = self.told && !who.peer.addr.is_empty();
        (known && port_differs) || self.is_elsewhere(who.peer.addr, true)
    }

    /// Whether this can't be the connection of `who`, whom PAM or a list of users tells.
    #[inline]
    pub fn is_other_by_name(&self, who: &Who<'_>) -> bool {
        self.is_elsewhere(who.peer.addr, false)
    }

    /// Whether the connection comes from elsewhere. Where sshd tells the address, PAM may tell the host's name: these
    /// two can't be compared.
    #[inline]
    fn is_elsewhere(&self, addr: &[u8], told: bool) -> bool {
        let known = self.addr();
        if known.is_empty() || addr.is_empty() || same(known, addr) {
            return false;
        }
        self.told == told || (is_numeric(known) && is_numeric(addr))
    }

    /// Whether `who` can't be the account of this attempt. sshd escapes what PAM writes as it is, so some names can't
    /// be compared.
    #[inline]
    pub fn is_other_user(&self, who: &Who<'_>) -> bool {
        let known = self.user();
        if known.is_empty() || who.user.is_empty() || same(known, who.user) {
            return false;
        }
        is_plain(known) && is_plain(who.user)
    }

    /// Takes over what a message tells. `told` is whether sshd tells the address as it is.
    #[inline]
    pub fn learn(&mut self, who: &Who<'_>, told: bool) {
        self.refused |= who.invalid;
        if who.peer.port != 0 {
            self.port = who.peer.port;
        }
        if !same(self.user(), who.user) || !same(self.addr(), who.peer.addr) {
            self.rename(who, told);
        }
        self.told |= told && !who.peer.addr.is_empty();
    }

    /// Takes over what the line of its end tells, where nothing is known yet.
    pub fn learn_rest(&mut self, who: &Who<'_>) {
        let user = if self.user().is_empty() { who.user } else { b"" };
        let peer = if self.told && self.port != 0 { Peer::default() } else { who.peer };
        self.learn(&Who { user, invalid: who.invalid, peer }, true);
    }

    fn rename(&mut self, who: &Who<'_>, told: bool) {
        let user = if who.user.is_empty() { self.user() } else { BStr::new(who.user) };
        let known = !self.addr().is_empty() && (self.told || !told);
        let addr =
            if who.peer.addr.is_empty() || known { self.addr() } else { BStr::new(who.peer.addr) };
        let mut names = Vec::with_capacity(user.len() + addr.len());
        names.extend_from_slice(user);
        names.extend_from_slice(addr);
        self.user_length = u32::try_from(user.len()).unwrap_or(u32::MAX);
        self.names = names;
    }

    /// Notes what a PAM module reports.
    pub fn note(&mut self, module: &[u8], count: u32) {
        let module =
            module.iter().fold(7, |sum: u32, &byte| sum.wrapping_mul(31) + u32::from(byte));
        if self.noted == 0 || self.module == module {
            self.noted = self.noted.saturating_add(count);
            self.module = module;
        }
    }

    /// Notes what PAM sums up, unless sshd has told of the failures one by one.
    pub fn note_more(&mut self, count: u32) {
        if self.failures == self.overdue && self.noted + self.overdue > 0 {
            self.noted = self.noted.saturating_add(count);
        }
    }

    /// Counts what sshd reports, and gives how many of it were not counted before.
    #[inline]
    pub fn fail(&mut self, method: Method, count: u32) -> u32 {
        self.noted = 0;
        let mut count = count;
        if method == Method::Dialogue && core::mem::take(&mut self.repeated) {
            count = count.saturating_sub(1);
        }
        let known = self.overdue.min(count);
        self.overdue -= known;
        self.failures = self.failures.saturating_add(count - known);
        count - known
    }

    /// Counts what sshd reports on PAM's behalf, and gives how many of it were not counted before.
    pub fn fail_by_pam(&mut self, count: u32) -> u32 {
        let count = self.fail(Method::Guess, count);
        self.repeated = true;
        count
    }

    /// Counts the notes if sshd has told of no failure itself, and gives how many there were.
    pub fn take_notes(&mut self) -> u32 {
        let count = core::mem::take(&mut self.noted);
        if self.failures > self.overdue {
            return 0;
        }
        self.failures = self.failures.saturating_add(count);
        self.overdue = self.overdue.saturating_add(count);
        count
    }
}

/// Whether an address is one, and not a host's name.
fn is_numeric(addr: &[u8]) -> bool {
    addr.contains(&b':') || addr.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Whether a name reads the same wherever it is logged.
fn is_plain(user: &[u8]) -> bool {
    user.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#')
}
