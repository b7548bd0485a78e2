//! Where the engine of a stack is reached and what it keeps lies, without its guests: for those who ask about a run, not
//! for those who begin one.
//!
//! What is wrong with the stack is not told here; what can't be understood counts as not typed. Not so where credentials
//! are: a secret must not land elsewhere because a word was mistyped.

use std::path::PathBuf;

use super::problem::{Problem, Problems};
use super::raw::RawStack;
use super::{Control, control, keeping, reading};

impl RawStack {
    /// How a running engine of this stack is reached.
    #[must_use]
    pub fn control(&self) -> Control {
        let nothing = Control::default();
        let Some(node) = &self.control else { return nothing };
        control::read(node, &self.folder, nothing, &mut Problems::default()).0
    }

    /// The folder of the spools, checkpoints and dead letters.
    #[must_use]
    pub fn state_folder(&self) -> Option<PathBuf> {
        let node = self.state.as_ref()?;
        let (keeping, _) = keeping::read(node, &self.folder, &mut Problems::default())?;
        Some(keeping.folder)
    }

    /// Where credentials are looked for.
    ///
    /// # Errors
    /// What the stack says of that can't be understood, or something of it that may have been meant to say it.
    pub fn credentials(&self) -> Result<correlator_credential::Settings, Vec<Problem>> {
        let mut problems = self.problems.clone();
        let typed = self.credentials.as_ref();
        let settings: Option<correlator_credential::Settings> =
            typed.and_then(|node| reading::read(node, &mut problems));
        if problems.stop() {
            return Err(problems.finish(&self.texts));
        }
        Ok(settings.unwrap_or_default().relative_to(&self.folder))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::RawStack;

    #[test]
    fn where_a_stack_is_reached_is_known_without_its_guests() {
        let check = |text: &str, socket: Option<&str>, set: bool, state: Option<&str>| {
            let raw = RawStack::parse(text, "stack.yaml").expect("a document");
            assert_eq!(raw.control().socket, socket.map(PathBuf::from), "{text}");
            assert_eq!(raw.control().socket_set, set, "{text}");
            assert_eq!(raw.state_folder(), state.map(PathBuf::from), "{text}");
        };
        check("modules: { x: none.wasm }", None, false, None);
        check("control: { socket: /run/x.sock }", Some("/run/x.sock"), true, None);
        check("control: { socket: none }", None, true, None);
        check("state: /var/lib/x", None, false, Some("/var/lib/x"));
        check("state: { folder: /var/lib/x }", None, false, Some("/var/lib/x"));
        check("state: [1]", None, false, None);
    }

    #[test]
    fn where_credentials_are_is_understood_or_told() {
        let check = |text: &str, expected: Result<Option<&str>, &str>| {
            let raw = RawStack::parse(text, "stack.yaml").expect("a document");
            let found = raw.credentials();
            let file = found.as_ref().map(|settings| settings.file.as_deref());
            let file = file.map(|file| file.and_then(std::path::Path::to_str));
            assert_eq!(
                file.map_err(|problems| problems[0].to_string()),
                expected.map_err(str::to_owned)
            );
        };
        check("modules: { sshd: }", Ok(None));
        check("credentials: { order: [file], file: /c }", Ok(Some("/c")));
        check(
            "credentials: { order: [fil], file: /c }",
            Err("stack.yaml:1:24: `fil` is none of the choices; did you mean `file`?"),
        );
        check(
            "credentials: { fiel: /c }",
            Err("stack.yaml:1:16: there is no `fiel` here; did you mean `file`?"),
        );
        check(
            "credential: { file: /c }",
            Err("stack.yaml:1:1: a stack has no `credential`; did you mean `credentials`?"),
        );
    }
}
