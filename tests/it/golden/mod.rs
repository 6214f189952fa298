//! Byte-exact vectors of the wire formats, one folder a version under `tests/golden`.
//!
//! If one of these fails, the change is wrong, not the vector: watches in the field speak these bytes. A new message gets a new
//! vector; an old vector is never edited.

mod gatt;
mod mcuboot;
mod smp;
mod v1;

use std::collections::BTreeMap;

/// `name = hex` lines; `#` starts a comment.
pub fn vectors(text: &str) -> BTreeMap<&str, Vec<u8>> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, hex) = line.split_once(" = ").expect("a line is `name = hex`");
            (name, hex::decode(hex.replace(' ', "")).expect("hex digits"))
        })
        .collect()
}
