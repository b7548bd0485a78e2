//! Which modules want a record: every module's interest, compiled into one question.
//!
//! What a program leads to is worked out once and kept: the clauses that want all its records, the literals that its
//! messages may start with, and whether any clause looks for literals elsewhere. Literals lead to clauses, not the other
//! way round, so a hundred modules that look for something else cost next to nothing.

mod route;
mod search;

use std::sync::Arc;

use correlator_frame::record::Record;
use correlator_frame::severity::Severity;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use self::route::Route;
use self::search::{Found, Search};
use crate::declaration::Interest;
use crate::limit;

/// The interests of all modules of a stack.
pub(crate) struct Filter {
    clauses: Vec<Clause>,
    search: Search,
    /// What each literal of the search stands for.
    anywhere: Vec<Target>,
    /// The programs of late, as they are written in records.
    routes: HashMap<Box<[u8]>, Arc<Route>, FixedState>,
    /// The program of the last record and its route: logs come in runs.
    last_program: Vec<u8>,
    last_route: Arc<Route>,
    found: Vec<Found>,
    hits: Vec<Hit>,
    of_module: Vec<(u32, u32)>,
}

/// A clause of a module's interest.
struct Clause {
    module: u32,
    /// In lower case; empty for any.
    programs: Vec<Vec<u8>>,
    facilities: u32,
    severity: u32,
    fields: Vec<Box<[u8]>>,
    /// Literals at the message's start: their numbers in the module, and their bytes.
    starts: Vec<(u32, Box<[u8]>)>,
    has_anywhere: bool,
}

/// What a literal belongs to.
#[derive(Clone, Copy)]
struct Target {
    clause: u32,
    /// Its number in the module.
    literal: u32,
}

/// A literal in a message, for a module; or, without a literal, that the module wants the record anyhow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    module: u32,
    literal: u32,
    place: u32,
}

/// In the place of a literal: the record is wanted whatever its message says.
const NO_LITERAL: u32 = u32::MAX;

/// A module that wants the record, and the literals that were found in it for the module.
pub(crate) struct Wanted<'a> {
    /// The module's place.
    pub(crate) module: usize,
    /// Which literal, and where it starts in the frame's text.
    pub(crate) hits: &'a [(u32, u32)],
}

impl Filter {
    /// Compiles the interests of all modules, by the modules' places.
    pub(crate) fn new<'a>(interests: impl Iterator<Item = &'a [Interest]>) -> Self {
        let everything = [Interest::default()];
        let (mut clauses, mut anywhere, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (module, interest) in interests.enumerate() {
            let interest = if interest.is_empty() { &everything } else { interest };
            let mut literal = 0;
            for wanted in interest {
                let mut clause = clause(module as u32, wanted);
                for text in &wanted.literals {
                    if text.at_start {
                        clause.starts.push((literal, text.text.as_bytes().into()));
                    } else {
                        clause.has_anywhere = true;
                        anywhere.push(Target { clause: clauses.len() as u32, literal });
                        texts.push(text.text.as_bytes().into());
                    }
                    literal += 1;
                }
                clauses.push(clause);
            }
        }
        let last_route = Arc::new(Route::new(&clauses, b""));
        Self {
            clauses,
            search: Search::new(texts),
            anywhere,
            routes: HashMap::default(),
            last_program: Vec::new(),
            last_route,
            found: Vec::new(),
            hits: Vec::new(),
            of_module: Vec::new(),
        }
    }

    /// Tells `take` of each module that wants the record, in the modules' order.
    #[inline]
    pub(crate) fn select(&mut self, record: Record<'_>, mut take: impl FnMut(Wanted<'_>)) {
        if record.program() != self.last_program {
            self.turn_to(record.program());
        }
        self.hits.clear();
        self.collect(record);
        if self.hits.is_empty() {
            return;
        }
        self.hits.sort_unstable();
        let mut next = 0;
        while let Some(first) = self.hits.get(next) {
            let module = first.module;
            self.of_module.clear();
            while let Some(hit) = self.hits.get(next).filter(|hit| hit.module == module) {
                next += 1;
                let room = self.of_module.len() < limit::HITS_PER_RECORD_MAX;
                if hit.literal != NO_LITERAL && room {
                    self.of_module.push((hit.literal, hit.place));
                }
            }
            take(Wanted { module: module as usize, hits: &self.of_module });
        }
    }

    /// Finds the modules that want the record, and the literals that it has for them.
    #[inline]
    fn collect(&mut self, record: Record<'_>) {
        let (clauses, hits) = (&self.clauses, &mut self.hits);
        let route = &*self.last_route;
        for &place in &route.always {
            let clause = &clauses[place as usize];
            if clause.admits(record) {
                hits.push(Hit { module: clause.module, literal: NO_LITERAL, place: 0 });
            }
        }
        let message = record.message();
        for (target, text) in route.starts_with(message.first().copied()) {
            let clause = &clauses[target.clause as usize];
            if message.starts_with(text) && clause.admits(record) {
                let place = record.message_offset();
                hits.push(Hit { module: clause.module, literal: target.literal, place });
            }
        }
        if !route.searches {
            return;
        }
        self.found.clear();
        self.search.find(message, &mut self.found);
        for &(number, place) in &self.found {
            let target = self.anywhere[number as usize];
            let clause = &clauses[target.clause as usize];
            if route.admits(target.clause) && clause.admits(record) {
                let place = record.message_offset() + place;
                hits.push(Hit { module: clause.module, literal: target.literal, place });
            }
        }
    }

    #[cold]
    fn turn_to(&mut self, program: &[u8]) {
        self.last_program.clear();
        self.last_program.extend_from_slice(program);
        if let Some(route) = self.routes.get(program) {
            self.last_route = Arc::clone(route);
            return;
        }
        // Whoever sends logs chooses the programs' names.
        if self.routes.len() >= limit::ROUTES_MAX {
            self.routes.clear();
        }
        self.last_route = Arc::new(Route::new(&self.clauses, program));
        self.routes.insert(program.into(), Arc::clone(&self.last_route));
    }
}

fn clause(module: u32, wanted: &Interest) -> Clause {
    let facilities = wanted.facilities.iter().fold(0, |set, facility| set | 1 << facility);
    let lower = |program: &String| program.to_ascii_lowercase().into_bytes();
    Clause {
        module,
        programs: wanted.programs.iter().map(lower).collect(),
        facilities: if wanted.facilities.is_empty() { u32::MAX } else { facilities },
        severity: wanted.severity.map_or(7, Severity::number),
        fields: wanted.fields.iter().map(|field| field.as_bytes().into()).collect(),
        starts: Vec::new(),
        has_anywhere: false,
    }
}

impl Clause {
    /// Whether all but the program and the literals match.
    #[inline]
    fn admits(&self, record: Record<'_>) -> bool {
        record.severity().number() <= self.severity
            && self.facilities >> (record.facility() & 31) & 1 == 1
            && (self.fields.is_empty() || self.fields.iter().all(|field| has_field(record, field)))
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
        let mut filter = Filter::new(modules.iter().map(Vec::as_slice));
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
        let mut filter = Filter::new(modules.iter().map(Vec::as_slice));
        let frame = frame("sshd", "message");
        let mut wanted = Vec::new();
        let record = frame.batch().record(0).expect("a record");
        filter.select(record, |found| wanted.push(found.module));
        assert_eq!(wanted, [2]);
    }
}
