//! What the environment says: a fixed, short list of variables and the user's own directories, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use super::error::ConfigError;

/// Overrides `[state] dir`.
pub(super) const STATE_DIR: &str = "NOWBRIDGE_STATE_DIR";
/// Overrides `[cloud] base_url`.
pub(super) const BASE_URL: &str = "NOWBRIDGE_BASE_URL";
/// Overrides `[log] filter`.
pub(super) const LOG: &str = "NOWBRIDGE_LOG";

/// Set by systemd for a unit with the directive of the same name (systemd.exec(5)).
pub(super) const SYSTEMD_STATE: &str = "STATE_DIRECTORY";
pub(super) const SYSTEMD_RUNTIME: &str = "RUNTIME_DIRECTORY";
pub(super) const SYSTEMD_CONFIGURATION: &str = "CONFIGURATION_DIRECTORY";
pub(super) const SYSTEMD_CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

const VARIABLES: [&str; 7] =
    [STATE_DIR, BASE_URL, LOG, SYSTEMD_STATE, SYSTEMD_RUNTIME, SYSTEMD_CONFIGURATION, SYSTEMD_CREDENTIALS];

/// A snapshot of the environment, so that a test can bring its own.
#[derive(Clone, Debug, Default)]
pub struct Env {
    variables: BTreeMap<&'static str, OsString>,
    user: Option<UserDirs>,
}

/// The user's own directories for nowbridge, after the XDG Base Directory specification.
#[derive(Clone, Debug)]
struct UserDirs {
    config: PathBuf,
    state: PathBuf,
    runtime: Option<PathBuf>,
}

impl Env {
    /// The environment of this process.
    pub fn from_process() -> Self {
        let variables =
            VARIABLES.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value))).collect();
        let user = ProjectDirs::from("", "", "nowbridge").map(|dirs| UserDirs {
            config: dirs.config_dir().to_owned(),
            state: dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned(),
            runtime: dirs.runtime_dir().map(Path::to_owned),
        });
        Self { variables, user }
    }

    /// An environment without variables, whose user keeps everything in `config`, `state` and `run` under `root`.
    pub fn rooted(root: &Path) -> Self {
        let user = UserDirs {
            config: root.join("config"),
            state: root.join("state"),
            runtime: Some(root.join("run")),
        };
        Self { variables: BTreeMap::new(), user: Some(user) }
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, variable: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.insert(variable, value.into());
        self
    }

    /// The file to read when none is named: the service's, else the user's.
    pub fn default_file(&self) -> Option<PathBuf> {
        let directory = self
            .directory(SYSTEMD_CONFIGURATION)
            .or_else(|| self.user.as_ref().map(|user| user.config.clone()))?;
        Some(directory.join("config.toml"))
    }

    /// A variable's text; empty counts as unset, as an `Environment=NAME=` line in a unit means it.
    pub(super) fn text(&self, variable: &'static str) -> Result<Option<&str>, ConfigError> {
        match self.variables.get(variable) {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or_else(|| ConfigError::Variable {
                variable,
                problem: "it is not UTF-8 text".to_owned(),
            }),
        }
    }

    /// A variable as a path; empty counts as unset.
    pub(super) fn path(&self, variable: &'static str) -> Option<PathBuf> {
        self.variables.get(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The first of the directories that systemd passes in `variable`; a unit may list more, separated by colons.
    pub(super) fn directory(&self, variable: &'static str) -> Option<PathBuf> {
        let all = self.path(variable)?;
        std::env::split_paths(&all).next()
    }

    pub(super) fn user_state(&self) -> Option<PathBuf> {
        self.user.as_ref().map(|user| user.state.clone())
    }

    pub(super) fn user_runtime(&self) -> Option<PathBuf> {
        self.user.as_ref().and_then(|user| user.runtime.clone())
    }
}
