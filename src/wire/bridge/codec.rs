//! How the values of a block are packed. A watch tries what suits a stream and keeps the smallest.
//!
//! | codec | payload |
//! |---|---|
//! | 0 raw | each value as i32, little endian; for streams without numbers the bytes as they are |
//! | 1 deltas | zigzag varint of the first value, then of each difference |
//! | 2 nibbles | zigzag varint of the first value, then a nibble (high half first) per difference: d+7 for −7..=7, 15 to escape, followed by the difference's zigzag varint as two nibbles a byte; an odd end is padded with 0 |
//! | 3 runs | (zigzag varint value, varint count) |
//! | 4 pairs | (varint ms since the sample before, zigzag varint value) |
//!
//! Codecs 1–3 follow the vectors of the reference page. The page leaves the escape of codec 2 and the order inside codec 4
//! open; what stands here is version 1 and held by golden vectors.

use super::varint::{put, take, unzigzag, zigzag};

const ESCAPE: u8 = 15;
const NIBBLE_BIAS: i64 = 7;

/// A packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// Values as they are.
    Raw = 0,
    /// Varint differences.
    Deltas = 1,
    /// Four-bit differences.
    Nibbles = 2,
    /// Runs of equal values.
    Runs = 3,
    /// Values with their own times.
    Pairs = 4,
}

/// A payload that does not hold what the header promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No such codec.
    #[error("codec {0} is not known")]
    Unknown(u8),
    /// The payload ends before the last sample.
    #[error("the payload ends before sample {0}")]
    CutOff(usize),
    /// Bytes are left after the last sample.
    #[error("{0} bytes are left over after the last sample")]
    LeftOver(usize),
    /// A value that fits no 32-bit integer.
    #[error("sample {0} does not fit 32 bits")]
    Overflow(usize),
    /// A run of no length, or one that goes on past the last sample.
    #[error("a run of {count} at sample {at} of {total}")]
    Run {
        /// Where the run starts.
        at: usize,
        /// Its length.
        count: u64,
        /// Samples in the block.
        total: usize,
    },
    /// The filler after an odd number of nibbles is not zero.
    #[error("the padding is not zero")]
    Padding,
}

impl TryFrom<u8> for Codec {
    type Error = CodecError;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        [Self::Raw, Self::Deltas, Self::Nibbles, Self::Runs, Self::Pairs]
            .into_iter()
            .find(|codec| *codec as u8 == number)
            .ok_or(CodecError::Unknown(number))
    }
}

impl Codec {
    /// Packs values; `gaps_ms[i]` is the time from sample i−1 to i (0 for the first) and matters to [`Codec::Pairs`] only.
    pub(super) fn encode(self, values: &[i32], gaps_ms: &[u64], out: &mut Vec<u8>) {
        match self {
            Self::Raw => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::Deltas => {
                let mut previous = 0;
                for &value in values {
                    put(out, zigzag(i64::from(value) - previous));
                    previous = i64::from(value);
                }
            }
            Self::Nibbles => encode_nibbles(values, out),
            Self::Runs => {
                for run in values.chunk_by(PartialEq::eq) {
                    put(out, zigzag(run[0].into()));
                    put(out, run.len() as u64);
                }
            }
            Self::Pairs => {
                for (&value, &gap) in values.iter().zip(gaps_ms) {
                    put(out, gap);
                    put(out, zigzag(value.into()));
                }
            }
        }
    }

