//! Taking blocks in: the first half of the one promise. Blocks, gaps and the cursor change in one transaction, and the
//! cursor never passes a number that is neither stored nor named.

use bytes::Bytes;
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{LogKey, Outbox, OutboxError, SessionKey};
use crate::measurement::UtcMicros;
use crate::wire::bridge::{Boot, Seq, Stream};

/// A block to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    /// Its number, 1 or higher.
    pub seq: Seq,
    /// The boot that its time counts from.
    pub boot: Boot,
    /// Its first sample, milliseconds since that boot.
    pub t0_ms: u64,
    /// What it holds.
    pub stream: Stream,
    /// How many samples.
    pub samples: u16,
    /// The whole block as it came: header, payload and checksum.
    pub body: Bytes,
}

/// A hole in a log, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGap {
    /// The first number missing.
    pub from: Seq,
    /// The last number missing.
    pub to: Seq,
    /// The stream, where it is known.
    pub stream: Option<Stream>,
    /// Why.
    pub cause: GapCause,
    /// Whatever helps to understand it, for people.
    pub detail: String,
    /// The bytes that could not be used, to be kept as a dead letter.
    pub raw: Option<Bytes>,
}

/// Why a block is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GapCause {
    /// The watch needed the room before we came.
    Overwritten,
    /// The watch skipped the number after a power cut; there never was such a block.
    Burned,
    /// The block cannot be read.
    Corrupt,
    /// Another block with the same number came; the one stored first stays.
    Conflict,
    /// It was stored, and given up for newer ones when there was no more room.
    Evicted,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Blocks stored.
    pub new: u32,
    /// Blocks that were stored before, with the same bytes.
    pub duplicate: u32,
    /// Everything up to here is stored or named as a gap: what the watch may be told.
    pub cursor: Seq,
}

impl GapCause {
    /// Every cause.
    pub const ALL: [Self; 5] =
        [Self::Overwritten, Self::Burned, Self::Corrupt, Self::Conflict, Self::Evicted];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::Burned => "burned",
            Self::Corrupt => "corrupt",
            Self::Conflict => "conflict",
            Self::Evicted => "evicted",
        }
    }
}

impl Outbox {
    /// Stores blocks and gaps, in the order of their numbers, and moves the log's cursor behind them: all or nothing.
    ///
    /// What is stored already is counted and left. A gap is cut to what lies behind the cursor, except a conflict, which
    /// is a note on a stored block. A number that is neither is [`OutboxError::Unexplained`].
    pub async fn append(
        &self,
        log: LogKey,
        session: SessionKey,
        blocks: Vec<NewBlock>,
        gaps: Vec<NewGap>,
    ) -> Result<Appended, OutboxError> {
        let (now, door) = (self.house.clock.now(), self.house.door());
        self.write(move |tx| {
            door.admit(tx)?;
            take_in(tx, (log, session), now, blocks, gaps)
        })
        .await
    }
}

/// The append, as part of a transaction.
pub(super) fn take_in(
    tx: &Transaction<'_>,
    (log, session): (LogKey, SessionKey),
    now: UtcMicros,
    blocks: Vec<NewBlock>,
    gaps: Vec<NewGap>,
) -> Result<Appended, OutboxError> {
    let mut intake = Intake::begin(tx, log, session, now)?;
    for item in in_order(blocks, gaps) {
        match item {
            Item::Block(block) => intake.block(&block)?,
            Item::Gap(gap) => intake.gap(gap)?,
        }
    }
    intake.finish()
}

enum Item {
    Block(NewBlock),
    Gap(NewGap),
}

/// By number; a block goes before a gap that begins with it, because what is stored is not missing.
fn in_order(blocks: Vec<NewBlock>, gaps: Vec<NewGap>) -> Vec<Item> {
    let mut items: Vec<_> =
        blocks.into_iter().map(Item::Block).chain(gaps.into_iter().map(Item::Gap)).collect();
    items.sort_by_key(|item| match item {
        Item::Block(block) => (block.seq, false),
        Item::Gap(gap) => (gap.from, true),
    });
    items
}

