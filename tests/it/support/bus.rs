//! A D-Bus of our own: nothing on it but what a story puts there.

use std::fs;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Everybody may do everything: there is nobody else on it.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:dir=DIRECTORY</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
  <limit name="max_match_rules_per_connection">512</limit>
</busconfig>
"#;

/// A running bus. It ends when this is dropped.
pub struct PrivateBus {
    daemon: Child,
    address: String,
    _directory: TempDir,
}

impl PrivateBus {
    /// Starts a bus and waits until it listens.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("bus.conf");
        fs::write(&config, CONFIG.replace("DIRECTORY", directory.path().to_str().unwrap())).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile", "--print-address"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut daemon = command.spawn().unwrap_or_else(|error| {
            panic!("dbus-daemon cannot be started ({error}); these stories need the package `dbus`")
        });
        let mut address = String::new();
        let stdout = daemon.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut address).await.unwrap();
        let address = address.trim().to_owned();
        if address.is_empty() {
            let output = daemon.wait_with_output().await.unwrap();
            panic!("dbus-daemon does not listen: {}", String::from_utf8_lossy(&output.stderr));
        }
        Self { daemon, address, _directory: directory }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it and waits for its end.
    pub async fn stop(mut self) {
        self.daemon.kill().await.unwrap();
    }
}
