//! Blocks: what is stored is what is sent.
//!
//! ```text
//! varint  len      length of header and payload
//! header           postcard: seq u32 | boot u16 | t0_ms u64 | stream u8 | codec u8 | n u16
//! payload          the values, then the qualities if bit 7 of codec is set
//! u32 LE  crc32c   over header and payload (Castagnoli)
//! ```
//!
//! A block holds one stream of one boot. Its first sample is at `t0_ms` on the watch's clock; the others follow at the stream's
//! period, at their own gaps (codec 4, whatever the stream), or, for beats, at their R-R intervals. A block of beats is one uninterrupted run: its
//! first value is the interval that ended with its first beat, 0 if a run starts there. Without a quality tail every sample
//! has quality 4.

use bytes::Bytes;
use crc::{CRC_32_ISCSI, Crc, Table};
use serde::{Deserialize, Serialize};

use super::codec::{Codec, CodecError, decode_runs};
use super::{Boot, Seq, Stream, varint};
use crate::measurement::Quality;

/// The most that a sealed block of samples takes, so that one fits a 244-byte notification whole.
pub const SEALED_BLOCK: usize = 240;
/// The most that any block may take (raw signals).
pub const MAX_BLOCK: usize = 4096;

const QUALITY_TAIL: u8 = 0x80;
const CRC_BYTES: usize = 4;
static CASTAGNOLI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHeader {
    /// Its number in the log; 0 for a live block.
    pub seq: Seq,
    /// The boot whose clock `t0_ms` is on.
    pub boot: Boot,
    /// Time of the first sample, ms since that boot.
    pub t0_ms: u64,
    /// What was recorded.
    pub stream: Stream,
    /// The packing (b0–6) and whether a quality tail follows (b7).
    pub codec: u8,
    /// Samples in the block.
    pub n: u16,
}

/// One sample of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Time on the watch's clock, ms since the block's boot.
    pub at_ms: u64,
    /// The value in the stream's stored units (real value × scale).
    pub value: i32,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// A block as its bytes, with a CRC that was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBlock {
    bytes: Bytes,
    header: BlockHeader,
    payload: std::ops::Range<usize>,
}

/// Bytes that are not a sound block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The length in front is none, or above [`MAX_BLOCK`].
    #[error("a block length that is no number or above {MAX_BLOCK}")]
    Length,
    /// The bytes end before the block does, or go on after it.
    #[error("{have} bytes where the block takes {need}")]
    Size {
        /// What the length in front asks for.
        need: usize,
        /// What there is.
        have: usize,
    },
    /// Damaged on the way or in flash.
    #[error("CRC {found:08x}, computed {computed:08x}")]
    Crc {
        /// What the block carries.
        found: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The CRC is right but the header is not one.
    #[error("the header cannot be read")]
    Header,
    /// The CRC is right but there is no sample.
    #[error("a block without samples")]
    Empty,
    /// The stream is not known, so its samples have no times.
    #[error("stream {} is not known", .0.0)]
    UnknownStream(Stream),
    /// The payload does not hold what the header promises.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A quality outside 0–4.
    #[error("quality {0} is outside 0 to 4")]
    Quality(i32),
}

