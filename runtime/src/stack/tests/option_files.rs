//! Options whose values stand in files of their own, and options that are zones.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{checked, stack};
use crate::declaration::Setting;
use crate::stack::raw::RawStack;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A folder of the test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    /// With these files in it.
    fn new(files: &[(&str, &[u8])]) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-option-files-{}-{count}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(folder.0.join("conf.d")).expect("a folder for the test");
        for (name, bytes) in files {
            fs::write(folder.0.join(name), bytes).expect("a file for the test");
        }
        folder
    }

    /// The stack with these options of the module `sshd`, in lines of their own from the fifth on.
    fn read(&self, options: &str) -> RawStack {
        let text = format!(
            "control: {{ drop_in: conf.d }}\nsources: {{ a: {{ file: x }} }}\nmodules:\n  sshd:\n    options: {{ {options} }}\n\
             listeners: {{ log: {{ grants: {{ log: true }} }} }}\n"
        );
        fs::write(self.0.join("stack.yaml"), text).expect("a stack for the test");
        RawStack::read(&self.0.join("stack.yaml")).expect("it is YAML")
    }

    /// The problems of such a stack, with the test's folder left out, or what option `name` comes to.
    fn check(&self, options: &str, name: &str, expected: &str) {
        let told = match checked(&self.read(options)) {
            Ok(stack) => {
                let found = stack.modules[0].settings.iter().find(|(option, _)| option == name);
                format!("{:?}", found.expect("it is an option").1)
            }
            Err(problems) => problems.join("\n"),
        };
        let told = told.replace(&format!("{}/", self.0.display()), "");
        assert_eq!(told, expected, "{options}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_value_is_what_stands_in_its_file() {
    let large = vec![b'x'; (1 << 20) + 1];
    let folder = Folder::new(&[
        ("limit", b"7\n"),
        ("none", b""),
        ("wrong", b"short\nlo\xffng\n"),
        ("large", &large),
    ]);
    folder.check("login_failure_limit: { file: limit }", "login_failure_limit", "Integer(7)");
    folder.check(
        "style: { file: ./conf.d/../limit }",
        "style",
        "stack.yaml:5:31: option `style`: `7` is none of its choices; it can be `short`, `long`",
    );
    folder.check(
        "style: { file: none }",
        "style",
        "stack.yaml:5:31: option `style`: `` is none of its choices; it can be `short`, `long`",
    );
    folder.check(
        "style: { file: wrong }",
        "style",
        "wrong:2:3: option `style`: this is not UTF-8 text; save the file as UTF-8",
    );
    folder.check(
        "style: { file: large }",
        "style",
        "stack.yaml:5:31: option `style`: large is larger than 1MiB, the most allowed",
    );
    folder.check(
        "style: { file: conf.d }",
        "style",
        "stack.yaml:5:31: option `style`: conf.d can't be read: it is a folder, not a file; a relative path is relative to the \
         file that names it",
    );
    folder.check(
        "style: { file: gone }",
        "style",
        "stack.yaml:5:31: option `style`: gone can't be read: No such file or directory (os error 2); a relative path is \
         relative to the file that names it",
    );
    folder.check(
        "style: { file: [a] }",
        "style",
        "stack.yaml:5:31: expected the path of a file, found a list",
    );
    folder.check(
        "login_failure_limit: { file: limit, form: text }",
        "login_failure_limit",
        "stack.yaml:5:52: option `login_failure_limit` from a file has no `form`; there is only `file`",
    );
    folder.check(
        "login_failure_limit: { path: limit }",
        "login_failure_limit",
        "stack.yaml:5:37: option `login_failure_limit`: expected an integer, found a mapping",
    );
    let raw = folder.read("login_failure_limit: { file: limit }, ratio: { file: limit }");
    let files: Vec<_> = raw.files().iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(files, ["limit", "stack.yaml"]);
}

#[test]
fn a_text_keeps_its_lines_and_loses_the_last_end() {
    let folder = Folder::new(&[
        ("title.txt", b"{{ summary }}\n  two lines\n"),
        ("conf.d/title.txt", b"\xef\xbb\xbfa\r\nb\r\n"),
        ("conf.d/a.yaml", b"modules:\n  report: { options: { title: { file: title.txt } } }\n"),
        (
            "conf.d/b.yaml",
            b"modules:\n  more: { module: report, options: { title: { file: ../title.txt } } }\n",
        ),
    ]);
    let stack = checked(&folder.read("")).expect("it is good");
    let title = |place: usize| stack.modules[place].settings[0].1.clone();
    assert_eq!(title(1), Setting::Text("a\r\nb".into()));
    assert_eq!(title(2), Setting::Text("{{ summary }}\n  two lines".into()));
}

#[test]
fn an_option_that_is_a_zone_is_the_stacks() {
    let check = |head: &str, options: &str, expected: &str| {
        let text = format!(
            "{head}\nsources: {{ a: {{ file: x }} }}\nmodules: {{ quiet: }}\nlisteners: {{ z: {{ listener: ./zoned.wasm, \
             grants: {{ log: true }}, options: {{ {options} }} }} }}\n"
        );
        let told = match stack(&text) {
            Ok(stack) => format!("{:?}", stack.listeners[0].settings),
            Err(problems) => problems.join("\n"),
        };
        assert!(told.starts_with(expected), "{head} {options}: {told}");
    };
    let of = |zone: &str| format!("[(\"time_zone\", Text({zone:?})), (\"zone\", Text(\"\"))]");
    check("time_zone: Europe/Berlin", "", &of("Europe/Berlin"));
    check("time_zone: +02:00", "", &of("+02"));
    check("time_zone: UTC", "time_zone: Asia/Tokyo", &of("Asia/Tokyo"));
    check(
        "",
        "time_zone: Europe/Berln",
        "stack.yaml:4:88: option `time_zone`: unknown time zone `Europe/Berln`; did",
    );
}
