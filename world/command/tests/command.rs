//! Real programs: what reaches them, what they may do, and that nothing of them stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use correlator_command::{Commands, Settings};
use correlator_wire::clock;
use correlator_world::{Capability, Cell, NoSecret, Outcome, Request, Secret, Secrets};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Commands need none.
struct Nothing;

impl Secrets for Nothing {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        Err(NoSecret::Unknown(name.to_owned()))
    }
}

fn read(text: &str) -> Result<Commands, String> {
    let settings: Settings = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    Commands::new(&settings)
}

/// As whom tests can run programs: only root has a choice.
fn user() -> String {
    if rustix::process::geteuid().is_root() {
        return "nobody".into();
    }
    let output = std::process::Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// One command with the name `c`.
fn command(text: &str) -> Commands {
    let user = user();
    read(&format!("{{commands: {{c: {{user: {user}, {text}}}}}}}")).expect("a grant")
}

/// One that runs a script of the shell.
fn script(text: &str, more: &str) -> Commands {
    let quoted = text.replace('\'', "''");
    command(&format!("program: /bin/sh, arguments: ['-c', '{quoted}'], {more}"))
}

/// An id that no other run has, of this test or another.
fn id() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("t:{}:{}#0", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn request(cells: &[(&str, &str)]) -> Request {
    let cells = cells.iter().map(|(name, text)| ((*name).into(), Cell::Text((*text).into())));
    Request { id: id(), target: "c".into(), cells: cells.collect() }
}

fn run(commands: &mut Commands, request: &Request) -> Outcome {
    commands.deliver(std::slice::from_ref(request), &Nothing).remove(0)
}

/// What a program said that did its work.
fn said(commands: &mut Commands) -> String {
    match run(commands, &request(&[])) {
        Outcome::Done(told) => {
            told.split_once("said: ").map_or(String::new(), |(_, said)| said.into())
        }
        other => panic!("{other:?}"),
    }
}

fn expect(outcome: &Outcome, kind: &str, words: &str) {
    let (found, told) = match outcome {
        Outcome::Done(told) => ("done", told),
        Outcome::Partly { said, .. } => ("partly", said),
        Outcome::Later { reason, .. } => ("later", reason),
        Outcome::Refused(told) => ("refused", told),
    };
    assert!(found == kind && told.contains(words), "expected {kind} with `{words}`: {outcome:?}");
}

/// Processes that have this id in their environment or in their words.
fn living(id: &str) -> Vec<String> {
    let (wanted, word) = (format!("CORRELATOR_ID={id}"), id.as_bytes());
    let entries = fs::read_dir("/proc").expect("/proc");
    let has = |path: &PathBuf| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let words = fs::read(path.join("cmdline")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
            || words.split(|&byte| byte == 0).any(|other| other == word)
    };
    let found = entries.flatten().map(|entry| entry.path()).filter(has);
    found.map(|path| fs::read_to_string(path.join("cmdline")).unwrap_or_default()).collect()
}

#[test]
fn values_stay_in_their_arguments() {
    let mut commands = command(
        "program: /usr/bin/printf, arguments: ['<%s>', '{a}', '--b={b}', '{a}/{b}', ''], values: {a: {kind: text}, b: {kind: text}}",
    );
    let hostile = request(&[("a", "$(id); `id` | cat > /tmp/x & * ?"), ("b", "-rf '\"\\ {a} %s")]);
    let outcome = run(&mut commands, &hostile);
    let expected = "<$(id); `id` | cat > /tmp/x & * ?><--b=-rf \\'\\\"\\\\ {a} %s><$(id); `id` | cat > /tmp/x & * ?/-rf \\'\\\"\\\\ {a} %s><>";
    expect(&outcome, "done", expected);
    for (cells, words) in [
        (&[("a", "-rf"), ("b", "x")][..], "begins with a dash"),
        (&[("a", "x\0y"), ("b", "x")], "NUL"),
        (&[("a", "x\ny"), ("b", "x")], "line of text"),
        (&[("a", "x")], "`b` has no value"),
        (&[("a", "x"), ("b", "x"), ("c", "x")], "there is no value `c`; it has: a, b"),
    ] {
        let request = request(cells);
        let error = commands.check(&request).expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
        expect(&run(&mut commands, &request), "refused", words);
    }
    let other = Request { target: "d".into(), ..request(&[]) };
    expect(&run(&mut commands, &other), "refused", "denied: command `d` is not granted");
    let plan = commands.plan(&request(&[("a", "1"), ("b", "2")]));
    assert!(plan.starts_with("run /usr/bin/printf as ") && plan.contains("\"--b=2\""), "{plan}");
}

#[test]
fn the_environment_is_empty() {
    let mut commands = command("program: /usr/bin/env, environment: {X: '1 2'}");
    let request = request(&[]);
    let outcome = run(&mut commands, &request);
    let Outcome::Done(told) = outcome else { panic!("{outcome:?}") };
    let mut lines: Vec<&str> = told.split("said: ").nth(1).expect("words").split("\\n").collect();
    lines.sort_unstable();
    let id = format!("CORRELATOR_ID={}", request.id);
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, [&id, path, "X=1 2"]);
}

#[test]
fn what_a_program_has() {
    let status = said(&mut script("grep -E '^(NoNewPrivs|CapEff|Groups)' /proc/self/status", ""));
    assert!(status.contains("NoNewPrivs:\\t1"), "{status}");
    assert!(status.contains("CapEff:\\t0000000000000000"), "{status}");
    assert_eq!(said(&mut command("program: /bin/pwd, directory: /usr")), "/usr");
    assert_eq!(said(&mut command("program: /bin/cat")), "", "nothing comes on standard input");
    // Something that is open here is not open there.
    let _open = fs::File::open("/proc/self/status").expect("a file");
    let files = said(&mut script("cd /proc/self/fd && echo *", ""));
    // The shell's own, for the folder, is the one more.
    assert!(matches!(&*files, "0 1 2" | "0 1 2 3"), "{files}");
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run programs as somebody else");
        return;
    }
    assert!(status.contains("Groups:\\t "), "no other groups: {status}");
    assert_eq!(said(&mut script("id -u; id -g; id -G", "")), "65534\\n65534\\n65534");
    let grant =
        "{commands: {c: {program: /usr/bin/id, arguments: ['-gn'], user: nobody, group: daemon}}}";
    assert_eq!(said(&mut read(grant).expect("a grant")), "daemon");
    // A program that would become root does not.
    let su = said(&mut script("su -c id root </dev/null 2>&1; true", ""));
    assert!(!su.contains("uid=0"), "{su}");
}

