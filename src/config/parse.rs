//! From text to tables, with errors that point.

use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::error::{ConfigError, Location};
use super::keys;
use super::tables::Tables;

/// A config file that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    /// Where the byte `offset` is.
    pub fn at(&self, offset: usize) -> Location {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Location {
            file: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Reads the tables; what is refused is refused with its place in the file.
pub(super) fn parse(source: &Source) -> Result<Tables, ConfigError> {
    let file = DeTable::parse(source.text).map_err(|error| ConfigError::Syntax {
        at: source.at(error.span().map_or(0, |span| span.start)),
        problem: error.message().to_owned(),
    })?;
    keys::check(source, file.get_ref())?;
    Tables::deserialize(Deserializer::from(file.clone())).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ConfigError::Value {
            at: source.at(span.start),
            key: keys::key_at(file.get_ref(), &span).unwrap_or_else(|| keys::TOP.written.to_owned()),
            problem: error.message().to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = Source { path: Path::new("c.toml"), text: "a = 1\n\"ü\" = 2\n" };
        assert_eq!(source.at(0).to_string(), "c.toml:1:1");
        let value = source.text.find('2').unwrap();
        assert_eq!(source.at(value).to_string(), "c.toml:2:7");
        assert_eq!(source.at(10_000).line, 3, "an offset past the end is the end");
    }
}
