//! Bytes to records, and which of them a module wants.
//!
//! The engine has its own, fast way of choosing; this one says in the plainest words what the contract means.

use bstr::ByteSlice;
use correlator_frame::record::{Frame, Record};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};

use crate::description::Interest;

/// 2024-12-31T12:00:00Z: dates without a year are in the year before that, a leap year.
const REFERENCE: i64 = 1_735_646_400_000_000_000;

/// Parses a whole log. Dates without a year are in 2024, times without a zone in UTC.
pub fn parse(log: &[u8]) -> Frame {
    let framing = Framing::discover(log);
    let mut parser = Parser::new(Settings { reference: REFERENCE, ..Settings::default() });
    let mut frame = Frame { text: log.to_vec(), ..Frame::default() };
    // Everything is one block, so one call takes it all.
    parser.parse(&mut frame, 0, &framing, true, usize::MAX);
    frame
}

/// The literals found in a record if any clause matches: which one, and where in the frame's text.
pub fn select(interest: &[Interest], record: Record<'_>) -> Option<Vec<(u32, u32)>> {
    let mut hits = Vec::new();
    let mut wanted = interest.is_empty();
    let mut number = 0;
    for clause in interest {
        let admits = admits(clause, record);
        let before = hits.len();
        for literal in &clause.literals {
            let found = record.message().find(&literal.text);
            let found = found.filter(|place| !literal.at_start || *place == 0);
            if let Some(place) = found.filter(|_| admits) {
                hits.push((number, record.message_offset() + correlator_frame::words::word(place)));
            }
            number += 1;
        }
        wanted |= admits && (clause.literals.is_empty() || hits.len() > before);
    }
    wanted.then_some(hits)
}

/// Whether everything but the literals matches.
fn admits(clause: &Interest, record: Record<'_>) -> bool {
    let program = |name: &String| name.as_bytes().eq_ignore_ascii_case(record.program());
    let field = |name: &String| {
        record.fields().any(|field| {
            crate::record::Field {
                element: field.element.as_bstr(),
                name: field.name.as_bstr(),
                value: field.value.as_bstr(),
            }
            .is_called(name)
        })
    };
    (clause.programs.is_empty() || clause.programs.iter().any(program))
        && (clause.facilities.is_empty()
            || clause.facilities.iter().any(|facility| u32::from(*facility) == record.facility()))
        && clause.severity.is_none_or(|least| record.severity() <= least)
        && clause.fields.iter().all(field)
}

#[cfg(test)]
mod tests {
    use super::{parse, select};
    use crate::description::Interest;
    use crate::prelude::Severity;

    #[test]
    fn interest() {
        let line =
            b"<37>1 2023-02-20T20:12:47Z host SSHD 1 - [id@1 user=\"root\"] Accepted for root";
        let frame = parse(line);
        let start = line.len() - b"Accepted for root".len();
        let check = |interest: &[Interest], expected: Option<&[(u32, usize)]>| {
            let found = frame.batch().record(0).and_then(|record| select(interest, record));
            let place = |(literal, offset): &(u32, usize)| (*literal, (start + offset) as u32);
            let expected = expected.map(|hits| hits.iter().map(place).collect::<Vec<_>>());
            assert_eq!(found, expected, "{interest:?}");
        };
        check(&[], Some(&[]));
        check(&[Interest::program("sshd")], Some(&[]));
        check(&[Interest::program("cron")], None);
        check(&[Interest::program("cron"), Interest::any().facility(4)], Some(&[]));
        check(&[Interest::any().at_least(Severity::Notice)], Some(&[]));
        check(&[Interest::any().at_least(Severity::Warning)], None);
        check(&[Interest::any().field("id@1.user")], Some(&[]));
        check(&[Interest::any().field("id@1.user").field("id@1.host")], None);
        check(&[Interest::any().starts_with("for")], None);
        check(&[Interest::any().contains_any(&["root", "fail", "for"])], Some(&[(0, 13), (2, 9)]));
        check(
            &[
                Interest::program("cron").contains("for"),
                Interest::program("sshd").starts_with("Accepted "),
            ],
            Some(&[(1, 0)]),
        );
    }
}
