//! Pieces to a file, as one: nothing is copied together first.
//!
//! It must never know what the pieces mean.

use std::fs::File;
use std::io::{self, IoSlice};

use rustix::io::Errno;

use crate::header::{ALIGN, HEADER_BYTES};
use crate::limit;

/// Writes a frame: its header, the parts of its payload, and the filling.
pub fn frame(
    file: &File,
    offset: u64,
    header: &[u8; HEADER_BYTES as usize],
    parts: &[&[u8]],
    filling: usize,
) -> io::Result<()> {
    let mut pieces = Vec::with_capacity(parts.len() + 2);
    pieces.push(IoSlice::new(header));
    pieces.extend(parts.iter().map(|part| IoSlice::new(part)));
    pieces.push(IoSlice::new(&[0; ALIGN as usize][..filling]));
    all(file, offset, &mut pieces)
}

/// Writes all of the pieces, however many calls it takes.
fn all(file: &File, mut offset: u64, mut pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty pieces at the front would look like a write that gets nowhere.
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let some = &pieces[..pieces.len().min(limit::PIECES_PER_WRITE_MAX)];
        match rustix::io::pwritev(file, some, offset) {
            Ok(0) if some.iter().any(|piece| !piece.is_empty()) => {
                return Err(io::ErrorKind::WriteZero.into());
            }
            Ok(written) => {
                let empty = if written == 0 { some.len() } else { 0 };
                pieces = &mut pieces[empty..];
                IoSlice::advance_slices(&mut pieces, written);
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
