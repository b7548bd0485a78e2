//! From the parts of a guest to a component's bytes.
//!
//! A guest's file holds only what differs from `honest.wat`, in sections that begin with `;;; NAME`; they fill the
//! holes of `template.wat`. The result is embedded with the world's types and made a component, as any toolchain
//! does it. It must never know what a guest is up to.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, UnresolvedPackageGroup};

use super::abi::{Arena, Lower};
use super::contract::{Effect, Listener, ListenerTurn, Module, ModuleTurn};

const TEMPLATE: &str = include_str!("../../guests/template.wat");
const HONEST: &str = include_str!("../../guests/honest.wat");
const SECTION: &str = ";;; ";
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
const CONTRACT_FILES: [&str; 3] = ["types.wit", "module.wit", "listener.wit"];
/// Where descriptions begin: below are results and the guests' own data.
const DATA_START: u32 = 4096;
const PAGE_BYTES: u32 = 65536;
/// Pages that a guest has for its heap before it must grow.
const HEAP_PAGES: u32 = 2;

/// The two worlds of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Turns records into events.
    Module,
    /// Turns events into effects.
    Listener,
}

/// What differs between the worlds in the template.
impl World {
    fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Listener => "listener",
        }
    }

    fn holes(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Module => [
                ("turn", "process"),
                ("turn-more-parameters", "(param $extra i32) (param $extra-length i32)"),
                ("configure-more-parameters", ""),
            ],
            Self::Listener => [
                ("turn", "handle"),
                ("turn-more-parameters", ""),
                ("configure-more-parameters", "(param $schemas i32) (param $schemas-length i32)"),
            ],
        }
    }
}

/// A guest before it is a component.
#[derive(Debug)]
pub struct Draft {
    world: World,
    sections: BTreeMap<String, String>,
    data: Arena,
    /// What to replace in the contract, and with what: such a guest is of another contract.
    edits: Vec<(String, String)>,
    encoding: StringEncoding,
}

impl Draft {
    /// An honest module of this name.
    #[must_use]
    pub fn module(name: &str) -> Self {
        Self::describing_module(&Module::honest(name))
    }

    /// An honest listener of this name.
    #[must_use]
    pub fn listener(name: &str) -> Self {
        Self::describing_listener(&Listener::honest(name))
    }

    /// A module with this description.
    #[must_use]
    pub fn describing_module(description: &Module) -> Self {
        let mut draft = Self::new(World::Module, description);
        draft.answer(&ModuleTurn { case: 0, text: "".into(), index: vec![].into() });
        draft
    }

    /// A listener with this description.
    #[must_use]
    pub fn describing_listener(description: &Listener) -> Self {
        let mut draft = Self::new(World::Listener, description);
        draft.answer(&ListenerTurn { case: 0, effects: vec![].into() });
        draft
    }

    fn new<T: Lower>(world: World, description: &T) -> Self {
        Self::with_data(world, Arena::new(DATA_START), description)
    }

    fn with_data<T: Lower>(world: World, mut data: Arena, description: &T) -> Self {
        let at = data.place(description);
        let mut sections = read_sections(HONEST);
        sections.insert("description".into(), at.to_string());
        Self { world, sections, data, edits: Vec::new(), encoding: StringEncoding::UTF8 }
    }

    /// What every turn answers.
    pub fn answer<T: Lower>(&mut self, turn: &T) {
        let at = self.data.place(turn);
        self.section("answer", &at.to_string());
    }

    /// What every turn of a listener asks for.
    pub fn asking(&mut self, effects: Vec<Effect>) {
        self.answer(&ListenerTurn { case: 0, effects: effects.into() });
    }

    /// Replaces a section.
    pub fn section(&mut self, name: &str, text: &str) {
        self.sections.insert(name.into(), text.into());
    }

    /// Replaces the sections that a guest's file has.
    pub fn read(&mut self, file: &str) {
        self.sections.extend(read_sections(file));
    }

    /// Has it built to a contract in which this text is replaced. The sections `wit-imports` and `wit-packages` add
    /// imports to the world and packages for them.
    pub fn contract(&mut self, from: &str, to: &str) {
        self.edits.push((from.into(), to.into()));
    }

