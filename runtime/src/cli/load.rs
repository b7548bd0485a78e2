//! From what was typed to what can run: the stack read, its guests loaded, everything checked.

use std::collections::HashMap;
use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};

use correlator_wire::file;

use super::rehearsal::rehearse;
use super::{Common, EXIT_MACHINE, EXIT_REFUSED, EXIT_WRONG, Failed, StackArguments};
use crate::limit::Limits;
use crate::pipeline::engine_events;
use crate::sandbox::{Cache, Guest, LoadError, Sandbox, World, inspect};
use crate::stack::flags::Flags;
use crate::stack::raw::RawStack;
use crate::stack::{Component, Guests, Stack};

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Of a file that may be no stack so much is looked at.
const HEAD_BYTES: u64 = 64 << 10;

/// A checked stack and the guests that it is made of.
pub(super) struct Loaded {
    pub(super) stack: Stack,
    pub(super) guests: HashMap<Component, Guest>,
    /// What the guests say of themselves.
    pub(super) known: Guests,
    /// The stack's own files, fragments among them.
    pub(super) files: Vec<PathBuf>,
}

/// Reads, loads and checks a stack; prints what is wrong with it.
pub(super) fn load(arguments: &StackArguments, common: &Common) -> Result<Loaded, Failed> {
    let raw = read(arguments)?;
    let mut loaded = load_raw(&raw, common)?;
    let foreseen = rehearse(&raw, &loaded.stack, &loaded.guests)?;
    loaded.stack.warnings.extend(foreseen);
    Ok(loaded)
}

/// Reads a stack, and loads nothing yet.
pub(super) fn read(arguments: &StackArguments) -> Result<RawStack, Failed> {
    let flags = arguments.flags();
    let Some(path) = &arguments.stack else { return Ok(RawStack::from_flags(&flags)) };
    let shown = path.display();
    if !is_stack(path) {
        let text = format!("{shown} is no stack file; if it is a log, write `--file {shown}`");
        return Err(Failed::new(EXIT_WRONG, text));
    }
    if flags != Flags::default() {
        let text = format!("flags go without a stack file; say in {shown} what they say");
        return Err(Failed::new(EXIT_WRONG, text));
    }
    RawStack::read(path).map_err(|error| Failed { code: EXIT_WRONG, text: error.render() })
}

/// Whether a file is meant for a stack, as far as its name or a few of its words tell.
fn is_stack(path: &Path) -> bool {
    let is_named = path.extension().is_some_and(|name| name == "yaml" || name == "yml");
    let begins = |line: &[u8]| {
        let first = line.iter().position(u8::is_ascii_alphabetic).unwrap_or(line.len());
        [&b"modules"[..], b"sources", b"listeners"].iter().any(|key| line[first..].starts_with(key))
    };
    let has_parts = || {
        let mut head = Vec::new();
        let read = file::open(path).and_then(|it| it.take(HEAD_BYTES).read_to_end(&mut head));
        read.is_err() || head.split(|byte| *byte == b'\n').any(begins)
    };
    is_named || has_parts()
}

/// Loads and checks a stack that was read.
pub(super) fn load_raw(raw: &RawStack, common: &Common) -> Result<Loaded, Failed> {
    let sandbox = sandbox(common)?;
    let mut guests = HashMap::new();
    let mut known = bundled();
    let mut refused = false;
    for wanted in raw.components() {
        if known.loaded.contains_key(&wanted.component) {
            continue;
        }
        let Some(bytes) = bytes(&wanted.component, &wanted.limits) else { continue };
        let loaded = bytes.and_then(|bytes| {
            sandbox
                .load(&wanted.instance, &bytes, &wanted.limits)
                .map_err(|error| error.to_string())
        });
        let description = match loaded {
            Ok(guest) => {
                let description = guest.description.clone();
                guests.insert(wanted.component.clone(), guest);
                Ok(description)
            }
            Err(problem) => {
                refused = true;
                Err(problem)
            }
        };
        known.loaded.insert(wanted.component, description);
    }
    let stack = Stack::check(raw, &known).map_err(|problems| {
        Failed::wrong(if refused { EXIT_REFUSED } else { EXIT_WRONG }, &problems)
    })?;
    Ok(Loaded { stack, guests, known, files: raw.files().to_vec() })
}

/// Loads one component, by a bundled name or a path.
pub(super) fn load_one(component: &str, common: &Common) -> Result<(Guest, usize), Failed> {
    let refused = |error: &dyn std::fmt::Display| {
        Failed::new(EXIT_REFUSED, format_args!("{component}: {error}"))
    };
    let limits = Limits::default();
    let place = if component.contains(['/', '.']) {
        Component::File(PathBuf::from(component))
    } else {
        Component::Bundled(component.to_owned())
    };
    let bytes = bytes(&place, &limits)
        .ok_or_else(|| refused(&"no bundled guest has this name; `correlator modules` lists them"))?
        .map_err(|error| refused(&error))?;
    let guest =
        sandbox(common)?.load(component, &bytes, &limits).map_err(|error| refused(&error))?;
    Ok((guest, bytes.len()))
}

/// The sandbox with its cache. Without a cache guests are compiled at every start: slower, and told.
pub(super) fn sandbox(common: &Common) -> Result<Sandbox, Failed> {
    let cache = match cache_folder(common) {
        None => None,
        Some(folder) => match Cache::open(&folder) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!("{error}; guests are compiled at every start until then");
                None
            }
        },
    };
    let machine = |error: &dyn std::fmt::Display| Failed::new(EXIT_MACHINE, error);
    let program = env::current_exe().map_err(|error| machine(&error))?;
    Sandbox::new(program, cache).map_err(|error: LoadError| machine(&error))
}

pub(super) fn cache_folder(common: &Common) -> Option<PathBuf> {
    if common.no_cache {
        return None;
    }
    let of = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    common.cache.clone().or_else(|| {
        let base = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
        Some(base.unwrap_or_else(|| PathBuf::from("/var/cache")).join("correlator"))
    })
}

/// The names of the bundled guests.
fn bundled() -> Guests {
    let mut guests = Guests { engine: engine_events(), ..Guests::default() };
    for (name, component) in BUNDLED {
        match inspect(component, component.len()).map(|shape| shape.world) {
            Ok(World::Module) => guests.modules.push((*name).to_owned()),
            Ok(World::Listener) => guests.listeners.push((*name).to_owned()),
            Err(error) => tracing::error!("the bundled guest `{name}` is broken: {error}"),
        }
    }
    guests
}

/// A component's bytes, bounded before they are read; nothing if there is no bundled guest of that name.
fn bytes(component: &Component, limits: &Limits) -> Option<Result<Vec<u8>, String>> {
    match component {
        Component::Bundled(name) => {
            let (_, bytes) = BUNDLED.iter().find(|(bundled, _)| bundled == name)?;
            Some(Ok(bytes.to_vec()))
        }
        Component::File(path) => Some(read_component(path, limits.component_bytes)),
    }
}

fn read_component(path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = file::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the sandbox sees that it is too large.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
