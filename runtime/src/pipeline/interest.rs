//! Which modules want a record: every module's interest, compiled into one question.
//!
//! A record's program leads to the few clauses that could match; only those look further. Literals at the start of a
//! message are compared in place, and all literals that may stand anywhere are looked for in one pass for all modules,
//! at the first clause that asks. So a hundred modules that want something else cost next to nothing.

use aho_corasick::{AhoCorasick, BuildError};
use correlator_frame::record::Record;
use hashbrown::HashMap;
use foldhash::fast::FixedState;

use crate::declaration::Interest;
use crate::limit;

/// The interests of all modules of a stack.
pub(super) struct Filter {
    clauses: Vec<Clause>,
    /// Clauses that name this program, in lower case, and those that name none.
    by_program: HashMap<Box<[u8]>, Vec<u32>, FixedState>,
    any_program: Vec<u32>,
    anywhere: Option<AhoCorasick>,
    /// What each pattern of `anywhere` stands for: a clause, and a literal's number in its module.
    patterns: Vec<(u32, u32)>,
    /// The program of the last record and its clauses: logs come in runs.
    last_program: Vec<u8>,
    last_clauses: Vec<u32>,
    /// What the pass found in the record at hand: for each clause, the literals and where.
    found: Vec<Vec<(u32, u32)>>,
    lower: Vec<u8>,
}

/// A clause of a module's interest.
struct Clause {
    module: usize,
    facilities: u32,
    severity: u32,
    /// Literals at the message's start: which, and the bytes. Sorted by their first byte.
    starts: Vec<(u32, Box<[u8]>)>,
    /// Where the literals of each first byte begin in `starts`.
    starts_by_byte: Box<[u16; 257]>,
    has_anywhere: bool,
    has_literals: bool,
    fields: Vec<Box<[u8]>>,
}

/// A module that wants the record, and the literals that were found in it for the module.
pub(super) struct Wanted<'a> {
    /// The module's place.
    pub(super) module: usize,
    /// Which literal, and where it starts in the frame's text.
    pub(super) hits: &'a [(u32, u32)],
}

