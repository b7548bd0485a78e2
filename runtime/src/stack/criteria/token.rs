//! From the text of criteria to words and signs, each with its place.

use super::{CriteriaError, Order, Word};
use crate::stack::problem::Wrong;

/// A word or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Order(Order),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    End,
}

impl Token {
    /// Words for what stands here.
    pub(super) fn found(&self) -> String {
        match self {
            Self::Word(word) if word.quoted => format!("the text \"{}\"", word.text.escape_debug()),
            Self::Word(word) => format!("`{}`", word.text.escape_debug()),
            Self::Order(order) => format!("`{}`", order.name()),
            Self::Open => "`(`".into(),
            Self::Close => "`)`".into(),
            Self::OpenList => "`[`".into(),
            Self::CloseList => "`]`".into(),
            Self::Comma => "`,`".into(),
            Self::End => "the end".into(),
        }
    }
}

/// A token, the character that it starts at, and how many characters it has.
pub(super) type Placed = (Token, u32, u32);

/// Splits a text into tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, CriteriaError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = characters.get(at) {
        if first.is_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = match first {
            '"' | '\'' => quoted(&characters, at)?,
            _ if in_word(first) => word(&characters, at),
            _ => sign(&characters, at)?,
        };
        tokens.push((token, at as u32, length as u32));
        at += length;
    }
    tokens.push((Token::End, characters.len() as u32, 1));
    Ok(tokens)
}

fn error(start: usize, width: usize, wrong: Wrong) -> CriteriaError {
    CriteriaError { start: start as u32, width: width as u32, wrong }
}

/// Names, numbers, durations, times, addresses and networks are made of these.
fn in_word(character: char) -> bool {
    character.is_alphanumeric() || "_-.:/+%".contains(character)
}

fn word(characters: &[char], start: usize) -> (Token, usize) {
    let text: String = characters[start..].iter().take_while(|&&c| in_word(c)).collect();
    let length = text.chars().count();
    let word = Word { text, quoted: false, start: start as u32, width: length as u32 };
    (Token::Word(word), length)
}

fn quoted(characters: &[char], start: usize) -> Result<(Token, usize), CriteriaError> {
    let quote = characters[start];
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(&character) = characters.get(at) {
        at += 1;
        if character == quote {
            let width = at - start;
            let word = Word { text, quoted: true, start: start as u32, width: width as u32 };
            return Ok((Token::Word(word), width));
        }
        if character != '\\' {
            text.push(character);
            continue;
        }
        let escaped = match characters.get(at) {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(&escaped @ ('\\' | '"' | '\'')) => escaped,
            _ => {
                let wrong = Wrong::new("this escape is not known");
                let help = "the escapes are `\\n`, `\\r`, `\\t`, `\\\"`, `\\'` and `\\\\`";
                return Err(error(at - 1, 2, wrong.help(help)));
            }
        };
        text.push(escaped);
        at += 1;
    }
    let wrong = Wrong::new("this text does not end").help(format!("add a closing {quote}"));
    Err(error(start, at - start, wrong))
}

fn sign(characters: &[char], start: usize) -> Result<(Token, usize), CriteriaError> {
    let second = characters.get(start + 1).copied();
    let found = match (characters[start], second) {
        ('=', Some('=')) => (Token::Order(Order::Equal), 2),
        ('!', Some('=')) => (Token::Order(Order::Unequal), 2),
        ('<', Some('=')) => (Token::Order(Order::LessOrEqual), 2),
        ('>', Some('=')) => (Token::Order(Order::GreaterOrEqual), 2),
        ('<', Some('>')) => return Err(instead(start, 2, "<>", "!=")),
        ('<', _) => (Token::Order(Order::Less), 1),
        ('>', _) => (Token::Order(Order::Greater), 1),
        ('(', _) => (Token::Open, 1),
        (')', _) => (Token::Close, 1),
        ('[', _) => (Token::OpenList, 1),
        (']', _) => (Token::CloseList, 1),
        (',', _) => (Token::Comma, 1),
        ('=', Some('>')) => return Err(instead(start, 2, "=>", ">=")),
        ('=', Some('<')) => return Err(instead(start, 2, "=<", "<=")),
        ('=', Some('~')) => return Err(instead(start, 2, "=~", "matches \"...\"")),
        ('=', _) => return Err(instead(start, 1, "=", "==")),
        ('&', Some('&')) => return Err(instead(start, 2, "&&", "and")),
        ('|', Some('|')) => return Err(instead(start, 2, "||", "or")),
        ('!', _) => return Err(instead(start, 1, "!", "not")),
        (other, _) => {
            let wrong = format!("`{}` means nothing here", other.escape_debug());
            return Err(error(start, 1, Wrong::new(wrong)));
        }
    };
    Ok(found)
}

fn instead(start: usize, width: usize, sign: &str, right: &str) -> CriteriaError {
    let wrong = Wrong::new(format!("`{sign}` is not known in criteria"));
    error(start, width, wrong.help(format!("write `{right}`")))
}
