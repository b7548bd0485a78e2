//! What is no guest at all, or a guest of something else: files that are not wasm, components of other worlds, imports
//! that nobody grants, and honest guests that other toolchains make a little different.
//!
//! It must never know what the engine does.

use anyhow::Result;
use wasm_encoder::{Component, CustomSection, Encode, Section};

use super::draft::{Draft, World};

/// A file that somebody may take for a guest.
#[derive(Clone, Copy, Debug)]
pub struct Stranger(&'static str, fn(&'static str) -> Result<Vec<u8>>);

impl Stranger {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If they can't be made.
    pub fn bytes(self) -> Result<Vec<u8>> {
        (self.1)(self.0)
    }
}

const LOG: &str = "(func $log (param i32 i32 i32))";

fn honest(name: &str) -> Result<Vec<u8>> {
    Draft::module(name).component()
}

/// Files that are not wasm, not whole, or not components.
pub const FILES: &[Stranger] = &[
    Stranger("not-wasm", |_| Ok(b"#!/bin/sh\necho not wasm\n".to_vec())),
    Stranger("not-wasm-control", |_| Ok(super::lies::CONTROL.as_bytes().to_vec())),
    Stranger("elf", |_| Ok([b"\x7fELF\x02\x01\x01".as_slice(), &[0; 4096]].concat())),
    Stranger("empty", |_| Ok(Vec::new())),
    Stranger("wat-text", |_| Ok(b"(component)".to_vec())),
    Stranger("magic-only", |_| Ok(b"\0asm".to_vec())),
    Stranger("version-unknown", |_| Ok(b"\0asm\x0f\0\x07\0".to_vec())),
    Stranger("component-empty", |_| Ok(Component::new().finish())),
    Stranger("component-truncated", |name| {
        let whole = honest(name)?;
        Ok(whole[..whole.len() / 2].to_vec())
    }),
    Stranger("component-with-tail", |name| {
        let mut bytes = honest(name)?;
        bytes.extend(b"\xff\xff\xff\xff\xff garbage");
        Ok(bytes)
    }),
    Stranger("component-flipped", |name| {
        let mut bytes = honest(name)?;
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x55;
        Ok(bytes)
    }),
    Stranger("core-module", |name| Draft::module(name).core()),
    Stranger("core-module-tiny", |_| Ok(wat::parse_str("(module)")?)),
    Stranger("component-adder", |_| {
        Ok(wat::parse_str(
            r#"(component
                (core module $m
                    (func (export "add") (param i32 i32) (result i32)
                        (i32.add (local.get 0) (local.get 1))))
                (core instance $i (instantiate $m))
                (func (export "add") (param "a" u32) (param "b" u32) (result u32)
                    (canon lift (core func $i "add"))))"#,
        )?)
    }),
    Stranger("component-huge", |name| {
        let mut bytes = honest(name)?;
        // Valid to the last byte: a custom section may hold anything.
        let section = CustomSection { name: "padding".into(), data: vec![0; 200 << 20].into() };
        bytes.push(section.id());
        section.encode(&mut bytes);
        Ok(bytes)
    }),
    Stranger("name-section-control", |name| {
        let mut bytes = honest(name)?;
        let data = super::lies::CONTROL.as_bytes().into();
        let section = CustomSection { name: super::lies::CONTROL.into(), data };
        bytes.push(section.id());
        section.encode(&mut bytes);
        Ok(bytes)
    }),
];

/// A core import of a function without parameters, and one call of it.
fn importing(draft: &mut Draft, interface: &str, function: &str) {
    let import = format!("(import \"{interface}\" \"{function}\" (func $import))");
    draft.section("imports", &import);
    draft.section("process", "(call $import) (i32.const {{answer}})");
}

fn wasi(name: &str, package: &str, interface: &str, function: &str) -> Result<Vec<u8>> {
    let mut draft = Draft::module(name);
    importing(&mut draft, &format!("wasi:{package}/{interface}@0.2.0"), function);
    draft.section("wit-imports", &format!("import wasi:{package}/{interface}@0.2.0;"));
    draft.section(
        "wit-packages",
        &format!(
            "package wasi:{package}@0.2.0 {{ interface {interface} {{ {function}: func(); }} }}"
        ),
    );
    draft.component()
}

/// A guest that was built to another version of the contract, and imports its log.
fn other_version(name: &str, version: &str) -> Result<Vec<u8>> {
    let mut draft = Draft::module(name);
    draft.contract("engine@0.1.0", &format!("engine@{version}"));
    let import = format!("(import \"correlator:engine/log@{version}\" \"log\" {LOG})");
    draft.section("imports", &import);
    draft.component()
}