    /// Unpacks `count` values and, for [`Codec::Pairs`], their gaps in ms (else empty). Takes what it reads off `payload`.
    pub(super) fn decode(
        self,
        payload: &mut &[u8],
        count: usize,
    ) -> Result<(Vec<i32>, Vec<u64>), CodecError> {
        // A byte holds at most 2 samples outside runs: a lying count must not make us allocate.
        let mut values = Vec::with_capacity(count.min(payload.len() * 2 + 1));
        let mut gaps = Vec::new();
        match self {
            Self::Raw => {
                for at in 0..count {
                    let (value, rest) = payload.split_first_chunk().ok_or(CodecError::CutOff(at))?;
                    values.push(i32::from_le_bytes(*value));
                    *payload = rest;
                }
            }
            Self::Deltas => {
                let mut value = 0_i64;
                for at in 0..count {
                    value = step(value, unzigzag(take(payload).ok_or(CodecError::CutOff(at))?), at)?;
                    values.push(value as i32);
                }
            }
            Self::Nibbles => decode_nibbles(payload, count, &mut values)?,
            Self::Runs => values = decode_runs(payload, count)?,
            Self::Pairs => {
                for at in 0..count {
                    gaps.push(take(payload).ok_or(CodecError::CutOff(at))?);
                    values.push(step(0, unzigzag(take(payload).ok_or(CodecError::CutOff(at))?), at)? as i32);
                }
            }
        }
        Ok((values, gaps))
    }
}

/// Adds a difference, staying within 32 bits.
fn step(value: i64, difference: i64, at: usize) -> Result<i64, CodecError> {
    let sum = value.checked_add(difference).ok_or(CodecError::Overflow(at))?;
    i32::try_from(sum).map(i64::from).map_err(|_| CodecError::Overflow(at))
}

fn encode_nibbles(values: &[i32], out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else { return };
    put(out, zigzag(first.into()));
    let mut nibbles = Vec::with_capacity(rest.len() + 1);
    let mut previous = i64::from(first);
    for &value in rest {
        let difference = i64::from(value) - previous;
        previous = i64::from(value);
        if difference.abs() <= NIBBLE_BIAS {
            nibbles.push((difference + NIBBLE_BIAS) as u8);
        } else {
            let mut escaped = Vec::with_capacity(5);
            put(&mut escaped, zigzag(difference));
            nibbles.push(ESCAPE);
            nibbles.extend(escaped.iter().flat_map(|byte| [byte >> 4, byte & 15]));
        }
    }
    out.extend(nibbles.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)));
}

/// Nibbles of a byte slice, high half first.
struct NibbleReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl NibbleReader<'_> {
    /// The next nibble, which belongs to sample `at`.
    fn next(&mut self, at: usize) -> Result<u8, CodecError> {
        let byte = self.bytes.get(self.position / 2).ok_or(CodecError::CutOff(at))?;
        self.position += 1;
        Ok(if self.position % 2 == 1 { byte >> 4 } else { byte & 15 })
    }

    /// A zigzag varint that is spread over nibbles.
    fn escaped(&mut self, at: usize) -> Result<i64, CodecError> {
        let mut bytes = Vec::with_capacity(5);
        loop {
            let byte = self.next(at)? << 4 | self.next(at)?;
            bytes.push(byte);
            if byte & 0x80 == 0 {
                return take(&mut bytes.as_slice()).map(unzigzag).ok_or(CodecError::Overflow(at));
            }
            if bytes.len() == 10 {
                return Err(CodecError::Overflow(at));
            }
        }
    }
}

fn decode_nibbles(payload: &mut &[u8], count: usize, values: &mut Vec<i32>) -> Result<(), CodecError> {
    let mut value = step(0, unzigzag(take(payload).ok_or(CodecError::CutOff(0))?), 0)?;
    values.push(value as i32);
    let mut nibbles = NibbleReader { bytes: payload, position: 0 };
    for at in 1..count {
        let difference = match nibbles.next(at)? {
            ESCAPE => nibbles.escaped(at)?,
            small => i64::from(small) - NIBBLE_BIAS,
        };
        value = step(value, difference, at)?;
        values.push(value as i32);
    }
    if nibbles.position % 2 == 1 && nibbles.next(count)? != 0 {
        return Err(CodecError::Padding);
    }
    *payload = &nibbles.bytes[nibbles.position / 2..];
    Ok(())
}

