//! Derives for correlator-sdk.
