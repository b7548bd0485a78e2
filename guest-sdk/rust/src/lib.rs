//! What the author of a Correlator module or listener imports.
