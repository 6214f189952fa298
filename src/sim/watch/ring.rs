//! The log: blocks in a ring of pages, found by their numbers.

use std::collections::VecDeque;

use bytes::Bytes;

use super::flash::{ERASE_UNITS, Flash, PLATE_PAGES};
use super::page::{self, BODY, FOOTER, HEADER, Header, MOST_BLOCKS, State};
use crate::wire::bridge::{BlockHeader, ErrorCode, LogId, Seq, Stream};

/// A page of this log: a row of the table of first numbers.
#[derive(Clone, Copy, Debug)]
struct Row {
    page: usize,
    first: Seq,
    count: u32,
}

/// What a page that was overwritten held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overwritten {
    pub blocks: u64,
    pub samples: u64,
}

/// The table of a log's pages, made anew at each boot.
#[derive(Clone, Debug)]
pub struct Ring {
    log_id: LogId,
    /// Oldest first; the newest may be open.
    rows: VecDeque<Row>,
    /// Where the next block goes in the newest page.
    open: Option<usize>,
    next: Seq,
    /// The page opened last, of whatever log, and its generation.
    newest: Option<(usize, u32)>,
}

impl Row {
    /// The number behind the last block.
    const fn end(&self) -> Seq {
        Seq(self.first.0 + self.count)
    }
}

impl Ring {
    /// Finds the log's pages: closed ones by their footers, others by walking their blocks. No number below `floor` will be
    /// given out, and none that a block lost in a torn page may have had.
    pub fn mount(flash: &Flash, log_id: LogId, floor: Seq) -> Self {
        let mut pages: Vec<(usize, Header)> = (PLATE_PAGES..PLATE_PAGES + flash.ring_pages())
            .filter_map(|page| page::header(flash, page).map(|header| (page, header)))
            .collect();
        pages.sort_by_key(|(_, header)| header.generation);
        let newest = pages.last().map(|&(page, header)| (page, header.generation));
        pages.retain(|(_, header)| header.log_id == log_id);
        let mut state = State::Closed;
        let mut rows = VecDeque::new();
        for (page, header) in pages {
            let count;
            (count, state) = page::survey(flash, page, &header);
            rows.push_back(Row { page, first: header.first, count });
        }
        let end = rows.back().map_or(Seq(1), Row::end);
        let end = if state == State::Torn { Seq(end.0 + MOST_BLOCKS) } else { end };
        let open = if let State::Open { at } = state { Some(at) } else { None };
        Self { log_id, rows, open, next: end.max(floor), newest }
    }

    /// Closes the newest page if a cut left it without a footer. To be called once `next` is safe on the nameplate: a closed
    /// page no longer shows that it was torn.
    pub fn settle(&mut self, flash: &mut Flash) {
        if self.open.is_none() {
            self.close(flash);
        }
    }

    /// The number that the next block must carry.
    pub const fn next(&self) -> Seq {
        self.next
    }

    /// The oldest block; `next` if there is none.
    pub fn tail(&self) -> Seq {
        self.rows.iter().find(|row| row.count > 0).map_or(self.next, |row| row.first)
    }

    /// The newest block; `next` − 1 if there is none.
    pub fn head(&self) -> Seq {
        self.rows.iter().rfind(|row| row.count > 0).map_or(self.next, Row::end).previous()
    }

    /// Units of power that appending `bytes` takes.
    pub fn units(&self, bytes: usize) -> usize {
        if self.fits(bytes) { bytes } else { FOOTER + ERASE_UNITS + HEADER + bytes }
    }

    /// Appends the block `next`. Tells what had to make room for it.
    pub fn append(&mut self, flash: &mut Flash, block: &[u8]) -> Overwritten {
        let overwritten = if self.fits(block.len()) {
            Overwritten::default()
        } else {
            self.close(flash);
            self.turn(flash)
        };
        if let (Some(at), Some(row)) = (&mut self.open, self.rows.back_mut()) {
            flash.program(row.page, *at, block);
            *at += block.len();
            row.count += 1;
            self.next = self.next.next();
        }
        overwritten
    }

    /// The first block with a number from `from` on, by the table.
    pub fn block(&self, flash: &Flash, from: Seq) -> Result<Option<(Seq, Bytes)>, ErrorCode> {
        let Some((seq, row)) = self.find(from) else { return Ok(None) };
        let block = page::blocks(flash, row.page).nth((seq.0 - row.first.0) as usize);
        Ok(Some((seq, Bytes::copy_from_slice(block.ok_or(ErrorCode::Flash)?))))
    }

