//! A real mosquitto on loopback, somebody who listens there, and a way to it that can be cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::process::until;

/// Whom the broker lets in, where it asks.
pub const USER: &str = "nowbridge";
pub const PASSWORD: &str = "Canary-password-2";

/// The broker. Killed when dropped.
pub struct Mosquitto {
    pub port: u16,
    dir: TempDir,
    child: Child,
}

impl Mosquitto {
    /// A broker that asks for a password, or does not; `None`, said aloud, where there is no mosquitto.
    pub async fn start(asks: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let passwords = dir.path().join("passwords");
        if asks {
            let made = command("mosquitto_passwd", dir.path())
                .args(["-b", "-c"])
                .arg(&passwords)
                .args([USER, PASSWORD])
                .status()
                .await;
            if made.is_err() {
                return skipped();
            }
        }
        let doors = if asks {
            format!("allow_anonymous false\npassword_file {}\n", passwords.display())
        } else {
            "allow_anonymous true\n".to_owned()
        };
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let config = format!("listener {port} 127.0.0.1\n{doors}persistence false\nuser {user}\n");
        std::fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let child = spawn(dir.path()).ok();
        let Some(child) = child else { return skipped() };
        let broker = Self { port, dir, child };
        broker.up().await;
        Some(broker)
    }

    /// A broker that can also be reached over TLS, and on which port.
    pub async fn start_secure(authority: &Authority) -> Option<(Self, u16)> {
        let dir = tempfile::tempdir().unwrap();
        let free = async || TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let (port, secure) = (free().await, free().await);
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let of_it = |name: &str| authority.dir.path().join(name).display().to_string();
        let config = format!(
            "listener {port} 127.0.0.1\nlistener {secure} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
             allow_anonymous true\npersistence false\nuser {user}\n",
            of_it("ours.crt"),
            of_it("broker.crt"),
            of_it("broker.key")
        );
        std::fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let child = spawn(dir.path()).ok();
        let Some(child) = child else { return skipped() };
        let broker = Self { port, dir, child };
        broker.up().await;
        until("it listens there, too", async || TcpStream::connect(("127.0.0.1", secure)).await.ok()).await;
        Some((broker, secure))
    }

    /// As a power cut would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// The same broker again; it has forgotten everything.
    pub async fn restart(&mut self) {
        self.child = spawn(self.dir.path()).unwrap();
        self.up().await;
    }

    async fn up(&self) {
        until("the broker listens", async || TcpStream::connect(("127.0.0.1", self.port)).await.ok()).await;
    }
}

/// A CA of one's own, a certificate that it has signed for a broker on loopback, and another CA.
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    /// `None`, said aloud, where there is no openssl.
    pub async fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let steps = [
            format!("req -x509 {key} -days 30 -subj /CN=ours -keyout ours.key -out ours.crt"),
            format!("req -x509 {key} -days 30 -subj /CN=strangers -keyout strangers.key -out strangers.crt"),
            format!("req {key} -subj /CN=localhost -keyout broker.key -out broker.csr"),
            "x509 -req -in broker.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 30 -extfile names -out broker.crt"
                .to_owned(),
        ];
        for step in steps {
            let Ok(ended) = command("openssl", dir.path()).args(step.split(' ')).status().await else {
                eprintln!("SKIPPED: there is no openssl here; install it to tell this story");
                return None;
            };
            assert!(ended.success(), "openssl {step}");
        }
        Some(Self { dir })
    }

    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join("ours.crt")
    }

    /// Of the CA that has signed nothing.
    pub fn strangers(&self) -> PathBuf {
        self.dir.path().join("strangers.crt")
    }
}

fn skipped<T>() -> Option<T> {
    eprintln!("SKIPPED: there is no mosquitto here; install the package mosquitto to tell this story");
    None
}

fn command(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin")).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

fn spawn(dir: &Path) -> std::io::Result<Child> {
    command("mosquitto", dir).arg("-c").arg("mosquitto.conf").spawn()
}

/// Somebody who listens to everything. Ends when dropped.
pub struct Listener {
    heard: mpsc::UnboundedReceiver<(String, String)>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens from here on; what is retained comes first.
    pub async fn at(broker: &Mosquitto, id: &str) -> Self {
        let mut options = MqttOptions::new(id, ("127.0.0.1", broker.port));
        options.set_unlimited_incoming_packet_size();
        let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let (ready, mut is_ready) = watch::channel(false);
        let task = tokio::spawn(async move {
            let _client = client;
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        ready.send_replace(true);
                    }
                    Event::Incoming(Packet::Publish(message)) => {
                        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                        if tell.send((text(&message.topic), text(&message.payload))).is_err() {
                            break;
                        }
                    }
                    _ => {}
                }
            }
        });
        is_ready.wait_for(|ready| *ready).await.unwrap();
        Self { heard, task }
    }

    /// Waits until something was said on a topic that ends like this, and what.
    pub async fn hears(&mut self, ending: &str) -> String {
        let hearing = async {
            loop {
                let (topic, payload) = self.heard.recv().await.expect("the broker is there");
                if topic.ends_with(ending) {
                    return payload;
                }
            }
        };
        let heard = timeout(Duration::from_secs(30), hearing).await;
        heard.unwrap_or_else(|_| panic!("nothing was said on {ending}"))
    }

    /// Everything that was heard so far, topic by topic.
    pub fn all(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Ok((topic, payload)) = self.heard.try_recv() {
            all.entry(topic).or_default().push(payload);
        }
        all
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a way lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    Everything,
    /// What is sent arrives, but nobody hears back.
    NoAnswers,
    Nothing,
}

/// A way to a broker. Ends when dropped.
pub struct Way {
    pub port: u16,
    passing: Arc<watch::Sender<Passing>>,
    task: JoinHandle<()>,
}

impl Way {
    pub async fn to(broker: &Mosquitto) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), broker.port);
        let passing = Arc::new(watch::Sender::new(Passing::Everything));
        let gate = Arc::clone(&passing);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if *gate.borrow() == Passing::Nothing {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                tokio::spawn(carry(near, far, gate.subscribe()));
            }
        });
        Self { port, passing, task }
    }

    pub fn lets(&self, passing: Passing) {
        self.passing.send_replace(passing);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, far: TcpStream, mut passing: watch::Receiver<Passing>) {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
    let (mut up, mut down) = ([0; 4_096], [0; 4_096]);
    loop {
        let state = *passing.borrow_and_update();
        if state == Passing::Nothing {
            return;
        }
        tokio::select! {
            read = from_near.read(&mut up) => match read {
                Ok(1..) if to_far.write_all(&up[..read.unwrap()]).await.is_ok() => {}
                _ => return,
            },
            read = from_far.read(&mut down) => match read {
                Ok(1..) if state == Passing::NoAnswers => {}
                Ok(1..) if to_near.write_all(&down[..read.unwrap()]).await.is_ok() => {}
                _ => return,
            },
            _ = passing.changed() => {}
        }
    }
}
