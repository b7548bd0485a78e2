//! The encrypted file against all that may happen to it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use correlator_world::Secret;

use super::{Sealed, seal};
use crate::disk;
use crate::holder::{Holder, Trouble};
use crate::name::Name;
use crate::settings::Settings;
use crate::variables::Variables;

/// A folder of a test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir()
            .join(format!("correlator-credential-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::DirBuilder::new().mode(0o700).create(&path).expect("folder");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("credentials")
    }

    fn key(&self) -> PathBuf {
        self.0.join("credentials.key")
    }

    fn sealed(&self) -> Sealed {
        let settings = Settings { file: Some(self.file()), ..Settings::default() };
        Sealed::new(&settings, &Variables::Given([].into()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("name")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

/// What a get says that fails.
fn refusal(sealed: &Sealed) -> String {
    match sealed.get(&name("smtp")) {
        Err(Trouble::Unreachable(words)) => words,
        other => panic!("{other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn what_is_set_is_got_by_the_next_program() {
    let folder = Folder::new("set");
    assert_eq!(folder.sealed().get(&name("smtp")), Ok(None));
    assert_eq!(folder.sealed().names(), Ok(vec![]));
    assert_eq!(folder.sealed().remove(&name("smtp")), Ok(false));

    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    folder.sealed().set(&name("twilio"), &secret("two")).expect("set");
    folder.sealed().set(&name("smtp"), &secret("three")).expect("set");
    let sealed = folder.sealed();
    assert!(!sealed.is_locked());
    assert_eq!(sealed.get(&name("smtp")), Ok(Some(secret("three"))));
    assert_eq!(sealed.get(&name("other")), Ok(None));
    assert_eq!(sealed.names(), Ok(vec![name("smtp"), name("twilio")]));

    assert_eq!(sealed.remove(&name("smtp")), Ok(true));
    assert_eq!(sealed.remove(&name("smtp")), Ok(false));
    assert_eq!(folder.sealed().names(), Ok(vec![name("twilio")]));
}

#[test]
fn files_are_for_their_owner_and_show_nothing() {
    let folder = Folder::new("show");
    folder.sealed().set(&name("smtp"), &secret("correct horse")).expect("set");
    let bytes = fs::read(folder.file()).expect("file");
    for hidden in [&b"smtp"[..], b"correct", b"horse"] {
        assert!(!bytes.windows(hidden.len()).any(|part| part == hidden));
    }
    for entry in fs::read_dir(&folder.0).expect("folder") {
        assert_eq!(mode(&entry.expect("entry").path()), 0o600);
    }
    // Equal contents never look equal: the nonce is new.
    folder.sealed().set(&name("smtp"), &secret("correct horse")).expect("set");
    let again = fs::read(folder.file()).expect("file");
    assert_eq!(again.len(), bytes.len());
    let alike = bytes.iter().zip(&again).skip(80).filter(|(one, other)| one == other).count();
    assert!(alike < (bytes.len() - 80) / 4, "{alike} of {}", bytes.len());
}

#[test]
fn any_damage_is_told_as_damage() {
    let folder = Folder::new("damage");
    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    let good = fs::read(folder.file()).expect("file");
    let sealed = folder.sealed();
    let check = |bytes: &[u8], expected: &str| {
        fs::write(folder.file(), bytes).expect("write");
        let words = refusal(&sealed);
        assert!(words.contains(expected), "{words}");
    };
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        check(&bytes, if at < 16 { "is no file of credentials" } else { "is damaged" });
        let cut = if at < 16 { "is no file of credentials" } else { "is damaged" };
        check(&good[..at], cut);
    }
    check(&[&good[..], b"\n"].concat(), "is damaged");
    // Nor is it overwritten then: the next set says the same.
    let set = sealed.set(&name("new"), &secret("two"));
    assert!(matches!(set, Err(Trouble::Unreachable(words)) if words.contains("is damaged")));
    fs::write(folder.file(), &good).expect("write");
    assert_eq!(sealed.get(&name("smtp")), Ok(Some(secret("one"))));
}

/// The bytes with a checksum that fits.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = bytes.len() - 32;
    let sum = blake3::hash(&bytes[..content]);
    bytes[content..].copy_from_slice(sum.as_bytes());
    bytes
}

#[test]
fn what_is_forged_does_not_open() {
    let folder = Folder::new("forged");
    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    let good = fs::read(folder.file()).expect("file");
    let sealed = folder.sealed();
    // Costs, salt, nonce, entries, tag: all of it is vouched for by the key.
    for at in 24..good.len() - 32 {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(folder.file(), summed(bytes)).expect("write");
        let words = refusal(&sealed);
        assert!(words.contains("does not fit"), "{at}: {words}");
    }
    let mut newer = good.clone();
    newer[16] = 2;
    fs::write(folder.file(), summed(newer)).expect("write");
    let words = refusal(&sealed);
    assert!(words.contains("of version 2, this program knows 1"), "{words}");
}

#[test]
fn a_passphrase_unlocks_what_was_made_with_it() {
    let folder = Folder::new("passphrase");
    let sealed = folder.sealed();
    sealed.unlock(&secret("battery staple")).expect("unlock");
    sealed.set(&name("smtp"), &secret("one")).expect("set");
    sealed.set(&name("sms"), &secret("two")).expect("set");
    assert!(!folder.key().exists());
    assert!(!sealed.is_locked());

    let later = folder.sealed();
    assert!(later.is_locked());
    assert!(refusal(&later).contains("is locked, and its passphrase was not given"));
    assert!(later.set(&name("smtp"), &secret("x")).is_err());
    let wrong = later.unlock(&secret("battery")).unwrap_err().to_string();
    assert!(wrong.contains("the passphrase does not fit"), "{wrong}");
    assert!(later.is_locked());
    later.unlock(&secret("battery staple")).expect("unlock");
    assert!(!later.is_locked());
    assert_eq!(later.get(&name("smtp")), Ok(Some(secret("one"))));

    let mut bytes = fs::read(folder.file()).expect("file");
    bytes[90] ^= 1;
    fs::write(folder.file(), &bytes).expect("write");
    let damaged = folder.sealed().unlock(&secret("battery staple")).unwrap_err().to_string();
    assert!(damaged.contains("is damaged"), "{damaged}");
    assert!(folder.sealed().unlock(&secret("")).is_err());
}

#[test]
fn a_file_must_not_eat_up_the_machine() {
    let folder = Folder::new("cost");
    let sealed = folder.sealed();
    sealed.unlock(&secret("x")).expect("unlock");
    sealed.set(&name("smtp"), &secret("one")).expect("set");
    let good = fs::read(folder.file()).expect("file");
    for at in [24, 28, 32] {
        for cost in [u32::MAX, 0] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&cost.to_le_bytes());
            fs::write(folder.file(), summed(bytes)).expect("write");
            let error = folder.sealed().unlock(&secret("x")).unwrap_err().to_string();
            assert!(
                error.contains("more than is borne") || error.contains("makes no sense"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_key_file_and_a_passphrase_are_two_things() {
    let folder = Folder::new("kinds");
    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    let error = folder.sealed().unlock(&secret("x")).unwrap_err().to_string();
    assert!(error.contains("has no passphrase, it is unlocked by"), "{error}");
}

#[test]
fn the_key_has_to_be_there_and_fit() {
    let folder = Folder::new("key");
    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    let key = fs::read(folder.key()).expect("key");
    let sealed = folder.sealed();

    fs::remove_file(folder.key()).expect("remove");
    assert!(refusal(&sealed).contains("credentials.key is not there"));
    // No new key is made for an old file: that would lose all that is in it.
    assert!(sealed.set(&name("new"), &secret("two")).is_err());
    assert!(!folder.key().exists());

    let mut other = key.clone();
    other[20] = if other[20] == b'0' { b'1' } else { b'0' };
    disk::make(&folder.key(), &other).expect("key");
    assert!(refusal(&sealed).contains("credentials.key does not fit"));
    fs::write(folder.key(), b"hunter2\n").expect("key");
    let words = refusal(&sealed);
    assert!(words.contains("it is no key") && !words.contains("hunter2"), "{words}");
    fs::write(folder.key(), key).expect("key");
    assert_eq!(sealed.get(&name("smtp")), Ok(Some(secret("one"))));
}

#[test]
fn nobody_else_may_have_rights() {
    let folder = Folder::new("rights");
    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    let sealed = folder.sealed();
    for path in [folder.file(), folder.key()] {
        for rights in [0o640, 0o604, 0o620, 0o601] {
            set_mode(&path, rights);
            let words = refusal(&sealed);
            let way_out = format!("`chmod 600 {}`", path.display());
            assert!(words.contains("others have rights") && words.contains(&way_out), "{words}");
        }
        set_mode(&path, 0o400);
        assert_eq!(sealed.get(&name("smtp")), Ok(Some(secret("one"))));
    }
    set_mode(&folder.0, 0o770);
    assert!(refusal(&sealed).contains("others may replace it"));
    set_mode(&folder.0, 0o700);

    // A link would let whoever made it say what is read.
    let moved = folder.0.join("moved");
    fs::rename(folder.file(), &moved).expect("rename");
    symlink(&moved, folder.file()).expect("link");
    assert!(refusal(&sealed).contains("symbolic link"));
    fs::remove_file(folder.file()).expect("remove");
    fs::create_dir(folder.file()).expect("folder");
    assert!(refusal(&sealed).contains("it is no file"));
}

#[test]
fn many_writers_lose_nothing() {
    let folder = Folder::new("writers");
    // The rest of somebody who was stopped in the middle.
    disk::make(&disk::beside(&folder.file(), ".new"), b"half").expect("rest");
    thread::scope(|scope| {
        for writer in 0..4 {
            let folder = &folder;
            scope.spawn(move || {
                for turn in 0..5 {
                    let name = name(&format!("n-{writer}-{turn}"));
                    folder.sealed().set(&name, &secret(name.as_str())).expect("set");
                }
            });
        }
    });
    let sealed = folder.sealed();
    let names = sealed.names().expect("names");
    assert_eq!(names.len(), 20);
    for name in names {
        assert_eq!(sealed.get(&name), Ok(Some(secret(name.as_str()))));
    }
    assert!(!disk::beside(&folder.file(), ".new").exists());
}

#[test]
fn a_file_that_can_not_be_written_is_told_and_stays() {
    let folder = Folder::new("full");
    folder.sealed().set(&name("smtp"), &secret("one")).expect("set");
    let big = Secret::new(vec![1; crate::limit::SECRET_BYTES_MAX]);
    let sealed = folder.sealed();
    let mut opened = sealed.read().expect("read").expect("file");
    for at in 0..300 {
        opened.entries.insert(name(&format!("n{at}")), big.clone());
    }
    let full = sealed.write(&opened);
    assert!(matches!(full, Err(Trouble::Unreachable(words)) if words.contains("bytes at most")));
    assert_eq!(sealed.get(&name("smtp")), Ok(Some(secret("one"))));
}

#[test]
fn random_bytes_are_never_the_same() {
    let one: [u8; 32] = seal::random().expect("random");
    let other: [u8; 32] = seal::random().expect("random");
    assert_ne!(one, other);
}
