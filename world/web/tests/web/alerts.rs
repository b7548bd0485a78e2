//! What a real Alertmanager makes of the preset's alerts, where it is installed.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use correlator_world::{Capability, Request};
use serde_json::Value;

use crate::server::pause;
use crate::vault::{Vault, assert_done, assert_later, event, request, skipped, text};
use crate::webhooks::webhook;

/// One that runs, until it is dropped.
struct Alertmanager {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Alertmanager {
    /// Debian calls the program otherwise than its makers.
    fn start() -> Option<Self> {
        let folders = std::env::var_os("PATH")?;
        let named = |folder: PathBuf| {
            ["prometheus-alertmanager", "alertmanager"].map(|name| folder.join(name))
        };
        let program = std::env::split_paths(&folders).flat_map(named).find(|path| path.exists());
        let Some(program) = program else {
            skipped("there is no Alertmanager (Debian's prometheus-alertmanager)");
            return None;
        };
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port");
        let folder = std::env::temp_dir().join(format!("correlator-alerts-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let settings = folder.join("settings.yml");
        fs::write(&settings, "{route: {receiver: none}, receivers: [{name: none}]}")
            .expect("written");
        let mut command = Command::new(program);
        command.arg("--config.file").arg(settings).arg("--storage.path").arg(&folder);
        command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        let mut this = Self { child, folder, address };
        for _ in 0..600 {
            if this.ask("/-/ready").is_some() {
                return Some(this);
            }
            assert!(this.child.try_wait().expect("a child").is_none(), "it ended");
            pause(Duration::from_millis(100));
        }
        panic!("it does not answer");
    }

    fn ask(&self, path: &str) -> Option<String> {
        let config = ureq::Agent::config_builder().proxy(None).build();
        let mut answer = config.new_agent().get(format!("http://{}{path}", self.address)).call();
        answer.as_mut().ok()?.body_mut().read_to_string().ok()
    }

    /// The alerts that it has, by their ids.
    fn alerts(&self) -> Vec<Value> {
        let text = self.ask("/api/v2/alerts").expect("an answer");
        let mut alerts: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        alerts.sort_by_key(|alert| alert["labels"]["event_id"].to_string());
        alerts
    }
}

#[test]
fn alertmanager() {
    let Some(real) = Alertmanager::start() else { return };
    let yaml = format!(
        "endpoints: {{ a: {{ preset: alertmanager, url: 'http://{}/api/v2/alerts', private: true }} }}",
        real.address
    );
    let mut webhook = webhook(&yaml);
    let mut deliver = |request: &Request| {
        webhook.check(request).expect("granted");
        webhook.deliver(std::slice::from_ref(request), &Vault::default()).remove(0)
    };
    // The same twice is one alert, and two of a kind are two.
    for id in ["sshd:1#0", "sshd:1#0", "sshd:2#0"] {
        assert_done(&deliver(&event(id, "a")), "200");
    }
    let alerts = real.alerts();
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    let (labels, notes) = (&alerts[0]["labels"], &alerts[0]["annotations"]);
    assert_eq!(
        (&labels["alertname"], &labels["severity"]),
        (&"login_failed".into(), &"error".into())
    );
    assert_eq!((&labels["module"], &labels["event_id"]), (&"sshd".into(), &"sshd:1#0".into()));
    assert_eq!(notes["description"], "user: root\naddr: 192.0.2.7\nfailures: 5");
    assert_eq!(alerts[0]["startsAt"], "2023-11-14T22:13:20.250Z");
    assert_eq!(alerts[0]["status"]["state"], "active");
    // Little is enough, and hostile text is text.
    let hostile = "\"},{\"labels\":{}}] {{ .Evil }} \u{202e}\r\n\u{0}\u{1f980}";
    assert_done(&deliver(&request("x:1", "a", &[("summary", text(hostile))])), "200");
    let cells = [("summary", text("s")), ("event", text(hostile)), ("module", text(""))];
    assert_done(&deliver(&request("x:2", "a", &cells)), "200");
    assert_eq!(real.alerts().len(), 4);
    drop(real);
    assert_later(&deliver(&event("sshd:3#0", "a")), "refused");
}
