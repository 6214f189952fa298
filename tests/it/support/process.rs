//! The real `nowbridge` as a child process, in a home of its own.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nowbridge::control::{Client, StageName, Status};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Far beyond what anything takes on a busy machine; whoever waits this long has found a fault.
const DEADLINE: Duration = Duration::from_secs(40);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A user's directories, with a config file in them. The environment of what runs here holds nothing else.
pub struct Home {
    root: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A child that still runs. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// The nowbridge that was built with the tests, or the one that whoever measures names.
fn program() -> OsString {
    std::env::var_os("NOWBRIDGE_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_nowbridge").into())
}

impl Home {
    /// A home whose config file holds `config`.
    pub fn new(config: &str) -> Self {
        let home = Self { root: tempfile::tempdir().unwrap(), variables: Vec::new() };
        for directory in ["config/nowbridge", "run/nowbridge"] {
            fs::create_dir_all(home.path(directory)).unwrap();
        }
        home.configure(config);
        home
    }

    /// Replaces the config file.
    pub fn configure(&self, config: &str) {
        fs::write(self.path("config/nowbridge/config.toml"), config).unwrap();
    }

    /// Sets a variable for whatever is started from now on.
    pub fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.push((variable, value.into()));
    }

    /// A path in this home.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    /// Where the daemon keeps what must survive.
    pub fn state(&self) -> PathBuf {
        self.path("state/nowbridge")
    }

    /// Where the daemon listens.
    pub fn socket(&self) -> PathBuf {
        self.path("run/nowbridge/control.sock")
    }

    /// Writes a file next to the config file, for its owner alone.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("config/nowbridge").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).env_clear().env("HOME", self.root.path());
        for (variable, directory) in
            [("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_RUNTIME_DIR", "run")]
        {
            command.env(variable, self.path(directory));
        }
        // So that a coverage run sees what the child does.
        command.envs(std::env::vars_os().filter(|(name, _)| name == "LLVM_PROFILE_FILE"));
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let output = timeout(DEADLINE, self.command(arguments).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts a command that is to go on. What it prints goes to files, which never make it wait.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let file = |suffix: &str| {
            let path = self.path(&format!("{}-{}.{suffix}", arguments[0], fastrand::u64(..)));
            let file = File::create(&path).unwrap();
            (path, file)
        };
        let ((stdout, out), (stderr, err)) = (file("out"), file("err"));
        let child = self.command(arguments).stdout(out).stderr(err).spawn().unwrap();
        Running { child, stdout, stderr }
    }
}

impl Home {
    /// Starts the daemon and waits until it runs.
    pub async fn daemon(&self) -> Running {
        let mut daemon = self.start(&["run"]);
        self.running(&mut daemon).await;
        daemon
    }

    /// Waits until the daemon answers and all its loops run.
    pub async fn running(&self, daemon: &mut Running) {
        until("the daemon runs", async || {
            assert!(daemon.is_running(), "{}", daemon.stderr());
            let status = self.status().await?;
            (status.daemon.stage == StageName::Running).then_some(())
        })
        .await;
    }

    /// What the daemon says, if it answers.
    pub async fn status(&self) -> Option<Status> {
        Client::connect(&self.socket()).await.ok()?.status().await.ok()
    }

    /// Waits for a status like that.
    pub async fn status_when(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let client = Client::connect(&self.socket()).await.unwrap();
        until(what, async || Some(client.status().await.unwrap()).filter(&wanted)).await
    }
}

impl Ended {
    /// The one line on standard error, of a command that ended with `code`.
    #[track_caller]
    pub fn refused(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert!(lines.len() == 1 && lines[0].starts_with("nowbridge: "), "not one line: {self:?}");
        lines[0]
    }

    /// What a command printed that went well.
    #[track_caller]
    pub fn printed(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        &self.stdout
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// What it has complained about or logged so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Asks it to end, as a service manager would.
    pub async fn terminate(&self) {
        let pid = self.pid();
        let mut kill = Command::new("sh");
        assert!(kill.arg("-c").arg(format!("kill -TERM {pid}")).status().await.unwrap().success());
    }

    /// Ends it as a power cut would.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = timeout(DEADLINE, self.child.wait()).await;
        status.unwrap_or_else(|_| panic!("it does not end: {}", self.stderr())).unwrap()
    }

    /// Ends it politely; it must end well.
    pub async fn stop(mut self) {
        self.terminate().await;
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{status}: {}", self.stderr());
    }
}

/// Looks again and again until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let seen = async {
        loop {
            looks.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    };
    timeout(DEADLINE, seen).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Everything below a directory, with its content.
pub fn files_below(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files.extend(files_below(&path));
        } else if kind.is_file() {
            let content = fs::read(&path).unwrap();
            files.push((path, content));
        }
    }
    files
}
