//! What effects end in: a web server with moods, mail servers, a database, a network of its own, and the engine's own
//! record of what it did.
//!
//! It must never know what a case is to prove.
//!
//! # Layout
//! - [`failures`]: failed logins, each from another address
//! - [`effects`]: what the store says of effects
//! - [`web`]: a web server whose mood can change
//! - [`network`]: two network name spaces with a cable between them
//! - [`smtp`]: a mail server that takes everything
//! - [`papers`]: what servers prove themselves with
//! - [`postfix`], [`postgres`]: real ones

pub mod effects;

pub mod failures;

pub mod network;

pub mod papers;

pub mod postfix;

pub mod postgres;

pub mod smtp;

pub mod web;
