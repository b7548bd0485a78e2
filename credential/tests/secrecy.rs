//! Secrets are wiped from memory: this process looks through all of its own.
//!
//! There is one test alone in here: another one's secrets would be found too.

mod support;

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use correlator_credential::{Place, Vault};
use correlator_world::{Secret, Secrets};

use support::{Folder, Session, given, vault};

/// What turns a needle into what is looked for, so that the needle itself is not found.
const MASK: u8 = 0x5a;
/// A secret that nothing else looks like, masked.
const MASKED: &[u8] =
    b"\x2a\x6b\x34\x1f\x77\x2e\x09\x68\x3d\x14\x63\x29\x3b\x0c\x62\x22\x17\x6a\x2c\x30";

fn needle() -> Secret {
    Secret::new(MASKED.iter().map(|byte| byte ^ MASK).collect())
}

/// How often the secret is in some bytes.
fn count(bytes: &[u8]) -> usize {
    let is = |part: &&[u8]| part.iter().zip(MASKED).all(|(byte, masked)| byte ^ MASK == *masked);
    bytes.windows(MASKED.len()).filter(is).count()
}

/// How often the secret is in this process' memory.
fn in_memory() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("maps");
    let memory = File::open("/proc/self/mem").expect("memory");
    let mut piece = vec![0; 64 << 10];
    let own = piece.as_ptr() as usize;
    let own = own..own + piece.len();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split_once(' ').expect("range").0.split_once('-').expect("range");
        let number = |text| usize::from_str_radix(text, 16).expect("address");
        let (mut at, end) = (number(start), number(end));
        while at < end {
            let want = piece.len().min(end - at);
            let len = memory.read_at(&mut piece[..want], at as u64).unwrap_or(0);
            if len == 0 {
                break;
            }
            // What was read before would be found once more in the buffer itself.
            let from = own.start.clamp(at, at + len) - at;
            let to = own.end.clamp(at, at + len) - at;
            piece[from..to].fill(0);
            found += count(&piece[..len]);
            // What lies across two pieces is found too.
            at += if len > MASKED.len() && at + len < end { len - MASKED.len() + 1 } else { len };
        }
    }
    piece.fill(0);
    black_box(&piece);
    found
}

/// Does all that can be done with a vault.
fn use_all(vault: &Vault, place: Place) {
    vault.set("smtp", &needle(), Some(place)).expect("set");
    vault.set("other", &needle(), Some(place)).expect("set");
    for _ in 0..5 {
        let secret = vault.get("smtp").expect("get");
        assert_eq!(count(secret.reveal()), 1);
    }
    vault.check(["smtp", "other"]).expect("both are there");
    assert_eq!(vault.list().names.len(), 2);
    assert_eq!(vault.remove("other").expect("remove").from, [place]);
}

#[test]
fn memory_is_wiped() {
    let held = needle();
    assert!(in_memory() > 0, "what is held has to be found, or this test finds nothing");
    drop(held);
    assert_eq!(in_memory(), 0, "the test itself leaves something behind");

    let folder = Folder::new();
    use_all(&vault(&folder, &[Place::File], &given([])), Place::File);
    assert_eq!(in_memory(), 0, "after the encrypted file");

    let other = Folder::new();
    let locked = vault(&other, &[Place::File], &given([]));
    locked.unlock(&needle()).expect("unlock");
    use_all(&locked, Place::File);
    assert_eq!(in_memory(), 0, "after a passphrase");

    let handed = Folder::new();
    let masked = needle();
    fs::write(handed.join("smtp"), masked.reveal()).expect("file");
    drop(masked);
    let variables = given([("CREDENTIALS_DIRECTORY", handed.0.as_path())]);
    let systemd = vault(&folder, &[Place::Systemd], &variables);
    assert_eq!(count(systemd.get("smtp").expect("get").reveal()), 1);
    assert_eq!(in_memory(), 0, "after systemd's");

    if let Some(session) = Session::unlocked() {
        use_all(&vault(&folder, &[Place::Keyring], &session.variables()), Place::Keyring);
        assert_eq!(in_memory(), 0, "after the Secret Service");
    }
}
