//! The values that several grants have in common, in the forms that people write.

mod grant;
mod network;

pub use correlator_world::human::Span;
pub(crate) use grant::grant;
pub use network::Network;
