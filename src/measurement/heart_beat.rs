//! The `HEART_BEAT` value: a small binary frame in hex, one row per second that has beats.
//!
//! The vendor does not document it; the layout was worked out from public readers and samples (API fact sheet, section
//! 5.4). Two bytes per beat have never been seen with another value than zero; a frame that has one is refused rather than
//! half understood.
//!
//! ```text
//! offset  size  meaning
//! 0       1     n, number of beats in this row's second
//! 1       1     0x02 in every row seen
//! 2+8i    1     quality, 0x04 in every row seen
//! 3+8i    4     u32 little endian, beat time in ms since the sensor session (here: boot) started
//! 7+8i    2     0x0000
//! 9+8i    1     0x00, or 0xFF on the last beat before a gap
//! ```

use super::{InvalidQuality, Quality};

const RECORD_KIND: u8 = 0x02;
const HEADER: usize = 2;
const BEAT: usize = 8;
const RUN_ENDS: u8 = 0xFF;

/// One heart beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Milliseconds since the sensor session started; wraps after 49.7 days, so only differences count.
    pub at_ms: u32,
    /// 4 in everything that NOWATCH itself writes.
    pub quality: Quality,
    /// The next beat does not follow on this one: no interval may be computed across.
    pub ends_run: bool,
}

/// The beats of one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartBeatFrame {
    beats: Vec<Beat>,
}

/// Bytes that are not a heart-beat frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not hex digits in pairs.
    #[error("not hex")]
    NotHex,
    /// The length does not fit the count in the first byte.
    #[error("{len} bytes cannot hold the {beats} beats that the first byte names")]
    Length {
        /// Bytes there are.
        len: usize,
        /// Beats the first byte names.
        beats: usize,
    },
    /// None, or more than a frame can hold.
    #[error("{0} beats in one second; a frame holds 1 to {max}", max = HeartBeatFrame::MAX_BEATS)]
    Count(usize),
    /// A byte that is the same in every known frame differs.
    #[error("byte {offset} is {found:#04x}, which no known frame has")]
    Unknown {
        /// Where.
        offset: usize,
        /// What stands there.
        found: u8,
    },
    /// A beat's quality is outside 0–4.
    #[error(transparent)]
    Quality(#[from] InvalidQuality),
}

impl HeartBeatFrame {
    /// Public readers take the count from the low four bits of the first byte.
    pub const MAX_BEATS: usize = 15;

    /// A frame of the beats of one second, in order.
    pub fn new(beats: Vec<Beat>) -> Result<Self, FrameError> {
        if beats.is_empty() || beats.len() > Self::MAX_BEATS {
            return Err(FrameError::Count(beats.len()));
        }
        Ok(Self { beats })
    }

    /// The beats, in order; never empty.
    pub fn beats(&self) -> &[Beat] {
        &self.beats
    }

    /// The frame's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + BEAT * self.beats.len());
        bytes.extend([self.beats.len() as u8, RECORD_KIND]);
        for beat in &self.beats {
            bytes.push(beat.quality.get());
            bytes.extend(beat.at_ms.to_le_bytes());
            bytes.extend([0, 0, if beat.ends_run { RUN_ENDS } else { 0 }]);
        }
        bytes
    }

    /// The frame in lower-case hex, as the CSV wants it.
    pub fn to_hex(&self) -> String {
        hex::encode(self.to_bytes())
    }

    /// Reads a frame from its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        let (&[count, record], body) =
            bytes.split_first_chunk::<HEADER>().ok_or(FrameError::Length { len: bytes.len(), beats: 0 })?;
        if record != RECORD_KIND {
            return Err(FrameError::Unknown { offset: 1, found: record });
        }
        if body.len() != BEAT * usize::from(count) {
            return Err(FrameError::Length { len: bytes.len(), beats: count.into() });
        }
        let (beats, _) = body.as_chunks::<BEAT>();
        let beats = beats.iter().enumerate().map(|(index, beat)| read_beat(HEADER + BEAT * index, *beat));
        Self::new(beats.collect::<Result<_, _>>()?)
    }

    /// Reads a frame from hex of either case.
    pub fn from_hex(text: &str) -> Result<Self, FrameError> {
        Self::from_bytes(&hex::decode(text).map_err(|_| FrameError::NotHex)?)
    }
}

fn read_beat(
    offset: usize,
    [quality, t0, t1, t2, t3, zero, zero2, end]: [u8; BEAT],
) -> Result<Beat, FrameError> {
    for (at, found) in [(5, zero), (6, zero2)] {
        if found != 0 {
            return Err(FrameError::Unknown { offset: offset + at, found });
        }
    }
    let ends_run = match end {
        0 => false,
        RUN_ENDS => true,
        found => return Err(FrameError::Unknown { offset: offset + 7, found }),
    };
    Ok(Beat { at_ms: u32::from_le_bytes([t0, t1, t2, t3]), quality: quality.try_into()?, ends_run })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn beat(at_ms: u32, ends_run: bool) -> Beat {
        Beat { at_ms, quality: Quality::BEST, ends_run }
    }

    #[test]
    fn the_vectors_of_the_fact_sheet() {
        for (hex, beats) in [
            ("010204e8030000000000", vec![beat(1000, false)]),
            ("020204e803000000000004a40600000000ff", vec![beat(1000, false), beat(1700, true)]),
        ] {
            let frame = HeartBeatFrame::new(beats).unwrap();
            assert_eq!(frame.to_hex(), hex);
            assert_eq!(HeartBeatFrame::from_hex(hex), Ok(frame));
        }
    }

    #[test]
    fn what_is_not_a_frame_is_refused_by_name() {
        let refused = |hex: &str| HeartBeatFrame::from_hex(hex).unwrap_err();
        assert_eq!(refused("800"), FrameError::NotHex);
        assert_eq!(refused("0202"), FrameError::Length { len: 2, beats: 2 });
        assert_eq!(refused("0002"), FrameError::Count(0));
        assert_eq!(refused("010304e8030000000000"), FrameError::Unknown { offset: 1, found: 3 });
        assert_eq!(refused("010204e8030000000100"), FrameError::Unknown { offset: 8, found: 1 });
        assert_eq!(refused("010209e8030000000000"), FrameError::Quality(InvalidQuality(9)));
    }

    proptest! {
        #[test]
        fn a_frame_survives_the_trip(beats in proptest::collection::vec((any::<u32>(), 0_u8..=4, any::<bool>()), 1..=15)) {
            let beats = beats.into_iter().map(|(at_ms, quality, ends_run)| {
                Beat { at_ms, quality: quality.try_into().unwrap(), ends_run }
            });
            let frame = HeartBeatFrame::new(beats.collect()).unwrap();
            prop_assert_eq!(HeartBeatFrame::from_bytes(&frame.to_bytes()), Ok(frame));
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..140)) {
            if let Ok(frame) = HeartBeatFrame::from_bytes(&bytes) {
                prop_assert_eq!(frame.to_bytes(), bytes);
            }
        }
    }
}
