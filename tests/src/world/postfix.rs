//! A real Postfix with TLS and logins, that knows one mailbox: `b@test.local`.
//!
//! It must never know what it is sent.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::geteuid;

use crate::foreign::Program;
use crate::wait;

/// Whom mail on the disk belongs to.
const NOBODY: u32 = 65534;

/// The server, gone when this is.
#[derive(Debug)]
pub struct Postfix {
    folder: PathBuf,
    program: Program,
    port: u16,
    running: Child,
}

impl Postfix {
    /// One that knows the login `user@localhost` with this password; nothing where it can't be, which is told.
    ///
    /// # Panics
    /// If it could be and does not start.
    #[must_use]
    #[allow(clippy::print_stderr, reason = "what is skipped is told plainly")]
    pub fn start(password: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (program, logins) = (Program::find("postfix")?, Program::find("saslpasswd2")?);
        if !geteuid().is_root() {
            eprintln!("skipped: Postfix takes root");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("cpf-{}-{number}", std::process::id()));
        for name in ["etc/sasl", "spool", "data", "mail"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        chown(folder.join("data"), Some(id("-u", "postfix")), None).expect("an owner");
        chown(folder.join("mail"), Some(NOBODY), Some(NOBODY)).expect("an owner");
        let door = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = door.local_addr().expect("an address").port();
        drop(door);
        papers(&folder);
        login(&logins, &folder, password);
        configure(&folder, port);
        let log = fs::File::create(folder.join("log")).expect("a file");
        let running = program
            .command(&folder)
            .arg("-c")
            .arg(folder.join("etc"))
            .arg("start-fg")
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("postfix");
        wait::until("postfix answers", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Self { folder, program, port, running })
    }

    /// The settings of a grant of it, with the credential `smtp`.
    #[must_use]
    pub fn grant(&self) -> String {
        format!(
            "server: '127.0.0.1:{}', server_name: localhost, ca: '{}', username: user@localhost, \
             credential: smtp, from: c@test.local, to: [b@test.local], recipients: ['*@test.local']",
            self.port,
            self.folder.join("ca.pem").display()
        )
    }

    /// The mails that have arrived.
    #[must_use]
    pub fn arrived(&self) -> Vec<String> {
        let mails = fs::read_dir(self.folder.join("mail/b/new")).into_iter().flatten().flatten();
        mails.filter_map(|mail| fs::read_to_string(mail.path()).ok()).collect()
    }

    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let mut stop = self.program.command(&self.folder);
        stop.arg("-c").arg(self.folder.join("etc")).arg("stop");
        stop.stdout(Stdio::null()).stderr(Stdio::null());
        // It has ended already if it could not be stopped.
        let _ = stop.status();
        let _ = self.running.kill();
        let _ = self.running.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An authority, and a certificate for `localhost` that it signed.
fn papers(folder: &Path) {
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

fn configure(folder: &Path, port: u16) {
    let place = folder.display().to_string();
    let write = |name: &str, text: &str| {
        let text = text.replace("FOLDER", &place).replace("PORT", &port.to_string());
        fs::write(folder.join(name), text).expect("written");
    };
    write("etc/sasl/smtpd.conf", LOGINS);
    write("etc/main.cf", MAIN);
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

const SERVICES: &str = "127.0.0.1:PORT inet n - n - - smtpd
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
