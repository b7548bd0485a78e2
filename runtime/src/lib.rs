//! The engine of Correlator.

pub mod declaration;
