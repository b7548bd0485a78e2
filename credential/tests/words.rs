//! Secrets are in no word, no log line and no file: a test greps for them.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use correlator_credential::Place;
use correlator_world::Secrets;

use support::{Folder, given, secret, vault};

/// A secret that nothing else looks like.
const NEEDLE: &str = "tr0ub4dor-and-3-needles";

/// How often the secret is in some bytes, as it is or as bytes that `Debug` has written.
fn count(bytes: &[u8]) -> usize {
    let debug = format!("{:?}", NEEDLE.as_bytes());
    let numbers = debug.trim_matches(['[', ']']).as_bytes();
    let times = |needle: &[u8]| bytes.windows(needle.len()).filter(|part| *part == needle).count();
    times(NEEDLE.as_bytes()) + times(numbers)
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn words_logs_and_files_have_no_secret() {
    let folder = Folder::new();
    let handed = Folder::new();
    let secret = secret(NEEDLE);
    assert_eq!(count(format!("{NEEDLE} {:?}", NEEDLE.as_bytes()).as_bytes()), 2);
    fs::write(handed.join("smtp"), secret.reveal()).expect("file");
    let variables = given([
        ("CREDENTIALS_DIRECTORY", handed.0.as_path()),
        ("CORRELATOR_CREDENTIAL_SMS", Path::new(NEEDLE)),
    ]);
    let order = [Place::Systemd, Place::File, Place::Environment];
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let mut told = Vec::new();
    tracing::subscriber::with_default(subscriber, || {
        let vault = vault(&folder, &order, &variables);
        told.push(format!("{vault:?} {variables:?} {secret:?}"));
        told.push(format!("{:?}", vault.set("smtp", &secret, None)));
        told.push(format!("{:?}", vault.set("smtp", &secret, Some(Place::Systemd))));
        told.push(format!("{:?}", vault.set("sms", &secret, Some(Place::Environment))));
        told.push(format!("{:?}", vault.unlock(&secret)));
        told.push(format!("{:?} {:?}", vault.get("smtp"), vault.get("sms")));
        told.push(format!("{:?}", vault.list()));
        told.push(format!("{:?}", vault.check(["smtp", "nothing"])));
        told.push(format!("{:?} {:?}", vault.remove("sms"), vault.remove("smtp")));
        fs::write(folder.join("kept/credentials.key"), secret.reveal()).expect("key");
        vault.set("smtp", &secret, Some(Place::File)).expect_err("a key like that");
        told.push(format!("{:?}", vault.list()));
        fs::write(folder.join("kept/credentials"), secret.reveal()).expect("file");
        told.push(format!("{:?}", vault.list()));
        fs::remove_file(folder.join("kept/credentials.key")).expect("remove");
        fs::remove_file(folder.join("kept/credentials")).expect("remove");
        vault.set("smtp", &secret, None).expect("set");
    });
    let logged = log.0.lock().expect("log").clone();
    assert!(!logged.is_empty(), "the environment was used, and that is told");
    let told = told.join("\n");
    assert_eq!(count(told.as_bytes()), 0, "in words: {told}");
    assert_eq!(count(&logged), 0, "in the log");
    let mut files = 0;
    for entry in fs::read_dir(folder.join("kept")).expect("folder") {
        assert_eq!(count(&fs::read(entry.expect("entry").path()).expect("file")), 0, "in files");
        files += 1;
    }
    assert!(files >= 2);
}
