//! A message bus of a test's own, for playing the other side of what is tested.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zbus::Connection;
use zbus::connection::Builder;

/// Far beyond what anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(40);

/// A private dbus-daemon. Ends when dropped.
pub(super) struct TestBus {
    _daemon: Child,
    _directory: TempDir,
    address: String,
}

impl TestBus {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("bus.conf");
        fs::write(&config, policy(&directory)).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("dbus-daemon is installed");
        let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
        let address = within(lines.next_line()).await.unwrap().expect("the bus tells its address");
        Self { _daemon: daemon, _directory: directory, address }
    }

    /// A connection of somebody who has no name yet and serves nothing.
    pub(super) async fn connect(&self) -> Connection {
        within(self.builder().build()).await.unwrap()
    }

    /// For somebody who has a name or serves something.
    pub(super) fn builder(&self) -> Builder<'static> {
        Builder::address(self.address.as_str())
    }
}

/// Waits for what must come.
pub(super) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("what the test waits for comes")
}

fn policy(directory: &TempDir) -> String {
    format!(
        r#"<busconfig><listen>unix:dir={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"#,
        directory.path().display()
    )
}