/// An append in progress.
struct Intake<'tx> {
    tx: &'tx Transaction<'tx>,
    insert: CachedStatement<'tx>,
    log: LogKey,
    session: SessionKey,
    now: UtcMicros,
    so_far: Appended,
}

impl<'tx> Intake<'tx> {
    fn begin(
        tx: &'tx Transaction<'tx>,
        log: LogKey,
        session: SessionKey,
        now: UtcMicros,
    ) -> Result<Self, OutboxError> {
        let cursor = tx.prepare_cached(sql!("log_cursor"))?.query_row([log], |row| row.get(0)).optional()?;
        let cursor = cursor.ok_or(OutboxError::UnknownLog(log))?;
        let insert = tx.prepare_cached(sql!("block_insert"))?;
        Ok(Self { tx, insert, log, session, now, so_far: Appended { cursor, ..Appended::default() } })
    }

    fn block(&mut self, block: &NewBlock) -> Result<(), OutboxError> {
        if block.seq <= self.so_far.cursor {
            return self.known_number(block);
        }
        self.expect(block.seq)?;
        self.insert.execute(params![
            self.log,
            block.seq,
            self.session,
            self.now.seconds().0,
            block.boot,
            block.t0_ms.cast_signed(),
            block.stream,
            block.samples,
            &block.body[..],
        ])?;
        self.so_far.new += 1;
        self.so_far.cursor = block.seq;
        Ok(())
    }

    fn known_number(&mut self, block: &NewBlock) -> Result<(), OutboxError> {
        let (log, seq, cursor) = (self.log, block.seq, self.so_far.cursor);
        let mut find = self.tx.prepare_cached(sql!("block_body"))?;
        let is_same =
            find.query_row((log, seq), |row| Ok(row.get_ref(0)?.as_blob()? == block.body)).optional()?;
        match is_same {
            Some(true) => self.so_far.duplicate += 1,
            Some(false) => return Err(OutboxError::Conflict { log, seq }),
            // It was here, and everyone has it, or it was evicted: the watch need not keep it for us.
            None if self.was_removed(seq)? => self.so_far.duplicate += 1,
            None => return Err(OutboxError::GivenUp { log, seq, cursor }),
        }
        Ok(())
    }

    fn was_removed(&self, seq: Seq) -> Result<bool, OutboxError> {
        let mut find = self.tx.prepare_cached(sql!("block_was_removed"))?;
        Ok(find.query_row((self.log, seq), |row| row.get(0))?)
    }

    fn gap(&mut self, gap: NewGap) -> Result<(), OutboxError> {
        if gap.to < gap.from {
            return Err(OutboxError::BadRange { first: gap.from, last: gap.to });
        }
        let next = self.so_far.cursor.next();
        let from = if gap.cause == GapCause::Conflict { gap.from } else { gap.from.max(next) };
        if gap.to < from {
            return Ok(());
        }
        if from > next {
            self.expect(from)?;
        }
        self.record(NewGap { from, ..gap })
    }

    fn record(&mut self, gap: NewGap) -> Result<(), OutboxError> {
        let NewGap { from, to, stream, cause, detail, raw } = gap;
        let values = params![self.log, stream, from, to, cause, detail, self.now];
        let is_new = self.tx.prepare_cached(sql!("gap_insert"))?.execute(values)? > 0;
        self.so_far.cursor = self.so_far.cursor.max(to);
        if let Some(raw) = raw.filter(|_| is_new) {
            let reason = format!("{cause}: {detail}");
            let values = params![self.log, stream, from, reason, &raw[..], self.now];
            self.tx.prepare_cached(sql!("dead_insert"))?.execute(values)?;
        }
        Ok(())
    }

    fn expect(&self, got: Seq) -> Result<(), OutboxError> {
        let expected = self.so_far.cursor.next();
        if got == expected { Ok(()) } else { Err(OutboxError::Unexplained { log: self.log, expected, got }) }
    }

    fn finish(self) -> Result<Appended, OutboxError> {
        self.tx.prepare_cached(sql!("log_advance"))?.execute((self.log, self.so_far.cursor))?;
        Ok(self.so_far)
    }
}
