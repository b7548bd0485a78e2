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

/// One function of nothing but additions, so many that it fills megabytes.
fn straight(name: &str, additions: usize) -> Result<Vec<u8>> {
    let locals = 500;
    let mut items = String::from("(func $bomb (export \"bomb\") (param i64) (result i64)");
    items.push_str(&" (local i64)".repeat(locals));
    for place in 0..additions {
        let (from, to) = (place * 7 % locals, place * 13 % locals);
        write!(items, " local.get {from} local.get {to} i64.mul i64.const {place} i64.add local.set {to}")?;
    }
    items.push_str(" local.get 3)");
    with_items(name, &items)
}

/// Blocks with as many results as the format allows, and jumps to each of them from each: jumps times results moves.
fn moves(name: &str, blocks: usize, jumps: usize) -> Result<Vec<u8>> {
    let results = 1_000;
    let list = " i64".repeat(results);
    let mut items = format!("(type $many (func (result{list}))) (func $bomb (export \"bomb\") (param i32) (result{list})");
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

fn arg(n: usize, or: usize) -> usize {
    std::env::var(format!("A{n}")).ok().and_then(|v| v.parse().ok()).unwrap_or(or)
}

/// All of them.
pub const ALL: &[Bomb] = &[
    Bomb("compile-loops", |name| loops(name, arg(1, 200), arg(2, 200))),
    Bomb("compile-straight", |name| straight(name, arg(1, 10_000))),
    Bomb("compile-moves", |name| moves(name, arg(1, 10), arg(2, 10))),
    Bomb("compile-functions", |name| functions(name, arg(1, 10_000))),
];
