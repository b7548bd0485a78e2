//! Splitting any bytes moves on at every step and gives ranges that are in order, in whatever framing they seem to have.

use correlator_record::framing::{Framing, Next};

/// Checks one input.
pub fn check(data: &[u8]) {
    for framing in
        [Framing::discover(data), Framing::of_file(data), Framing::Octets, Framing::Mixed]
    {
        let (mut at, mut lost) = (0, false);
        while at < data.len() {
            match framing.next(&data[at..], false, lost) {
                Next::Partial { start, missing } => {
                    assert!(start <= data.len() - at && missing != Some(0));
                    let Next::Record(piece) = framing.next(&data[at..], true, lost) else {
                        panic!("at the end there is always a record");
                    };
                    // What turns out to be no envelope may be many lines.
                    let many = matches!(framing, Framing::Captured(_));
                    assert!(many || at + piece.next == data.len());
                    break;
                }
                Next::Record(piece) => {
                    assert!(piece.next > 0 && piece.start <= piece.end && piece.end <= piece.next);
                    let record = &data[at + piece.start..at + piece.end];
                    // Whoever sends lines loses none to a count.
                    assert!(framing != Framing::Mixed || !record.contains(&b'\n'));
                    (at, lost) = (at + piece.next, piece.lost);
                }
            }
        }
    }
}
