//! Where a secret lies, and how it is fetched: from a file or from a systemd credential, when it is needed.
//!
//! Only the place is kept. A secret is read anew each time, so a changed password needs no restart, and commands that
//! need none run for users who may not read it. It never comes from the config text, an argument or the environment,
//! all of which others can see.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::env::{self, Env};
use super::error::{ConfigError, SecretError};

/// What a value starts with that names a systemd credential.
const CREDENTIAL: &str = "credential:";

/// A token is at most a few kilobytes; what is larger is the wrong file.
const LARGEST: u64 = 64 * 1024;

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSource {
    key: &'static str,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    /// `directory` is `None` where systemd passed no credentials at all.
    Credential {
        name: String,
        directory: Option<PathBuf>,
    },
}

impl SecretSource {
    /// Reads the value of `key`: `credential:NAME`, or a path, relative to `base`. An error is a text for the user.
    pub(super) fn parse(key: &'static str, value: &str, base: &Path, env: &Env) -> Result<Self, String> {
        let place = match value.strip_prefix(CREDENTIAL) {
            Some(name) if name.is_empty() || name.starts_with('.') || name.contains('/') => {
                return Err(format!(
                    "\"{name}\" is no name of a credential; write \"{CREDENTIAL}nowbridge-password\""
                ));
            }
            Some(name) => {
                Place::Credential { name: name.to_owned(), directory: env.path(env::SYSTEMD_CREDENTIALS) }
            }
            None if value.trim().is_empty() => return Err("it is empty; name a file".to_owned()),
            None => Place::File(base.join(value)),
        };
        Ok(Self { key, place })
    }

    /// A secret in the file at `path`; `key` is what errors call it.
    pub fn file(key: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { key, place: Place::File(path.into()) }
    }

    /// Fetches the secret, without the newline at its end.
    pub fn read(&self) -> Result<SecretString, ConfigError> {
        let secret = match &self.place {
            Place::File(path) => read_file(path),
            Place::Credential { name, directory } => match directory.as_ref().map(|all| all.join(name)) {
                Some(path) if path.exists() => read_file(&path),
                _ => Err(SecretError::NoCredential { name: name.clone() }),
            },
        };
        secret.map_err(|source| ConfigError::Secret { key: self.key, source })
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let unfit = |problem| SecretError::Unfit { path: path.to_owned(), problem };
    // Before opening: opening a pipe would wait for somebody to write to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unfit("is not a regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o006 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(unfit("is too large"));
    }
    let text = String::from_utf8(bytes).map_err(|_| unfit("is not UTF-8 text"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(unfit("is empty")),
        secret => Ok(SecretString::from(secret)),
    }
}
