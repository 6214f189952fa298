//! A page of the ring: a header when it is erased, blocks back to back, a footer when it is full.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::flash::{Flash, PAGE, is_erased};
use super::slot;
use crate::wire::bridge::{LogId, RawBlock, Seq};

/// Three integers of at most 5 bytes.
pub const HEADER: usize = slot::FRAME + 3 * 5;
/// Two integers of at most 5 bytes.
pub const FOOTER: usize = slot::FRAME + 2 * 5;
/// Where blocks lie.
pub const BODY: Range<usize> = HEADER..PAGE - FOOTER;

/// Length (1), six header fields of one byte each, no payload, CRC (4).
const SMALLEST_BLOCK: usize = 1 + 6 + 4;

/// The most blocks a page can hold: (4096 − 20 − 15) / 11 = 369.
///
/// When a page turns out torn, the blocks behind the first bad CRC cannot be read, but they may have been offered to a host.
/// There are at most this many of them, and they are numbered on from the last sound one. So whoever goes on after the last
/// sound block + this many cannot meet a number that was ever used.
pub const MOST_BLOCKS: u32 = ((BODY.end - BODY.start) / SMALLEST_BLOCK) as u32;

/// Written when the page is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Whose blocks; pages of another log are free.
    pub log_id: LogId,
    /// Rises by one with each page opened; orders the pages.
    pub generation: u32,
    /// The number of the first block; those behind it count on without a hole.
    pub first: Seq,
}

/// Written when the page is full. It follows from the blocks alone, so that writing a torn one again mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Footer {
    first: Seq,
    last: Seq,
}

/// What a boot finds in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A sound footer.
    Closed,
    /// No footer yet, and a clean place behind the last block.
    Open {
        /// That place.
        at: usize,
    },
    /// All blocks are sound but the footer is not.
    FooterTorn,
    /// Something behind the last sound block is not one.
    Torn,
}

/// The header of a page, if it has a sound one.
pub fn header(flash: &Flash, page: usize) -> Option<Header> {
    slot::decode(&flash.page(page)[..HEADER])
}

/// How many blocks of a page can be served, and whether it can take more.
pub fn survey(flash: &Flash, page: usize, header: &Header) -> (u32, State) {
    let footer_slot = &flash.page(page)[BODY.end..];
    if let Some(footer) = slot::decode::<Footer>(footer_slot)
        && footer.first == header.first
        && let Some(count) = footer.last.next().0.checked_sub(header.first.0)
    {
        return (count, State::Closed);
    }
    let (mut count, mut at) = (0, BODY.start);
    for block in blocks(flash, page) {
        let sound = RawBlock::parse(Bytes::copy_from_slice(block));
        if !sound.is_ok_and(|block| block.header().seq == Seq(header.first.0 + count)) {
            break;
        }
        count += 1;
        at += block.len();
    }
    let state = match (is_erased(&flash.page(page)[at..BODY.end]), is_erased(footer_slot)) {
        (true, true) => State::Open { at },
        (true, false) => State::FooterTorn,
        (false, _) => State::Torn,
    };
    (count, state)
}

/// The blocks of a page as their lengths say, sound or not; ends where no length can be read.
pub fn blocks(flash: &Flash, page: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = &flash.page(page)[BODY];
    std::iter::from_fn(move || {
        let length = RawBlock::length(rest).ok()??;
        let (block, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(block)
    })
}

/// Erases a page and opens it.
pub fn open(flash: &mut Flash, page: usize, header: &Header) {
    flash.erase(page);
    flash.program(page, 0, &slot::encode(header));
}

/// Closes a page of `count` blocks.
pub fn close(flash: &mut Flash, page: usize, first: Seq, count: u32) {
    let footer = Footer { first, last: Seq(first.0 + count).previous() };
    flash.program(page, BODY.end, &slot::encode(&footer));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bridge::{BlockHeader, Boot, Stream};

    #[test]
    fn no_block_is_smaller_than_the_smallest() {
        let block = BlockHeader::opaque(Seq(1), Boot(1), 0, Stream::ANCHORS, &[]);
        assert_eq!((block.len(), MOST_BLOCKS), (SMALLEST_BLOCK, 369));
    }

    #[test]
    fn a_torn_footer_is_mended_by_writing_it_again() {
        let mut flash = Flash::blank(2);
        let head = Header { log_id: LogId(1), generation: 1, first: Seq(70_000) };
        open(&mut flash, 2, &head);
        flash.program(
            2,
            BODY.start,
            &BlockHeader::opaque(Seq(70_000), Boot(1), 5, Stream::ANCHORS, b"anchor"),
        );
        for cut in 1..8 {
            flash.cut_after(cut);
            close(&mut flash, 2, Seq(70_000), 1);
            flash.restore_power();
            assert_eq!(survey(&flash, 2, &head), (1, State::FooterTorn), "after {cut} bytes");
        }
        close(&mut flash, 2, Seq(70_000), 1);
        assert_eq!(survey(&flash, 2, &head), (1, State::Closed));
    }
}
