//! The file system, connections and signals: Landlock.
//!
//! Access hangs on what a path leads to when this is called, not on its name: a folder stays allowed wherever it is moved
//! to, and what is put in place of a file is new. So allow folders where files come and go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathFd, RestrictSelfAttr,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

use super::{BARE, Confined, Plan, Wall};

/// The newest of Landlock's versions whose rights are known here; an older kernel gives what it has.
const KNOWN: ABI = ABI::V6;

/// What any process reads: to start its own program again, to tell the time, to know the machine.
const READ_BY_ALL: [&str; 14] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/kernel",
    "/proc/sys/net/core",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];
/// What any process writes to.
const WRITTEN_BY_ALL: [&str; 1] = ["/dev/null"];

/// Puts up what Landlock can.
pub(super) fn confine(plan: &Plan, confined: &mut Confined) {
    let paths = plan.read.iter().chain(&plan.write);
    confined.absent.extend(paths.filter(|path| PathFd::new(path).is_err()).cloned());
    let others = others();
    match restrict(plan) {
        Ok(status) => judge(&status, plan, &others, confined),
        Err(error) => {
            for wall in [Wall::Files, Wall::Connections, Wall::Signals] {
                confined.note(wall, Err(error.to_string()));
            }
        }
    }
}

fn restrict(plan: &Plan) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?;
    if plan.connect.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    if plan.listen.is_some() {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(KNOWN) & !BitFlags::from(AccessFs::Execute);
    let created = ruleset
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(READ_BY_ALL, look))?
        .add_rules(path_beneath_rules(WRITTEN_BY_ALL, all))?
        .add_rules(path_beneath_rules(program(), AccessFs::ReadFile | AccessFs::Execute))?
        .add_rules(path_beneath_rules(&plan.read, look))?
        .add_rules(path_beneath_rules(&plan.write, all))?;
    let created = ports(created, plan.connect.as_deref(), AccessNet::ConnectTcp)?;
    let created = ports(created, plan.listen.as_deref(), AccessNet::BindTcp)?;
    created.all_threads(true)?.restrict_self()
}

/// Takes all files and connections from the calling thread, if the kernel can.
pub(super) fn take_all() -> bool {
    let taken = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .create()?
            .restrict_self()
    };
    taken().is_ok_and(|status: RestrictionStatus| status.ruleset != RulesetStatus::NotEnforced)
}

fn ports(
    mut ruleset: RulesetCreated,
    ports: Option<&[u16]>,
    access: AccessNet,
) -> Result<RulesetCreated, RulesetError> {
    for port in ports.unwrap_or_default() {
        ruleset = ruleset.add_rule(NetPort::new(*port, access))?;
    }
    Ok(ruleset)
}

/// This program's own files: itself, the loader and the libraries, as they are mapped now.
fn program() -> Vec<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths: Vec<PathBuf> = maps.lines().filter_map(executable).map(Path::to_owned).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// The file that a line of the process' map names, if code is run from it.
fn executable(line: &str) -> Option<&Path> {
    let mut words = line.splitn(6, ' ');
    let mode = words.nth(1)?;
    let path = words.nth(3)?.trim_start();
    (mode.contains('x') && path.starts_with('/')).then_some(Path::new(path))
}

/// The names of the other threads that there are.
fn others() -> Vec<String> {
    let this = rustix::thread::gettid().as_raw_nonzero().to_string();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let others = tasks.filter(|task| task.file_name() != this.as_str());
    let name = |path: PathBuf| fs::read_to_string(path.join("comm")).unwrap_or_default();
    others.map(|task| name(task.path()).trim().to_owned()).collect()
}

/// What the kernel made of it.
fn judge(status: &RestrictionStatus, plan: &Plan, others: &[String], confined: &mut Confined) {
    let abi = if let LandlockStatus::Available { effective_abi, .. } = status.landlock {
        effective_abi
    } else {
        ABI::Unsupported
    };
    if status.ruleset == RulesetStatus::NotEnforced || abi == ABI::Unsupported {
        for wall in [Wall::Files, Wall::Connections, Wall::Signals] {
            let why = "the kernel has no Landlock, or it is not switched on (`lsm=landlock,...`)";
            confined.note(wall, Err(why.to_owned()));
        }
        return;
    }
    let since = |needed: ABI, linux: &str| {
        if abi >= needed { Ok(()) } else { Err(format!("it takes Linux {linux}")) }
    };
    confined.note(Wall::Files, Ok(()));
    if others.len() > BARE.load(Ordering::Relaxed) && !status.all_threads {
        let why = format!("threads that ran already are not held: {}", others.join(", "));
        confined.lacks.push((Wall::Files, why));
    }
    if abi < ABI::V3 {
        let why = "files outside can still be cut to nothing; it takes Linux 6.2".to_owned();
        confined.lacks.push((Wall::Files, why));
    }
    if plan.connect.is_some() || plan.listen.is_some() {
        confined.note(Wall::Connections, since(ABI::V4, "6.7"));
    }
    confined.note(Wall::Signals, since(ABI::V6, "6.12"));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{executable, program};

    #[test]
    fn lines_of_the_map_name_programs() {
        let check = |line: &str, expected: Option<&str>| {
            assert_eq!(executable(line), expected.map(Path::new), "{line}");
        };
        check(
            "7f00-7f10 r-xp 00000000 fe:00 12     /usr/lib/libc.so.6",
            Some("/usr/lib/libc.so.6"),
        );
        check("7f00-7f10 r-xp 00000000 fe:00 12     /opt/my engine/x", Some("/opt/my engine/x"));
        check("7f00-7f10 r--p 00000000 fe:00 12     /usr/lib/libc.so.6", None);
        check("7ffc-7ffd r-xp 00000000 00:00 0      [vdso]", None);
        check("7ffc-7ffd rwxp 00000000 00:00 0 ", None);
        check("", None);
    }

    #[test]
    fn this_program_is_among_its_files() {
        let this = std::env::current_exe().expect("a program");
        assert!(program().contains(&this), "{:?}", program());
    }
}
