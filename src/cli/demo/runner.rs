//! The daemon of the demo: in this process, or, where it is going to be killed, in one of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scene::Scene;
use crate::clock::Clock;
use crate::daemon::{self, DaemonError, Notifier, Wiring};
use crate::radio::air::AirCentral;

/// A running daemon.
pub enum Runner {
    /// In this process.
    Here {
        /// Ends it.
        cancel: CancellationToken,
        /// Its task.
        task: JoinHandle<Result<(), DaemonError>>,
    },
    /// In a process of its own.
    Child(Box<Child>),
}

impl Runner {
    /// Starts the daemon of the scene.
    pub fn start(scene: &Scene, own_process: bool) -> anyhow::Result<Self> {
        if own_process {
            return Ok(Self::Child(Box::new(spawn(scene)?)));
        }
        let central = AirCentral::new(scene.air.clone());
        let wiring = Wiring::new(&scene.config, Some(central), Clock::System)?;
        let cancel = CancellationToken::new();
        let task = tokio::spawn(daemon::run(wiring, Notifier::default(), cancel.clone()));
        Ok(Self::Here { cancel, task })
    }

    /// Kills the daemon as a power cut would, and starts another.
    pub async fn kill_and_restart(&mut self, scene: &Scene) -> anyhow::Result<()> {
        let Self::Child(child) = self else { bail!("only a daemon in a process of its own can be killed") };
        child.kill().await.context("the daemon could not be killed")?;
        **child = spawn(scene)?;
        Ok(())
    }

    /// Whether the daemon has ended by itself, and how.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Here { task, .. } => {
                task.await??;
                bail!("the daemon ended by itself");
            }
            Self::Child(child) => bail!("the daemon ended by itself: {}", child.wait().await?),
        }
    }

    /// Ends the daemon in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Here { task, .. } if task.is_finished() => {}
            Self::Here { cancel, task } => {
                cancel.cancel();
                task.await??;
            }
            Self::Child(mut child) => {
                let Some(pid) = child.id() else { return Ok(()) };
                // The same signal that a service manager sends.
                let kill = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
                kill.context("`kill` could not be run")?;
                let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
                ended.context("the daemon does not end on SIGTERM")??;
            }
        }
        Ok(())
    }
}

fn spawn(scene: &Scene) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(scene.dir.join("daemon.log"))?;
    let config = scene.config.file.clone().context("the demo's configuration is a file")?;
    Command::new(std::env::current_exe()?)
        .arg("--config")
        .arg(config)
        .arg("run")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("the daemon could not be started")
}
