//! Doors to the network, with real sockets on the loopback.

mod authority;
mod support;

mod capture;
mod changes;
mod datagrams;
mod framing;
mod handed;
mod limits;
mod safety;
mod tls;
mod unix;
