//! System calls that an engine has no use for once it is at work: seccomp.
//!
//! This is a list of what is refused, not of what is allowed: libraries change what they call, and an engine that dies
//! of an update to its C library protects nobody. What is refused fails as if the process had not the privilege, which
//! every caller has to expect. Left alone are calls that the engine lives by, though an intruder may like them too:
//! starting its own program (components are compiled by a child), making memory executable (that is what they become).

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Never made by an honest engine: refused whatever their arguments.
const REFUSED: &[c_long] = &[
    // Other processes' memory and files.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Another view of the file system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    // Namespaces: where an unprivileged process becomes root, and most of the kernel's holes can be reached.
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    // A second way to make system calls, past this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keys of other programs.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine's name and clocks.
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_personality,
];

/// Being somebody else: for engines that start no programs as other users.
const OTHER_USERS: &[c_long] = &[
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// The same, of one kind of processor.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS__sysctl,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// On x86-64 every call has a second number, of an ABI that hardly a kernel is built with: it must be no way around.
#[cfg(target_arch = "x86_64")]
const SECOND_NUMBER: Option<c_long> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const SECOND_NUMBER: Option<c_long> = None;

/// The kinds of sockets that may be made. Behind others are parts of the kernel that few use and intruders like.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Puts the filters up, for all threads.
pub(super) fn confine(runs: bool) -> Result<(), String> {
    for program in programs(runs)? {
        seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn programs(runs: bool) -> Result<[BpfProgram; 2], String> {
    let mut rules: Rules = BTreeMap::new();
    let other = if runs { [].as_slice() } else { OTHER_USERS };
    for number in REFUSED.iter().chain(REFUSED_HERE).chain(other) {
        add(&mut rules, *number, Vec::new());
    }
    let told = |error: seccompiler::BackendError| error.to_string();
    let strange = FAMILIES.map(|family| {
        let family = u64::from(family.unsigned_abs());
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
    });
    let strange = strange.into_iter().collect::<Result<Vec<_>, _>>().map_err(told)?;
    let strange = SeccompRule::new(strange).map_err(told)?;
    for number in [libc::SYS_socket, libc::SYS_socketpair] {
        add(&mut rules, number, vec![strange.clone()]);
    }
    let mut namespaces = Vec::new();
    for flag in NAMESPACES {
        let flag = u64::from(flag.unsigned_abs());
        let set = SeccompCmpOp::MaskedEq(flag);
        let condition =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, set, flag).map_err(told)?;
        namespaces.push(SeccompRule::new(vec![condition]).map_err(told)?);
    }
    add(&mut rules, libc::SYS_clone, namespaces);
    // Its flags lie in memory, where a filter can't look. Told that there is no such call, libraries use the older one.
    let mut hidden: Rules = BTreeMap::new();
    add(&mut hidden, libc::SYS_clone3, Vec::new());
    Ok([compile(rules, libc::EPERM)?, compile(hidden, libc::ENOSYS)?])
}

/// What `clone` must not be asked for.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Calls by number, each with what makes it refused; always, if that is empty.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn add(rules: &mut Rules, number: c_long, conditions: Vec<SeccompRule>) {
    if let Some(second) = SECOND_NUMBER {
        rules.insert(number | second, conditions.clone());
    }
    rules.insert(number, conditions);
}

fn compile(rules: Rules, error: i32) -> Result<BpfProgram, String> {
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    let machine = std::env::consts::ARCH;
    let target = TargetArch::try_from(machine)
        .map_err(|_| format!("the filter is not known for a {machine} processor"))?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{REFUSED, REFUSED_HERE, programs};

    #[test]
    fn what_the_engine_lives_by_is_not_refused() {
        for needed in [
            libc::SYS_execve,
            libc::SYS_mprotect,
            libc::SYS_mmap,
            libc::SYS_clone,
            libc::SYS_socket,
            libc::SYS_prlimit64,
            libc::SYS_memfd_create,
            libc::SYS_inotify_init1,
            libc::SYS_kill,
            libc::SYS_seccomp,
        ] {
            assert!(!REFUSED.contains(&needed) && !REFUSED_HERE.contains(&needed), "{needed}");
        }
    }

    #[test]
    fn the_filters_fit_the_kernel() {
        for program in programs(false).expect("filters") {
            assert!((1..=4_096).contains(&program.len()), "{} steps", program.len());
        }
    }
}
