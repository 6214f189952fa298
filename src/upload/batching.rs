//! Cutting batches: which blocks go next, and the table they make.

use super::readings::{RowsError, Source};
use super::table::Table;
use crate::measurement::csv::TableError;
use crate::measurement::{AnchorPoint, HeartBeatFrame, Kind, Timeline, ValueType};
use crate::outbox::{AnchorKey, Batch, Log, LogKey, NewBatch, Outbox, OutboxError, SinkName, StoredBlock};
use crate::wire::bridge::{Boot, LogId, RawBlock, Seq, Stream};

/// Blocks read at once. At the usual 200 to 400 samples a block more than one batch's worth.
const READ_BLOCKS: u32 = 512;

/// A range of blocks with the table they make.
#[derive(Debug)]
pub struct Cut {
    /// The first block.
    pub first: Seq,
    /// The last block.
    pub last: Seq,
    /// Blocks in the range.
    pub blocks: usize,
    /// The newest anchor that was used.
    pub horizon: Option<AnchorKey>,
    /// Samples that share a second with a later one.
    pub folded: u64,
    /// The table.
    pub table: Table,
}

impl Cut {
    /// The batch to write down for it.
    pub fn batch(&self, sink: &SinkName, log: LogKey) -> NewBatch {
        NewBatch {
            sink: sink.clone(),
            log,
            kind: self.table.kind,
            first: self.first,
            last: self.last,
            anchor_horizon: self.horizon,
            rows: self.table.rows(),
            csv_sha256: self.table.csv_sha256,
        }
    }
}

/// What is next for a kind of a log.
#[derive(Debug)]
pub enum Next {
    /// Rows to send.
    Ready(Box<Cut>),
    /// One block that can never become rows; to be put aside.
    Hopeless {
        /// The block.
        seq: Seq,
        /// Why.
        reason: String,
    },
    /// Blocks of a boot whose clock the next session will tell.
    Undated,
    /// Nothing is left.
    Nothing,
}

/// What can go wrong while cutting.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The store.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The thread that builds tables ended.
    #[error("the table could not be built: {0}")]
    Builder(#[from] tokio::task::JoinError),
}

/// Which blocks a cut may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The log.
    pub log: LogKey,
    /// What the blocks are sent as.
    pub kind: Kind,
    /// The first block.
    pub first: Seq,
    /// The last block it may hold.
    pub last: Seq,
    /// Samples it may hold; one block is always taken.
    pub max_samples: u64,
    /// The newest anchor it may use; `None` for all there are now.
    pub horizon: Option<AnchorKey>,
}

impl Bounds {
    /// What a written-down batch must be rebuilt from.
    pub const fn of(batch: &Batch) -> Self {
        Self {
            log: batch.log,
            kind: batch.kind,
            first: batch.first,
            last: batch.last,
            max_samples: u64::MAX,
            horizon: batch.anchor_horizon,
        }
    }
}

/// Cuts the next batch within `bounds`, as long as its blocks can be dated and read.
pub async fn cut(outbox: &Outbox, sink: &SinkName, bounds: Bounds) -> Result<Next, CutError> {
    let Bounds { log, kind, first, last, max_samples, horizon } = bounds;
    let Some(stream) = Stream::of_kind(kind) else { return Ok(Next::Nothing) };
    let blocks = gather(outbox, log, stream, first, last, max_samples).await?;
    if blocks.is_empty() {
        return Ok(Next::Nothing);
    }
    let before = before(outbox, sink, bounds, stream).await?;
    let ticks = |block: &RawBlock| (block.header().boot, block.header().t0_ms.saturating_mul(1_000));
    let earliest = blocks.iter().map(|block| (block.boot, block.t0_ms.saturating_mul(1_000)));
    let earliest = earliest.chain(before.iter().map(ticks)).min().unwrap_or_default();
    let anchors = outbox.anchors_from(log, horizon, earliest).await?;
    let horizon = anchors.iter().map(|(key, _)| *key).max();
    let points = anchors.iter().map(|(_, anchor)| AnchorPoint {
        boot: anchor.boot.0,
        ticks_us: anchor.ticks_us,
        utc: anchor.utc,
    });
    let clock = WatchClock { points: points.collect(), horizon, ended: has_ended(outbox, log).await? };
    Ok(tokio::task::spawn_blocking(move || build(kind, &before, &blocks, clock)).await??)
}

/// What is known of the clock that blocks were stamped with.
struct WatchClock {
    points: Vec<AnchorPoint>,
    horizon: Option<AnchorKey>,
    ended: bool,
}

