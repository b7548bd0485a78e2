//! Small pieces of memory without a search: the allocator of a guest.
//!
//! A guest is one thread, and most of what it allocates is a key or a name of a few dozen bytes. Those come from lists of
//! free pieces, one list for each size; a list that is empty cuts a block into pieces. What is larger goes to the
//! standard allocator. Pieces are never given back to it, so a guest keeps its greatest need of each size.

#![allow(unsafe_code, reason = "an allocator deals in raw memory")]

use core::cell::Cell;
use core::ptr::null_mut;
use std::alloc::{GlobalAlloc, Layout, System};

/// The sizes of pieces: 16, 32, 64, ... bytes.
const CLASSES: usize = 6;
const SMALLEST_SHIFT: u32 = 4;
const LARGEST: usize = 1 << (SMALLEST_SHIFT as usize + CLASSES - 1);
/// What is cut into pieces at once.
const BLOCK_BYTES: usize = 16 << 10;
const ALIGN: usize = 16;

/// Lists of free pieces, one for each size. The first word of a free piece is the next one's address.
struct Pieces {
    free: [Cell<*mut u8>; CLASSES],
}

// SAFETY: a guest has one thread; the host calls in from one place at a time.
unsafe impl Sync for Pieces {}

#[global_allocator]
static PIECES: Pieces = Pieces { free: [const { Cell::new(null_mut()) }; CLASSES] };

/// The list for this layout, if it is a small one.
#[inline]
fn class(layout: Layout) -> Option<usize> {
    if layout.size() > LARGEST || layout.align() > ALIGN {
        return None;
    }
    let shift = usize::BITS - layout.size().max(1).saturating_sub(1).leading_zeros();
    Some(shift.saturating_sub(SMALLEST_SHIFT) as usize)
}

impl Pieces {
    /// Cuts a block into pieces, and gives the first.
    #[cold]
    fn cut(&self, class: usize) -> *mut u8 {
        let bytes = 1 << (SMALLEST_SHIFT as usize + class);
        let Ok(layout) = Layout::from_size_align(BLOCK_BYTES, ALIGN) else { return null_mut() };
        // SAFETY: the layout has a size, and every piece lies within the block.
        unsafe {
            let block = System.alloc(layout);
            if block.is_null() {
                return block;
            }
            for place in (bytes..BLOCK_BYTES).step_by(bytes).rev() {
                self.put(class, block.add(place));
            }
            block
        }
    }

    /// Puts a piece on its list.
    ///
    /// # Safety
    /// The piece must be one of this size that nobody uses.
    #[inline]
    unsafe fn put(&self, class: usize, piece: *mut u8) {
        let list = &self.free[class];
        // SAFETY: a piece has room for an address and is aligned for one.
        unsafe { piece.cast::<*mut u8>().write(list.get()) };
        list.set(piece);
    }
}

// SAFETY: pieces don't overlap, are as large and as aligned as their class says, and only `cut` makes them.
unsafe impl GlobalAlloc for Pieces {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout) else {
            // SAFETY: the caller's promise is handed on.
            return unsafe { System.alloc(layout) };
        };
        let list = &self.free[class];
        let piece = list.get();
        if piece.is_null() {
            return self.cut(class);
        }
        // SAFETY: a piece on the list holds the next one's address.
        list.set(unsafe { piece.cast::<*mut u8>().read() });
        piece
    }

    #[inline]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: the piece was allocated with this layout, so its class is the same.
        unsafe {
            match class(layout) {
                Some(class) => self.put(class, piece),
                None => System.dealloc(piece, layout),
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: the new size, rounded up, does not overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: both layouts are sound, and what is copied lies within both.
        unsafe {
            match (class(layout), class(new)) {
                (Some(old), Some(class)) if old == class => piece,
                (None, None) => System.realloc(piece, layout, size),
                _ => {
                    let copy = self.alloc(new);
                    if !copy.is_null() {
                        copy.copy_from_nonoverlapping(piece, layout.size().min(size));
                        self.dealloc(piece, layout);
                    }
                    copy
                }
            }
        }
    }
}
