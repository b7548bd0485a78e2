//! Guests that cost time or memory before a line of theirs has run: in the validator, in the compiler, or when they are
//! instantiated.
//!
//! Small files all, and valid. It must never know how the engine bounds them.

use std::fmt::Write;

use anyhow::Result;

use super::draft::Draft;

/// A component that is dear to compile or to instantiate.
#[derive(Clone, Copy, Debug)]
pub struct Bomb(&'static str, fn(&'static str) -> Result<Vec<u8>>);

impl Bomb {
    /// The guest's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The component.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn component(self) -> Result<Vec<u8>> {
        (self.1)(self.0)
    }
}

/// Loops in loops, and a jump from the innermost to each of them, with all locals changed: every loop's head holds a
/// merge of every local, so the compiler's work is loops times locals.
fn loops(name: &str, loops: usize, locals: usize) -> Result<Vec<u8>> {
    let mut items = String::from("(func $bomb (export \"bomb\") (param $which i32)");
    for _ in 0..locals {
        items.push_str(" (local i64)");
    }
    items.push_str(&" loop".repeat(loops));
    for local in 1..=locals {
        let next = local % locals + 1;
        write!(items, " local.get {local} local.get {next} i64.add local.set {local}")?;
    }
    items.push_str(" local.get 0 br_table");
    for label in 0..=loops {
        write!(items, " {label}")?;
    }
    items.push_str(&" end".repeat(loops));
    items.push(')');
    with_items(name, &items)
}

/// A function with as many parameters and results as the format allows, that calls itself with what it got back.
fn calls(name: &str, count: usize) -> Result<Vec<u8>> {
    let list = " i64".repeat(1_000);
    let mut items = format!("(func $bomb (export \"bomb\") (param{list}) (result{list})");
    for number in 0..1_000 {
        write!(items, " local.get {number}")?;
    }
    items.push_str(&" call $bomb".repeat(count));
    items.push(')');
    with_items(name, &items)
}

/// Blocks with as many results as the format allows, and jumps to each of them from each: jumps times results moves.
fn moves(name: &str, blocks: usize, jumps: usize) -> Result<Vec<u8>> {
    let results = 1_000;
    let list = " i64".repeat(results);
    let mut items = format!(
        "(type $many (func (result{list}))) (func $bomb (export \"bomb\") (param i32) (result{list})"
    );
    items.push_str(&" block (type $many)".repeat(blocks));
    for number in 0..results {
        write!(items, " i64.const {number}")?;
    }
    for _ in 0..jumps {
        items.push_str(" local.get 0 br_if 0");
    }
    items.push_str(" local.get 0 br_table");
    for label in 0..blocks {
        write!(items, " {label}")?;
    }
    items.push_str(" 0");
    items.push_str(&" end".repeat(blocks));
    items.push(')');
    with_items(name, &items)
}

/// Hundreds of thousands of functions with next to nothing in them.
fn functions(name: &str, count: usize) -> Result<Vec<u8>> {
    let items = "(func (param i32 i64) (result i64) (i64.add (local.get 1) (i64.extend_i32_u (local.get 0))))";
    with_items(name, &items.repeat(count))
}

fn with_items(name: &str, items: &str) -> Result<Vec<u8>> {
    let mut draft = Draft::module(name);
    draft.section("items", items);
    draft.component()
}

/// All of them.
pub const ALL: &[Bomb] = &[
    // 12 KB: 5 s and 560 MiB here.
    Bomb("compile-loops-small", |name| loops(name, 1_000, 300)),
    // 19 KB: 24 s and 1.7 GiB.
    Bomb("compile-loops-wide", |name| loops(name, 1_000, 1_000)),
    // 22 KB: 57 s and 1.6 GiB.
    Bomb("compile-loops-deep", |name| loops(name, 3_000, 300)),
    // 14 KB: 29 s, 2 GiB, and 62 MB of compiled code.
    Bomb("compile-calls", |name| calls(name, 2_000)),
    // 20 KB: more than 12 GiB.
    Bomb("compile-moves", |name| moves(name, 2_000, 1)),
    // 2 MB: 9 s, 1.2 GiB, and 60 MB of compiled code.
    Bomb("compile-functions", |name| functions(name, 200_000)),
];
