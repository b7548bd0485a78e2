//! Kills a program that accepts and delivers, between its steps and in the middle of them, over and over, and checks
//! that nothing is lost, nothing is twice without being told, and everything is in order.
//!
//! The program is this one, started again: it needs a process of its own to be killed in.

#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

mod check;
mod child;

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs that are killed while they are held at a step, and as many in the middle of something.
const KILLS: u64 = 120;
/// A run gets at most this far before it is killed.
const STEPS_MAX: u64 = 24;

#[expect(clippy::print_stdout, reason = "it is a test program of its own")]
fn main() {
    let arguments: Vec<_> = env::args().collect();
    if let [_, flag, folder] = &arguments[..]
        && flag == "--child"
    {
        return child::run(Path::new(folder));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let folder = env::temp_dir().join(format!("correlator-store-crash-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut kills = 0;
    for round in 0.. {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let steps = (kills < KILLS).then_some(1 + (random >> 33) % STEPS_MAX);
        let held = round % 2 == 0;
        let ended = run(&folder, steps, held);
        check::after_a_kill(&folder);
        if ended {
            break;
        }
        kills += 1;
    }
    let told = check::at_the_end(&folder);
    fs::remove_dir_all(&folder).unwrap();
    println!("killed {kills} times; {told}");
    assert!(kills > KILLS / 2, "it ended too soon to have shown anything");
}

/// Runs the child for some steps and kills it, or lets it end. Whether it ended.
fn run(folder: &Path, steps: Option<u64>, held: bool) -> bool {
    let mut child = Command::new(env::current_exe().unwrap())
        .arg("--child")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // It takes one byte for each step: all of them at once, or one after the other.
    let ahead = if held { 1 } else { 10_000 };
    let mut done = 0;
    let mut open = input.write_all(&vec![b'.'; ahead]).is_ok();
    let mut byte = [0];
    while steps.is_none_or(|steps| done < steps) {
        if output.read(&mut byte).unwrap() == 0 {
            break;
        }
        done += 1;
        if held && open && steps.is_none_or(|steps| done < steps) {
            open = input.write_all(b".").is_ok();
        }
    }
    if steps.is_some_and(|steps| done >= steps) {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(status.success() || status.code().is_none(), "the child failed: {status}");
    status.success()
}