    /// The page and the place in it of block `seq`, for faults.
    pub fn place(&self, flash: &Flash, seq: Seq) -> Option<(usize, std::ops::Range<usize>)> {
        let (_, row) = self.find(seq).filter(|(found, _)| *found == seq)?;
        let mut blocks = page::blocks(flash, row.page).map(<[u8]>::len);
        let before: usize = blocks.by_ref().take((seq.0 - row.first.0) as usize).sum();
        let start = BODY.start + before;
        Some((row.page, start..start + blocks.next()?))
    }

    /// Every block, oldest first.
    pub fn blocks<'a>(&'a self, flash: &'a Flash) -> impl Iterator<Item = (Seq, &'a [u8])> {
        self.rows.iter().flat_map(move |row| {
            page::blocks(flash, row.page).zip(row.first.0..row.end().0).map(|(block, seq)| (Seq(seq), block))
        })
    }

    /// A watch that must not be: forgets the newest blocks, and will give out their numbers again.
    pub fn roll_back(&mut self, flash: &mut Flash, blocks: u32) {
        let until = Seq((self.head().next().0.saturating_sub(blocks)).max(self.tail().0));
        while let Some(row) = self.rows.pop_back_if(|row| row.end() > until) {
            let count = until.0.saturating_sub(row.first.0) as usize;
            let kept: Vec<u8> = page::blocks(flash, row.page).take(count).flatten().copied().collect();
            flash.erase(row.page);
            if count > 0 {
                let generation = self.newest.map_or(1, |(_, generation)| generation);
                let header = Header { log_id: self.log_id, generation, first: row.first };
                page::open(flash, row.page, &header);
                flash.program(row.page, BODY.start, &kept);
                self.rows.push_back(Row { count: count as u32, ..row });
                self.open = Some(BODY.start + kept.len());
                self.newest = Some((row.page, generation));
                break;
            }
            self.open = None;
        }
        self.next = until;
    }

    fn find(&self, from: Seq) -> Option<(Seq, &Row)> {
        let row = self.rows.partition_point(|row| row.end() <= from);
        let row = self.rows.range(row..).find(|row| row.count > 0)?;
        Some((from.max(row.first), row))
    }

    /// Whether the open page takes a block of this size. Numbers in a page have no holes, so burned ones need a new page.
    fn fits(&self, bytes: usize) -> bool {
        self.open.is_some_and(|at| at + bytes <= BODY.end)
            && self.rows.back().is_some_and(|row| row.end() == self.next)
    }

    fn close(&mut self, flash: &mut Flash) {
        self.open = None;
        if let Some(row) = self.rows.back() {
            page::close(flash, row.page, row.first, row.count);
        }
    }

    /// Opens the page behind the newest one, which is the oldest once the ring is full.
    fn turn(&mut self, flash: &mut Flash) -> Overwritten {
        let (page, generation) = match self.newest {
            Some((page, generation)) => {
                (PLATE_PAGES + (page + 1 - PLATE_PAGES) % flash.ring_pages(), generation + 1)
            }
            None => (PLATE_PAGES, 1),
        };
        let doomed = self.rows.front().filter(|row| row.page == page).map(|row| contents(flash, row));
        let header = Header { log_id: self.log_id, generation, first: self.next };
        page::open(flash, page, &header);
        // Without power the old page is still there, and not lost.
        let gone = page::header(flash, page).is_none_or(|found| found == header);
        if doomed.is_some() && gone {
            self.rows.pop_front();
        }
        self.rows.push_back(Row { page, first: self.next, count: 0 });
        self.open = Some(BODY.start);
        self.newest = Some((page, generation));
        doomed.filter(|_| gone).unwrap_or_default()
    }
}

fn contents(flash: &Flash, row: &Row) -> Overwritten {
    let headers = page::blocks(flash, row.page).take(row.count as usize).filter_map(header_of);
    let samples = headers.filter(|header| header.stream != Stream::ANCHORS).map(|header| u64::from(header.n));
    Overwritten { blocks: row.count.into(), samples: samples.sum() }
}

/// What a stored block says of itself, even if its CRC is bad.
fn header_of(block: &[u8]) -> Option<BlockHeader> {
    let start = if block.first()? & 0x80 == 0 { 1 } else { 2 };
    postcard::take_from_bytes(block.get(start..)?).ok().map(|(header, _)| header)
}
