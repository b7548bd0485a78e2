//! The samples of this listener, whole and cut at random places.

#[test]
fn samples() {
    correlator_sdk::testing::check_listener_samples::<correlator_listener_database::Database>(
        env!("CARGO_MANIFEST_DIR"),
    );
}
