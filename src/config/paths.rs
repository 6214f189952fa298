//! Where things lie on disk. No other room makes up a path.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::env::{self, Env};
use super::error::ConfigError;

/// Where the system service listens; a client that finds no daemon of its own user tries here.
pub const SYSTEM_CONTROL_SOCKET: &str = "/run/nowbridge/control.sock";

/// `sun_path` of Linux holds 108 bytes, the last of which is NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// Where things lie on disk; all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What must survive: `NOWBRIDGE_STATE_DIR`, `[state] dir`, systemd's `StateDirectory=`, or the user's XDG state.
    pub state_dir: PathBuf,
    /// What need not: systemd's `RuntimeDirectory=`, the user's XDG runtime directory, or else the state directory.
    pub runtime_dir: PathBuf,
    /// Where the daemon listens: `[control] socket`, or `control.sock` in the runtime directory.
    pub control_socket: PathBuf,
}

impl Paths {
    /// Decides on every directory; creates none.
    pub(super) fn resolve(
        env: &Env,
        state_dir: Option<PathBuf>,
        control_socket: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let state_dir = env
            .path(env::STATE_DIR)
            .or(state_dir)
            .or_else(|| env.directory(env::SYSTEMD_STATE))
            .or_else(|| env.user_state())
            .ok_or(ConfigError::NoStateDir)?;
        let state_dir = absolute(state_dir);
        let runtime_dir = env
            .directory(env::SYSTEMD_RUNTIME)
            .or_else(|| env.user_runtime())
            .map_or_else(|| state_dir.clone(), absolute);
        let control_socket = control_socket.map_or_else(|| runtime_dir.join("control.sock"), absolute);
        check_socket(&control_socket, "[control] socket")?;
        Ok(Self { state_dir, runtime_dir, control_socket })
    }

    /// The outbox database.
    pub fn outbox(&self) -> PathBuf {
        self.state_dir.join("outbox.db")
    }

    /// What the cloud gave us to stay logged in.
    pub fn session(&self) -> PathBuf {
        self.state_dir.join("session.json")
    }

    /// Verified firmware.
    pub fn firmware(&self) -> PathBuf {
        self.state_dir.join("firmware")
    }

    /// Creates the directories that are missing, for this user's eyes only: what is in them is health data.
    pub fn create(&self) -> Result<(), ConfigError> {
        create_private(&self.state_dir, "[state] dir")?;
        create_private(&self.runtime_dir, "XDG_RUNTIME_DIR")?;
        match self.control_socket.parent() {
            Some(parent) => create_private(parent, "[control] socket"),
            None => Ok(()),
        }
    }
}

/// Refuses a path that `bind` would refuse with a puzzling message.
pub(super) fn check_socket(path: &Path, key: &'static str) -> Result<(), ConfigError> {
    if path.as_os_str().as_bytes().len() <= LONGEST_SOCKET_PATH {
        return Ok(());
    }
    Err(ConfigError::SocketPathTooLong { path: path.to_owned(), key, limit: LONGEST_SOCKET_PATH })
}

fn create_private(path: &Path, key: &'static str) -> Result<(), ConfigError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| ConfigError::Directory { path: path.to_owned(), key, source })
}

/// Relative to where the process was started; unchanged where that is unknown.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
