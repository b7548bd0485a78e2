//! Servers that say half of what they should, too much of it, or something else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use correlator_world::Cell;

use crate::server::{database, deliver, request};

#[expect(clippy::disallowed_methods, reason = "a test has to end")]
fn now() -> Instant {
    Instant::now()
}

/// A server that says this to everyone, hears what comes, and hangs up or not.
fn serve(says: Vec<u8>, hangs_up: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let says = says.clone();
            thread::spawn(move || {
                let _ = client.write_all(&says);
                let mut bytes = [0; 1024];
                while !hangs_up && matches!(client.read(&mut bytes), Ok(1..)) {}
                // What was not heard would break the connection off before it is read.
                let _ = client.set_read_timeout(Some(Duration::from_millis(50)));
                let _ = client.read(&mut bytes);
            });
        }
    });
    port
}

/// One that never stops saying this.
fn drip(says: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let says = says.clone();
            thread::spawn(move || while client.write_all(&says).is_ok() {});
        }
    });
    port
}

fn ask(kind: &str, port: u16, tls: &str) -> (String, Duration) {
    let settings = format!(
        "kind: {kind}, address: '127.0.0.1:{port}', database: d, user: u, credential: db, tls: {tls}, tables: ['*'], \
         timeout: 300ms"
    );
    let start = now();
    let said = deliver(&mut database(&settings), &[request("1", "t", &[("a", Cell::Integer(1))])])
        .remove(0);
    (said, start.elapsed())
}

fn check(kind: &str, says: &[u8]) {
    for tls in ["off", "verify"] {
        for hangs_up in [true, false] {
            let (said, took) = ask(kind, serve(says.to_vec(), hangs_up), tls);
            assert!(said.starts_with("later: database `d`: "), "{kind} {says:?}: {said}");
            assert!(took < Duration::from_secs(3), "{kind} {says:?}: {took:?}");
        }
        let (said, took) = ask(kind, drip(says.to_vec()), tls);
        assert!(said.starts_with("later: database `d`: "), "{kind} {says:?}: {said}");
        assert!(took < Duration::from_secs(3), "{kind} {says:?}: {took:?}");
    }
}

#[test]
fn postgres() {
    let cases: [&[u8]; 14] = [
        b"",
        b"S",
        b"N",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"R\0\0\0\x08\0\0\0\0",
        b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
        b"R\0\0\0\x08\0\0\0\x03",
        b"R\0\0\0\x0a\0\0\0\x0a\0\0",
        b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0R\0\0\0\x08\0\0\0\0",
        b"R\0\0\0\x0c\0\0\0\x0bx=y,",
        b"R\xff\xff\xff\xff\0\0\0\0",
        b"Z\x7f\xff\xff\xffIIII",
        b"E\0\0\0\x05\0",
        b"\0\0\0\0\0\0\0\0\0\0",
    ];
    for says in cases {
        check("postgres", says);
    }
}

#[test]
fn mysql() {
    let greeting = |rest: &[u8]| {
        let mut body =
            b"\x0a5.5.5-10.11\0\x01\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\x81\x15".to_vec();
        body.extend_from_slice(&[0; 10]);
        body.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        let mut packet = vec![u8::try_from(body.len()).unwrap(), 0, 0, 0];
        packet.extend_from_slice(&body);
        packet.extend_from_slice(rest);
        packet
    };
    let cases: [Vec<u8>; 16] = [
        b"".to_vec(),
        b"\0\0\0\0".to_vec(),
        b"\xff\xff\xff\0".to_vec(),
        b"\x01\0\0\0\x0a".to_vec(),
        b"\x03\0\0\0\xff\x10\x04".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        greeting(b""),
        greeting(b"\0\0\0\x02"),
        greeting(b"\x01\0\0\x02\xfe"),
        greeting(b"\x01\0\0\x02\x01"),
        greeting(b"\x16\0\0\x02\xfemysql_clear_password\0"),
        greeting(b"\x09\0\0\x02\xfeunknown\0"),
        // A query for a file of this machine, and results without an end.
        greeting(b"\x07\0\0\x02\0\0\0\x02\0\0\0\x0c\0\0\x01\xfb/etc/passwd"),
        greeting(b"\x07\0\0\x02\0\0\0\x02\0\0\0\x01\0\0\x01\x01\x01\0\0\x02x"),
        greeting(b"\x07\0\0\x02\0\0\0\x02\0\0\0\x09\0\0\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff"),
        greeting(b"\x01\0\0\x02\0\x01\0\0\x02\0\x01\0\0\x02\0\x01\0\0\x02\xfd"),
    ];
    for says in &cases {
        check("mysql", says);
    }
}

/// A proxy whose server is away takes the login itself, and answers what is asked with errors of its own: that is no row's
/// fault, at whatever place of the way to the first row.
#[test]
fn proxy_without_its_server() {
    let greeting = [
        b"\x0a8.0.30\0\x07\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\x0f\x80\x15".as_slice(),
        &[0; 10],
        b"ijklmnopqrst\0mysql_native_password\0",
    ]
    .concat();
    for taken in ["", "SET N", "SET "] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let greeting = greeting.clone();
        thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let mut say = |number: u8, payload: &[u8]| {
                    let head = [u8::try_from(payload.len()).unwrap(), 0, 0, number];
                    let _ = client.write_all(&[&head, payload].concat());
                    let mut bytes = [0; 1024];
                    let count = client.read(&mut bytes).unwrap_or(0);
                    bytes.get(5..count).map(|said| String::from_utf8_lossy(said).into_owned())
                };
                let well = b"\0\0\0\x02\0\0\0";
                say(0, &greeting);
                let mut asked = say(2, well);
                while let Some(statement) = asked {
                    let is_taken = !taken.is_empty() && statement.starts_with(taken);
                    asked = if is_taken {
                        say(1, well)
                    } else {
                        say(1, b"\xff\x29\x23#HY000Max connect timeout reached")
                    };
                }
            }
        });
        let (said, _) = ask("mysql", port, "off");
        let expected = "later: database `d`: the server refused it (error 9001)";
        assert_eq!(said, expected, "{taken}");
    }
}

/// A password is never sent where it could be read on the way.
#[test]
fn passwords_stay_here() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (mut client, _): (TcpStream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 1024];
        let mut heard = Vec::new();
        let _ = client.read(&mut bytes);
        let _ = client.write_all(b"R\0\0\0\x08\0\0\0\x03");
        let _ = client.read_to_end(&mut heard);
        heard
    });
    let (said, _) = ask("postgres", port, "off");
    assert!(said.contains("in the open"), "{said}");
    let heard = heard.join().unwrap();
    assert!(!heard.windows(4).any(|part| part == b"hush"), "{heard:?}");
}
