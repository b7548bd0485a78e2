//! Builds the bundled guests and makes them part of the binary.
//!
//! Every folder of `modules/` and `listeners/` is a crate. One nested cargo builds them all for
//! WebAssembly, wit-component wraps each into a component, and `bundled.rs` in `OUT_DIR` lists
//! them, so that `--module sshd` works anywhere. The components lie in `target/guests/` too, for
//! people to look at and to copy.
//!
//! The nested build has a target folder of its own, `target/guests/build`, which every outer
//! profile and tool shares: it never waits for the outer cargo's lock, and what `cargo build` has
//! built costs `cargo clippy` nothing. It must never depend on how the outer build was asked for:
//! a guest is the same bytes in a debug and in a release binary.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on its standard output")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use wit_component::{ComponentEncoder, metadata};

/// What guests are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// The profile that they are built with; the workspace's `Cargo.toml` defines it.
const PROFILE: &str = "guest";

/// What a guest's build reads beside its own folder: a change anywhere else must not build guests
/// again. A new guest changes the workspace's `Cargo.toml` and `Cargo.lock`.
const SHARED_INPUTS: [&str; 5] = ["Cargo.toml", "Cargo.lock", "frame", "guest-sdk/rust", "wit"];

/// The variables by which an outer cargo, clippy or coverage tool would change how guests are
/// built.
const OUTER_PREFIXES: [&str; 4] = ["CARGO_", "RUSTC_", "RUSTDOC", "RUSTFLAGS"];

/// Those that stay: where cargo keeps things, how it reaches the network, and its tokens for
/// parallel jobs.
const KEPT_PREFIXES: [&str; 5] =
    ["CARGO_HOME", "CARGO_HTTP_", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_REGISTR"];

/// A guest's crate.
struct Guest {
    /// The folder's name, which is the guest's name.
    name: String,
    /// The crate's name: `correlator-module-NAME` or `correlator-listener-NAME`.
    package: String,
    folder: PathBuf,
}

/// A result whose error is words for whoever builds.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let Err(error) = build() else { return ExitCode::SUCCESS };
    for line in error.to_string().lines() {
        println!("cargo::error={line}");
    }
    ExitCode::FAILURE
}

fn build() -> Outcome<()> {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let guests = find(&root)?;
    watch(&root, &guests);
    require_target()?;

    // `OUT_DIR` is TARGET/PROFILE/build/PACKAGE/out.
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is not in a target folder")?;
    let shelf = target.join("guests");
    compile(&root, &shelf.join("build"), &guests)?;

    for guest in &guests {
        let core = shelf.join("build").join(TARGET).join(PROFILE);
        let core = core.join(format!("{}.wasm", guest.package.replace('-', "_")));
        let component = componentize(guest, &core)?;
        let file = format!("{}.wasm", guest.name);
        replace(&shelf.join(&file), &component)?;
        replace(&out.join(&file), &component)?;
    }
    replace(&out.join("bundled.rs"), listing(&guests).as_bytes())
}

/// Every guest, modules first, in the order of their names.
fn find(root: &Path) -> Outcome<Vec<Guest>> {
    let mut guests: Vec<Guest> = Vec::new();
    for (shelf, role) in [("modules", "module"), ("listeners", "listener")] {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(root.join(shelf))?.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        for folder in folders.into_iter().filter(|folder| folder.join("Cargo.toml").is_file()) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if guests.iter().any(|other| other.name == name) {
                return Err(format!("two bundled guests are named `{name}`: rename one").into());
            }
            guests.push(Guest { package: format!("correlator-{role}-{name}"), name, folder });
        }
    }
    Ok(guests)
}

/// Tells cargo what this depends on. A guest's samples and README are not built into it.
fn watch(root: &Path, guests: &[Guest]) {
    println!("cargo::rerun-if-changed=build.rs");
    for input in SHARED_INPUTS {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    for guest in guests {
        for input in ["Cargo.toml", "src"] {
            println!("cargo::rerun-if-changed={}", guest.folder.join(input).display());
        }
    }
}

/// Fails with the line that helps if the compiler can't build for WebAssembly.
fn require_target() -> Outcome<()> {
    let rustc = variable("RUSTC")?;
    let answer =
        Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let libraries = String::from_utf8_lossy(&answer.stdout);
    if answer.status.success() && Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the bundled guests need the target {TARGET}, which this toolchain lacks: install it with \
         `rustup target add {TARGET}`, or run `cargo xtask setup`"
    )
    .into())
}

/// Builds all guests' core modules at once.
fn compile(root: &Path, target: &Path, guests: &[Guest]) -> Outcome<()> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(root).args(["build", "--quiet", "--lib", "--locked"]);
    cargo.args(["--target", TARGET, "--profile", PROFILE, "--target-dir"]).arg(target);
    for guest in guests {
        cargo.args(["--package", &guest.package]);
    }
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        if starts(&OUTER_PREFIXES) && !starts(&KEPT_PREFIXES) {
            cargo.env_remove(&name);
        }
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(root));
    if cargo.status()?.success() {
        return Ok(());
    }
    Err("the bundled guests don't build: what the compiler says is below".into())
}

/// The compiler's flags for guests: vector instructions, much inlining (every call and every loop
/// of a metered guest costs a look at its meters), and no folder of the builder's machine in
/// panic messages.
fn flags(root: &Path) -> String {
    let mut flags = vec![
        "-Ctarget-feature=+simd128".to_owned(),
        "-Cllvm-args=-inline-threshold=3000".to_owned(),
    ];
    flags.push(format!("--remap-path-prefix={}=correlator", root.display()));
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    if let Some(cargo) = env::var_os("CARGO_HOME").map(PathBuf::from).or(home) {
        flags.push(format!("--remap-path-prefix={}=cargo", cargo.display()));
    }
    flags.join("\x1f")
}

/// Wraps a core module into a component, which is checked against its world.
fn componentize(guest: &Guest, core: &Path) -> Outcome<Vec<u8>> {
    let bytes =
        fs::read(core).map_err(|error| format!("can't read {}: {error}", core.display()))?;
    let place = guest.folder.display();
    let wrong = |error| format!("{place} is no valid component: {error:#}");
    if metadata::decode(&bytes).map_err(wrong)?.0.is_none() {
        return Err(format!(
            "{place} exports no module and no listener: implement the SDK's trait and export it \
             (docs/writing-a-module.md)"
        )
        .into());
    }
    let mut encoder = ComponentEncoder::default().validate(true).module(&bytes).map_err(wrong)?;
    Ok(encoder.encode().map_err(wrong)?)
}

/// The source of the list that the engine includes; the components lie beside it.
fn listing(guests: &[Guest]) -> String {
    let row =
        |Guest { name, .. }: &Guest| format!("({name:?}, include_bytes!(\"{name}.wasm\")),\n");
    format!(
        "/// The bundled guests: name and component.\n\
         pub const BUNDLED: &[(&str, &[u8])] = &[\n{}];\n",
        guests.iter().map(row).collect::<String>()
    )
}

/// Writes a file that differs from what is there, whole or not at all: another build may be reading
/// it.
fn replace(path: &Path, content: &[u8]) -> Outcome<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&fresh, content)?;
    Ok(fs::rename(&fresh, path)?)
}

fn variable(name: &str) -> Outcome<String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}").into())
}
