//! What a test may compare, by the kind of the cell, and how the values in it are written.

use std::net::IpAddr;

use correlator_frame::value::Kind;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use memchr::memmem::Finder;

use super::matching::{CellTest, Floats, Numbers, TextTest};
use super::{Compare, CriteriaError, Order, Part, Test, Word};
use crate::limit;
use crate::stack::problem::Wrong;
use crate::stack::value;
use crate::text::clean;

/// That a field of this kind can't be tested so.
pub(super) fn unfit(test: &Test, what: &str, example: &str) -> CriteriaError {
    let name = &test.field.text;
    let wrong = match &test.compare {
        Compare::True => format!("`{name}` is {what} and must be compared with something"),
        Compare::Order(order, _) => {
            format!("`{name}` is {what}, which `{}` can't compare", order.name())
        }
        Compare::In { .. } => format!("`{name}` is {what}, which `in` can't compare"),
        Compare::Text(part, _) => {
            format!("`{name}` is {what}, which `{}` can't compare", part.name())
        }
        Compare::Exists => format!("`{name}` is {what}"),
    };
    test.field.error(Wrong::new(wrong).help(format!("write something like {example}")))
}

/// A test of a cell of this kind.
pub(super) fn cell(test: &Test, kind: Kind, zone: &TimeZone) -> Result<CellTest, CriteriaError> {
    let name = &test.field.text;
    match kind {
        Kind::Text => textual(test),
        Kind::Boolean => boolean(test),
        Kind::Float => floats(test).map(CellTest::Floats),
        Kind::Integer => {
            let read = |word: &Word| unquoted(word, "an integer").and_then(value::integer);
            numbers(test, "an integer", &format!("`{name} >= 5`"), &read)
        }
        Kind::Duration => {
            let read = |word: &Word| value::duration(&word.text);
            numbers(test, "a duration", &format!("`{name} > 5m`"), &read)
        }
        Kind::Time => {
            let read = |word: &Word| value::time(&word.text, zone);
            numbers(test, "a time", &format!("`{name} > 2023-02-20T20:12:47Z`"), &read)
        }
    }
}

fn unquoted<'a>(word: &'a Word, what: &str) -> Result<&'a str, Wrong> {
    if word.quoted {
        let wrong =
            Wrong::new(format!("expected {what}, found the text \"{}\"", clean(&word.text, 48)));
        return Err(wrong.help("remove the quotes"));
    }
    Ok(&word.text)
}

fn numbers(
    test: &Test,
    what: &str,
    example: &str,
    read: &dyn Fn(&Word) -> Result<i64, Wrong>,
) -> Result<CellTest, CriteriaError> {
    let read = |word: &Word| read(word).map_err(|wrong| word.error(wrong));
    let numbers = match &test.compare {
        Compare::Order(order, word) => range(*order, read(word)?),
        Compare::In { words, list: true, negated } => {
            let mut numbers = words.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            numbers.sort_unstable();
            Numbers::List { numbers, wanted: !negated }
        }
        Compare::In { list: false, .. } => return Err(not_a_list(test)),
        _ => return Err(unfit(test, what, example)),
    };
    Ok(CellTest::Numbers(numbers))
}

fn not_a_list(test: &Test) -> CriteriaError {
    let wrong = Wrong::new(format!("`in` needs a list after `{}`", test.field.text));
    test.field.error(wrong.help("write it in brackets: `in [1, 2]`"))
}

fn range(order: Order, number: i64) -> Numbers {
    let (least, most, wanted) = match order {
        Order::Equal => (number, number, true),
        Order::Unequal => (number, number, false),
        Order::Less => (number, i64::MAX, false),
        Order::LessOrEqual => (i64::MIN, number, true),
        Order::Greater => (i64::MIN, number, false),
        Order::GreaterOrEqual => (number, i64::MAX, true),
    };
    Numbers::Range { least, most, wanted }
}

