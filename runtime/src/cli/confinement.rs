//! What a run needs of the machine, read off its stack, so that all the rest can be taken away from it.
//!
//! Folders are named where a file would do: logs rotate, editors and installers put a new file in the place of the old,
//! and a reload finds what came. What lies elsewhere than the stack that the engine was started with names stays out of
//! reach until the engine is started anew.

use std::fs;
use std::path::{Path, PathBuf};

use correlator_source::settings::{Address, Door, SourcePath, Tls};

use crate::confine::{Confined, Plan, confine as take_away};
use crate::stack::grant::Grant;
use crate::stack::{Component, Stack};

/// Confines the engine to what this stack needs, and tells what is in force. `files` are the stack's own files, `cache`
/// is where compiled guests are kept. Call it when sockets are bound and before there are other threads.
pub(super) fn confine(stack: &Stack, files: &[PathBuf], cache: Option<&Path>) -> Confined {
    let plan = plan(stack, files, cache);
    for folder in &plan.write {
        // What is not there can't be allowed. What can't be made is told by whoever needs it.
        let _ = fs::create_dir_all(folder);
    }
    let confined = take_away(&plan);
    // A wall that stands but for the threads of the sandbox's own clock is a wall.
    if confined.lacks.iter().all(|(wall, _)| confined.has(*wall)) {
        tracing::info!("{confined}");
    } else {
        tracing::warn!("{confined}");
    }
    confined
}

fn plan(stack: &Stack, files: &[PathBuf], cache: Option<&Path>) -> Plan {
    let mut paths = Paths::default();
    for file in files {
        paths.read_beside(file);
    }
    if let Some(folder) = &stack.control.drop_in {
        paths.read(folder.clone());
    }
    for source in &stack.sources {
        paths.door(&source.door);
    }
    let components = stack.modules.iter().map(|module| &module.component);
    for component in components.chain(stack.listeners.iter().map(|listener| &listener.component)) {
        if let Component::File(path) = component {
            paths.read_beside(path);
        }
    }
    let (mut world, mut runs) = (false, false);
    for grant in stack.listeners.iter().flat_map(|listener| &listener.grants) {
        match grant {
            Grant::Table(table) => paths.write(table.directory.clone()),
            Grant::Log(_) => {}
            Grant::World(grant) => {
                world = true;
                let needs = &grant.needs;
                grant.files.iter().for_each(|file| paths.read_beside(file));
                needs.read.iter().for_each(|path| paths.read(path.clone()));
                needs.write.iter().for_each(|path| paths.write(path.clone()));
                runs |= !needs.run.is_empty();
            }
        }
    }
    let keeping = stack.keeping.as_ref().map(|keeping| keeping.folder.clone());
    let capture = stack.capture.as_deref().map(beside);
    // To remove the socket at the end. The folder of all of a user's sockets is not ours to write to.
    let socket = stack.control.socket.as_deref().map(beside);
    let shared = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let socket = socket.filter(|folder| Some(folder) != shared.as_ref());
    let cache = cache.map(Path::to_owned);
    for folder in [keeping, capture, socket, cache].into_iter().flatten() {
        paths.write(folder);
    }
    // Which doors a reload will open nobody knows, nor where a capability's servers are tomorrow.
    let connect = if world { None } else { Some(Vec::new()) };
    if world {
        // Names are looked up, and certificates checked.
        paths.read(PathBuf::from("/etc"));
        paths.read(PathBuf::from("/run/systemd"));
        paths.read(PathBuf::from("/usr/share/ca-certificates"));
        // A reload may need a credential that was not needed at the start.
        if let Ok(vault) = correlator_credential::Vault::open(&stack.credentials) {
            vault.folders().into_iter().for_each(|folder| paths.read(folder));
        }
    }
    Plan { read: paths.read, write: paths.write, connect, listen: None, runs }
}

#[derive(Default)]
struct Paths {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

impl Paths {
    fn read(&mut self, path: PathBuf) {
        if !self.read.contains(&path) {
            self.read.push(path);
        }
    }

    fn write(&mut self, path: PathBuf) {
        if !self.write.contains(&path) {
            self.write.push(path);
        }
    }

    /// Allows a file and what may come in its place; of a link, at both of its ends.
    fn read_beside(&mut self, file: &Path) {
        self.read(beside(file));
        if let Ok(target) = fs::canonicalize(file)
            && file.is_symlink()
        {
            self.read(beside(&target));
        }
    }