/// Seals samples of one stream into a block, in the smallest packing that suits the stream.
///
/// Samples that do not follow the stream's rule of time (see the module) are packed with their own gaps. None may be before the one
/// in front of it; [`super::Sealer`] sees to it.
pub fn seal(seq: Seq, boot: Boot, stream: Stream, samples: &[Sample]) -> Bytes {
    let values: Vec<i32> = samples.iter().map(|sample| sample.value).collect();
    let t0_ms = samples.first().map_or(0, |sample| sample.at_ms);
    let mut before = t0_ms;
    let gaps: Vec<u64> =
        samples.iter().map(|sample| sample.at_ms - std::mem::replace(&mut before, sample.at_ms)).collect();
    let as_ruled = samples.windows(2).all(|pair| follows(stream, &pair[0], &pair[1]));
    let packings = if as_ruled { packings(stream) } else { &[Codec::Pairs] };
    let smallest = packings.iter().map(|&codec| {
        let mut payload = Vec::with_capacity(SEALED_BLOCK);
        codec.encode(&values, &gaps, &mut payload);
        (codec as u8, payload)
    });
    let (mut codec, mut payload) =
        smallest.min_by_key(|(_, payload)| payload.len()).expect("every stream has a packing");
    if samples.iter().any(|sample| sample.quality != Quality::BEST) {
        codec |= QUALITY_TAIL;
        let qualities: Vec<i32> = samples.iter().map(|sample| sample.quality.get().into()).collect();
        Codec::Runs.encode(&qualities, &[], &mut payload);
    }
    let header = BlockHeader { seq, boot, t0_ms, stream, codec, n: samples.len() as u16 };
    frame(&header, &payload)
}

impl BlockHeader {
    /// A block of bytes that are not samples (anchors, device log, private streams).
    pub fn opaque(seq: Seq, boot: Boot, t0_ms: u64, stream: Stream, payload: &[u8]) -> Bytes {
        frame(&Self { seq, boot, t0_ms, stream, codec: Codec::Raw as u8, n: 1 }, payload)
    }

    /// Whether the samples carry times of their own, instead of following the stream's rule.
    pub const fn has_own_times(&self) -> bool {
        self.codec & !QUALITY_TAIL == Codec::Pairs as u8
    }
}

/// Whether `next` is where the stream's rule of time puts it after `last`, so that its time need not be written down.
pub(super) fn follows(stream: Stream, last: &Sample, next: &Sample) -> bool {
    let Some(gap) = next.at_ms.checked_sub(last.at_ms) else { return false };
    if stream == Stream::BEATS {
        return next.value > 0 && gap == next.value as u64;
    }
    match stream.info() {
        Some(info) if info.period_ms > 0 => gap == u64::from(info.period_ms),
        _ => true,
    }
}

/// The packings worth trying for a stream.
fn packings(stream: Stream) -> &'static [Codec] {
    match stream.info() {
        Some(info) if info.period_ms > 0 => &[Codec::Deltas, Codec::Nibbles, Codec::Runs],
        _ if stream == Stream::BEATS => &[Codec::Deltas, Codec::Nibbles],
        _ => &[Codec::Pairs],
    }
}

fn frame(header: &BlockHeader, payload: &[u8]) -> Bytes {
    let header = postcard::to_stdvec(header).expect("a header of integers always serialises");
    let len = header.len() + payload.len();
    let mut bytes = Vec::with_capacity(len + 2 + CRC_BYTES);
    varint::put(&mut bytes, len as u64);
    let start = bytes.len();
    bytes.extend(header);
    bytes.extend(payload);
    let crc = CASTAGNOLI.checksum(&bytes[start..]);
    bytes.extend(crc.to_le_bytes());
    bytes.into()
}

impl RawBlock {
    /// The whole length of the block at the front of `bytes`, or `None` if even its length is not all there.
    pub fn length(bytes: &[u8]) -> Result<Option<usize>, BlockError> {
        let mut rest = bytes;
        match varint::take(&mut rest) {
            Some(len) => {
                let whole = (bytes.len() - rest.len()) as u64 + len.saturating_add(CRC_BYTES as u64);
                if whole > MAX_BLOCK as u64 { Err(BlockError::Length) } else { Ok(Some(whole as usize)) }
            }
            // No legal length takes more than two bytes.
            None if bytes.len() >= 2 => Err(BlockError::Length),
            None => Ok(None),
        }
    }

