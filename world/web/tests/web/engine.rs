//! A real search engine of a test's own: started where it is installed, ended with the test.
//!
//! They are found by `CORRELATOR_OPENSEARCH_HOME` and `CORRELATOR_ELASTICSEARCH_HOME`, or in `target/peers/`, unpacked.
//! They need Java 17, and don't run as root: then they run as nobody.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use correlator_web::elastic::{Elastic, Settings};
use serde_json::Value;
use ureq::tls::{TlsConfig, TlsProvider};

use crate::server::pause;
use crate::vault::{peer, skipped};

const NOBODY: u32 = 65_534;
const HEAP: &str = "-Xms512m -Xmx512m";
/// A machine that is busy lets a Java program wait.
pub const PATIENCE: &str = "timeout: 5m";
/// It may take so many tenths of a second until it answers.
const STARTS_WITHIN: usize = 1_800;

/// Where one is installed for this test alone.
pub struct Site {
    name: String,
    java: PathBuf,
    pub folder: PathBuf,
    pub address: SocketAddr,
    /// Whoever may do everything there, as `Authorization` has it; then it speaks TLS.
    pub master: Option<String>,
}

/// One that runs, until it is dropped.
pub struct Engine {
    child: Child,
    pub site: Site,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

impl Site {
    /// A copy of what is installed, with settings; nothing if it is not installed, which is told.
    pub fn new(name: &str, more: &str) -> Option<Self> {
        let variable = format!("CORRELATOR_{}_HOME", name.to_uppercase());
        let home = peer(&variable, name);
        if !home.join("bin").join(name).exists() {
            skipped(&format!(
                "there is no {name} in target/peers/{name}, and {variable} names none"
            ));
            return None;
        }
        let Some(java) = java() else {
            skipped(&format!("there is no Java for {name}"));
            return None;
        };
        let ports = [free(), free()];
        let folder = format!("correlator-{name}-{}-{}", std::process::id(), ports[0]);
        let folder = std::env::temp_dir().join(folder);
        copy(&home, &folder).expect("a copy of it");
        let settings = format!(
            "cluster.name: it\nnode.name: n1\nnetwork.host: 127.0.0.1\nhttp.port: {}\ntransport.port: {}\n\
             discovery.type: single-node\ncluster.routing.allocation.disk.threshold_enabled: false\n{more}\n",
            ports[0], ports[1]
        );
        fs::write(folder.join(format!("config/{name}.yml")), settings).expect("written");
        let address = SocketAddr::from(([127, 0, 0, 1], ports[0]));
        Some(Self { name: name.to_owned(), java, folder, address, master: None })
    }

    /// A command of it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(program));
        command.current_dir(&self.folder).env("HOME", &self.folder).stdin(Stdio::null());
        command.env("JAVA_HOME", &self.java).env("ES_JAVA_HOME", &self.java);
        command.env("OPENSEARCH_JAVA_OPTS", HEAP).env("ES_JAVA_OPTS", HEAP);
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            give(&self.folder);
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Adds what the index of API keys needs, which the Elasticsearch for tests lacks; whether it could.
    pub fn add_words(&self) -> bool {
        let compiler = self.java.join("bin/javac");
        if !compiler.exists() {
            skipped("there is no Java compiler for a plugin that API keys need");
            return false;
        }
        let library = self.folder.join("lib");
        let files = fs::read_dir(&library).expect("a folder").flatten();
        let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        let version = |name: String| {
            let rest = name.strip_prefix("elasticsearch-")?.strip_suffix(".jar")?;
            rest.starts_with(|c: char| c.is_ascii_digit()).then(|| rest.to_owned())
        };
        let version = names.find_map(version).expect("the version in a name");
        let (classes, plugin) = (self.folder.join("words"), self.folder.join("plugins/words"));
        fs::create_dir_all(&plugin).expect("a folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/words/Words.java");
        let mut compile = Command::new(compiler);
        compile.arg("-cp").arg(library.join("*")).arg("-d").arg(&classes);
        // What its libraries are annotated with is not there.
        compile.args(["-Xlint:none", source]).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(compile.status().expect("it starts").success(), "{source}");
        let mut pack = Command::new(self.java.join("bin/jar"));
        pack.arg("cf").arg(plugin.join("words.jar")).arg("-C").arg(&classes).arg(".");
        assert!(pack.status().expect("it starts").success());
        let about = format!(
            "name=words\ndescription=words\nversion=1\njava.version=17\nelasticsearch.version={version}\nclassname=Words\n"
        );
        fs::write(plugin.join("plugin-descriptor.properties"), about).expect("written");
        true
    }

