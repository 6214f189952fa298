//! Hashes of rows, and their sums: what is left to compare when the rows themselves are gone.

use sha2::{Digest, Sha256};

use crate::measurement::Reading;
use crate::outbox::SentRows;

/// A row as it is hashed: `second,value,quality`.
pub fn line(Reading { at, value, quality }: &Reading) -> String {
    let quality = quality.map(|quality| quality.to_string()).unwrap_or_default();
    format!("{},{value},{quality}\n", at.0)
}

/// The first half of the SHA-256 of a row's line.
pub fn hash(row: &Reading) -> u128 {
    let digest: [u8; 32] = Sha256::digest(line(row)).into();
    let [first, _] = *digest.as_chunks::<16>().0 else { unreachable!("SHA-256 has 32 bytes") };
    u128::from_le_bytes(first)
}

/// The sum of the hashes of rows: the same in any order.
pub fn sum<'a>(rows: impl IntoIterator<Item = &'a Reading>) -> u128 {
    rows.into_iter().map(hash).fold(0, u128::wrapping_add)
}

/// What a table comes to, day by day. `repeats` are those of its rows that were sent before, as they were then.
pub fn sent_rows(rows: &[Reading], repeats: &[Reading]) -> Vec<SentRows> {
    let days = rows.chunk_by(|one, other| one.at.day() == other.at.day());
    let sent = |rows: &[Reading]| {
        let (first, last) = (rows.first()?.at, rows.last()?.at);
        let repeats = repeats.iter().find(|row| row.at == first).map(|row| (row.at, hash(row)));
        Some(SentRows { day: first.day(), rows: rows.len() as u64, sum: sum(rows), first, last, repeats })
    };
    days.filter_map(sent).collect()
}