/// Runs of equal values until there are `count`; also how qualities travel.
pub(super) fn decode_runs(payload: &mut &[u8], count: usize) -> Result<Vec<i32>, CodecError> {
    let mut values = Vec::new();
    while values.len() < count {
        let at = values.len();
        let value = step(0, unzigzag(take(payload).ok_or(CodecError::CutOff(at))?), at)? as i32;
        let length = take(payload).ok_or(CodecError::CutOff(at))?;
        let left = (count - at) as u64;
        if length == 0 || length > left {
            return Err(CodecError::Run { at, count: length, total: count });
        }
        values.resize(at + length as usize, value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VECTOR: [i32; 6] = [72, 72, 73, 74, 73, 71];

    fn packed(codec: Codec, values: &[i32], gaps: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        codec.encode(values, gaps, &mut out);
        out
    }

    #[test]
    fn the_vectors_of_the_reference_page() {
        assert_eq!(hex::encode(packed(Codec::Deltas, &VECTOR, &[])), "90010002020103");
        assert_eq!(hex::encode(packed(Codec::Nibbles, &VECTOR, &[])), "9001788650");
    }

    #[test]
    fn what_version_1_adds_to_the_page() {
        // 72, then +100 (escaped: zigzag 200 = c8 01), then -1, then padding.
        assert_eq!(hex::encode(packed(Codec::Nibbles, &[72, 172, 171], &[])), "9001fc8016");
        assert_eq!(hex::encode(packed(Codec::Runs, &[4, 4, 4, 0], &[])), "08030001");
        assert_eq!(hex::encode(packed(Codec::Pairs, &[6, 1], &[0, 61_000])), "000cc8dc0302");
        assert_eq!(hex::encode(packed(Codec::Raw, &[1, -2], &[])), "01000000feffffff");
    }

    #[test]
    fn lies_are_refused() {
        let refused = |codec: Codec, hex: &str, count| {
            codec.decode(&mut hex::decode(hex).unwrap().as_slice(), count).unwrap_err()
        };
        assert_eq!(refused(Codec::Deltas, "9001", 2), CodecError::CutOff(1));
        assert_eq!(refused(Codec::Runs, "0805", 4), CodecError::Run { at: 0, count: 5, total: 4 });
        assert_eq!(refused(Codec::Runs, "0800", 4), CodecError::Run { at: 0, count: 0, total: 4 });
        assert_eq!(refused(Codec::Nibbles, "9001780f", 4), CodecError::Padding);
        assert_eq!(refused(Codec::Deltas, "feffffff0f02", 2), CodecError::Overflow(1));
        assert_eq!(refused(Codec::Raw, "010000", 1), CodecError::CutOff(0));
    }

    fn walk() -> impl Strategy<Value = Vec<i32>> {
        let steps = prop_oneof![9 => -9_i32..9, 1 => any::<i32>()];
        (any::<i32>(), proptest::collection::vec(steps, 0..300)).prop_map(|(first, steps)| {
            let mut value = first;
            let mut values = vec![first];
            values.extend(steps.into_iter().map(|step| {
                value = value.wrapping_add(step);
                value
            }));
            values
        })
    }

    proptest! {
        #[test]
        fn values_survive_every_codec(values in walk(), gap in 0_u64..100_000) {
            let gaps = vec![gap; values.len()];
            for codec in [Codec::Raw, Codec::Deltas, Codec::Nibbles, Codec::Runs, Codec::Pairs] {
                let bytes = packed(codec, &values, &gaps);
                let mut rest = bytes.as_slice();
                let (decoded, decoded_gaps) = codec.decode(&mut rest, values.len()).unwrap();
                prop_assert_eq!(&decoded, &values);
                prop_assert!(rest.is_empty());
                prop_assert!(codec != Codec::Pairs || decoded_gaps == gaps);
            }
        }

        #[test]
        fn any_bytes_are_values_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64), count in 1_usize..70) {
            for codec in [Codec::Raw, Codec::Deltas, Codec::Nibbles, Codec::Runs, Codec::Pairs] {
                let mut rest = bytes.as_slice();
                if let Ok((values, _)) = codec.decode(&mut rest, count) {
                    prop_assert_eq!(values.len(), count);
                }
            }
        }
    }
}
