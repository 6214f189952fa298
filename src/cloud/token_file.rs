//! The tokens at rest: one small JSON file that only its owner can read.
//!
//! Replaced as a whole (temporary file, fsync, rename, fsync of the directory), so that a power cut leaves either the old
//! or the new tokens. It names the cloud that issued them: after a change of address they are not sent to the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::auth::Tokens;
use super::{BaseUrl, auth};
use crate::measurement::UtcMicros;

const OWNER_ONLY: u32 = 0o600;

/// The token file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// Reading failed.
    #[error("the token file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Not a token file, or one of a later version.
    #[error("{} is not a token file that this version understands; logging in replaces it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Writing failed; what was there before is still there.
    #[error("the new tokens cannot be stored in {} and would not outlast a restart: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Where the tokens of one cloud are kept.
#[derive(Clone, Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    cloud: String,
}

/// Version 1. Later versions get another number in `version`, so that an old program refuses them.
#[derive(Deserialize)]
struct Stored {
    version: u32,
    cloud: String,
    access: SecretString,
    refresh: SecretString,
    expires_in_ms: Option<u64>,
    obtained_at_us: UtcMicros,
}

/// [`Stored`] on its way out: a secret does not serialize by itself.
#[derive(Serialize)]
struct Storing<'a> {
    version: u32,
    cloud: &'a str,
    access: &'a str,
    refresh: &'a str,
    expires_in_ms: Option<u64>,
    obtained_at_us: UtcMicros,
}

impl TokenFile {
    pub fn new(path: PathBuf, cloud: &BaseUrl) -> Self {
        Self { path, cloud: cloud.to_string() }
    }

    /// The tokens of this cloud, if there are any. Blocks.
    pub fn load(&self) -> Result<Option<Tokens>, TokenFileError> {
        let text = match fs::read(&self.path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TokenFileError::Read { path: self.path.clone(), source }),
        };
        let malformed = || TokenFileError::Malformed { path: self.path.clone() };
        let stored: Stored = serde_json::from_slice(&text).map_err(|_| malformed())?;
        if stored.version != 1 || auth::bearer(&stored.access).is_none() {
            return Err(malformed());
        }
        if stored.cloud != self.cloud {
            tracing::warn!(
                stored = stored.cloud,
                configured = self.cloud,
                "the stored login is for another cloud"
            );
            return Ok(None);
        }
        Ok(Some(Tokens {
            access: stored.access,
            refresh: stored.refresh,
            expires_in: stored.expires_in_ms.map(Duration::from_millis),
            obtained_at: stored.obtained_at_us,
        }))
    }

    /// Replaces what is there. When this returns, the tokens outlast a power cut. Blocks.
    pub fn save(&self, tokens: &Tokens) -> Result<(), TokenFileError> {
        let storing = Storing {
            version: 1,
            cloud: &self.cloud,
            access: tokens.access.expose_secret(),
            refresh: tokens.refresh.expose_secret(),
            expires_in_ms: tokens.expires_in.map(|life| life.as_millis() as u64),
            obtained_at_us: tokens.obtained_at,
        };
        serde_json::to_vec(&storing)
            .map_err(io::Error::from)
            .and_then(|text| replace(&self.path, &Zeroizing::new(text)))
            .map_err(|source| TokenFileError::Write { path: self.path.clone(), source })
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // One that a crash left behind may have any mode; it is never opened, only replaced.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            access: "canary-access".into(),
            refresh: "canary-refresh".into(),
            expires_in: Some(Duration::from_hours(1)),
            obtained_at: UtcMicros(7),
        }
    }

    fn file_in(directory: &Path, cloud: &str) -> TokenFile {
        TokenFile::new(directory.join("tokens.json"), &cloud.parse().unwrap())
    }

    #[test]
    fn what_is_saved_is_private_and_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = file_in(directory.path(), "https://api.example.org/nowatch");
        assert!(file.load().unwrap().is_none());
        fs::write(directory.path().join("tokens.json.new"), "left by a crash").unwrap();
        file.save(&tokens()).unwrap();
        let back = file.load().unwrap().unwrap();
        assert_eq!(back.refresh.expose_secret(), "canary-refresh");
        assert_eq!((back.expires_in, back.obtained_at), (Some(Duration::from_hours(1)), UtcMicros(7)));
        let mode = fs::metadata(directory.path().join("tokens.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
        assert!(!format!("{back:?}").contains("canary"));
    }

    #[test]
    fn tokens_of_one_cloud_are_not_given_to_another() {
        let directory = tempfile::tempdir().unwrap();
        file_in(directory.path(), "https://api.example.org").save(&tokens()).unwrap();
        assert!(file_in(directory.path(), "http://127.0.0.1:8080").load().unwrap().is_none());
    }

    #[test]
    fn half_a_file_is_an_error_and_quotes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = file_in(directory.path(), "https://api.example.org");
        for text in ["", r#"{"version":1,"access":"canary"#, r#"{"version":2}"#] {
            fs::write(directory.path().join("tokens.json"), text).unwrap();
            let error = file.load().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
