//! Stacks with a drop-in folder: fragments that are merged, components that nobody names.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{checked, load};
use crate::stack::raw::RawStack;
use crate::stack::{Component, Stack};

static COUNT: AtomicUsize = AtomicUsize::new(0);
/// A user who has nothing.
const STRANGER: u32 = 65_534;

/// A folder of the test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    /// With a stack in it that has a drop-in folder `conf.d`, these lines, and these files.
    fn new(stack: &str, files: &[(&str, &str)]) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-drop-in-{}-{count}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(folder.0.join("conf.d")).expect("a folder for the test");
        folder.write("stack.yaml", &format!("control: {{ drop_in: conf.d }}\n{stack}"));
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a file for the test");
    }

    fn read(&self) -> RawStack {
        RawStack::read(&self.0.join("stack.yaml")).expect("the stack itself is YAML")
    }

    fn stack(&self) -> Stack {
        let raw = self.read();
        Stack::check(&raw, &load(&raw)).unwrap_or_else(|problems| {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })
    }

    /// The problems, or the warnings, with the test's folder left out.
    fn check(&self, expected: &str) {
        let told = match checked(&self.read()) {
            Ok(stack) => stack.warnings.iter().map(ToString::to_string).collect(),
            Err(problems) => problems,
        };
        let folder = format!("{}/", self.0.display());
        let told: Vec<_> = told.iter().map(|line| line.replace(&folder, "")).collect();
        let expected: Vec<_> =
            expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(told, expected, "\n{}", told.join("\n"));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const STACK: &str = "sources: { a: { file: x } }\nmodules: { sshd: }\nlisteners: { log: { grants: { log: true } } }\n";

#[test]
fn fragments_are_merged_in_the_order_of_their_names() {
    let folder = Folder::new(
        STACK,
        &[
            (
                "conf.d/20-more.yaml",
                "sources: { c: { udp: 127.0.0.1:0 } }\nmodules: { quiet: { module: ./sshd.wasm } }\n",
            ),
            (
                "conf.d/10-rows.yaml",
                "sources: { b: { file: y.log } }\nlisteners: { csv: { grants: { table: { directory: rows } } } }\n",
            ),
            ("conf.d/sshd.wasm", ""),
            ("conf.d/.10-rows.yaml.swp", "nothing"),
            ("conf.d/.hidden.yaml", "nothing"),
            ("conf.d/README", "nothing"),
        ],
    );
    folder.check("");
    let stack = folder.stack();
    let names: Vec<_> = stack.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let conf = folder.0.join("conf.d");
    assert_eq!(stack.control.drop_in.as_deref(), Some(conf.as_path()));
    // A relative path is relative to the file that it stands in.
    let paths: Vec<_> = stack.sources.iter().map(|source| format!("{:?}", source.door)).collect();
    assert!(paths[0].contains(&folder.0.join("x").display().to_string()), "{}", paths[0]);
    assert!(paths[1].contains(&conf.join("y.log").display().to_string()), "{}", paths[1]);
    assert_eq!(stack.modules[1].component, Component::File(conf.join("./sshd.wasm")));
    let grants = format!("{:?}", stack.listeners[1].grants);
    assert!(grants.contains(&conf.join("rows").display().to_string()), "{grants}");
    // The component that a fragment names is no instance besides.
    assert_eq!(stack.modules.len(), 2);
    let files = folder.read().files().iter().map(PathBuf::clone).collect::<Vec<_>>();
    let expected = ["stack.yaml", "conf.d/10-rows.yaml", "conf.d/20-more.yaml"]
        .map(|name| folder.0.join(name));
    assert_eq!(files, expected);
}

#[test]
fn a_stack_may_be_all_fragments() {
    let folder = Folder::new(
        "",
        &[
            ("conf.d/a.yaml", "sources: { a: { file: x } }\n"),
            ("conf.d/b.yaml", "modules: { sshd: }\n"),
            ("conf.d/c.yaml", "listeners: { log: { grants: { log: true } } }\n"),
            ("conf.d/empty.yaml", "# nothing yet\n"),
        ],
    );
    folder.check("");
}

#[test]
fn names_are_unique_in_all_files() {
    let folder = Folder::new(
        STACK,
        &[
            ("conf.d/a.yaml", "sources:\n  a: { file: y }\nmodules:\n  sshd:\n"),
            ("conf.d/b.yaml", "listeners:\n  sshd: { listener: log, grants: { log: true } }\n"),
        ],
    );
    folder.check(
        "conf.d/a.yaml:2:3: the name `a` is taken; it is first at stack.yaml:2:12; sources need different names; rename one of them
         conf.d/a.yaml:4:3: the name `sshd` is taken; it is first at stack.yaml:3:12; modules and listeners need different names; \
         rename this one and keep what it is with `module: sshd`
         conf.d/b.yaml:2:3: the name `sshd` is taken; it is first at stack.yaml:3:12; modules and listeners need different names; \
         rename this one and keep what it is with `listener: sshd`",
    );
}

#[test]
fn problems_of_fragments_have_their_places() {
    let folder = Folder::new(
        STACK,
        &[
            (
                "conf.d/a.yaml",
                "modules:\n  m: { module: sshd, options: { style: wide } }\n  n: { modul: sshd }\n",
            ),
            ("conf.d/b.yaml", "modules: [\n"),
            (
                "conf.d/c.yaml",
                "limits: { memory: 1GiB }\nsource: { x: { file: y } }\ntime_zone: UTC\n",
            ),
            ("conf.d/d.yaml", "- sshd\n"),
            ("conf.d/e.yml", "modules: { x: { module: sshd } }\n"),
        ],
    );
    folder.check(
        "conf.d/a.yaml:2:40: option `style`: `wide` is none of its choices; it can be `short`, `long`
         conf.d/a.yaml:3:3: there is no bundled module `n`; there are `sshd`, `report`, `quiet`; \
         write a path such as `./n.wasm` for a component of your own
         conf.d/a.yaml:3:8: module `n` has no `modul`; did you mean `module`?
         conf.d/b.yaml:1:10: this is not YAML: unclosed bracket '['
         conf.d/c.yaml:1:1: a fragment has no `limits`; it is for the whole stack; move it to stack.yaml
         conf.d/c.yaml:2:1: a fragment has no `source`; did you mean `sources`?
         conf.d/c.yaml:3:1: a fragment has no `time_zone`; it is for the whole stack; move it to stack.yaml
         conf.d/d.yaml:1:1: expected a mapping with `sources`, `modules` or `listeners`, found a list
         conf.d/e.yml: warning: the names of fragments end in `.yaml`; rename it; until then nobody reads it",
    );
}

#[test]
fn a_problem_points_at_the_line_of_its_fragment() {
    let folder =
        Folder::new(STACK, &[("conf.d/a.yaml", "modules:\n  m: { module: sshd, optons: {} }\n")]);
    let raw = folder.read();
    let problems = Stack::check(&raw, &load(&raw)).expect_err("it is wrong");
    let expected = format!(
        "error: module `m` has no `optons`
 --> {}/conf.d/a.yaml:2:22
  |
2 |   m: {{ module: sshd, optons: {{}} }}
  |                      ^^^^^^
help: did you mean `options`?
",
        folder.0.display()
    );
    assert_eq!(problems[0].render(), expected);
}

#[test]
fn components_that_nobody_names() {
    let folder = Folder::new(
        "sources: { a: { file: x } }\nmodules: { named: { module: conf.d/sshd.wasm } }\nlisteners: { log: { grants: { log: true } } }\n",
        &[("conf.d/sshd.wasm", ""), ("conf.d/quiet.wasm", ""), ("conf.d/silent.wasm", "")],
    );
    let stack = folder.stack();
    let modules: Vec<_> = stack.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(modules, ["named", "quiet"]);
    let component = Component::File(folder.0.join("conf.d/quiet.wasm"));
    assert_eq!(stack.modules[1].component, component);
    // What it says of itself makes it a listener.
    assert!(stack.listeners.iter().any(|listener| listener.name == "silent"));
    let wanted = folder.read().components();
    let part = |name: &str| wanted.iter().find(|wanted| wanted.instance == name).map(|it| it.part);
    assert_eq!(part("quiet"), Some(None));
}

#[test]
fn components_that_nobody_names_get_nothing() {
    let folder = Folder::new(
        STACK,
        &[
            ("conf.d/csv.wasm", ""),
            ("conf.d/report.wasm", ""),
            ("conf.d/broken.wasm", ""),
            ("conf.d/sshd.wasm", ""),
        ],
    );
    folder.check(
        "conf.d/broken.wasm: module `conf.d/broken.wasm` can't be loaded: No such file or directory (os error 2)
         conf.d/csv.wasm: listener `csv` wants `table` (rows are written to files), which is not granted; \
         write a fragment beside it: `listeners: { csv: { listener: ./csv.wasm, grants: { table: { directory: out } } } }`
         conf.d/report.wasm: module `report` needs the option `title`, which has no default; \
         name it in a fragment beside it and add `title: ...` to its options, a text: the title of it
         conf.d/sshd.wasm: the name `sshd` is taken; it is first at stack.yaml:3:12; rename the file, or name it in a fragment beside it",
    );
}

#[test]
fn a_folder_that_is_not_there() {
    let folder = Folder::new(STACK, &[]);
    fs::remove_dir(folder.0.join("conf.d")).expect("it is empty");
    folder.check(
        "stack.yaml:1:21: the folder conf.d can't be read: No such file or directory (os error 2); create it, or remove `drop_in`",
    );
}

#[test]
fn a_fragment_that_can_not_be_read() {
    let folder = Folder::new(STACK, &[]);
    fs::create_dir(folder.0.join("conf.d/a.yaml")).expect("a folder for the test");
    folder.check("conf.d/a.yaml: this fragment can't be read: it is a folder, not a file");
    fs::remove_dir(folder.0.join("conf.d/a.yaml")).expect("it is empty");
    fs::write(folder.0.join("conf.d/a.yaml"), b"modules: { \xff").expect("a file for the test");
    folder.check("conf.d/a.yaml:1:12: this is not UTF-8 text; save the file as UTF-8");
}

#[test]
fn what_everybody_may_write_is_not_dropped_in() {
    let folder = Folder::new(
        STACK,
        &[("conf.d/a.yaml", "modules: { more: { module: sshd } }\n"), ("conf.d/quiet.wasm", "")],
    );
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(folder.0.join(name), Permissions::from_mode(mode)).expect("it is ours");
    };
    let refused = |name: &str| {
        format!(
            "{name}: everybody may write this file, and so decide what the engine does; \
             take that right away (`chmod o-w {name}`)"
        )
    };
    // A group may be a user's own.
    for name in ["stack.yaml", "conf.d/a.yaml", "conf.d/quiet.wasm"] {
        mode(name, 0o664);
    }
    mode("conf.d", 0o775);
    folder.check("");
    for name in ["conf.d/a.yaml", "conf.d/quiet.wasm"] {
        mode(name, 0o646);
        folder.check(&refused(name));
        mode(name, 0o644);
    }
    mode("conf.d", 0o777);
    folder.check(
        "stack.yaml:1:21: everybody may write the folder conf.d, and so decide what the engine does; \
         take that right away (`chmod o-w conf.d`)",
    );
    // Who may add files there can't touch those of others.
    mode("conf.d", 0o1777);
    folder.check("");
    // A link is as safe as what it leads to.
    std::os::unix::fs::symlink("../elsewhere.yaml", folder.0.join("conf.d/b.yaml"))
        .expect("a link");
    folder.write("elsewhere.yaml", "modules: { linked: { module: sshd } }\n");
    folder.check("");
    mode("elsewhere.yaml", 0o666);
    folder.check(&refused("conf.d/b.yaml"));
}