    /// An honest module that speaks UTF-16, as those of some languages do.
    #[must_use]
    pub fn wide_module(name: &str) -> Self {
        let mut data = Arena::new(DATA_START);
        data.widen();
        let mut draft = Self::with_data(World::Module, data, &Module::honest(name));
        draft.answer(&ModuleTurn { case: 0, text: "".into(), index: vec![].into() });
        draft.encoding = StringEncoding::UTF16;
        draft
    }

    /// The component.
    ///
    /// # Errors
    /// If the guest's source is wrong.
    pub fn component(self) -> Result<Vec<u8>> {
        let core = self.core()?;
        // A hostile guest may be one that no validator lets pass.
        ComponentEncoder::default().validate(false).module(&core)?.encode()
    }

    /// The core module with the types embedded: what is a component before it is componentized.
    ///
    /// # Errors
    /// If the guest's source is wrong.
    pub fn core(mut self) -> Result<Vec<u8>> {
        let pages = self.data.end().div_ceil(PAGE_BYTES) + HEAP_PAGES;
        self.section("pages", &pages.to_string());
        self.section("data-start", &self.data.base().to_string());
        self.section("data-end", &self.data.end().to_string());
        for (name, text) in self.world.holes() {
            self.section(name, text);
        }
        let source = fill(&self.sections, self.data.bytes())?;
        let mut core = wat::parse_str(&source)?;
        let mut resolve = Resolve::default();
        let package = resolve.push_group(self.contract_read()?)?;
        let world = resolve.select_world(&[package], Some(self.world.name()))?;
        embed_component_metadata(&mut core, &resolve, world, self.encoding)?;
        Ok(core)
    }

    /// The contract with its edits.
    fn contract_read(&self) -> Result<UnresolvedPackageGroup> {
        let mut edits = self.edits.clone();
        if let Some(imports) = self.sections.get("wit-imports") {
            edits.push(("    import log;".into(), format!("    import log;\n    {imports}")));
        }
        let mut sources = SourceMap::new();
        let mut edited = vec![false; edits.len()];
        for file in CONTRACT_FILES {
            let path = Path::new(CONTRACT).join(file);
            let mut text = fs::read_to_string(&path)
                .with_context(|| format!("could not read `{}`", path.display()))?;
            for ((from, to), done) in edits.iter().zip(&mut edited) {
                *done |= text.contains(from.as_str());
                text = text.replace(from.as_str(), to);
            }
            sources.push(&path, text);
        }
        ensure!(edited.iter().all(|done| *done), "an edit of the contract changes nothing");
        if let Some(packages) = self.sections.get("wit-packages") {
            sources.push_str("packages.wit", packages.as_str());
        }
        sources.parse().map_err(|(sources, error)| anyhow!(error.render(&sources)))
    }
}

/// The sections of a guest's file. What stands before the first is for people.
fn read_sections(file: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut current: Option<(String, String)> = None;
    for line in file.lines() {
        if let Some(name) = line.strip_prefix(SECTION) {
            sections.extend(current.take());
            current = Some((name.trim().into(), String::new()));
        } else if let Some((_, text)) = &mut current {
            text.push_str(line);
            text.push('\n');
        }
    }
    sections.extend(current);
    sections
}

/// Fills the template's holes, and the holes of what fills them.
fn fill(sections: &BTreeMap<String, String>, data: &[u8]) -> Result<String> {
    let mut source = String::with_capacity(TEMPLATE.len() + 3 * data.len());
    fill_into(&mut source, TEMPLATE, sections, data)?;
    Ok(source)
}

fn fill_into(
    source: &mut String,
    template: &str,
    sections: &BTreeMap<String, String>,
    data: &[u8],
) -> Result<()> {
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        source.push_str(before);
        let (hole, after) = behind.split_once("}}").context("a hole does not end")?;
        rest = after;
        match hole {
            // The template's own words about holes.
            "hole" => {}
            "data" => escape_into(source, data)?,
            _ => {
                let text = sections.get(hole).with_context(|| format!("no section `{hole}`"))?;
                ensure!(!text.contains(&format!("{{{{{hole}}}}}")), "`{hole}` holds itself");
                fill_into(source, text, sections, data)?;
            }
        }
    }
    source.push_str(rest);
    Ok(())
}

fn escape_into(source: &mut String, data: &[u8]) -> Result<()> {
    for byte in data {
        write!(source, "\\{byte:02x}")?;
    }
    Ok(())
}