    /// Checks a block that is all of `bytes`.
    pub fn parse(bytes: Bytes) -> Result<Self, BlockError> {
        let have = bytes.len();
        let need = Self::length(&bytes)?.ok_or(BlockError::Size { need: 1, have })?;
        if need != have {
            return Err(BlockError::Size { need, have });
        }
        let start = if bytes[0] & 0x80 == 0 { 1 } else { 2 };
        let (body, crc) = bytes[start..].split_last_chunk::<CRC_BYTES>().ok_or(BlockError::Length)?;
        let (found, computed) = (u32::from_le_bytes(*crc), CASTAGNOLI.checksum(body));
        if found != computed {
            return Err(BlockError::Crc { found, computed });
        }
        let (header, payload) =
            postcard::take_from_bytes::<BlockHeader>(body).map_err(|_| BlockError::Header)?;
        let payload = have - CRC_BYTES - payload.len()..have - CRC_BYTES;
        Ok(Self { bytes, header, payload })
    }

    /// What the block says of itself.
    pub const fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// The whole block, as sent and as stored.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The payload of a block that holds no samples.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }

    /// Unpacks the samples. Fails for streams whose rule of time is not known.
    pub fn samples(&self) -> Result<Vec<Sample>, BlockError> {
        let BlockHeader { stream, codec, n, t0_ms, .. } = self.header;
        let count = usize::from(n);
        if count == 0 {
            return Err(BlockError::Empty);
        }
        let period = stream.info().ok_or(BlockError::UnknownStream(stream))?.period_ms;
        let mut payload = self.payload();
        let (values, gaps) = Codec::try_from(codec & !QUALITY_TAIL)?.decode(&mut payload, count)?;
        let qualities = if codec & QUALITY_TAIL == 0 {
            vec![Quality::BEST; count]
        } else {
            let quality =
                |value: i32| Quality::try_from(i64::from(value)).map_err(|_| BlockError::Quality(value));
            decode_runs(&mut payload, count)?.into_iter().map(quality).collect::<Result<_, _>>()?
        };
        if !payload.is_empty() {
            return Err(CodecError::LeftOver(payload.len()).into());
        }
        let mut at_ms = t0_ms;
        let sample = |(index, (value, quality)): (usize, (i32, Quality))| {
            if index > 0 {
                let gap = if let Some(&gap) = gaps.get(index) {
                    gap
                } else if stream == Stream::BEATS {
                    u64::try_from(value).unwrap_or(0)
                } else {
                    period.into()
                };
                at_ms = at_ms.saturating_add(gap);
            }
            Sample { at_ms, value, quality }
        };
        Ok(values.into_iter().zip(qualities).enumerate().map(sample).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_value_of_crc32c() {
        assert_eq!(CASTAGNOLI.checksum(b"123456789"), 0xE306_9283);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_block_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(block) = RawBlock::parse(bytes.into()) {
                let _ = block.samples();
            }
        }

        #[test]
        fn any_payload_with_a_right_crc_is_samples_or_an_error(
            payload in proptest::collection::vec(any::<u8>(), 0..64), stream in 0_u8..20, codec in any::<u8>(), n in 0_u16..400,
        ) {
            let header = BlockHeader { seq: Seq(7), boot: Boot(1), t0_ms: u64::MAX - 5, stream: Stream(stream), codec, n };
            let block = RawBlock::parse(frame(&header, &payload)).unwrap();
            prop_assert_eq!(block.header(), &header);
            if let Ok(samples) = block.samples() {
                prop_assert_eq!(samples.len(), usize::from(n));
            }
        }

        #[test]
        fn one_flipped_bit_never_passes(flip in 0_usize..(23 * 8)) {
            let samples: Vec<Sample> = [72, 72, 73, 74, 73, 71].iter().enumerate().map(|(index, &value)| {
                Sample { at_ms: 5_000 + 1_000 * index as u64, value, quality: Quality::BEST }
            }).collect();
            let sealed = seal(Seq(300), Boot(3), Stream::HEART_RATE, &samples);
            let mut damaged = sealed.to_vec();
            let flip = flip % (damaged.len() * 8);
            damaged[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(RawBlock::parse(damaged.into()).is_err());
        }
    }
}
