//! The lab's two levers: a port that takes one JSON object a line for the watches, and a script for bluetoothd.

use std::collections::HashMap;
use std::time::Duration;

use nowbridge::radio::PeerAddress;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use zbus::names::OwnedInterfaceName;
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

use super::super::fake_bluez::sensor::Stats;
use super::{ADAPTER, Wearable};
use crate::support::process::until;

/// Does to bluetoothd what its first argument says.
const BLUETOOTHD: &str = "/lab/bluetoothd";
/// And this to the watches.
const WATCHES: &str = "/lab/watches";
/// The program itself.
const DAEMON: &str = "/usr/libexec/bluetooth/bluetoothd";

/// A guest with the real BlueZ. Stories follow one another in it.
pub struct Lab {
    port: String,
}

impl Lab {
    /// The lab that takes commands at `HOST:PORT`, as if it had just been started: no watch is known, all are on the air.
    pub async fn at(port: &str) -> Self {
        let lab = Self { port: port.to_owned() };
        for watch in [Wearable::Sensor, Wearable::Bridge] {
            lab.ask(json!({ "cmd": "radio_on", "watch": watch.word() })).await;
            lab.ask(json!({ "cmd": "adv", "watch": watch.word(), "on": true })).await;
            lab.ask(json!({ "cmd": "forget", "watch": watch.word() })).await;
        }
        lab.equip("sensor", "none", true).await;
        lab.plain("reset", "sensor").await;
        lab.heart_rate(Some(Duration::from_secs(1))).await;
        lab.forget_everybody().await;
        lab
    }

    async fn forget_everybody(&self) {
        let bus = Connection::system().await.unwrap();
        let known = until("bluetoothd shows its adapter", async || {
            let known = objects(&bus).await.ok()?;
            known.iter().any(|path| path == ADAPTER).then_some(known)
        })
        .await;
        for path in known.into_iter().filter(|path| is_device(path)) {
            let path = zbus::ObjectPath::try_from(path).unwrap();
            let adapter = Some("org.bluez.Adapter1");
            // It may have expired since.
            let _ = bus.call_method(Some("org.bluez"), ADAPTER, adapter, "RemoveDevice", &(path,)).await;
        }
    }

    /// A command without options.
    pub async fn plain(&self, command: &str, watch: &str) {
        self.done(json!({ "cmd": command, "watch": watch })).await;
    }

    pub async fn lose_link(&self, watch: &str, lost_after: Duration) {
        let timeout_ms = lost_after.as_millis() as u64;
        self.done(json!({ "cmd": "linkloss", "watch": watch, "timeout_ms": timeout_ms })).await;
    }

    pub async fn advertise(&self, watch: &str, on: bool) {
        self.done(json!({ "cmd": "adv", "watch": watch, "on": on })).await;
    }

    pub async fn equip(&self, watch: &str, io: &str, accept: bool) {
        self.done(json!({ "cmd": "io", "watch": watch, "io": io, "accept": accept })).await;
    }

    pub async fn passkey(&self, watch: &str) -> u32 {
        until("the watch shows a passkey", async || {
            let answer = self.ask(json!({ "cmd": "passkey", "watch": watch })).await;
            answer["passkey"].as_str()?.parse().ok()
        })
        .await
    }

    pub async fn type_passkey(&self, watch: &str, digits: u32) {
        self.done(json!({ "cmd": "passkey", "watch": watch, "digits": digits })).await;
    }

    pub async fn heart_rate(&self, period: Option<Duration>) {
        let period_ms = period.unwrap_or_default().as_millis() as u64;
        self.done(json!({ "cmd": "hr", "period_ms": period_ms })).await;
    }

    pub async fn stream(&self, count: u32, size: usize) {
        self.done(json!({ "cmd": "stream", "count": count, "size": size, "window": 64 })).await;
    }

    pub async fn stats(&self) -> Stats {
        let answer = self.ask(json!({ "cmd": "stats" })).await;
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        Stats { bytes: number("bytes"), writes: number("writes") }
    }

    pub async fn links(&self, watch: &str) -> u64 {
        self.ask(json!({ "cmd": "stats", "watch": watch })).await["connections"].as_u64().unwrap_or_default()
    }

    /// bluetoothd prints its version.
    pub async fn tells_reasons(&self) -> bool {
        let printed = Command::new(DAEMON).arg("--version").output().await.unwrap().stdout;
        let version = String::from_utf8(printed).unwrap();
        let parts: Vec<u32> = version.trim().split('.').map(|part| part.parse().unwrap()).collect();
        parts >= vec![5, 83]
    }

    /// Does something to bluetoothd or its adapter.
    pub async fn bluetoothd(&self, what: &str) {
        run(BLUETOOTHD, what).await;
    }

    /// Does something to the process of the watches, which has the controller, too.
    pub async fn watches(&self, what: &str) {
        run(WATCHES, what).await;
    }

    /// Whether BlueZ has an object for the watch.
    pub async fn is_known(&self, watch: &PeerAddress) -> bool {
        let bus = Connection::system().await.unwrap();
        let name = format!("/dev_{}", watch.0.replace(':', "_"));
        objects(&bus).await.unwrap().iter().any(|path| path.ends_with(&name))
    }

    async fn done(&self, command: Value) {
        let answer = self.ask(command.clone()).await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
    }

    async fn ask(&self, command: Value) -> Value {
        let mut stream = TcpStream::connect(&self.port).await.unwrap();
        stream.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

async fn run(script: &str, what: &str) {
    let status = Command::new(script).arg(what).status().await.unwrap();
    assert!(status.success(), "{script} {what}: {status}");
}

/// Paths of all that BlueZ shows.
async fn objects(bus: &Connection) -> zbus::Result<Vec<String>> {
    type Objects = HashMap<OwnedObjectPath, HashMap<OwnedInterfaceName, HashMap<String, OwnedVariant>>>;
    let manager = Some("org.freedesktop.DBus.ObjectManager");
    let reply = bus.call_method(Some("org.bluez"), "/", manager, "GetManagedObjects", &()).await?;
    let objects: Objects = reply.body().deserialize()?;
    Ok(objects.into_keys().map(|path| path.to_string()).collect())
}

/// Whether it is a device, and nothing below one.
fn is_device(path: &str) -> bool {
    path.split_once("/dev_")
        .is_some_and(|(_, rest)| !rest.contains('/') && PeerAddress(rest.replace('_', ":")).0.len() == 17)
}
