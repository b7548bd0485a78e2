//! Unix sockets for connections.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use correlator_source::net::Net;
use correlator_source::settings::Address;

use crate::support::{Running, counted, limits, path, stream};

#[test]
fn connections() {
    let path = path("stream.sock");
    let source = stream(Address::Path(path.clone(), 0o620), limits(), None);
    let running = Running::new(&source);
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o620);
    for text in ["<13>a\n<13>b\n".to_owned(), counted("<13>c") + &counted("<13>d")] {
        let mut peer = UnixStream::connect(&path).expect("connected");
        peer.write_all(text.as_bytes()).expect("sent");
        peer.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(peer.read(&mut [0; 16]).expect("an orderly end"), 0);
    }
    assert_eq!(running.taken.state().texts(), ["<13>a", "<13>b", "<13>c", "<13>d"]);
    let error = Net::bind(7, &source, None).err().map(|error| error.to_string());
    let told = error.as_ref().is_some_and(|error| error.contains("somebody answers there"));
    assert!(told, "{error:?}");
    drop(running);
    assert!(!path.exists(), "the socket goes with its source");
}
