//! Followed files: no record lost or doubled, whatever happens to their names.

mod support;

mod names;
mod restart;
mod rotation;
mod static_files;
mod times;
