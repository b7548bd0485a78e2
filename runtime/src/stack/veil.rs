//! What of a line is a secret that should not be there: it is not shown, for what is shown ends in a journal.
//!
//! A veil is as long as what is below it, so that places stay where they are. This room must never know what a stack is.

use std::ops::Range;

/// Names of secrets, in part or whole.
const NAMES: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "authorization"];
/// The same of parameters in URLs, where no other name is alike.
const PARAMETERS: [&str; 2] = ["key", "sig"];
/// Where chats are written to by a URL that nobody else knows; what follows is the secret.
const CHATS: [&str; 4] = [
    "hooks.slack.com/",
    ".webhook.office.com/",
    "discord.com/api/webhooks/",
    "api.telegram.org/bot",
];
const VEIL: char = '*';

/// Whether a name is one of a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|secret| name.contains(secret))
}

/// A line of a file without what stands under names of secrets, and without passwords in URLs.
pub(super) fn line(line: &str) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let mut start = 0;
    while let Some(length) = characters[start..].iter().position(|&it| is_word(it)) {
        let name = start + length..word_end(&characters, start + length);
        start = name.end;
        let text: String = characters[name.clone()].iter().collect();
        let is_parameter = characters.get(name.end) == Some(&'=');
        let is_name = is_secret(&text) || is_parameter && PARAMETERS.contains(&text.as_str());
        if let (true, Some(value)) = (is_name, value(&characters, &name)) {
            start = value.end;
            characters[value].fill(VEIL);
        }
    }
    urls(&mut characters);
    characters.into_iter().collect()
}

/// A text without the passwords in its URLs.
pub(super) fn url(text: &str) -> String {
    let mut characters = text.chars().collect::<Vec<_>>();
    urls(&mut characters);
    characters.into_iter().collect()
}

/// What stands between `://` and `@`, but for a user's name; and what a chat is reached by.
fn urls(characters: &mut [char]) {
    let mut start = 0;
    while let Some(found) = characters[start..].windows(3).position(|it| it == [':', '/', '/']) {
        let begin = start + found + 3;
        let is_end = |it: &char| it.is_whitespace() || "\"'`".contains(*it);
        let end = ends(characters, begin, is_end);
        // What is put in a template's place begins so, too.
        let is_at = |place: &usize| characters[*place] == '@' && characters[place - 1] != '{';
        if let Some(at) = (begin..end).rev().find(is_at).map(|place| place - begin) {
            let who = &characters[begin..begin + at];
            let name = who.iter().position(|&it| it == ':').map_or(0, |colon| colon + 1);
            characters[begin + name..begin + at].fill(VEIL);
        }
        let text: String = characters[begin..end].iter().collect();
        let chat = CHATS.iter().find_map(|chat| Some(text.find(chat)? + chat.len()));
        if let Some(bytes) = chat {
            let secret = begin + text[..bytes].chars().count();
            let end = ends(characters, secret, |it| is_end(it) || ",{}]".contains(*it));
            characters[secret..end].fill(VEIL);
        }
        start = end;
    }
}

/// Where the value of a name stands, if it is one: a key's in a mapping, or a parameter's of a URL.
fn value(characters: &[char], name: &Range<usize>) -> Option<Range<usize>> {
    let at = |place: usize| characters.get(place).copied();
    let quote = |it: &char| ['"', '\''].contains(it);
    if at(name.end) == Some('=') {
        let begin = name.end + 1;
        let is_end = |it: &char| it.is_whitespace() || "&#\"'`,{}]".contains(*it);
        return Some(begin..ends(characters, begin, is_end));
    }
    let spaces = |place| ends(characters, place, |it| *it != ' ');
    let colon = spaces(name.end + usize::from(at(name.end).is_some_and(|it| quote(&it))));
    if at(colon) != Some(':') {
        return None;
    }
    let begin = spaces(colon + 1);
    match at(begin)? {
        // A mapping and a list have names or values of their own.
        '{' | '[' => None,
        mark if quote(&mark) => Some(begin + 1..ends(characters, begin + 1, |it| *it == mark)),
        _ => {
            let is_first = characters[..name.start].iter().all(|it| " -\"'".contains(*it));
            let end = ends(characters, begin, |it| !is_first && ",}]".contains(*it));
            let spaces = characters[begin..end].iter().rev().take_while(|it| **it == ' ').count();
            Some(begin..end - spaces)
        }
    }
}

/// The first place from here on where something ends.
fn ends(characters: &[char], begin: usize, is_end: impl Fn(&char) -> bool) -> usize {
    let begin = begin.min(characters.len());
    characters[begin..].iter().position(is_end).map_or(characters.len(), |length| begin + length)
}

fn word_end(characters: &[char], begin: usize) -> usize {
    ends(characters, begin, |it| !is_word(*it))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "_-".contains(character)
}

#[cfg(test)]
mod tests {
    use super::{line, url};

    #[test]
    fn secrets_are_veiled_and_stay_as_long() {
        let check = |text: &str, expected: &str| {
            assert_eq!(line(text), expected);
            assert_eq!(text.chars().count(), expected.chars().count());
        };
        check("    password: hunter2", "    password: *******");
        check("  - password: hunter, 2 }", "  - password: ***********");
        check("{ password: hunter2 }", "{ password: ******* }");
        check("{ user: x, password: hunter2, to: y }", "{ user: x, password: *******, to: y }");
        check("{ smtp_password: 'a, b', to: y }", "{ smtp_password: '****', to: y }");
        check("{\"api-key\":\"grün\"}", "{\"api-key\":\"****\"}");
        check("{ Authorization: \"Bearer abc\" }", "{ Authorization: \"**********\" }");
        check("url: https://h/x?token=abc&n=1", "url: https://h/x?token=***&n=1");
        check("url: 'https://u:p/w@h/x'", "url: 'https://u:***@h/x'");
        check("url: https://u@h https://v@h", "url: https://*@h https://*@h");
        check("?sig=ab&key=c}", "?sig=**&key=*}");
        check(
            "{ url: https://hooks.slack.com/T0/B0, x: y }",
            "{ url: https://hooks.slack.com/*****, x: y }",
        );
        check("token: { file: x }", "token: { file: x }");
        check(
            "https://api.telegram.org/bot{@credential}/x",
            "https://api.telegram.org/bot{@credential}/x",
        );
        check("https://h/?token={@credential}&n=1", "https://h/?token={@credential}&n=1");
        check("key: 3", "key: 3");
        check("password:", "password:");
        check("password", "password");
        // What only looks alike.
        check(
            "modules: { sshd: { options: { login_failure_limit: 3 } } }",
            "modules: { sshd: { options: { login_failure_limit: 3 } } }",
        );
        check("criteria: token == \"x\" # password", "criteria: token == \"x\" # password");
        check("credential: smtp", "credential: smtp");
        check("to: a@example.org", "to: a@example.org");
        check("", "");
    }

    #[test]
    fn urls_in_messages_lose_their_passwords() {
        let check = |text: &str, expected: &str| assert_eq!(url(text), expected);
        check("`postgres://u:pw@db/x` is no address", "`postgres://u:**@db/x` is no address");
        check("there is no `password` here: x", "there is no `password` here: x");
    }
}
