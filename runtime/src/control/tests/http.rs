//! Metrics over HTTP, end to end, by a client that can be rude.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::metrics;
use super::{Fake, Place, serve, status};
use crate::limit;

/// All that the server says to these bytes.
fn said(place: &Place, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(place.metrics).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(sent).expect("sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer that ends");
    said
}

#[test]
fn metrics_and_health_are_served_and_nothing_else() {
    let engine = Fake::default();
    serve("http", &engine, |place| {
        let page = said(place, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (head, body) = page.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert_eq!(body, metrics::render(&status()));
        let head = said(place, b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");

        let check = |sent: &[u8], expected: &str| {
            let answer = said(place, sent);
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        };
        check(b"GET /health HTTP/1.1\r\n\r\n", "200 OK");
        check(b"GET /metrics HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n", "200 OK");
        check(b"GET /../etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found");
        check(b"DELETE /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed");
        check(b"nonsense\r\n\r\n", "400 Bad Request");
        check(&vec![b'x'; limit::HTTP_HEAD_BYTES_MAX], "431 Request Header");
    });
}

#[test]
fn clients_that_are_stuck_keep_nobody_from_the_control_socket() {
    let engine = Fake::default();
    serve("http-stuck", &engine, |place| {
        let connect = || TcpStream::connect(place.metrics).expect("connected");
        let stuck: Vec<TcpStream> = (0..limit::METRICS_CLIENTS_MAX).map(|_| connect()).collect();
        let answer = said(place, b"");
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable"), "{answer}");
        let mut client = super::super::client::Client::connect(&place.socket).expect("connected");
        assert_eq!(client.status().expect("a status"), status());
        drop(stuck);
    });
}
