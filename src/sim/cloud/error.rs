//! What can go wrong inside the private cloud. What a client did wrong is a [`super::refusal::Refusal`].

use std::path::PathBuf;

/// Why the private cloud cannot do what its owner asked.
#[derive(Debug, thiserror::Error)]
pub enum PrivateCloudError {
    /// The data directory or the file in it cannot be made.
    #[error("{path} cannot be created: {source}; choose another data directory", path = .path.display())]
    DataDir {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file cannot be opened as a database.
    #[error("{path} cannot be opened: {source}", path = .path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file is a database of something else.
    #[error("{path} is not a private cloud's database; move it away or choose another data directory", path = .path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// A later version of the program wrote the file.
    #[error("{path} has schema {found}, this program knows up to {known}; use the newer program", path = .path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The schema that it has.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// SQLite did not take a setting that the durability of the data rests on.
    #[error("the database runs with {pragma} = {found}, which does not keep data safe")]
    Pragma {
        /// The setting.
        pragma: &'static str,
        /// What it reads back as.
        found: String,
    },
    /// A statement failed.
    #[error("the private cloud's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A stored hour does not read back as it was written.
    #[error("hour {hour} of {kind} is damaged ({what}); restore the file from a backup, or delete that day")]
    Damaged {
        /// The measurement type.
        kind: crate::measurement::Kind,
        /// Hours since 1970.
        hour: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// A worker was stopped in the middle, because the program is shutting down or because of a bug.
    #[error("the work was cut short; nothing of it was stored")]
    Interrupted(#[from] tokio::task::JoinError),
    /// Hashing failed.
    #[error("the password cannot be hashed: {0}")]
    Password(argon2::password_hash::Error),
    /// The operating system gives no random numbers.
    #[error("no random numbers from the operating system")]
    Random,
    /// What a new user must bring is missing or wrong; each message names one fault.
    #[error("{}", .0.join("; "))]
    Unfit(Vec<String>),
    /// There is such a user.
    #[error("there already is a user {0}")]
    EmailTaken(String),
    /// There is no such user.
    #[error("there is no user {0}; add one first")]
    UnknownUser(String),
    /// The listener failed.
    #[error("the private cloud stopped serving: {0}")]
    Serve(std::io::Error),
}
