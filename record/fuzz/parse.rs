//! Any bytes, cut anywhere, give records whose spans are within the text, and the same ones as uncut.
//!
//! The first two bytes choose the framing, the longest record, and where to cut.

use correlator_frame::record::{FIELD_WORDS, Frame, STRIDE};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};

/// Checks one input.
pub fn check(data: &[u8]) {
    let [choice, cut, stream @ ..] = data else { return };
    let framing = match choice % 4 {
        0 => Framing::Lines,
        1 => Framing::Trailer(vec![0]),
        2 => Framing::Trailer(b"\r\n".to_vec()),
        _ => Framing::Octets,
    };
    let settings = Settings {
        record_bytes_max: if choice & 4 == 0 { 40 } else { 4096 },
        ..Settings::default()
    };
    let cut = stream.len() * usize::from(*cut) / 255;
    let whole = parse(&settings, &framing, &[stream]);
    assert_eq!(parse(&settings, &framing, &[&stream[..cut], &stream[cut..]]), whole);
}

/// What a record says, without where it stands.
type Said = (Vec<u8>, i64, u32, Vec<Vec<u8>>);

fn parse(settings: &Settings, framing: &Framing, parts: &[&[u8]]) -> Vec<Said> {
    let mut parser = Parser::new(settings.clone());
    let (mut said, mut tail) = (Vec::new(), Vec::new());
    for (place, part) in parts.iter().enumerate() {
        tail.extend_from_slice(part);
        let mut frame = Frame { text: std::mem::take(&mut tail), ..Frame::default() };
        let at_end = place + 1 == parts.len();
        parser.parse(&mut frame, 0, framing, at_end, usize::MAX).take_tail(&mut frame, &mut tail);
        check_spans(&frame);
        said.extend(frame.batch().records().map(|record| {
            let mut parts: Vec<Vec<u8>> =
                [record.host(), record.program(), record.process_id(), record.message_id()]
                    .map(<[u8]>::to_vec)
                    .to_vec();
            parts.push(record.message().to_vec());
            parts.extend(record.fields().map(|field| field.value.to_vec()));
            (record.raw().to_vec(), record.time(), record.flags(), parts)
        }));
    }
    assert!(tail.is_empty(), "nothing is left at the end");
    said
}

fn check_spans(frame: &Frame) {
    let within = |pair: &[u32]| pair[0] as usize + pair[1] as usize <= frame.text.len();
    for row in frame.index.chunks_exact(STRIDE) {
        assert!(within(&row[..2]) && row[8..18].chunks_exact(2).all(within));
        let first = row[18] as usize;
        let fields = &frame.extra[first..first + row[19] as usize * FIELD_WORDS];
        assert!(fields.chunks_exact(2).all(within));
    }
}
