//! Captures read with their framing.

use correlator_record::framing::Framing;
use correlator_source::replay::reader::Reader;

use crate::{Folder, HEADER, lines, settings};

/// Reads a capture and tells its records with `|` between them; a `!` marks one whose framing is not all there.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a table of cases reads better so")]
fn check(input: &str, framing: Option<Framing>, expected: &str) {
    let folder = Folder::new();
    let path = folder.file("a.cap", input);
    for parse in [false, true] {
        let mut reader = Reader::open(&path, &settings(framing.clone(), parse)).expect("a file");
        let (mut records, mut bytes) = (Vec::new(), Vec::new());
        while let Some(block) = reader.next_block().expect("readable") {
            for entry in block.entries() {
                assert_eq!(entry.offset, bytes.len() as u64);
                assert_eq!(entry.record.is_some(), parse && entry.number.is_some());
                if let Some(record) = entry.record {
                    assert_eq!(record.raw(), entry.body);
                }
                bytes.extend_from_slice(entry.bytes);
                if let Some(number) = entry.number {
                    assert_eq!(number, records.len() as u64 + 1);
                    let mark = if entry.whole { "" } else { "!" };
                    records.push(format!("{}{mark}", String::from_utf8_lossy(entry.body)));
                }
            }
        }
        assert!(bytes == input.as_bytes(), "all entries together are the capture");
        let records = records.join("|");
        assert!(records == expected, "{:.200}: {records:.200}", input.escape_debug());
    }
}

#[test]
fn captures_are_read_with_their_framing() {
    let trailer = |trailer: &str| Some(Framing::Trailer(trailer.as_bytes().to_vec()));
    check("", None, "");
    check("a\nb\n", None, "a|b");
    check("a\r\nb", None, "a|b!");
    check("\n\na\n\nb\n\n", None, "a|b");
    check(&format!("{HEADER} a\nb\r{HEADER} c\r"), None, &format!("{HEADER} a\nb|{HEADER} c"));
    check(&format!("{HEADER} a\r{HEADER} c"), None, &format!("{HEADER} a|{HEADER} c!"));
    check("a--b--c-", trailer("--"), "a|b|c-!");
    check("4 <1>a5 <1>bc", None, "<1>a|<1>bc");
    check("4 <1>a5 <1>\n", None, "<1>a|<1>!");
    check("4 <1>a50 <1>bc", None, "<1>a|<1>bc!");
    check("4 <1>a50 <1>bc", Some(Framing::Lines), "4 <1>a50 <1>bc!");
    check("4 <1>a x\n4 <1>b", None, "<1>a| x|<1>b");
}

#[test]
fn records_longer_than_a_block_are_read() {
    let long = "x".repeat(700_000);
    check(&format!("a\n{long}\nb\n{long}"), None, &format!("a|{long}|b|{long}!"));
    let many = lines(20_000);
    check(&many, None, &many.trim_end().replace('\n', "|"));
}

#[test]
fn what_is_no_file_is_told() {
    let folder = Folder::new();
    let wrong = |path: &std::path::Path| {
        Reader::open(path, &settings(None, true)).err().map(|error| error.to_string())
    };
    let expected = format!("{}/none: No such file", folder.0.display());
    assert!(wrong(&folder.0.join("none")).is_some_and(|error| error.starts_with(&expected)));
    assert!(wrong(&folder.0).is_some_and(|error| error.contains("is a directory")));
}