/// Whether another log has begun in this one's place, so that no anchor will come for it. What the host keeps of a watch and what
/// the watch keeps itself go on side by side.
async fn has_ended(outbox: &Outbox, log: LogKey) -> Result<bool, OutboxError> {
    let logs = outbox.logs().await?;
    let side = |log: &Log| (log.device, log.log_id == LogId::HOST);
    let ours = logs.iter().find(|known| known.key == log).map(side);
    Ok(logs.iter().any(|other| Some(side(other)) == ours && other.key > log))
}

/// The blocks before a batch whose last samples may share a second with its first: mostly one, but where every run of beats
/// breaks off at once a block holds a single beat.
///
/// What was put aside is left out: the cloud would refuse it again, and with it the batch.
async fn before(
    outbox: &Outbox,
    sink: &SinkName,
    Bounds { log, kind, first, .. }: Bounds,
    stream: Stream,
) -> Result<Vec<RawBlock>, OutboxError> {
    let (mut blocks, mut at) = (Vec::new(), first);
    // A block holds one beat at least, and a row takes no more than these.
    let farthest = if kind.value_type() == ValueType::Frame { HeartBeatFrame::MAX_BEATS } else { 1 };
    for _ in 0..farthest {
        let Some(stored) = outbox.block_before(log, stream, at).await? else { break };
        at = stored.seq;
        if outbox.is_dead(sink, log, kind, at).await? {
            continue;
        }
        let Ok(block) = RawBlock::parse(stored.body) else { continue };
        let reaches_far = spans_a_second(&block);
        blocks.push(block);
        if reaches_far {
            break;
        }
    }
    blocks.reverse();
    Ok(blocks)
}

/// Whether nothing before this block can be in the second of its last sample, however its clock drifts.
fn spans_a_second(block: &RawBlock) -> bool {
    let Ok(samples) = block.samples() else { return false };
    let ends = samples.first().zip(samples.last());
    ends.is_some_and(|(first, last)| last.at_ms.saturating_sub(first.at_ms) > 1_100)
}

async fn gather(
    outbox: &Outbox,
    log: LogKey,
    stream: Stream,
    first: Seq,
    last: Seq,
    max_samples: u64,
) -> Result<Vec<StoredBlock>, OutboxError> {
    let (mut blocks, mut samples, mut from): (Vec<StoredBlock>, u64, Seq) = (Vec::new(), 0, first);
    loop {
        let read = outbox.blocks(log, stream, from..=last, READ_BLOCKS).await?;
        let more = read.len() == READ_BLOCKS as usize;
        for block in read {
            samples += u64::from(block.samples);
            if samples > max_samples && !blocks.is_empty() {
                return Ok(blocks);
            }
            from = block.seq.next();
            blocks.push(block);
        }
        if !more {
            return Ok(blocks);
        }
    }
}

fn build(
    kind: Kind,
    before: &[RawBlock],
    stored: &[StoredBlock],
    clock: WatchClock,
) -> Result<Next, TableError> {
    let WatchClock { points, horizon, ended } = clock;
    let newest_boot = points.iter().map(|point| Boot(point.boot)).max();
    let timeline = Timeline::new(points);
    let timeline = if ended { timeline.ended() } else { timeline };
    let mut blocks = Vec::with_capacity(stored.len());
    for block in stored {
        match RawBlock::parse(block.body.clone()) {
            Ok(block) => blocks.push(block),
            Err(error) if blocks.is_empty() => {
                return Ok(Next::Hopeless {
                    seq: block.seq,
                    reason: format!("damaged in the outbox: {error}"),
                });
            }
            Err(_) => break,
        }
    }
    loop {
        let source = Source { kind, before, blocks: &blocks, timeline: &timeline };
        let culprit = match source.rows() {
            Ok(rows) => {
                let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
                    return Ok(Next::Nothing);
                };
                return Ok(Next::Ready(Box::new(Cut {
                    first: first.header().seq,
                    last: last.header().seq,
                    blocks: blocks.len(),
                    horizon,
                    folded: rows.folded,
                    table: Table::new(kind, rows)?,
                })));
            }
            Err(error) => error,
        };
        let (RowsError::Undecodable { seq, .. } | RowsError::NoClock { seq, .. }) = culprit;
        blocks.truncate(blocks.iter().position(|block| block.header().seq == seq).unwrap_or(0));
        if blocks.is_empty() {
            return Ok(match culprit {
                // The present boot is anchored by the next session; one that is over never will be.
                RowsError::NoClock { boot, .. }
                    if !ended && newest_boot.is_none_or(|newest| newest <= boot) =>
                {
                    Next::Undated
                }
                hopeless => Next::Hopeless { seq, reason: hopeless.to_string() },
            });
        }
    }
}
