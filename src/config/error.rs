//! What can be wrong with a configuration. Nothing here goes away by itself: a person has to change something.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A place in a config file, counted from 1 as editors do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// What an unknown key may have been meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A key of the same table that is spelled much alike.
    DidYouMean(&'static str),
    /// The table that has a key of exactly this name.
    BelongsIn(&'static str),
    /// Nothing comes to mind: these are the table's keys.
    Known(&'static [&'static str]),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DidYouMean(key) => write!(f, "did you mean \"{key}\"?"),
            Self::BelongsIn(table) => write!(f, "it belongs in {table}"),
            Self::Known(keys) => write!(f, "known here: {}", keys.join(", ")),
        }
    }
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A config file that must be there cannot be read.
    #[error("cannot read the config file {path}: {source}; check the path and who may read it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{at}: this is not TOML: {problem}")]
    Syntax {
        /// Where reading stopped.
        at: Location,
        /// What was expected there.
        problem: String,
    },
    /// A key that nowbridge does not know.
    #[error("{at}: unknown key \"{key}\" in {table}; {hint}")]
    UnknownKey {
        /// Where it stands.
        at: Location,
        /// The key as written.
        key: String,
        /// The table it stands in, as written.
        table: &'static str,
        /// What may have been meant.
        hint: Hint,
    },
    /// A known key with a value that cannot be.
    #[error("{at}: {key}: {problem}")]
    Value {
        /// Where it stands.
        at: Location,
        /// The key with its table, `cloud.base_url`.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// An environment variable with a value that cannot be.
    #[error("the environment variable {variable}: {problem}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Nothing says where to keep the outbox.
    #[error("no directory for the state is known, as there is no home directory; set NOWBRIDGE_STATE_DIR")]
    NoStateDir,
    /// A socket path that the system cannot hold.
    #[error(
        "the socket path {path} is longer than the {limit} bytes a Unix socket may have; set {key} to a shorter one"
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// The key that sets it.
        key: &'static str,
        /// What fits.
        limit: usize,
    },
    /// A directory that is needed cannot be made.
    #[error(
        "cannot create the directory {path}: {source}; create it for this user, or name another with {key}"
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What sets it.
        key: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A secret cannot be had.
    #[error("{key}: {source}")]
    Secret {
        /// The key that names where it lies.
        key: &'static str,
        /// Why.
        source: SecretError,
    },
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; create it with mode 0600, owned by the user that runs nowbridge")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Everybody on this machine can read or write the file.
    #[error(
        "{path} has mode {mode:04o}, which lets every user of this machine at it; run: chmod 600 '{path}'"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is there cannot be a secret.
    #[error("{path} {problem}; put the secret alone into it, as one line of text")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: &'static str,
    },
    /// systemd passed no credential of that name.
    #[error(
        "systemd passed no credential \"{name}\"; add LoadCredential={name}:/etc/credstore/{name} to the unit, \
         or name a file instead"
    )]
    NoCredential {
        /// Its name.
        name: String,
    },
}
