//! Who may write what a stack is made of: whoever may, has the engine do what he likes, with all its rights.
//!
//! The operator named the stack, so whose it is, is believed, and told where everybody may write. In a drop-in folder files
//! appear by themselves, so nobody else's are taken there. This room must never look into a file.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::problem::Wrong;
use crate::limit;
use crate::private::{EVERYBODY_WRITES, ROOT};
use crate::text::clean;

/// In a folder that has it nobody moves what is another's.
const STICKY: u32 = 0o1000;

/// The users who decide what the engine does anyway.
pub(super) struct Writers([u32; 3]);

impl Writers {
    /// Root, whose the engine is, and whose the stack file is.
    pub(super) fn of(stack: &Path) -> Self {
        let engine = rustix::process::geteuid().as_raw();
        Self([ROOT, engine, fs::metadata(stack).map_or(engine, |facts| facts.uid())])
    }

    /// Whether nobody else may write a file, or put another in its place.
    pub(super) fn file(&self, path: &Path) -> Result<(), Wrong> {
        // What is wrong with one that can't be found is told by who opens it.
        let (Ok(link), Ok(facts)) = (fs::symlink_metadata(path), fs::metadata(path)) else {
            return Ok(());
        };
        // Whose a link is says where it leads.
        self.owned(&link, path)?;
        self.owned(&facts, path)?;
        if facts.mode() & EVERYBODY_WRITES != 0 {
            return Err(written(path, "write this file"));
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let Some(folder) = real.parent() else { return Ok(()) };
        fs::metadata(folder).map_or(Ok(()), |facts| closed(&facts, folder))
    }

    /// Whether nobody else may put files into a folder that stay there.
    pub(super) fn folder(&self, path: &Path) -> Result<(), Wrong> {
        let Ok(facts) = fs::metadata(path) else { return Ok(()) };
        self.owned(&facts, path)?;
        closed(&facts, path)
    }

    fn owned(&self, facts: &Metadata, path: &Path) -> Result<(), Wrong> {
        let user = facts.uid();
        if self.0.contains(&user) {
            return Ok(());
        }
        let wrong = format!("this belongs to user {user}, who is neither root nor the engine's");
        Err(Wrong::new(wrong).help(format!(
            "whose it is decides what the engine does; give it to root (`chown -h root {0}`), or take it away",
            told(path)
        )))
    }
}

fn closed(facts: &Metadata, folder: &Path) -> Result<(), Wrong> {
    if facts.mode() & (EVERYBODY_WRITES | STICKY) == EVERYBODY_WRITES {
        return Err(written(folder, &format!("write the folder {}", told(folder))));
    }
    Ok(())
}

fn written(path: &Path, what: &str) -> Wrong {
    Wrong::new(format!("everybody may {what}, and so decide what the engine does"))
        .help(format!("take that right away (`chmod o-w {}`)", told(path)))
}

fn told(path: &Path) -> String {
    clean(&path.display().to_string(), limit::MESSAGE_BYTES_MAX)
}