/// Components with imports that nobody grants, or of another contract than ours.
pub const WORLDS: &[Stranger] = &[
    Stranger("world-of-listener", |name| Draft::listener(name).component()),
    Stranger("import-wasi-environment", |name| wasi(name, "cli", "environment", "get-environment")),
    Stranger("import-wasi-clock", |name| wasi(name, "clocks", "wall-clock", "now")),
    Stranger("import-wasi-random", |name| wasi(name, "random", "random", "get-random-u64")),
    Stranger("import-wasi-filesystem", |name| wasi(name, "filesystem", "preopens", "get")),
    Stranger("import-wasi-sockets", |name| wasi(name, "sockets", "network", "connect")),
    Stranger("import-unknown-interface", |name| {
        let mut draft = Draft::module(name);
        importing(&mut draft, "evil:corp/secrets@1.0.0", "steal");
        draft.section("wit-imports", "import evil:corp/secrets@1.0.0;");
        draft.section(
            "wit-packages",
            "package evil:corp@1.0.0 { interface secrets { steal: func(); } }",
        );
        draft.component()
    }),
    Stranger("import-engine-interface", |name| {
        let mut draft = Draft::module(name);
        importing(&mut draft, "correlator:engine/secrets@0.1.0", "steal");
        draft.contract("import log;", "import log;\n import secrets;");
        draft.contract("interface log {", "interface secrets { steal: func(); } interface log {");
        draft.component()
    }),
    Stranger("import-engine-function", |name| {
        let mut draft = Draft::module(name);
        importing(&mut draft, "correlator:engine/log@0.1.0", "shout");
        draft.contract("log: func(", "shout: func();\n log: func(");
        draft.component()
    }),
    Stranger("import-function-at-root", |name| {
        let mut draft = Draft::module(name);
        importing(&mut draft, "$root", "steal");
        draft.contract("import log;", "import log;\n import steal: func();");
        draft.component()
    }),
    Stranger("import-other-log", |name| {
        let mut draft = Draft::module(name);
        draft.section(
            "imports",
            "(import \"correlator:engine/log@0.1.0\" \"log\" (func $log (param i32)))",
        );
        draft.contract("log: func(severity: severity, message: string)", "log: func(number: u32)");
        draft.section("process", "(call $log (i32.const 1)) (i32.const {{answer}})");
        draft.component()
    }),
    Stranger("contract-of-the-future", |name| other_version(name, "9.0.0")),
    Stranger("contract-newer", |name| other_version(name, "0.2.0")),
    Stranger("contract-other-types", |name| {
        let mut draft = Draft::module(name);
        draft.contract("        debug,\n", "        debug,\n        silent,\n");
        draft.component()
    }),
    Stranger("contract-other-result", |name| {
        let mut draft = Draft::module(name);
        draft.contract("-> result<turn, string>", "-> turn");
        draft.component()
    }),
    Stranger("contract-without-save", |name| {
        let mut draft = Draft::module(name);
        draft.contract("export save: func() -> result<state, string>;", "");
        draft.component()
    }),
];

/// Honest guests that are a little different, and must be accepted.
pub const HONEST: &[Stranger] = &[
    Stranger("honest-module", |name| Draft::module(name).component()),
    Stranger("honest-listener", |name| Draft::listener(name).component()),
    Stranger("honest-utf16", |name| Draft::wide_module(name).component()),
    Stranger("honest-extra-export", |name| {
        let mut draft = Draft::module(name);
        draft.contract(
            "export statistics:",
            "export init: func();\n export more: interface { answer: func() -> u32; }\n \
             export statistics:",
        );
        draft.section(
            "items",
            "(func (export \"init\")) (func (export \"more#answer\") (result i32) (i32.const 42))",
        );
        draft.component()
    }),
    Stranger("honest-log", |name| {
        let mut draft = Draft::module(name);
        draft.section(
            "imports",
            "(import \"correlator:engine/log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))",
        );
        draft.section("items", "(data (i32.const 128) \"one line a turn\")");
        draft.section(
            "process",
            "(call $log (i32.const 6) (i32.const 128) (i32.const 15)) (i32.const {{answer}})",
        );
        draft.component()
    }),
];

/// A listener out of the sections of a hostile module's file: both worlds have the same holes.
///
/// # Errors
/// If it can't be made.
pub fn from_file(name: &str, world: World, file: &str) -> Result<Vec<u8>> {
    let mut draft = match world {
        World::Module => Draft::module(name),
        World::Listener => Draft::listener(name),
    };
    draft.read(file);
    draft.component()
}
