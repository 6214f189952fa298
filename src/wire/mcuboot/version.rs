//! The version in an image's header.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// `major.minor.revision`, and `.build` (or `+build` as the signing tool writes it) if there is one. Ordered as `MCUboot` orders it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageVersion {
    /// First number.
    pub major: u8,
    /// Second.
    pub minor: u8,
    /// Third.
    pub revision: u16,
    /// Fourth; 0 is as good as none.
    pub build: u32,
}

/// What was given is not the version of an image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("“{0}” is not a firmware version such as 1.4.0 or 1.4.0+7")]
pub struct ImageVersionError(pub String);

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, revision, build } = self;
        write!(f, "{major}.{minor}.{revision}")?;
        if *build != 0 { write!(f, "+{build}") } else { Ok(()) }
    }
}

impl FromStr for ImageVersion {
    type Err = ImageVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ImageVersionError(text.to_owned());
        // `parse` alone would take a sign.
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.splitn(4, ['.', '+']).filter(is_number).collect();
        let (three, build) = match parts[..] {
            [major, minor, revision] if text.matches(['.', '+']).count() == 2 => {
                ([major, minor, revision], "0")
            }
            [major, minor, revision, build] => ([major, minor, revision], build),
            _ => return Err(wrong()),
        };
        let [major, minor, revision] = three;
        let major = major.parse().map_err(|_| wrong())?;
        let minor = minor.parse().map_err(|_| wrong())?;
        let revision = revision.parse().map_err(|_| wrong())?;
        let build = build.parse().map_err(|_| wrong())?;
        Ok(Self { major, minor, revision, build })
    }
}

impl From<ImageVersion> for String {
    fn from(version: ImageVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for ImageVersion {
    type Error = ImageVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for (text, same) in
            [("1.2.3", "1.2.3"), ("1.2.3+45", "1.2.3+45"), ("1.2.3.45", "1.2.3+45"), ("0.0.0+0", "0.0.0")]
        {
            assert_eq!(text.parse::<ImageVersion>().unwrap().to_string(), same);
        }
        for text in ["", "1", "1.2", "1.2.x", "256.0.0", "1.2.3.4.5", "1.2.3-4", "+1.2.3", "1.2.3++4"] {
            assert!(text.parse::<ImageVersion>().is_err(), "{text}");
        }
        assert!("1.10.0".parse::<ImageVersion>().unwrap() > "1.9.9+9".parse().unwrap());
    }
}
