//! A real Postfix: STARTTLS, TLS, logins, recipients that it knows and others, and mail that arrives.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use correlator_wire::clock;
use correlator_world::Capability;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::event::{Timespec, poll};

use crate::{Known, expect, mail, request, skip, some};

/// How long a test waits for another program.
const PATIENCE: Duration = Duration::from_mins(1);
/// Whom mail on the disk belongs to.
const NOBODY: u32 = 65534;

/// An authority, and a certificate for `localhost` that it signed.
pub struct Papers {
    pub folder: PathBuf,
}

impl Papers {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-mail-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("names");
        let signed = params.signed_by(&key, &issuer).expect("a certificate");
        fs::write(folder.join("ca.pem"), authority).expect("written");
        fs::write(folder.join("c.pem"), signed.pem()).expect("written");
        fs::write(folder.join("k.pem"), key.serialize_pem()).expect("written");
        Self { folder }
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let step = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let start = clock::instant();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        let _ = poll(&mut [], Some(&step));
    }
}

/// The program of this name, if it is there.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut found = std::env::split_paths(&path).chain(system).map(|folder| folder.join(name));
    found.find(|path| path.is_file())
}

/// A Postfix of the test's own.
struct Postfix {
    papers: Papers,
    program: PathBuf,
    ports: [u16; 2],
    running: Option<Child>,
}