    fn door(&mut self, door: &Door) {
        match door {
            Door::Files { paths, .. } => {
                for path in paths {
                    match path {
                        SourcePath::Input => {}
                        SourcePath::File(path) => self.read_beside(path),
                        SourcePath::Glob(pattern) => self.read(constant(pattern)),
                    }
                }
            }
            Door::Stream { address, tls, .. } => {
                self.address(address);
                if let Some(tls) = tls {
                    self.tls(tls);
                }
            }
            Door::Datagram { address, .. } => self.address(address),
        }
    }

    /// A socket in the file system is made, and removed at the end.
    fn address(&mut self, address: &Address) {
        if let Address::Path(path, _) = address {
            self.write(beside(path));
        }
    }

    /// Certificates are renewed, and read anew then.
    fn tls(&mut self, tls: &Tls) {
        let authority = tls.client_authority.iter();
        for file in [&tls.certificate, &tls.key].into_iter().chain(authority) {
            self.read_beside(file);
        }
    }
}

/// The folder of a file.
fn beside(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The folder below which all that a pattern matches lies.
fn constant(pattern: &str) -> PathBuf {
    let fixed = pattern.find(['*', '?', '[']).map_or(pattern, |place| &pattern[..place]);
    fixed.rfind('/').map_or_else(
        || PathBuf::from("."),
        |place| if place == 0 { PathBuf::from("/") } else { PathBuf::from(&fixed[..place]) },
    )
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{beside, constant, plan};
    use crate::declaration::{Description, Role};
    use crate::stack::problem::Problem;
    use crate::stack::raw::RawStack;
    use crate::stack::{Component, Guests, Stack};

    #[test]
    fn a_plan_names_what_the_stack_does() {
        let text = "\
state: /var/lib/correlator
capture: /srv/captures/all.raw
control: { socket: /run/correlator/control.sock, drop_in: /etc/correlator/conf.d }
sources:
  logs: { file: ['/var/log/app/*/x.log', '/var/log/auth.log'], follow: true }
  local: { unix: /run/app/log.sock }
  net: { tcp: '127.0.0.1:5140' }
modules: { mine: { module: /opt/rules/mine.wasm } }
";
        let raw = RawStack::parse(text, "stack.yaml").expect("a document");
        let module = Description {
            name: "mine".to_owned(),
            version: "1".to_owned(),
            meaning: "A module.".to_owned(),
            options: Vec::new(),
            timers: Vec::new(),
            state_version: 1,
            role: Role::Module { interest: Vec::new(), events: Vec::new() },
        };
        let mut guests = Guests::default();
        let component = Component::File(PathBuf::from("/opt/rules/mine.wasm"));
        guests.loaded.insert(component, Ok(module));
        let stack = match Stack::check(&raw, &guests) {
            Ok(stack) => stack,
            Err(problems) => {
                panic!("{}", problems.iter().map(Problem::render).collect::<String>())
            }
        };
        let files = [PathBuf::from("/etc/correlator/stack.yaml")];
        let plan = plan(&stack, &files, Some(Path::new("/var/cache/correlator")));
        let expected =
            ["/etc/correlator", "/etc/correlator/conf.d", "/var/log/app", "/var/log", "/opt/rules"];
        assert_eq!(plan.read, expected.map(PathBuf::from));
        let expected = [
            "/run/app",
            "/var/lib/correlator",
            "/srv/captures",
            "/run/correlator",
            "/var/cache/correlator",
        ];
        assert_eq!(plan.write, expected.map(PathBuf::from));
        assert_eq!((plan.connect, plan.listen), (Some(Vec::new()), None));
    }

    #[test]
    fn folders_of_files_and_patterns() {
        assert_eq!(beside(Path::new("x.log")), Path::new("."));
        assert_eq!(beside(Path::new("/x.log")), Path::new("/"));
        let check = |pattern: &str, expected: &str| {
            assert_eq!(constant(pattern), Path::new(expected), "{pattern}");
        };
        check("/var/log/*.log", "/var/log");
        check("/var/log/app-*/x.log", "/var/log");
        check("/var/log/x.log", "/var/log");
        check("*.log", ".");
        check("/*.log", "/");
        check("logs/a?.log", "logs");
    }
}