impl Filter {
    /// Compiles the interests of all modules, by the modules' places.
    pub(super) fn new<'a>(
        interests: impl Iterator<Item = &'a [Interest]>,
    ) -> Result<Self, BuildError> {
        let mut filter = Self {
            clauses: Vec::new(),
            by_program: HashMap::default(),
            any_program: Vec::new(),
            anywhere: None,
            patterns: Vec::new(),
            last_program: Vec::new(),
            last_clauses: Vec::new(),
            found: Vec::new(),
            lower: Vec::new(),
        };
        let everything = [Interest::default()];
        let mut texts = Vec::new();
        for (module, interest) in interests.enumerate() {
            let interest = if interest.is_empty() { &everything } else { interest };
            let mut literal = 0;
            for clause in interest {
                filter.add(module, clause, &mut literal, &mut texts);
            }
        }
        if !texts.is_empty() {
            filter.anywhere = Some(AhoCorasick::new(&texts)?);
        }
        filter.found.resize_with(filter.clauses.len(), Vec::new);
        filter.last_clauses.clone_from(&filter.any_program);
        Ok(filter)
    }

    fn add(
        &mut self,
        module: usize,
        interest: &Interest,
        literal: &mut u32,
        texts: &mut Vec<String>,
    ) {
        let place = self.clauses.len() as u32;
        let mut starts = Vec::new();
        let mut has_anywhere = false;
        for wanted in &interest.literals {
            if wanted.at_start {
                starts.push((*literal, wanted.text.as_bytes().into()));
            } else {
                texts.push(wanted.text.clone());
                self.patterns.push((place, *literal));
                has_anywhere = true;
            }
            *literal += 1;
        }
        starts.sort_by_key(|(literal, text): &(u32, Box<[u8]>)| (text[0], *literal));
        let mut starts_by_byte = Box::new([0; 257]);
        for byte in 0..=256 {
            let before = starts.iter().take_while(|(_, text)| usize::from(text[0]) < byte).count();
            starts_by_byte[byte] = u16::try_from(before).unwrap_or(u16::MAX);
        }
        let facilities = interest.facilities.iter().fold(0, |set, facility| set | 1 << facility);
        self.clauses.push(Clause {
            module,
            facilities: if interest.facilities.is_empty() { u32::MAX } else { facilities },
            severity: interest.severity.map_or(7, correlator_frame::severity::Severity::number),
            starts,
            starts_by_byte,
            has_anywhere,
            has_literals: !interest.literals.is_empty(),
            fields: interest.fields.iter().map(|field| field.as_bytes().into()).collect(),
        });
        if interest.programs.is_empty() {
            self.any_program.push(place);
            for clauses in self.by_program.values_mut() {
                clauses.push(place);
            }
        }
        for program in &interest.programs {
            let clauses = self
                .by_program
                .entry(program.to_ascii_lowercase().into_bytes().into_boxed_slice())
                .or_insert_with(|| self.any_program.clone());
            if clauses.last() != Some(&place) {
                clauses.push(place);
            }
        }
    }

    /// Tells `take` of each module that wants the record, in the modules' order.
    #[inline]
    pub(super) fn select(&mut self, record: Record<'_>, mut take: impl FnMut(Wanted<'_>)) {
        if record.program() != self.last_program {
            self.turn_to(record.program());
        }
        let mut searched = false;
        let mut hits: [(u32, u32); limit::HITS_PER_RECORD_MAX] =
            [(0, 0); limit::HITS_PER_RECORD_MAX];
        let mut next = 0;
        while next < self.last_clauses.len() {
            let module = self.clauses[self.last_clauses[next] as usize].module;
            let (mut wanted, mut count) = (false, 0);
            // A module's clauses stand together.
            while next < self.last_clauses.len() {
                let place = self.last_clauses[next] as usize;
                let clause = &self.clauses[place];
                if clause.module != module {
                    break;
                }
                next += 1;
                if !clause.admits(record) {
                    continue;
                }
                if clause.has_anywhere && !searched {
                    searched = true;
                    search(self.anywhere.as_ref(), &self.patterns, record, &mut self.found);
                }
                let before = count;
                clause.starts(record, &mut hits, &mut count);
                if clause.has_anywhere {
                    for &hit in &self.found[place] {
                        if count < hits.len() {
                            hits[count] = hit;
                            count += 1;
                        }
                    }
                }
                wanted |= !clause.has_literals || count > before;
            }
            if wanted {
                hits[..count].sort_unstable();
                take(Wanted { module, hits: &hits[..count] });
            }
        }
        if searched {
            self.found.iter_mut().for_each(Vec::clear);
        }
    }

    #[cold]
    fn turn_to(&mut self, program: &[u8]) {
        self.last_program.clear();
        self.last_program.extend_from_slice(program);
        self.lower.clear();
        self.lower.extend(program.iter().map(u8::to_ascii_lowercase));
        let clauses = self.by_program.get(self.lower.as_slice()).unwrap_or(&self.any_program);
        self.last_clauses.clone_from(clauses);
    }
}

impl Clause {
    /// Whether all but the literals match.
    #[inline]
    fn admits(&self, record: Record<'_>) -> bool {
        record.severity().number() <= self.severity
            && self.facilities >> (record.facility() & 31) & 1 == 1
            && (self.fields.is_empty() || self.fields.iter().all(|field| has_field(record, field)))
    }

    /// The literals that the message starts with.
    #[inline]
    fn starts(&self, record: Record<'_>, hits: &mut [(u32, u32)], count: &mut usize) {
        let message = record.message();
        let Some(&first) = message.first() else { return };
        let range = usize::from(self.starts_by_byte[usize::from(first)])
            ..usize::from(self.starts_by_byte[usize::from(first) + 1]);
        for (literal, text) in &self.starts[range] {
            if message.starts_with(text) && *count < hits.len() {
                hits[*count] = (*literal, record.message_offset());
                *count += 1;
            }
        }
    }
}

