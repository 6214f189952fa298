//! Stories of a configuration: what is understood, what is refused, and what the user is told.

mod a_secret_is_only_taken_from_a_safe_place;
mod a_wrong_value_is_shown_where_it_stands;
mod an_unknown_key_is_answered_with_the_one_that_was_meant;
mod the_environment_has_the_last_word;
mod the_file_is_found_where_it_should_be;
mod the_shipped_example_is_true;

use std::path::PathBuf;

use nowbridge::config::{Config, ConfigError, Env};
use tempfile::TempDir;

/// A user whose directories are in a place of their own.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary directory") }
    }

    fn env(&self) -> Env {
        Env::rooted(self.home.path())
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    fn writes(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path(relative);
        let directory = path.parent().expect("a path below home");
        std::fs::create_dir_all(directory).expect("a directory below home");
        std::fs::write(&path, text).expect("a file below home");
        path
    }
}

/// What comes of a file that holds `text`.
fn config(text: &str) -> Result<Config, ConfigError> {
    let user = User::new();
    let path = user.writes("my.toml", text);
    Config::load(Some(&path), &user.env())
}

/// What the user is told about a file that holds `text`, from the file's name on.
fn complaint(text: &str) -> String {
    let full = config(text).expect_err("this file was to be refused").to_string();
    let start = full.find("my.toml").unwrap_or(0);
    full[start..].to_owned()
}
