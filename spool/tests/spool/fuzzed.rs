//! The fuzzer's check of the reader, fed for a short while.

#[path = "../../../record/fuzz/inputs.rs"]
mod inputs;
#[path = "../../fuzz/reader.rs"]
mod reader;

#[test]
fn any_segments() {
    // What the input says is a list of numbers: what to write, how long it is, what to break.
    let samples: [&[u8]; 4] = [
        &[3, 5, 4, 1, 2, 3, 4, 0, 0, 0, 6, 0, 1, 0, 0, 7, 2, 9, 9, 1, 1, 0],
        &[2, 1, 3, 8, 8, 8, 0, 0, 0, 5, 3, 6, 1, 7, 0, 0, 0],
        &[4, 2, 2, 1, 1, 16, 33, 7, 9, 200, 4, 40, 3, 2, 5, 5, 0, 0, 0, 0],
        &[1, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
    ];
    inputs::feed(&samples, reader::check);
}
