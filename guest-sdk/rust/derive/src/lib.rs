//! The derives of correlator-sdk.
//!
//! `#[derive(Event)]` makes a struct an event: its fields are the columns, its doc comments the meanings. What the
//! contract forbids is an error here, at the place where it was written, long before a host refuses the module.
//! `#[derive(Options)]` does the same for options.
//!
//! # Layout
//! - `meaning`: doc comments as sentences
//! - `name`: what the contract allows as a name
//! - `template`: summaries with `{column}` in them
//! - `event`, `option`: the two derives

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod meaning;

mod name;

mod template;

mod event;

mod option;

/// Makes a struct an event that a module may emit.
///
/// ```text
/// /// A user came from an address for the first time.
/// #[derive(Event)]
/// #[event(severity = "warning", summary = "{user} came from {address} for the first time")]
/// struct NewAddress<'a> {
///     /// Who logged in.
///     user: &'a BStr,
///     /// From where.
///     address: &'a BStr,
/// }
/// ```
///
/// - `severity`: one of syslog's names in full. `informational` if it is left out.
/// - `summary`: a line with `{column}` where a value goes and `{{` for a brace. Must be there.
/// - `name`: the event's name. The struct's in snake case if it is left out.
///
/// A field may be renamed with `#[column(name = "type")]`.
#[proc_macro_derive(Event, attributes(event, column))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    event::derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a struct the options of a guest.
///
/// ```text
/// #[derive(Options)]
/// struct Options {
///     /// How many failures within the window are an attack.
///     #[option(default = 5, at_least = 1, at_most = 1000)]
///     limit: u64,
///     /// How long the window is.
///     #[option(default = "5m")]
///     window: Duration,
///     /// How lines are written.
///     #[option(default = "text", choices = ["text", "json"])]
///     format: String,
/// }
/// ```
///
/// Without a default an option must be set. Durations are written as `"300s"`, `"5m"`, `"48h"`, `"7d"`, `"250ms"`.
#[proc_macro_derive(Options, attributes(option))]
pub fn derive_options(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    option::derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
