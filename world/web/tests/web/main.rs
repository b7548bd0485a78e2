//! What goes out over HTTP, and to whom: against endpoints that behave, that misbehave, and that are real.

mod alerts;
mod attacks;
mod bulk;
mod engine;
mod engines;
mod faults;
mod messages;
mod presets;
mod secure;
mod server;
mod vault;
mod webhooks;
