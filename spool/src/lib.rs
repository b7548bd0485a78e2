//! The spool: an append-only, checksummed, segmented log of frames.
//!
//! One writer appends; any number of readers follow it, each at its own pace; another thread writes through. What is in
//! a frame is the caller's: this crate numbers its items, keeps it whole, and says truthfully what it could not keep.
//!
//! On disk a spool is a folder of segments. A segment's name holds the sequence number that nothing in it is below, and
//! its *life*: a random number that every frame in it carries too. Segments that everybody is done with are renamed and
//! overwritten in place, because the system's page cache takes bytes for pages that it has already ten times as fast as
//! for fresh ones; so old frames may stand behind the newest, and the life is what tells them apart. It also tells apart
//! a frame and bytes that only look like one, which a sender may well put in a record: nobody can guess it.
//!
//! Every frame says which number must have been the last before it, and which segment came before its own. So a
//! deliberate gap is never taken for a loss, and a loss is counted to the item.
//!
//! # Layout
//! - [`limit`] and [`settings`]: every number that bounds something; what an operator chooses
//! - [`error`]: what can go wrong
//! - [`header`]: what stands before a payload
//! - `name`, `lock`: the files of a folder, and who may write there
//! - `write`: pieces to a file, as one
//! - `walk`: the frames of one segment, and the way past what is none
//! - `segment`: a segment that is there, and how far it has been written through
//! - `shared`: the segments that are there now, for writer, readers and syncers
//! - [`spool`], `spares`: the writer; segments that wait to be overwritten
//! - [`recovery`]: what a writer finds when it starts
//! - [`sync`]: writing through
//! - [`reader`], `view`: reading, in the writer's process or in another

pub mod limit;

pub mod settings;

pub mod error;

pub mod header;

mod name;

mod lock;

mod write;

mod walk;

mod segment;

mod shared;

mod spares;

pub mod spool;

pub mod recovery;

pub mod sync;

mod view;

pub mod reader;
