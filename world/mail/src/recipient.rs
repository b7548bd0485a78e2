//! Who may get mail.
//!
//! What a guest names is compared with what the operator wrote; of the forms that an address may have by the RFCs, a guest
//! may use the plain ones only. Quotes, comments, routes and percent signs are for servers to stumble over.

use correlator_world::Refused;
use lettre::Address;

use crate::limit;
use crate::settings::{Settings, address, shown};

/// Characters of the part before the `@`, besides letters and digits, that a guest may use.
const PLAIN: &str = "._-+='&";

/// Who may get mail.
#[derive(Debug)]
pub(crate) struct Recipients {
    usual: Vec<Address>,
    /// Those that are allowed by name, in small letters.
    named: Vec<String>,
    /// The domains of which all are allowed, in small letters.
    domains: Vec<String>,
    most: usize,
}

impl Recipients {
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let usual = settings.to.iter().map(|text| address("to", text));
        let usual = usual.collect::<Result<Vec<_>, _>>()?;
        let (mut named, mut domains) = (Vec::new(), Vec::new());
        for text in &settings.recipients {
            if let Some(domain) = text.trim().strip_prefix("*@") {
                // A domain is one if an address in it is one.
                address("recipients", &format!("x@{domain}"))?;
                domains.push(domain.to_ascii_lowercase());
            } else {
                named.push(address("recipients", text)?.to_string().to_ascii_lowercase());
            }
        }
        if usual.is_empty() && named.is_empty() && domains.is_empty() {
            return Err(
                "to: nobody could get mail; name addresses here, or allow some by `recipients`"
                    .into(),
            );
        }
        let most = settings.recipients_max;
        if most == 0 || most > limit::RECIPIENTS_MAX || usual.len() > most {
            let bound = limit::RECIPIENTS_MAX;
            return Err(format!(
                "recipients_max: {most} is not from 1 to {bound}, or less than the {} in `to`",
                usual.len()
            ));
        }
        Ok(Self { usual, named, domains, most })
    }

    /// The recipients that a request names, all of them allowed; the usual ones if it names none.
    pub fn of(&self, text: Option<&str>) -> Result<Vec<Address>, Refused> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            if self.usual.is_empty() {
                let text = "it names no recipient, and the grant has no `to`";
                return Err(Refused::Malformed(text.into()));
            }
            return Ok(self.usual.clone());
        };
        let too_many = || {
            Refused::Denied(format!(
                "more than {} recipients in one mail; raise `recipients_max` in the stack",
                self.most
            ))
        };
        // Some room for spaces, and for those who are named twice.
        if text.len() > 2 * self.most * limit::ADDRESS_BYTES_MAX {
            return Err(too_many());
        }
        let mut found: Vec<Address> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let address = plain(part)?;
            if !self.allows(&address) {
                let address = shown(part);
                return Err(Refused::Denied(format!(
                    "mail to `{address}` is not granted; add it to `recipients` in the stack"
                )));
            }
            if !found.contains(&address) {
                found.push(address);
            }
            if found.len() > self.most {
                return Err(too_many());
            }
        }
        if found.is_empty() {
            return Err(Refused::Malformed("`to` has commas and no address in it".into()));
        }
        Ok(found)
    }

    fn allows(&self, address: &Address) -> bool {
        let text = address.to_string().to_ascii_lowercase();
        let domain = address.domain().to_ascii_lowercase();
        self.named.contains(&text)
            || self.domains.contains(&domain)
            || self.usual.iter().any(|usual| text.eq_ignore_ascii_case(usual.as_ref()))
    }
}

/// An address of a guest, in its plain form.
pub(crate) fn plain(text: &str) -> Result<Address, Refused> {
    let wrong = || Refused::Malformed(format!("`{}` is no plain address", shown(text)));
    if !text.is_ascii() || text.len() > limit::ADDRESS_BYTES_MAX {
        return Err(wrong());
    }
    let address: Address = text.parse().map_err(|_| wrong())?;
    let user = address.user();
    let letters = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    let of_host = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    // A leading dash is an option to more than one program behind a mail server.
    let fits = !user.starts_with('-') && user.chars().all(letters);
    (fits && address.domain().chars().all(of_host)).then_some(address).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::Recipients;
    use crate::settings::Settings;

    fn recipients(text: &str) -> Recipients {
        let text = format!(
            "{{server: localhost, security: none, from: a@b.org, recipients_max: 3, {text}}}"
        );
        let settings: Settings = serde_yaml::from_str(&text).expect("settings");
        Recipients::new(&settings).expect("recipients")
    }

    #[test]
    fn who_may_get_mail() {
        let some =
            recipients("to: [ops@example.org], recipients: [Boss@other.org, '*@Example.net']");
        let check = |to: Option<&str>, expected: Result<&[&str], &str>| {
            let found = some.of(to).map_err(|error| error.to_string());
            let found = found.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{to:?}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{to:?}: {error}"),
                (found, _) => panic!("{to:?}: {found:?}"),
            }
        };
        check(None, Ok(&["ops@example.org"]));
        check(Some(" "), Ok(&["ops@example.org"]));
        check(Some("OPS@example.org"), Ok(&["OPS@example.org"]));
        check(Some("boss@other.org, x@example.net"), Ok(&["boss@other.org", "x@example.net"]));
        check(Some("x@example.net,x@example.net,"), Ok(&["x@example.net"]));
        check(Some("x@example.com"), Err("denied: mail to `x@example.com`"));
        check(Some("x@sub.example.net"), Err("denied"));
        check(Some("x@notexample.net"), Err("denied"));
        check(Some("a@example.net,b@example.net,c@example.net,d@example.net"), Err("more than 3"));
        check(Some(","), Err("not understood"));
        for hostile in [
            "x@example.net\r\nBcc: y@evil.org",
            "x@example.net\nRCPT TO:<y@evil.org>",
            "x@example.net> NOTIFY=NEVER",
            "<x@example.net>",
            "victim%evil.org@example.net",
            "evil.org!victim@example.net",
            "\"x@evil.org\"@example.net",
            "x@evil.org@example.net",
            "@evil.org:x@example.net",
            "-oQ/tmp@example.net",
            "x(comment)@example.net",
            "x@example.net\0",
            "ü@example.net",
            "x@exämple.net",
            "|cmd@example.net",
            "nobody",
        ] {
            check(Some(hostile), Err("not understood"));
        }
        let long = format!("{}@example.net", "x".repeat(300));
        check(Some(&long), Err("not understood"));
        let million = "x@example.net,".repeat(1_000_000);
        check(Some(&million), Err("denied: more than 3"));
        let many: Vec<String> = (0..200).map(|n| format!("x{n}@example.net")).collect();
        check(Some(&many.join(",")), Err("denied: more than 3"));
    }

    #[test]
    fn without_usual_recipients_some_must_be_named() {
        let some = recipients("recipients: [a@b.org]");
        assert!(some.of(None).expect_err("nobody").to_string().contains("no recipient"));
    }
}
