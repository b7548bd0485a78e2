//! What a stack says of itself: what is kept, how it is reached, what is captured.

use std::path::PathBuf;

use correlator_source::capture::name::name_at;
use correlator_source::settings::Source;

use super::Checker;
use crate::stack::problem::Wrong;
use crate::stack::{Control, Keeping, control, keeping, path, reading};

impl Checker<'_> {
    pub(super) fn keeping(&mut self) -> Option<Keeping> {
        let node = self.raw.state.as_ref()?;
        let (keeping, typed) = keeping::read(node, &self.raw.folder, &mut self.problems)?;
        self.typed.extend(typed.into_iter().map(|name| format!("state.{name}")));
        Some(keeping)
    }

    pub(super) fn control(&mut self, sources: &[Source]) -> Control {
        // A stack that ends by itself, or that no file holds, has nothing to take up.
        let live = sources.iter().any(|source| source.door.is_live());
        let control = Control { watch: live && !self.raw.flags, ..Control::default() };
        let Some(node) = &self.raw.control else { return control };
        let (control, typed) = control::read(node, &self.raw.folder, control, &mut self.problems);
        self.typed.extend(typed.into_iter().map(|name| format!("control.{name}")));
        self.reached_alone(&control, &node.place, sources);
        control
    }

    pub(super) fn credentials(&mut self) -> correlator_credential::Settings {
        let typed = self.raw.credentials.as_ref();
        self.typed.extend(typed.map(|_| "credentials".to_owned()));
        let settings: Option<correlator_credential::Settings> =
            typed.and_then(|node| reading::read(node, &mut self.problems));
        settings.unwrap_or_default().relative_to(&self.raw.folder)
    }

    pub(super) fn capture(&mut self) -> Option<PathBuf> {
        let node = self.raw.capture.as_ref()?;
        let path = path::read("the path of a file", node, &self.raw.folder);
        self.typed.push("capture".to_owned());
        // What time it stands for is known when it begins; that it stands for one is known now.
        let path = path.and_then(|path| match name_at(&path, 0) {
            Ok(_) => Ok(path),
            Err(error) => Err(Wrong::new(error.to_string())),
        });
        self.problems.take(&node.place, path)
    }
}