fn floats(test: &Test) -> Result<Floats, CriteriaError> {
    let read = |word: &Word| {
        unquoted(word, "a number").and_then(value::float).map_err(|wrong| word.error(wrong))
    };
    match &test.compare {
        Compare::Order(order, word) => {
            let number = read(word)?;
            Ok(match order {
                Order::Equal => Floats::List { numbers: vec![number], wanted: true },
                Order::Unequal => Floats::List { numbers: vec![number], wanted: false },
                Order::Less => Floats::Less(number),
                Order::LessOrEqual => Floats::LessOrEqual(number),
                Order::Greater => Floats::Greater(number),
                Order::GreaterOrEqual => Floats::GreaterOrEqual(number),
            })
        }
        Compare::In { words, list: true, negated } => {
            let numbers = words.iter().map(read).collect::<Result<_, _>>()?;
            Ok(Floats::List { numbers, wanted: !negated })
        }
        Compare::In { list: false, .. } => Err(not_a_list(test)),
        _ => Err(unfit(test, "a number", &format!("`{} > 0.5`", test.field.text))),
    }
}

fn boolean(test: &Test) -> Result<CellTest, CriteriaError> {
    match &test.compare {
        Compare::True => Ok(CellTest::Boolean(true)),
        Compare::Order(order @ (Order::Equal | Order::Unequal), word) => {
            let yes = unquoted(word, "`true` or `false`").and_then(value::boolean);
            let yes = yes.map_err(|wrong| word.error(wrong))?;
            Ok(CellTest::Boolean(yes == (*order == Order::Equal)))
        }
        _ => {
            let name = &test.field.text;
            Err(unfit(test, "true or false", &format!("`{name}` or `not {name}`")))
        }
    }
}

pub(super) fn textual(test: &Test) -> Result<CellTest, CriteriaError> {
    let name = &test.field.text;
    let (test, wanted) = match &test.compare {
        Compare::Order(order @ (Order::Equal | Order::Unequal), word) => {
            let texts = vec![quoted(word)?.as_bytes().into()];
            (TextTest::In { texts, networks: Vec::new() }, *order == Order::Equal)
        }
        Compare::In { words, list, negated } => (one_of(words, *list)?, !negated),
        Compare::Text(part, word) => {
            let bytes = quoted(word)?.as_bytes();
            let test = match part {
                Part::Anywhere => TextTest::Contains(Box::new(Finder::new(bytes).into_owned())),
                Part::Start => TextTest::Starts(bytes.into()),
                Part::End => TextTest::Ends(bytes.into()),
                Part::Pattern if bytes.len() > limit::PATTERN_BYTES_MAX => {
                    let most = limit::PATTERN_BYTES_MAX;
                    let wrong = format!("a pattern has at most {most} bytes");
                    return Err(word.error(Wrong::new(wrong)));
                }
                Part::Pattern => TextTest::Pattern(bytes.into()),
            };
            (test, true)
        }
        _ => return Err(unfit(test, "a text", &format!("`{name} == \"...\"`"))),
    };
    Ok(CellTest::Text { test, wanted })
}

fn quoted(word: &Word) -> Result<&str, CriteriaError> {
    if word.quoted {
        return Ok(&word.text);
    }
    let told = clean(&word.text, limit::NAME_BYTES_MAX);
    let wrong = Wrong::new(format!("a text must be in quotes, found `{told}`"));
    let help = if word.text.parse::<IpNet>().is_ok() {
        format!("write `in {told}` for a network, or \"{told}\"")
    } else {
        format!("write \"{told}\"")
    };
    Err(word.error(wrong.help(help)))
}

/// Texts in quotes, and networks or addresses without.
fn one_of(words: &[Word], list: bool) -> Result<TextTest, CriteriaError> {
    let (mut texts, mut networks) = (Vec::new(), Vec::new());
    for word in words {
        if word.quoted && list {
            texts.push(word.text.as_bytes().into());
            continue;
        }
        let network = word.text.parse::<IpNet>().ok();
        let network = network.or_else(|| {
            word.text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()))
        });
        networks.push(network.ok_or_else(|| {
            let told = clean(&word.text, limit::NAME_BYTES_MAX);
            let wrong = Wrong::new(format!("`{told}` is neither a network nor an address"));
            word.error(wrong.help(format!(
                "write a network such as `10.0.0.0/8`, or a list of texts: `[\"{told}\"]`"
            )))
        })?);
    }
    texts.sort_unstable();
    Ok(TextTest::In { texts, networks })
}
