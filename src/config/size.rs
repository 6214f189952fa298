//! Sizes as people write them: `64 MiB`, `1 GiB`.

use serde::de::{Deserialize, Deserializer, Error};

use super::OutboxConfig;

const EXAMPLES: &str = "\"64 MiB\" or \"1 GiB\"";

/// Larger than any disk is a slip of the pen.
const LARGEST: u64 = 1 << 43;

/// For `#[serde(deserialize_with)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A size that an outbox can live with.
pub(super) fn deserialize_cap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match deserialize(deserializer)? {
        size if size >= OutboxConfig::SMALLEST_SIZE => Ok(size),
        _ => Err(D::Error::custom("it is too small for an outbox; it may be \"16 MiB\" or more")),
    }
}

/// A size from 0 to 8 TiB.
fn parse(text: &str) -> Result<u64, String> {
    let not_a_size = || format!("\"{text}\" is not a size; write it as {EXAMPLES}");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(not_a_size)?;
    let (number, unit) = text.split_at(unit_at);
    let factor: u64 = match unit.trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(not_a_size()),
    };
    let number: u64 = number.parse().map_err(|_| not_a_size())?;
    let size = number.checked_mul(factor).filter(|size| *size <= LARGEST);
    size.ok_or_else(|| format!("\"{text}\" is out of range; it may be up to \"8 TiB\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        assert_eq!(parse("64 MiB"), Ok(64 << 20));
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        assert_eq!(parse("0 KiB"), Ok(0));
        assert_eq!(parse("8 TiB"), Ok(LARGEST));
    }

    #[test]
    fn nonsense_and_extremes_are_refused_with_the_way_to_write_it() {
        for text in ["", "15", "MiB", "5 MB", "-1 MiB", "1.5 GiB", "64 mib"] {
            assert!(parse(text).unwrap_err().contains("\"64 MiB\""), "{text}");
        }
        for text in ["9 TiB", "18446744073709551615 KiB"] {
            assert!(parse(text).unwrap_err().contains("out of range"), "{text}");
        }
    }
}
