//! What a component is, found out without compiling or running it.
//!
//! The file of a stranger is refused here if it is no component, if it wants more than this contract gives, or if it
//! is of another world; the message tells its author what to do. Only what passes is worth compiling. Nothing here grows
//! faster than the file does: validating a component can, so that is the compiling child's, which is bounded.

use thiserror::Error;
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload};

use crate::limit;
use crate::text::clean;

/// Interfaces of this package that a guest may import. All but `log` hold types alone.
const IMPORTS: [&str; 4] = [
    "correlator:engine/types@0.1.0",
    "correlator:engine/records@0.1.0",
    "correlator:engine/events@0.1.0",
    "correlator:engine/log@0.1.0",
];
const MODULE_CALL: &str = "process";
const LISTENER_CALL: &str = "handle";

/// Which world a component is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// It turns records into events.
    Module,
    /// It turns events into effects.
    Listener,
}

/// What a component imports and exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The world that it is of.
    pub world: World,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
}

/// Why a file is not a guest of this engine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is no WebAssembly at all.
    #[error("this is not a WebAssembly file (it does not begin with `\\0asm`)")]
    NotWasm,
    /// It is a core module.
    #[error(
        "this is a core module, not a component; make one of it with `correlator componentize FILE`"
    )]
    CoreModule,
    /// It is too large.
    #[error("this component has {bytes} bytes; at most {limit} are allowed (`component_bytes`)")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It breaks the rules of WebAssembly.
    #[error("this is not a valid component: {0}")]
    Invalid(String),
    /// It wants what no guest gets.
    #[error("this component imports `{import}`; a guest may import only `correlator:engine/log`. {}", advice(.import))]
    Import {
        /// The first import that is not given.
        import: String,
    },
    /// It is of no world of this contract.
    #[error(
        "this component exports neither `process` (a module) nor `handle` (a listener): build it for a world of `correlator:engine@0.1.0`; it exports {exports}"
    )]
    World {
        /// What it does export.
        exports: String,
    },
}

/// What helps the author of a component that imports too much.
fn advice(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "Build it without WASI: Rust for the target `wasm32-unknown-unknown` (then `correlator componentize`), Python with `componentize-py ... componentize --stub-wasi`, C and Go with a stub adapter, JavaScript with `--disable stdio random clocks http`"
    } else if import.starts_with("correlator:engine/") {
        "It was built for another version of the contract, or for more than the contract has: build it against this version's wit/"
    } else {
        "Leave out the code that needs it"
    }
}

/// Looks at a component's bytes.
///
/// # Errors
/// The file is not a guest of this engine.
pub fn inspect(bytes: &[u8], bytes_max: usize) -> Result<Shape, Refusal> {
    if bytes.len() > bytes_max {
        return Err(Refusal::TooLarge { bytes: bytes.len(), limit: bytes_max });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(Refusal::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(Refusal::CoreModule);
    }
    let (imports, exports) = names(bytes).map_err(|problem| invalid(&problem))?;
    if let Some(import) = imports.iter().find(|import| !IMPORTS.contains(&import.as_str())) {
        return Err(Refusal::Import { import: clean(import, limit::NAME_BYTES_MAX) });
    }
    let exported = |name| exports.iter().any(|export| export == name);
    let world = if exported(MODULE_CALL) {
        World::Module
    } else if exported(LISTENER_CALL) {
        World::Listener
    } else {
        let exports = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
        return Err(Refusal::World { exports: clean(&exports, limit::MESSAGE_BYTES_MAX) });
    };
    Ok(Shape { world, imports, exports })
}

fn invalid(problem: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Invalid(clean(&problem.to_string(), limit::MESSAGE_BYTES_MAX))
}

/// The imports and exports of the outermost component.
fn names(bytes: &[u8]) -> wasmparser::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                debug_assert!(depth > 1 || encoding == Encoding::Component);
            }
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import?;
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export?;
                    if export.kind != ComponentExternalKind::Type {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}
