//! The samples of this module, whole and cut at random places.

#[test]
fn samples() {
    correlator_sdk::testing::check_samples::<correlator_module_capture::Capture>(env!(
        "CARGO_MANIFEST_DIR"
    ));
}
