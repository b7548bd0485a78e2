//! A child confines itself and tries what it may and what it may not.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

use super::{Plan, Wall, confine};

/// Names the child's folder, and so makes a child of this program.
const CHILD: &str = "CORRELATOR_TEST_CONFINED";

#[test]
fn a_bare_thread_has_nothing_and_the_others_keep_theirs() {
    thread::spawn(|| {
        super::bare_thread();
        if super::BARE.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            eprintln!("skipped: this kernel has no Landlock");
            return;
        }
        refused(fs::read("/etc/passwd"));
        refused(File::create(std::env::temp_dir().join("correlator-bare")));
    })
    .join()
    .expect("no panic");
    fs::read("/etc/passwd").expect("this thread may still");
}

#[test]
fn a_confined_process_can_do_its_work_and_little_else() {
    let name = format!("correlator-confine-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&folder);
    for name in ["read", "write", "other"] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
        fs::write(folder.join(name).join("file"), name).expect("a file");
    }
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "confine::tests::inside", "--nocapture"])
        .env(CHILD, &folder)
        .output()
        .expect("a child");
    let _ = fs::remove_dir_all(&folder);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    eprint!("{complained}");
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("the child has tried all"), "{said}{complained}");
}

/// What the child does; as a test of its own it has nothing to do.
#[test]
fn inside() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let outside = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let plan = Plan {
        read: vec![folder.join("read"), folder.join("absent")],
        write: vec![folder.join("write")],
        connect: Some(Vec::new()),
        listen: None,
        runs: false,
    };
    let confined = confine(&plan);
    eprintln!("{confined}");
    assert_eq!(confined.absent, [folder.join("absent")]);
    privileges(&confined.walls);
    if confined.has(Wall::Files) {
        files(&folder);
        thread::spawn(move || files(&folder)).join().expect("threads inherit it");
    }
    if confined.has(Wall::Connections) {
        let address = outside.local_addr().expect("an address");
        refused(TcpStream::connect(address));
    }
    TcpListener::bind("127.0.0.1:0").expect("listening is not restricted here");
    if confined.has(Wall::Calls) {
        calls();
    }
    programs(confined.has(Wall::Files));
    println!("the child has tried all");
}

fn refused<T>(done: io::Result<T>) {
    let error = done.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

fn privileges(walls: &[Wall]) {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel's account");
    assert!(walls.contains(&Wall::Privileges) && walls.contains(&Wall::Memory));
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert_eq!(dumpable_behavior().expect("known"), DumpableBehavior::NotDumpable);
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    if walls.contains(&Wall::Calls) {
        assert!(status.contains("Seccomp:\t2"), "{status}");
    } else {
        eprintln!("skipped: this kernel has no seccomp");
    }
    if !walls.contains(&Wall::Files) {
        eprintln!("skipped: this kernel has no Landlock, so files are not confined");
    }
}

fn files(folder: &Path) {
    let (read, write, other) = (folder.join("read"), folder.join("write"), folder.join("other"));
    assert_eq!(fs::read(read.join("file")).expect("may be read"), b"read");
    assert_eq!(fs::read_dir(&read).expect("may be listed").count(), 1);
    refused(fs::write(read.join("file"), "x"));
    refused(fs::write(read.join("new"), "x"));
    refused(fs::remove_file(read.join("file")));

    fs::create_dir_all(write.join("deep")).expect("a folder may be made");
    let mut file = File::create(write.join("deep/new")).expect("a file may be made");
    file.write_all(b"x").and_then(|()| file.sync_all()).expect("and written");
    fs::rename(write.join("deep/new"), write.join("moved")).expect("and moved");
    File::open(&write).and_then(|folder| folder.sync_all()).expect("a folder is written through");
    fs::remove_file(write.join("moved")).expect("and removed");
    let socket = write.join("socket");
    drop(UnixListener::bind(&socket).expect("a socket may be made"));
    fs::remove_file(socket).expect("and removed");

    refused(fs::read(other.join("file")));
    refused(fs::read_dir(&other));
    refused(fs::rename(write.join("file"), other.join("stolen")));
    refused(fs::read("/etc/passwd"));
    // A link is what it leads to.
    let link = write.join("link");
    std::os::unix::fs::symlink(other.join("file"), &link).expect("a link may be made");
    refused(fs::read(&link));
    fs::remove_file(&link).expect("and removed");
    File::create("/dev/null").expect("nothing may be written to nowhere");
}

fn calls() {
    use rustix::net::{AddressFamily, SocketType, socket};
    let strange = AddressFamily::from_raw(libc::AF_ALG as u16);
    refused(socket(strange, SocketType::SEQPACKET, None).map_err(io::Error::from));
    socket(AddressFamily::INET, SocketType::DGRAM, None).expect("the usual may be made");
    refused(std::os::unix::fs::chroot("/"));
}

fn programs(files: bool) {
    let this = std::env::current_exe().expect("this program");
    let again = Command::new(this).args(["--exact", "none"]).env_clear().output();
    let again = again.expect("the program itself can be started");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    if files {
        refused(Command::new("/bin/sh").arg("-c").arg("true").output());
    }
}
