//! What one program leads to, worked out once.

use super::{Clause, Target};

/// What the filter does with a program's records.
pub(super) struct Route {
    /// Clauses without literals.
    pub(super) always: Vec<u32>,
    /// Whether any clause looks for literals anywhere.
    pub(super) searches: bool,
    /// Literals at the start, by their first byte: where those of a byte begin and end.
    bytes: Box<[u32; 257]>,
    starts: Vec<(Target, Box<[u8]>)>,
    /// A bit for each clause that the program is in.
    clauses: Vec<u64>,
}

impl Route {
    /// The route of a program as it is written in records.
    pub(super) fn new(clauses: &[Clause], program: &[u8]) -> Self {
        let mut route = Self {
            always: Vec::new(),
            searches: false,
            bytes: Box::new([0; 257]),
            starts: Vec::new(),
            clauses: vec![0; clauses.len().div_ceil(64)],
        };
        let program = program.to_ascii_lowercase();
        for (place, clause) in clauses.iter().enumerate() {
            if !clause.programs.is_empty() && !clause.programs.contains(&program) {
                continue;
            }
            route.clauses[place / 64] |= 1 << (place % 64);
            route.searches |= clause.has_anywhere;
            if clause.starts.is_empty() && !clause.has_anywhere {
                route.always.push(place as u32);
            }
            for (literal, text) in &clause.starts {
                let target = Target { clause: place as u32, literal: *literal };
                route.starts.push((target, text.clone()));
            }
        }
        route.starts.sort_by_key(|(_, text)| text[0]);
        for byte in 0..=256 {
            let before = route.starts.partition_point(|(_, text)| usize::from(text[0]) < byte);
            route.bytes[byte] = before as u32;
        }
        route
    }

    /// The literals that a message with this first byte may start with.
    #[inline]
    pub(super) fn starts_with(&self, first: Option<u8>) -> &[(Target, Box<[u8]>)] {
        let Some(first) = first.map(usize::from) else { return &[] };
        &self.starts[self.bytes[first] as usize..self.bytes[first + 1] as usize]
    }

    /// Whether the program is in a clause.
    #[inline]
    pub(super) fn admits(&self, clause: u32) -> bool {
        self.clauses[clause as usize / 64] >> (clause % 64) & 1 == 1
    }
}
