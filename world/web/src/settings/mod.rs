//! The values that several grants have in common, in the forms that people write.

mod network;

pub use correlator_world::human::Span;
pub use network::Network;
