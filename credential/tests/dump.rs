//! A process that has credentials leaves no core behind.

use std::fs;

use correlator_credential::keep_out_of_dumps;

#[test]
fn no_core_and_no_reader() {
    keep_out_of_dumps().expect("the system lets it");
    let limits = fs::read_to_string("/proc/self/limits").expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("core");
    assert_eq!(core.split_ascii_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    // What can't be dumped belongs to root.
    let facts = fs::metadata("/proc/self/mem").expect("memory");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&facts), 0);
    let dumpable = rustix::process::dumpable_behavior().expect("told");
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
}