impl Postfix {
    /// One that knows `b@test.local` and the login `user@localhost`; nothing where it can't be.
    fn new(password: &str) -> Option<Self> {
        let (Some(postfix), Some(saslpasswd)) = (program("postfix"), program("saslpasswd2")) else {
            skip("postfix or saslpasswd2 is not installed (`cargo xtask setup --all` does so)");
            return None;
        };
        if !rustix::process::geteuid().is_root() {
            skip("Postfix needs root");
            return None;
        }
        let ports = [0; 2].map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address").port()
        });
        let mut server = Self { papers: Papers::new(), program: postfix, ports, running: None };
        server.configure(&saslpasswd, password);
        server.start();
        Some(server)
    }

    fn configure(&self, saslpasswd: &Path, password: &str) {
        let folder = &self.papers.folder;
        for name in ["etc/sasl", "spool", "data", "mail"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        chown(folder.join("data"), Some(id("-u", "postfix")), None).expect("an owner");
        chown(folder.join("mail"), Some(NOBODY), Some(NOBODY)).expect("an owner");
        let users = folder.join("etc/sasldb2");
        let mut command = Command::new(saslpasswd);
        command.args(["-p", "-c", "-u", "localhost", "-f"]).arg(&users).arg("user");
        let mut child = command.stdin(Stdio::piped()).spawn().expect("saslpasswd2");
        let mut input = child.stdin.take().expect("an input");
        std::io::Write::write_all(&mut input, password.as_bytes()).expect("written");
        drop(input);
        assert!(child.wait().expect("saslpasswd2").success());
        chown(&users, None, Some(id("-g", "postfix"))).expect("a group");
        fs::set_permissions(&users, fs::Permissions::from_mode(0o640)).expect("a mode");
        let folder = folder.display();
        let write = |name: &str, text: String| {
            fs::write(self.papers.folder.join(name), text).expect("written");
        };
        write(
            "etc/sasl/smtpd.conf",
            format!(
                "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {folder}/etc/sasldb2\n"
            ),
        );
        write("etc/main.cf", MAIN.replace("FOLDER", &folder.to_string()));
        let [first, second] = self.ports;
        let services = SERVICES.replace("FIRST", &first.to_string());
        write("etc/master.cf", services.replace("SECOND", &second.to_string()));
    }

    fn start(&mut self) {
        let log = fs::File::create(self.papers.folder.join("log")).expect("a log");
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.papers.folder.join("etc")).arg("start-fg");
        let error = log.try_clone().expect("a log");
        command.stdin(Stdio::null()).stdout(log).stderr(error);
        self.running = Some(command.spawn().expect("postfix"));
        until("postfix", || {
            self.ports.iter().all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
    }

    fn stop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.papers.folder.join("etc")).arg("stop");
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// A grant of it.
    fn grant(&self, port: usize, more: &str) -> String {
        format!(
            "{{server: '127.0.0.1:{}', server_name: localhost, ca: '{}', username: user@localhost, credential: smtp, from: 'Correlator <c@test.local>', to: [b@test.local], recipients: ['*@test.local'], timeout: 20s, {more}}}",
            self.ports[port],
            self.papers.folder.join("ca.pem").display()
        )
    }

    /// Waits for so many mails that have arrived.
    fn arrived(&self, count: usize) -> Vec<String> {
        let folder = self.papers.folder.join("mail/b/new");
        let read = || fs::read_dir(&folder).map_or(0, Iterator::count);
        until("mail", || read() >= count);
        let entries = fs::read_dir(&folder).expect("a maildir");
        let read = |path: PathBuf| fs::read_to_string(path).expect("a mail");
        entries.map(|entry| read(entry.expect("an entry").path())).collect()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The number of a user or of its group.
fn id(kind: &str, name: &str) -> u32 {
    let output = Command::new("id").args([kind, name]).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

const MAIN: &str = "compatibility_level = 3.6
myhostname = localhost
mydestination =
queue_directory = FOLDER/spool
data_directory = FOLDER/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /dev/stdout
message_size_limit = 100000
virtual_mailbox_domains = test.local
virtual_mailbox_base = FOLDER/mail
virtual_mailbox_maps = inline:{{b@test.local=b/}}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1000
smtpd_tls_cert_file = FOLDER/c.pem
smtpd_tls_key_file = FOLDER/k.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = localhost
cyrus_sasl_config_path = FOLDER/etc/sasl
smtpd_sasl_path = smtpd
smtpd_relay_restrictions = permit_sasl_authenticated, reject
default_transport = error:no outbound
";

const SERVICES: &str = "127.0.0.1:FIRST inet n - n - - smtpd
127.0.0.1:SECOND inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
";

#[test]
fn mail_arrives() {
    let Some(mut postfix) = Postfix::new("correct horse") else { return };
    let secrets = Known::password("correct horse");
    let html = request(
        "m:1#0",
        &[("subject", "Error: häm"), ("text", "one\n.two\n"), ("html", "<b>ö</b>")],
    );
    let stranger = request("m:2#0", &[("to", "x@test.local"), ("subject", "s"), ("text", "t")]);
    let both =
        request("m:3#0", &[("to", "b@test.local,x@test.local"), ("subject", "s"), ("text", "t")]);
    let large = request("m:4#0", &[("subject", "s"), ("text", &"x\n".repeat(100_000))]);
    for (port, security) in [(0, "security: starttls"), (1, "security: tls")] {
        let mut mail = mail(&postfix.grant(port, security));
        let all = [html.clone(), stranger.clone(), both.clone(), large.clone(), some("m:5#0")];
        let outcomes = mail.deliver(&all, &secrets);
        expect(&outcomes[0], "done", "<m=1#0@test.local>: 250");
        expect(&outcomes[1], "refused", "refused for x@test.local: 550");
        expect(&outcomes[2], "done", "taken for b@test.local; refused for x@test.local: 550");
        expect(&outcomes[3], "refused", "552");
        expect(&outcomes[4], "done", "");
        let arrived = postfix.arrived(3 * (port + 1));
        let first = arrived.iter().filter(|text| text.contains("Message-ID: <m=1#0@test.local>"));
        let first: Vec<&String> = first.collect();
        assert_eq!(first.len(), port + 1);
        for text in first {
            for part in ["Auto-Submitted: auto-generated", "X-Correlator-Id: m:1#0", "\n.two\n"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(text.contains("ESMTPSA"), "TLS and a login: {text}");
            assert!(text.contains("Subject: Error: =?utf-8?b?aMOkbQ==?="), "{text}");
        }
    }

    let mut wrong = mail(&postfix.grant(0, ""));
    let outcome = wrong.deliver(&[some("m:6#0")], &Known::password("wrong")).remove(0);
    expect(&outcome, "later", "does not let `user@localhost` in with credential `smtp`: 535");

    let stranger = Papers::new();
    let grant = postfix.grant(0, "").replace(
        &postfix.papers.folder.display().to_string(),
        &stranger.folder.display().to_string(),
    );
    let outcome = mail(&grant).deliver(&[some("m:7#0")], &secrets).remove(0);
    expect(&outcome, "later", "certificate");
    let other = postfix.grant(0, "").replace("server_name: localhost", "server_name: other.org");
    let outcome = mail(&other).deliver(&[some("m:7#0")], &secrets).remove(0);
    expect(&outcome, "later", "certificate");

    postfix.stop();
    let mut mail = mail(&postfix.grant(0, ""));
    expect(&mail.deliver(&[some("m:8#0")], &secrets)[0], "later", "can't be reached");
    postfix.start();
    expect(&mail.deliver(&[some("m:8#0")], &secrets)[0], "done", "");
    postfix.arrived(7);
}