#[test]
fn exit_codes() {
    let check = |text: &str, kind: &str, words: &str| {
        expect(&run(&mut script(text, "retry_codes: [75, 3]"), &request(&[])), kind, words);
    };
    check("echo fine", "done", "exit code 0; it said: fine");
    check("true", "done", "exit code 0");
    check("echo bad >&2; exit 1", "refused", "exit code 1; it said: bad");
    check("exit 3", "later", "exit code 3");
    check("exit 75", "later", "exit code 75");
}

#[test]
fn output_has_a_bound() {
    let mut commands = script("yes | head -c 20000000; printf 'the\\033end'", "output_max: 4KiB");
    let Outcome::Done(told) = run(&mut commands, &request(&[])) else { panic!("not done") };
    assert!(told.len() < 3000 && told.ends_with("(and more than `output_max`)"), "{told}");
    let mut commands = script("yes x | head -c 9000; printf 'the\\033end'", "");
    let Outcome::Done(told) = run(&mut commands, &request(&[])) else { panic!("not done") };
    assert!(told.ends_with("the\\u{1b}end") && told.len() < 3000, "{told}");
    let mut commands = script("exec yes", "timeout: 300ms, output_max: 0");
    expect(&run(&mut commands, &request(&[])), "later", "took longer than 300ms");
}