#[test]
fn strangers_drop_nothing_in() {
    let folder = Folder::new(STACK, &[("conf.d/a.yaml", "modules: { more: { module: sshd } }\n")]);
    let give = |name: &str, user: u32| lchown(folder.0.join(name), Some(user), None);
    if give("conf.d/a.yaml", STRANGER).is_err() {
        eprintln!("skipped: giving files away takes root");
        return;
    }
    let refused = |place: &str, name: &str| {
        format!(
            "{place}: this belongs to user {STRANGER}, who is neither root nor the engine's; whose it is decides what \
             the engine does; give it to root (`chown -h root {name}`), or take it away"
        )
    };
    folder.check(&refused("conf.d/a.yaml", "conf.d/a.yaml"));
    give("conf.d/a.yaml", 0).expect("root");
    // Nor do they lead to files of others.
    std::os::unix::fs::symlink("../elsewhere.yaml", folder.0.join("conf.d/b.yaml"))
        .expect("a link");
    folder.write("elsewhere.yaml", "modules: { linked: { module: sshd } }\n");
    give("conf.d/b.yaml", STRANGER).expect("root");
    folder.check(&refused("conf.d/b.yaml", "conf.d/b.yaml"));
    give("conf.d/b.yaml", 0).expect("root");
    give("conf.d", STRANGER).expect("root");
    folder.check(&refused("stack.yaml:1:21", "conf.d"));
    // Whose the stack is, decides all anyway.
    give("stack.yaml", STRANGER).expect("root");
    give("conf.d/a.yaml", STRANGER).expect("root");
    folder.check("");
}

