//! Keeps the house tidy: which room may read which, who owns what, how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

/// The engine's rooms, floor by floor, from the ground up. A room reads only from floors below its own.
const FLOORS: [&[&str]; 7] = [
    &["limit", "clock"],
    &["text", "declaration", "guest", "wit", "status"],
    &["stack", "dead", "confine"],
    &["capability", "control"],
    &["sandbox"],
    &["pipeline"],
    &["cli"],
];

/// A word that only one room may write, and the rooms that may.
const OWNERS: [(&str, &[&str]); 13] = [
    ("wasmtime::", &["sandbox", "wit"]),
    ("SystemTime::now", &["clock"]),
    ("Instant::now", &["clock"]),
    ("TcpStream", &["control"]),
    ("TcpListener", &["control"]),
    ("UdpSocket", &[]),
    ("UnixStream", &["control"]),
    ("UnixListener", &["control"]),
    ("UnixDatagram", &["control"]),
    ("landlock::", &["confine"]),
    ("seccompiler::", &["confine"]),
    ("stdout()", &["cli"]),
    ("stderr()", &["cli"]),
];

const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).expect("a folder of the project");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The code of a file up to its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

fn room(path: &Path, source: &Path) -> String {
    let inside = path.strip_prefix(source).expect("a file of the engine");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("the room `{room}` is on no floor: add it to FLOORS"))
}

#[test]
fn no_room_reads_from_a_floor_above_it() {
    let source = root().join("runtime/src");
    let mut wrong = Vec::new();
    for path in rust_files(&source) {
        let from = room(&path, &source);
        if matches!(from.as_str(), "lib" | "main") {
            continue;
        }
        for (number, line) in code(&path).lines().enumerate() {
            let line = line.trim();
            if line.starts_with("//") {
                continue;
            }
            for part in line.split("crate::").skip(1) {
                let to: String =
                    part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if FLOORS.concat().contains(&to.as_str()) && to != from && floor(&to) > floor(&from)
                {
                    wrong.push(format!("{}:{}: {from} reads {to}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn outside_things_have_one_owner() {
    let source = root().join("runtime/src");
    let mut wrong = Vec::new();
    for path in rust_files(&source) {
        // Tests play everybody's part.
        if path
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
        {
            continue;
        }
        let room = room(&path, &source);
        let code = code(&path);
        for (word, owners) in OWNERS {
            let uses =
                code.lines().any(|line| !line.trim().starts_with("//") && line.contains(word));
            if uses && !owners.contains(&room.as_str()) {
                wrong.push(format!("{}: `{word}` is not for the room `{room}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in rust_files(&root()) {
        let text = fs::read_to_string(&path).expect("a source file");
        let lines = code(&path).lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, at most {LINES_MAX}", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with `//!`", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