/// Programs that leave others behind, in their group and out of it, and whether they end in time themselves.
const FAMILIES: [(&str, bool); 9] = [
    ("sleep 61", false),
    ("sleep 61 & sleep 62 & wait", false),
    ("trap '' TERM INT HUP; (setsid sleep 61 &); setsid sleep 62; sleep 63", false),
    ("(setsid sh -c 'trap \"\" TERM; sleep 61; sleep 62' >/dev/null 2>&1 &); true", true),
    ("sleep 61 & true", true),
    ("(setsid sh -c '(setsid sleep 61 &) ; sleep 62' &); true", true),
    // Without the environment, out of its group: known by its parents, or by what it writes to.
    ("env -i setsid sh -c 'sleep 61; true' $CORRELATOR_ID >/dev/null 2>&1 & sleep 62", false),
    (
        "exec env -i setsid sh -c 'sh -c \"sleep 61; true\" $0 >/dev/null 2>&1; true' $CORRELATOR_ID",
        true,
    ),
    ("(env -i setsid sh -c 'sleep 61; true' $CORRELATOR_ID &); true", true),
];

fn families_end() {
    for (text, in_time) in FAMILIES {
        let request = request(&[]);
        let start = clock::instant();
        let outcome = run(&mut script(text, "timeout: 500ms"), &request);
        assert!(start.elapsed() < Duration::from_secs(8), "{text}: {:?}", start.elapsed());
        expect(&outcome, if in_time { "done" } else { "later" }, "");
        assert_eq!(living(&request.id), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn nothing_of_a_program_stays() {
    families_end();
}

#[test]
fn nothing_of_a_program_stays_where_there_are_no_namespaces() {
    // Without this right the kernel makes none. It is taken from this thread alone.
    let mut own = capabilities(None).expect("capabilities");
    own.effective.remove(CapabilitySet::SYS_ADMIN);
    own.permitted.remove(CapabilitySet::SYS_ADMIN);
    own.inheritable.remove(CapabilitySet::SYS_ADMIN);
    set_capabilities(None, own).expect("set");
    families_end();
    // The first process of a namespace can't be ended from within, any other can.
    let outcome = run(&mut script("kill -KILL $$; sleep 9", ""), &request(&[]));
    expect(&outcome, "later", "ended by signal 9");
}

#[test]
fn a_program_that_is_gone() {
    let path = std::env::temp_dir().join(format!("correlator-command-{}", std::process::id()));
    fs::write(&path, "#!/bin/sh\necho here\n").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    let text = format!("program: '{}'", path.display());
    let mut commands = command(&text);
    expect(&run(&mut commands, &request(&[])), "done", "here");
    fs::remove_file(&path).expect("removed");
    expect(&run(&mut commands, &request(&[])), "later", "can't be run as");
    let mut nowhere = command("program: /bin/true, directory: /nowhere/at/all");
    expect(&run(&mut nowhere, &request(&[])), "later", "No such file");
}

/// A folder with a program: `bin/p`.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-place-{}-{number}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(place.0.join("bin")).expect("folders");
        fs::write(place.0.join("bin/p"), "#!/bin/sh\necho here\n").expect("written");
        for path in ["", "bin", "bin/p"] {
            place.mode(path, 0o755);
        }
        place
    }

    fn mode(&self, path: &str, mode: u32) {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.0.join(path), mode).expect("a mode");
    }

    fn grant(&self, path: &str) -> Result<Commands, String> {
        let (path, user) = (self.0.join(path), user());
        read(&format!("{{commands: {{c: {{user: {user}, program: '{}'}}}}}}", path.display()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Someone who is neither root nor the engine's.
const STRANGER: u32 = 12_345;

#[test]
fn a_program_that_others_may_change_is_not_run() {
    let check = |path: &str, change: &dyn Fn(&Place), expected: Option<&str>| {
        let place = Place::new();
        std::os::unix::fs::symlink("bin", place.0.join("link")).expect("a link");
        let mut before = place.grant(path).expect("a grant");
        expect(&run(&mut before, &request(&[])), "done", "here");
        change(&place);
        let outcome = run(&mut before, &request(&[]));
        let Some(expected) = expected else {
            expect(&outcome, "done", "here");
            return;
        };
        expect(&outcome, "later", expected);
        let error = place.grant(path).expect_err("refused");
        assert!(error.starts_with("commands.c.program: ") && error.contains(expected), "{error}");
    };
    check("bin/p", &|place| place.mode("bin/p", 0o757), Some("everybody may write /"));
    check(
        "bin/p",
        &|place| place.mode("bin", 0o777),
        Some("bin; take that right away (chmod o-w /"),
    );
    check("bin/p", &|place| place.mode("", 0o777), Some("everybody may write /"));
    check("link/../bin/p", &|place| place.mode("", 0o777), Some("everybody may write /"));
    // Nobody moves what is another's there.
    check("bin/p", &|place| place.mode("bin", 0o1777), None);
    check("link/p", &|place| place.mode("", 0o1777), None);
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let give = |place: &Place, path: &str, user: Option<u32>, group: Option<u32>| {
        std::os::unix::fs::lchown(place.0.join(path), user, group).expect("another owner");
    };
    let stranger = Some("belongs to user 12345, who is neither root nor the engine's");
    for path in ["bin/p", "bin", ""] {
        check("bin/p", &|place| give(place, path, Some(STRANGER), None), stranger);
    }
    check("link/p", &|place| give(place, "link", Some(STRANGER), None), stranger);
    // What is his in a folder where everybody has his own.
    let swap = |place: &Place| {
        place.mode("bin", 0o1777);
        give(place, "bin/p", Some(STRANGER), None);
    };
    check("bin/p", &swap, stranger);
    let shared = |place: &Place| {
        place.mode("bin", 0o775);
        give(place, "bin", None, Some(STRANGER));
    };
    check("bin/p", &shared, Some("group 12345 may write /"));
    check("bin/p", &|place| place.mode("bin", 0o775), None);
}

#[test]
fn undone() {
    let values = "values: {address: {kind: address}}";
    let mut commands = command(&format!(
        "program: /bin/echo, arguments: [add, '{{address}}'], undo: {{arguments: [remove, '{{address}}']}}, {values}"
    ));
    let request = request(&[("address", "2001:DB8::1")]);
    expect(&run(&mut commands, &request), "done", "add 2001:db8::1");
    expect(&commands.undo(&request, &Nothing), "done", "remove 2001:db8::1");
    let mut commands =
        command(&format!("program: /bin/echo, arguments: ['{{address}}'], {values}"));
    expect(&commands.undo(&request, &Nothing), "refused", "has no `undo`");
}

#[test]
fn grants_that_make_no_sense() {
    let check = |text: &str, expected: &str| {
        let user = user();
        let text = format!("{{commands: {{c: {{user: {user}, {text}}}}}}}");
        let error = read(&text).expect_err("refused");
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("program: echo", "commands.c.program: `echo` is no whole path");
    check("program: /nowhere/echo", "/nowhere/echo: No such file");
    check("program: /etc", "no file that can be run");
    check("program: /etc/passwd", "no file that can be run");
    let echo = "program: /bin/echo";
    check(&format!("{echo}, arguments: ['{{a}}']"), "say under `values` what `a` must be like");
    check(&format!("{echo}, arguments: ['{{']"), "lone brace");
    check(&format!("{echo}, values: {{a: {{kind: text}}}}"), "no argument has `{a}`");
    check(&format!("{echo}, arguments: ['{{a}}'], values: {{a: {{}}}}"), "values.a: say what");
    check(&format!("{echo}, timeout: 0s"), "timeout: 0s is not from 100ms to 1h");
    check(&format!("{echo}, output_max: 1GiB"), "output_max: 1GiB is more than 1MiB");
    check(&format!("{echo}, environment: {{CORRELATOR_ID: x}}"), "environment: ");
    check(&format!("{echo}, directory: tmp"), "directory: ");
    check(&format!("{echo}, retry_codes: [0]"), "retry_codes: 0 is not");
    check(&format!("{echo}, shell: true"), "shell");
    let missing = read("{commands: {c: {program: /bin/echo, user: nobody-of-that-name}}}");
    assert!(missing.expect_err("refused").contains("user: there is no `nobody-of-that-name`"));
    assert!(read("{commands: {}}").expect_err("refused").contains("name one at least"));
    let path = std::env::temp_dir().join(format!("correlator-open-{}", std::process::id()));
    fs::write(&path, "#!/bin/sh\n").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("a mode");
    check(&format!("program: '{}'", path.display()), "everybody may write");
    fs::remove_file(&path).expect("removed");
}
