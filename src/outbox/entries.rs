//! What entries of the ledger are called: a letter and a number, such as `d12`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An entry of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EntryId {
    /// A batch, and its receipt: `b7`.
    Batch(i64),
    /// A dead letter: `d12`.
    Dead(i64),
    /// A gap: `g3`.
    Gap(i64),
    /// Something in quarantine: `q1`.
    Quarantine(i64),
}

/// A text that names no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" names no entry of the ledger; b7 is a batch, d12 a dead letter, g3 a gap, q1 is in quarantine: `nowbridge outbox list` shows them"
)]
pub struct InvalidEntryId(pub String);

impl EntryId {
    const fn parts(self) -> (char, i64) {
        match self {
            Self::Batch(number) => ('b', number),
            Self::Dead(number) => ('d', number),
            Self::Gap(number) => ('g', number),
            Self::Quarantine(number) => ('q', number),
        }
    }

    /// Its number among those of its sort.
    pub const fn number(self) -> i64 {
        self.parts().1
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, number) = self.parts();
        f.pad(&format!("{letter}{number}"))
    }
}

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidEntryId(text.to_owned());
        let mut letters = text.chars();
        let letter = letters.next().ok_or_else(invalid)?;
        // The sign that `parse` would take is no part of a name.
        let digits =
            Some(letters.as_str()).filter(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).ok_or_else(invalid)?;
        match letter {
            'b' => Ok(Self::Batch(number)),
            'd' => Ok(Self::Dead(number)),
            'g' => Ok(Self::Gap(number)),
            'q' => Ok(Self::Quarantine(number)),
            _ => Err(invalid()),
        }
    }
}

impl TryFrom<String> for EntryId {
    type Error = InvalidEntryId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_letter_and_digits() {
        for text in ["b7", "d12", "g3", "q1"] {
            assert_eq!(text.parse::<EntryId>().unwrap().to_string(), text);
        }
        for wrong in ["", "d", "12", "x1", "d+1", "d-1", "d1x", "d 1", "d99999999999999999999"] {
            assert!(wrong.parse::<EntryId>().unwrap_err().to_string().contains("outbox list"), "{wrong}");
        }
    }
}
