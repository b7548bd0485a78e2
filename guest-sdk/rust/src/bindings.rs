//! What wit-bindgen makes of the contract: the two worlds, with the types and the log that they share.
#![allow(
    unsafe_code,
    missing_docs,
    unused,
    clippy::all,
    clippy::pedantic,
    reason = "generated: the canonical ABI is pointers and lengths"
)]

pub mod module {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "module",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_module_world",
    });
}

pub mod listener {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "listener",
        with: {
            "correlator:engine/types@0.1.0": super::module::correlator::engine::types,
            "correlator:engine/log@0.1.0": super::module::correlator::engine::log,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_listener_world",
    });
}