/// Looks for all literals that may stand anywhere, and notes the first place of each.
fn search(
    automaton: Option<&AhoCorasick>,
    patterns: &[(u32, u32)],
    record: Record<'_>,
    found: &mut [Vec<(u32, u32)>],
) {
    let Some(automaton) = automaton else { return };
    for hit in automaton.find_overlapping_iter(record.message()) {
        let (clause, literal) = patterns[hit.pattern().as_usize()];
        let found = &mut found[clause as usize];
        if found.iter().all(|&(other, _)| other != literal) {
            found.push((literal, record.message_offset() + hit.start() as u32));
        }
    }
}

fn has_field(record: Record<'_>, wanted: &[u8]) -> bool {
    record.fields().any(|field| {
        if field.element.is_empty() {
            return field.name == wanted;
        }
        wanted
            .strip_prefix(field.element)
            .and_then(|rest| rest.strip_prefix(b"."))
            .is_some_and(|name| name == field.name)
    })
}

#[cfg(test)]
mod tests {
    use correlator_frame::record::{Frame, Row, Span};

    use super::Filter;
    use crate::declaration::{Interest, Literal};

    fn frame(program: &str, message: &str) -> Frame {
        let mut frame = Frame::default();
        frame.text.extend_from_slice(program.as_bytes());
        frame.text.extend_from_slice(message.as_bytes());
        let end = program.len() + message.len();
        let row = Row {
            raw: Span::new(0, end),
            severity: 6,
            facility: 4,
            program: Span::new(0, program.len()),
            message: Span::new(program.len(), end),
            ..Row::default()
        };
        frame.push(&row, 0);
        frame
    }

    fn interest(programs: &[&str], literals: &[(&str, bool)]) -> Interest {
        let literal = |(text, at_start): &(&str, bool)| Literal {
            text: (*text).to_owned(),
            at_start: *at_start,
        };
        Interest {
            programs: programs.iter().map(|&name| name.to_owned()).collect(),
            literals: literals.iter().map(literal).collect(),
            ..Interest::default()
        }
    }

    #[test]
    fn records_reach_those_who_want_them() {
        let modules = [
            vec![],
            vec![interest(&["sshd"], &[("Failed ", true), ("invalid", false)])],
            vec![interest(&[], &[("root", false)]), interest(&["CRON"], &[])],
            vec![interest(&["su", "SSHD"], &[])],
        ];
        let mut filter = Filter::new(modules.iter().map(Vec::as_slice)).expect("a filter");
        let mut check = |program: &str, message: &str, expected: &[(usize, &[(u32, u32)])]| {
            let frame = frame(program, message);
            let record = frame.batch().record(0).expect("a record");
            let mut wanted = Vec::new();
            filter.select(record, |found| wanted.push((found.module, found.hits.to_vec())));
            let expected: Vec<_> =
                expected.iter().map(|(module, hits)| (*module, hits.to_vec())).collect();
            assert_eq!(wanted, expected, "{program}: {message}");
        };
        check("sshd", "Failed for root", &[(0, &[]), (1, &[(0, 4)]), (2, &[(0, 15)]), (3, &[])]);
        check("SSHD", "an invalid user", &[(0, &[]), (1, &[(1, 7)]), (3, &[])]);
        check("cron", "Failed for me", &[(0, &[]), (2, &[])]);
        check("", "", &[(0, &[])]);
        check("su", "root: Failed invalid", &[(0, &[]), (2, &[(0, 2)]), (3, &[])]);
    }

    #[test]
    fn severity_facility_and_fields_count() {
        let strict = Interest {
            severity: Some(correlator_frame::severity::Severity::Error),
            ..Interest::default()
        };
        let mail = Interest { facilities: vec![2], ..Interest::default() };
        let auth = Interest { facilities: vec![2, 4], ..Interest::default() };
        let field = Interest { fields: vec!["a@1.b".into()], ..Interest::default() };
        let modules = [vec![strict], vec![mail], vec![auth], vec![field]];
        let mut filter = Filter::new(modules.iter().map(Vec::as_slice)).expect("a filter");
        let frame = frame("sshd", "message");
        let mut wanted = Vec::new();
        let record = frame.batch().record(0).expect("a record");
        filter.select(record, |found| wanted.push(found.module));
        assert_eq!(wanted, [2]);
    }
}
