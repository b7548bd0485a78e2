//! The control socket, end to end.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::super::client::Client;
use super::super::{Command, ControlError, server};
use super::{Fake, Folder, serve, status};
use crate::limit;
use crate::stack::Control;

#[test]
fn a_client_asks_and_is_answered_again_and_again() {
    let engine = Fake::default();
    serve("asks", &engine, |place| {
        let mut client = Client::connect(&place.socket).expect("connected");
        assert_eq!(client.status().expect("a status"), status());
        let done = client.command(Command::DeadDrop { id: "x".to_owned() }).expect("done");
        assert_eq!(done["message"], "DeadDrop { id: \"x\" }");
        let refused = client.command(Command::Enable { name: "nope".to_owned() });
        let Err(ControlError::Told(told)) = refused else { panic!("{refused:?}") };
        assert_eq!(told, "there is no module `nope`");
        assert_eq!(client.status().expect("still there"), status());
    });
    assert_eq!(engine.told.lock().expect("no panic").len(), 2);
}

#[test]
fn where_no_engine_runs_that_is_said() {
    let folder = Folder::new("nobody");
    let path = folder.0.join("control.sock");
    let check = || match Client::connect(&path) {
        Err(error @ ControlError::Nobody { .. }) => {
            assert!(error.to_string().contains("no engine runs at"), "{error}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("nobody is there"),
    };
    check();
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a dead socket"));
    check();
}

#[test]
fn nonsense_is_answered_with_what_is_wrong() {
    let engine = Fake::default();
    serve("nonsense", &engine, |place| {
        let check = |sent: &[u8], expected: &str| {
            let mut stream = UnixStream::connect(&place.socket).expect("connected");
            stream.write_all(sent).expect("sent");
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).expect("an answer");
            assert!(line.contains(expected), "{line}");
        };
        check(b"hello\n", "not understood");
        check(b"\n", "not understood");
        check(b"{\"version\":7,\"command\":\"stop\"}\n", "speaks version 1");
        check(b"\xff\xfe\n", "not understood");
        check(&vec![b' '; limit::CONTROL_REQUEST_BYTES_MAX], "at most 16384 bytes");
    });
    assert!(engine.told.lock().expect("no panic").is_empty());
}

#[test]
fn clients_that_are_stuck_take_slots_and_nothing_else() {
    let engine = Fake::default();
    serve("stuck", &engine, |place| {
        let connect = || UnixStream::connect(&place.socket).expect("connected");
        let mut stuck: Vec<UnixStream> =
            (1..limit::CONTROL_CLIENTS_MAX).map(|_| connect()).collect();
        for stream in &mut stuck {
            stream.write_all(b"{\"ver").expect("sent");
        }
        let mut client = Client::connect(&place.socket).expect("the last slot");
        assert_eq!(client.status().expect("a status"), status());
        let mut late = Client::connect(&place.socket).expect("connected");
        let Err(ControlError::Told(told)) = late.status() else { panic!("no slot is left") };
        assert!(told.contains("has 16 clients already"), "{told}");
        assert_eq!(client.status().expect("not disturbed"), status());
        drop(stuck);
    });
}

#[test]
fn who_takes_no_answer_loses_the_connection() {
    let engine = Fake::default();
    serve("deaf", &engine, |place| {
        let mut deaf = UnixStream::connect(&place.socket).expect("connected");
        deaf.set_write_timeout(Some(5 * limit::CLIENT_WRITE_TIME)).expect("a timeout");
        let error = loop {
            match deaf.write_all(b"{\"version\":1,\"command\":\"status\"}\n") {
                Ok(()) => {}
                Err(error) => break error.kind(),
            }
        };
        let is_gone = matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        assert!(is_gone, "{error}");
    });
}

#[test]
fn a_slow_command_holds_up_nobody_else() {
    let engine = Fake::default();
    *engine.held.lock().expect("no panic") = true;
    serve("slow", &engine, |place| {
        thread::scope(|scope| {
            let reload = scope.spawn(|| {
                Client::connect(&place.socket).expect("connected").command(Command::Reload)
            });
            let mut client = Client::connect(&place.socket).expect("connected");
            assert_eq!(client.status().expect("a status"), status());
            *engine.held.lock().expect("no panic") = false;
            engine.freed.notify_all();
            let done = reload.join().expect("no panic").expect("done");
            assert_eq!(done["message"], "nothing changed");
        });
    });
}

#[test]
fn what_is_being_done_is_answered_before_the_server_ends() {
    let (engine, folder) = (Fake::default(), Folder::new("ends"));
    let path = folder.0.join("control.sock");
    let control = Control { socket: Some(path.clone()), ..Control::default() };
    let server = server::open(&control).expect("open");
    let stopper = server.stopper();
    *engine.held.lock().expect("no panic") = true;
    let (answer, ended) = thread::scope(|scope| {
        let engine = &engine;
        // The server goes when it has ended, and its socket's file with it.
        let serving = scope.spawn(move || server.run(engine));
        let asking =
            scope.spawn(|| Client::connect(&path).expect("connected").command(Command::Reload));
        let idle = Client::connect(&path).expect("connected");
        let waiting = scope.spawn(move || idle.wait_for_end(Duration::from_secs(20)));
        // Only when the engine has been told is there something to wait for.
        while engine.told.lock().expect("no panic").is_empty() {
            thread::yield_now();
        }
        stopper.stop();
        *engine.held.lock().expect("no panic") = false;
        engine.freed.notify_all();
        serving.join().expect("no panic").expect("ended");
        (asking.join().expect("no panic"), waiting.join().expect("no panic"))
    });
    assert_eq!(answer.expect("answered")["message"], "nothing changed");
    assert!(ended);
    assert!(!path.exists());
}

#[test]
fn two_engines_never_share_a_socket() {
    let engine = Fake::default();
    serve("two", &engine, |place| {
        let control = Control { socket: Some(place.socket.clone()), ..Control::default() };
        let error = server::open(&control).err().expect("taken").to_string();
        assert!(error.contains("an engine runs there already"), "{error}");
        let control = Control { metrics: Some(place.metrics), ..Control::default() };
        let error = server::open(&control).err().expect("taken").to_string();
        assert!(error.contains("metrics can't be served on 127.0.0.1"), "{error}");
        let mut client = Client::connect(&place.socket).expect("still the first");
        assert_eq!(client.status().expect("a status"), status());
    });
}