#[test]
fn what_everybody_may_write_of_a_stack_is_told() {
    let folder = Folder::new(
        "sources: { a: { file: x } }\n\
         modules: { own: { module: ./sshd.wasm, options: { style: { file: style.txt } } } }\n\
         listeners: { log: { grants: { log: true } } }\n",
        &[("sshd.wasm", ""), ("style.txt", "long")],
    );
    folder.check("");
    let names = ["./sshd.wasm", "stack.yaml", "style.txt"];
    for name in names {
        let open = Permissions::from_mode(0o666);
        fs::set_permissions(folder.0.join(name), open).expect("it is ours");
    }
    let told = names.map(|name| {
        format!(
            "{name}: warning: everybody may write this file, and so decide what the engine does; \
             take that right away (`chmod o-w {name}`)"
        )
    });
    folder.check(&told.join("\n"));
}

#[test]
fn a_reload_sees_what_came_and_went() {
    let folder = Folder::new(STACK, &[]);
    let names =
        |stack: &Stack| stack.modules.iter().map(|module| module.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&folder.stack()), ["sshd"]);
    folder.write("conf.d/a.yaml", "modules: { more: { module: sshd } }\n");
    assert_eq!(names(&folder.stack()), ["sshd", "more"]);
    fs::remove_file(folder.0.join("conf.d/a.yaml")).expect("it is there");
    assert_eq!(names(&folder.stack()), ["sshd"]);
}

#[test]
fn the_folder_stays_unread_where_text_is_parsed() {
    let text = format!("control: {{ drop_in: /nowhere }}\n{STACK}");
    let raw = RawStack::parse(&text, "stack.yaml").expect("it is YAML");
    let stack = checked(&raw).expect("it is good");
    assert_eq!(stack.control.drop_in.as_deref(), Some(Path::new("/nowhere")));
    assert!(raw.files().is_empty());
}
