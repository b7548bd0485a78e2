//! Credentials by name: where secrets are kept, and how they are got when something is delivered.
//!
//! A stack names credentials and never holds them. Their values lie in places that are made for it, and the stack says in
//! which order these are asked:
//!
//! ```yaml
//! credentials:
//!   order: [keyring, keyutils, systemd, file, environment]
//!   file: /var/lib/correlator/credentials
//!   key: /etc/correlator/credentials.key
//! ```
//!
//! | place | what it is | good for |
//! | --- | --- | --- |
//! | `keyring` | the Secret Service of the session (GNOME, KDE, `KeePassXC`), items with `service=correlator`, `username=NAME` | a desktop |
//! | `keyutils` | the user's keyring in the kernel, keys `correlator:NAME`; gone when the machine restarts | secrets that must touch no disk |
//! | `systemd` | files below `$CREDENTIALS_DIRECTORY`, which the unit's `LoadCredentialEncrypted=` puts there | a service |
//! | `file` | one encrypted file, with a key file beside it or elsewhere, or with a passphrase | a machine without a desktop |
//! | `environment` | `CORRELATOR_CREDENTIAL_NAME`, told with a warning: every child and every reader of `/proc` sees it | the last resort |
//!
//! The first place that has a name wins. A place that this machine doesn't have counts as empty; one that is there and
//! does not answer (locked, damaged, open to others) is passed over too, but told if nobody else has the name.
//!
//! Values leave this crate as [`correlator_world::Secret`] alone. They are read into memory that is wiped, they are never
//! kept between two requests, and no error, log line or `Debug` has them. This crate must never know what a secret is for.
//!
//! # Why the Secret Service is spoken to by hand
//! It takes eight calls over one local socket. The crates that make them bring an asynchronous runtime with threads of its
//! own (100,000 lines for zbus alone), or the C library; and they leave the secret in buffers that nobody wipes. Here a
//! call is a blocking exchange with a deadline, in memory that is wiped. The session is the protocol's `plain` one:
//! whoever can listen in on the user's bus can as well ask the service itself, which asks its callers nothing.
//!
//! # Layout
//! In reading order; a part imports only from parts above it.
//! - [`limit`] and `clock`: every number that bounds something; where time comes from
//! - `settings`: which places there are, and in which order they are asked
//! - `error`, `name`: what goes wrong; what a credential may be called
//! - `variables`: the environment, as an argument
//! - `holder`: what every place can do
//! - `disk`: files that are for one user alone
//! - `environment`, `systemd`, `keyutils`: the places that are simple
//! - `file`: the encrypted one
//! - `bus`, `service`: as much of D-Bus as it takes; the Secret Service
//! - `report`, `vault`: what there is and what is lacking; all places in their order
//! - `dump`: no memory of this process ends up in a file

pub mod limit;

mod clock;

mod settings;

mod error;
mod name;

mod variables;

mod holder;

mod disk;

mod environment;
mod keyutils;
mod systemd;

mod file;

mod bus;
mod service;

mod report;
mod vault;

mod dump;

pub use dump::keep_out_of_dumps;
pub use error::CredentialError;
pub use name::Name;
pub use report::{Lacking, Listing, Removed, Stored, Want};
pub use settings::{Place, Settings};
pub use variables::Variables;
pub use vault::Vault;
