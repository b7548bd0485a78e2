//! How to speak to a service, as data: which method, headers and body it wants, how it is shown who asks, and what its
//! answers mean.
//!
//! A recipe is YAML: the bundled ones lie beside the capability that they belong to, and an endpoint's settings may
//! change each part. A text in it has placeholders:
//!
//! | placeholder | is |
//! | --- | --- |
//! | `{summary}` | the column `summary` of the request, which must be there |
//! | `{event?}` | a column that may be absent: then nothing is written, and a key that would have nothing is left out |
//! | `{$project}` | what the operator wrote under `values` |
//! | `{@id}` | the request's id, which is the same when it is sent again |
//! | `{@all}` | all columns as a JSON object |
//! | `{@credential}` | the secret |
//! | `{{`, `}}` | braces |
//!
//! Filters follow a colon, one after the other: `or TEXT` (what is taken for an absent one), `line` (line ends and control
//! characters become spaces), `cut N` (characters, at most), `short N` (the same for ids: a longer one ends with a hash of
//! all of it, so that two stay two), `json` (the text is JSON and goes in as such), `text` (as a
//! text, whatever it is), `lines` (a JSON object as lines `name: value`), the name of one of the recipe's `tables` (the
//! entry of this number) or one of its `escapes` (characters are replaced, hidden ones dropped).
//!
//! The body is a tree and not a text with gaps: whatever a value holds, it stays one value.

mod auth;
mod body;
mod fill;
mod filter;
mod merge;
mod rule;
mod sender;
mod signature;
mod template;
mod words;

pub use auth::Auth;
pub use rule::{Rule, Statuses, Verdict};

pub use signature::{Algorithm, Signature};

pub(crate) use auth::Credential;
pub(crate) use fill::{size, value};
pub(crate) use merge::Recipe;
pub(crate) use sender::{Sender, Use};
pub(crate) use words::{clean, excerpt};
