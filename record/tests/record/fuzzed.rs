//! The fuzzers' checks, fed for a short while.

#[path = "../../fuzz/framing.rs"]
mod framing;
#[path = "../../fuzz/inputs.rs"]
mod inputs;
#[path = "../../fuzz/parse.rs"]
mod parse;

const SAMPLES: [&[u8]; 7] = [
    b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed\n",
    b"<165>1 2003-10-11T22:14:15.003Z h evntslog 1 ID47 [exampleSDID@32473 iut=\"3\" a=\"\\]\\\"\"][b] x\n",
    b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed\r\n",
    b"Jan 10 06:00:00 gate sshd[4242]: Failed password for root from 192.0.2.1 port 22 ssh2\n",
    b"41 <38>1 2024-12-10T06:00:00Z a b - - - text.",
    b"7 <1>1234",
    b"\x00\n\n",
];

#[test]
fn any_framing() {
    inputs::feed(&SAMPLES, framing::check);
}

#[test]
fn any_records() {
    inputs::feed(&SAMPLES, parse::check);
}
