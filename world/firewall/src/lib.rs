//! Addresses that listeners want blocked, in nftables sets whose entries the kernel itself lets expire.
//!
//! A grant of it in a stack:
//!
//! ```yaml
//! firewall:
//!   table: correlator             # of family inet; nobody else should keep anything in it
//!   sets:                         # the targets that a listener may name
//!     ssh: { ports: [22] }        # only what is sent to these ports; `protocol` is tcp if not said
//!     all: { hook: both, verdict: reject, priority: -10 }
//!   duration: 10m                 # where the listener says none
//!   duration_max: 7d              # who asks for more gets this
//!   prefix: { v6: 64 }            # an IPv6 address stands for its /64; 128: for itself
//!   prefix_min: { v4: 24, v6: 48 }  # no network that is larger
//!   allow: [ 10.0.0.0/8, "2001:db8::7" ]  # never blocked, whatever a rule says
//!   entries_max: 100000           # of each set
//!   ssh: { ports: [22], login_grace: 2m }  # where operators log in
//! ```
//!
//! A request names a set as its target and has these columns: `address` (text: an address or a network), `duration`
//! (a duration, optional) and `reason` (text, optional; for the audit trail).
//!
//! What is never blocked, whoever asks: the allow-list, the host's own addresses, its gateways, loopback, link-local,
//! multicast, broadcast and unspecified addresses, where somebody is logged in from over SSH, and any network that
//! contains one of these.
//!
//! # Why the sets are as they are
//! The entries of one prefix length are a hash set of their own: `ssh_v4`, `ssh_v4_24`, `ssh_v6_64`. The rule
//! masks a packet's address and looks it up. So a network and an address in it are two entries with two timeouts, and
//! neither has to be merged, split or found again when the other one goes; adding one of 50,000 costs what adding the first
//! one does. An interval set would refuse what overlaps. Sets of unusual lengths and their rules are made when they are
//! first needed. The table is not given the kernel's `owner` flag: the operator's `nft` must be able to lift a
//! block, and blocks must outlive this process.
//!
//! Everything is said to the kernel over netlink, the table and its rules too: no program is started.
//!
//! # Layout
//! Pure: `settings`, `wish` (what a request asks for), `networks`, `entries`, `coming`. Netlink: `wire` (bytes), `route`
//! (what the host is on its networks), `table` and `rule` (what is said to nftables), `kernel` (both ways). `session`
//! reads who is logged in, `lookout` looks at the host from time to time, `protected` adds up what is never blocked,
//! `force` keeps the kernel's sets as they ought to be, `firewall` decides what ought to be in them, `capability` is its
//! face to the host.

mod capability;
mod clock;
mod coming;
mod entries;
mod error;
mod firewall;
mod force;
mod kernel;
mod lookout;
mod networks;
mod protected;
mod route;
mod rule;
mod session;
mod settings;
mod table;
mod wire;
mod wish;

pub use capability::told;
pub use correlator_world::human::Span;
pub use error::Error;
pub use firewall::{Block, Ensured, Firewall, Restored};
pub use settings::{Hook, Prefix, Protocol, SetSettings, Settings, SshSettings, Verdict};
