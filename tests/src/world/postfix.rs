//! A real Postfix with TLS and logins, that knows one mailbox: `b@test.local`.
//!
//! It must never know what it is sent.

use std::fs::{self, DirEntry, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;

use super::papers::papers;
use crate::foreign::Program;
use crate::wait;

/// Whom mail on the disk belongs to.
const NOBODY: u32 = 65534;

/// An authority, and a certificate for `localhost` that it signed; gone when this is.
#[derive(Debug)]
pub struct Papers {
    /// Where they lie: `ca.pem`, `c.pem`, `k.pem`.
    pub folder: PathBuf,
}

impl Papers {
    /// New ones.
    ///
    /// # Panics
    /// If there is no room for them.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // A socket's path is short, and the server has some in there.
        let folder = std::env::temp_dir().join(format!("cpf-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        papers(&folder);
        Self { folder }
    }
}

impl Default for Papers {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        // What is left is in a folder for what may be lost.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The server, gone when this is.
#[derive(Debug)]
pub struct Postfix {
    /// Its papers. All the rest lies beside them.
    pub papers: Papers,
    program: Program,
    /// Where it speaks TLS after STARTTLS, and where from the first byte.
    ports: [u16; 2],
    running: Option<Child>,
}

impl Postfix {
    /// One that knows the login `user@localhost` with this password; nothing where it can't be, which is told.
    ///
    /// # Panics
    /// If it could be and does not start.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "what is skipped is told plainly")]
    pub fn start(password: &str) -> Option<Self> {
        let (program, logins) = (Program::find("postfix")?, Program::find("saslpasswd2")?);
        if !geteuid().is_root() {
            eprintln!("skipped: Postfix takes root");
            return None;
        }
        let papers = Papers::new();
        let folder = &papers.folder;
        for name in ["etc/sasl", "spool", "data", "mail"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        chown(folder.join("data"), Some(id("-u", "postfix")), None).expect("an owner");
        chown(folder.join("mail"), Some(NOBODY), Some(NOBODY)).expect("an owner");
        let doors = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = doors.map(|door| door.local_addr().expect("an address").port());
        login(&logins, folder, password);
        let mut server = Self { papers, program, ports, running: None };
        server.be("");
        Some(server)
    }

    /// Starts it, or starts it anew, with this line more among its settings.
    ///
    /// # Panics
    /// If it does not start.
    pub fn be(&mut self, setting: &str) {
        self.down();
        configure(&self.papers.folder, self.ports, setting);
        self.up();
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If it does not start.
    pub fn up(&mut self) {
        let log = OpenOptions::new().append(true).create(true).open(self.papers.folder.join("log"));
        let log = log.expect("a file");
        let mut command = self.command("start-fg");
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        self.running = Some(command.spawn().expect("postfix"));
        for port in self.ports {
            wait::until("postfix answers", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }

    /// Stops it, if it runs.
    pub fn down(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let mut stop = self.command("stop");
        stop.stdout(Stdio::null()).stderr(Stdio::null());
        // It has ended already if it could not be stopped.
        let _ = stop.status();
        let _ = running.kill();
        let _ = running.wait();
    }

    fn command(&self, what: &str) -> Command {
        let mut command = self.program.command(&self.papers.folder);
        command.arg("-c").arg(self.papers.folder.join("etc")).arg(what);
        command
    }

    /// The settings of a grant of it, with the credential `smtp`.
    #[must_use]
    pub fn grant(&self) -> String {
        self.grant_by(0)
    }

    /// The same where TLS begins with the first byte.
    #[must_use]
    pub fn grant_tls(&self) -> String {
        self.grant_by(1) + ", security: tls"
    }

    fn grant_by(&self, port: usize) -> String {
        format!(
            "server: '127.0.0.1:{}', server_name: localhost, ca: '{}', username: user@localhost, \
             credential: smtp, from: Correlator <c@test.local>, to: [b@test.local], \
             recipients: ['*@test.local']",
            self.ports[port],
            self.papers.folder.join("ca.pem").display()
        )
    }

    /// The mails that have arrived, the oldest first.
    #[must_use]
    pub fn arrived(&self) -> Vec<String> {
        let mails = fs::read_dir(self.papers.folder.join("mail/b/new")).into_iter().flatten();
        let read = |mail: DirEntry| {
            let when = mail.metadata().and_then(|found| found.modified()).ok()?;
            Some((when, fs::read_to_string(mail.path()).ok()?))
        };
        let mut mails: Vec<_> = mails.flatten().filter_map(read).collect();
        mails.sort();
        mails.into_iter().map(|(_, text)| text).collect()
    }

    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.papers.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.down();
    }
}

fn login(program: &Program, folder: &Path, password: &str) {
    let users = folder.join("etc/sasldb2");
    let mut command = program.command(folder);
    command.args(["-p", "-c", "-u", "localhost", "-f"]).arg(&users).arg("user");
    let mut child = command.stdin(Stdio::piped()).spawn().expect("saslpasswd2");
    let mut input = child.stdin.take().expect("an input");
    input.write_all(password.as_bytes()).expect("written");
    drop(input);
    assert!(child.wait().expect("saslpasswd2").success());
    chown(&users, None, Some(id("-g", "postfix"))).expect("a group");
    fs::set_permissions(&users, fs::Permissions::from_mode(0o640)).expect("a mode");
}

fn configure(folder: &Path, [first, second]: [u16; 2], setting: &str) {
    let place = folder.display().to_string();
    let write = |name: &str, text: &str| {
        let text = text.replace("FOLDER", &place).replace("FIRST", &first.to_string());
        fs::write(folder.join(name), text.replace("SECOND", &second.to_string())).expect("written");
    };
    write("etc/sasl/smtpd.conf", LOGINS);
    write("etc/main.cf", &format!("{MAIN}{setting}\n"));
    write("etc/master.cf", SERVICES);
}

/// The number of a user or of its group.
fn id(kind: &str, name: &str) -> u32 {
    let output = Command::new("id").args([kind, name]).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

const LOGINS: &str = "pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: FOLDER/etc/sasldb2
";

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
