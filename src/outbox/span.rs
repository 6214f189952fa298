//! Places in a log, down to the sample.

use std::fmt;
use std::ops::Range;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::wire::bridge::Seq;

/// A place between two samples of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The block.
    pub seq: Seq,
    /// Samples of it that lie before the place.
    pub sample: u16,
}

/// A range of samples of one stream: from the first block without its first `skip` samples to the last block, of which only the
/// first `upto` samples belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first block.
    pub first: Seq,
    /// Samples at its beginning that are left out.
    pub skip: u16,
    /// The last block.
    pub last: Seq,
    /// Where it ends in the last block, counted from the block's beginning; `None` takes the whole block.
    pub upto: Option<u16>,
}

impl Position {
    /// The beginning of a block.
    pub const fn of(seq: Seq) -> Self {
        Self { seq, sample: 0 }
    }
}

impl Span {
    /// Whole blocks.
    pub const fn blocks(first: Seq, last: Seq) -> Self {
        Self { first, skip: 0, last, upto: None }
    }

    /// The one sample behind a place.
    pub const fn sample(at: Position) -> Self {
        Self { first: at.seq, skip: at.sample, last: at.seq, upto: Some(at.sample.saturating_add(1)) }
    }

    /// The place it begins at.
    pub const fn start(&self) -> Position {
        Position { seq: self.first, sample: self.skip }
    }

    /// The place behind it.
    pub fn end(&self) -> Position {
        match self.upto {
            None => Position::of(self.last.next()),
            Some(sample) => Position { seq: self.last, sample },
        }
    }

    /// Whether it can hold a sample.
    pub fn is_range(&self) -> bool {
        self.start() < self.end()
    }

    /// Which of the `samples` of a block belong to it.
    pub fn within(&self, seq: Seq, samples: u16) -> Range<u16> {
        if seq < self.first || seq > self.last {
            return 0..0;
        }
        let from = if seq == self.first { self.skip.min(samples) } else { 0 };
        let upto = if seq == self.last { self.upto.unwrap_or(samples).min(samples) } else { samples };
        from..upto.max(from)
    }

    /// Reads its four columns.
    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            first: row.get("first_seq")?,
            skip: row.get("skip")?,
            last: row.get("last_seq")?,
            upto: row.get("upto")?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sample {
            0 => self.seq.fmt(f),
            sample => write!(f, "{} (sample {})", self.seq, u32::from(sample) + 1),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.upto {
            None if self.first == self.last => self.start().fmt(f),
            None => write!(f, "{} to {}", self.start(), self.last),
            Some(upto) => write!(f, "{} to {} (sample {upto})", self.start(), self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_takes_its_part_of_each_block() {
        let span = Span { first: Seq(3), skip: 7, last: Seq(5), upto: Some(2) };
        let parts: Vec<_> = (2..7).map(|seq| span.within(Seq(seq), 10)).collect();
        assert_eq!(parts, [0..0, 7..10, 0..10, 0..2, 0..0]);
        assert_eq!(Span { last: Seq(3), upto: Some(8), ..span }.within(Seq(3), 10), 7..8);
        assert!(!Span { last: Seq(3), upto: Some(7), ..span }.is_range());
    }

    #[test]
    fn a_span_ends_where_the_next_begins() {
        assert_eq!(Span::blocks(Seq(1), Seq(4)).end(), Position::of(Seq(5)));
        let place = Position { seq: Seq(4), sample: 9 };
        assert_eq!(Span::sample(place).end(), Position { sample: 10, ..place });
        assert!(Span::sample(place).end() < Span::blocks(Seq(1), Seq(4)).end());
    }
}