    /// Starts it, and waits until it is ready.
    pub fn start(self, ready: impl Fn(&Self) -> bool) -> Engine {
        let said = fs::File::create(self.folder.join("said")).expect("a file");
        let mut command = self.command(&self.name);
        command.stdout(said.try_clone().expect("a file")).stderr(said);
        let mut engine = Engine { child: command.spawn().expect("it starts"), site: self };
        let Engine { child, site } = &mut engine;
        let said = |site: &Self| fs::read_to_string(site.folder.join("said")).unwrap_or_default();
        for _ in 0..STARTS_WITHIN {
            if ready(site) {
                return engine;
            }
            if let Ok(Some(status)) = child.try_wait() {
                panic!("{} ended with {status}: {}", site.name, said(site));
            }
            pause(Duration::from_millis(100));
        }
        panic!("{} does not answer: {}", site.name, said(site));
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        // It is a test's own, on loopback.
        let tls = TlsConfig::builder().provider(TlsProvider::Rustls).disable_verification(true);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .tls_config(tls.unversioned_rustls_crypto_provider(provider).build())
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_mins(5)));
        let scheme = if self.master.is_some() { "https" } else { "http" };
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{scheme}://{}{path}", self.address))
            .header("content-type", "application/json");
        if let Some(master) = &self.master {
            request = request.header("authorization", master);
        }
        let agent = config.build().new_agent();
        let mut answer = match body {
            "" => agent.run(request.body(()).expect("a request")).ok()?,
            body => agent.run(request.body(body).expect("a request")).ok()?,
        };
        let text = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default()))
    }

    fn is_healthy(&self) -> bool {
        let health = self.ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", "");
        health.is_some_and(|(status, _)| status == 200)
    }
}

impl Engine {
    /// Starts it, if it is there; else that is told.
    pub fn start(name: &str, more: &str) -> Option<Self> {
        Some(Site::new(name, more)?.start(Site::is_healthy))
    }

    pub fn json(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, value) = self.site.ask(method, path, body).expect("an answer");
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    pub fn count(&self, query: &str) -> u64 {
        self.json("GET", "/correlator-*/_refresh", "");
        let answer = self.json("GET", &format!("/correlator-*/_count?q={query}"), "");
        answer["count"].as_u64().expect("a count")
    }

    pub fn elastic(&self, more: &str) -> Elastic {
        let yaml =
            format!("{{ url: 'http://{}', private: true, {PATIENCE}, {more} }}", self.site.address);
        let settings: Settings = serde_yaml::from_str(&yaml).expect("settings");
        Elastic::new(&settings).expect("a capability")
    }
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port()
}

fn java() -> Option<PathBuf> {
    if let Some(home) = std::env::var_os("JAVA_HOME") {
        return Some(home.into());
    }
    let folders = std::env::var_os("PATH")?;
    let program = std::env::split_paths(&folders)
        .map(|folder| folder.join("java"))
        .find(|path| path.exists())?;
    Some(program.canonicalize().ok()?.parent()?.parent()?.to_owned())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("given");
    if path.is_dir() {
        fs::read_dir(path).expect("a folder").flatten().for_each(|entry| give(&entry.path()));
    }
}
