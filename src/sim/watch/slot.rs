//! Small records in fixed places of the flash: either sound or, as far as a reader can tell, not there.
//!
//! ```text
//! u8      length of the record
//! ..      the record, postcard
//! u32 LE  crc32c over length and record
//! ```

use crc::{CRC_32_ISCSI, Crc};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that a record takes beside itself.
pub const FRAME: usize = 1 + CRC_BYTES;
const CRC_BYTES: usize = 4;
const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The bytes of a record.
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let record = postcard::to_stdvec(record).expect("integers always serialise");
    let mut bytes = vec![record.len() as u8];
    bytes.extend(record);
    bytes.extend(CASTAGNOLI.checksum(&bytes).to_le_bytes());
    bytes
}

/// The record at the front of `slot`, if a sound one is there.
pub fn decode<T: DeserializeOwned>(slot: &[u8]) -> Option<T> {
    let length = usize::from(*slot.first()?);
    let (signed, rest) = slot.split_at_checked(1 + length)?;
    let found = u32::from_le_bytes(*rest.first_chunk()?);
    (CASTAGNOLI.checksum(signed) == found).then(|| postcard::from_bytes(&signed[1..]).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cut_short_is_not_there() {
        let whole = encode(&(7_u32, 300_u16));
        assert_eq!(decode::<(u32, u16)>(&whole), Some((7, 300)));
        for cut in 0..whole.len() {
            let mut torn = vec![0xFF; 16];
            torn[..cut].copy_from_slice(&whole[..cut]);
            assert_eq!(decode::<(u32, u16)>(&torn), None, "after {cut} bytes");
        }
    }
}
