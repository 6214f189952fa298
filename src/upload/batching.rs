//! Cutting batches: which samples go next, and the table they make.

use std::ops::Range;

use super::readings::{Part, RowsError, Source};
use super::surroundings::{Lookout, without};
use super::table::Table;
use crate::measurement::csv::TableError;
use crate::measurement::{AnchorPoint, Kind, Reading, Timeline, Undated, UtcMicros, ValueType};
use crate::outbox::{
    AnchorKey, Batch, BatchKey, ErrandKey, ErrandWhy, HeldBack, Log, LogKey, NewBatch, Outbox, OutboxError,
    Position, Seam, SeamPart, SinkName, Span, StoredBlock,
};
use crate::wire::bridge::{Boot, LogId, RawBlock, Seq, Stream};

/// Blocks read at once. At the usual 200 to 400 samples a block more than one batch's worth.
const READ_BLOCKS: u32 = 512;

/// A span with the table it makes.
#[derive(Debug)]
pub struct Cut {
    /// The span.
    pub span: Span,
    /// The newest anchor that was used.
    pub horizon: Option<AnchorKey>,
    /// Samples that share a second with a later one.
    pub folded: u64,
    /// The table.
    pub table: Table,
    /// What it was made from besides its own samples, if that shows in it.
    pub seam: Option<Seam>,
    /// Rows of before that it repeats, as they were sent then.
    pub repeats: Vec<Reading>,
}

impl Cut {
    /// The batch to write down for it.
    pub fn batch(&self, sink: &SinkName, log: LogKey, errand: Option<ErrandKey>) -> NewBatch {
        NewBatch {
            sink: sink.clone(),
            log,
            kind: self.table.kind,
            span: self.span,
            errand,
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
    /// Samples of one block that can never become rows; to be put aside.
    Hopeless {
        /// Which.
        span: Span,
        /// Why.
        reason: String,
    },
    /// Samples without a time that can be believed; to be held back.
    Untrusted(HeldBack),
    /// Samples of a boot whose clock the next session will tell.
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

/// What a cut is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The next of its log.
    Next,
    /// Something behind the upload cursor.
    Errand(ErrandWhy),
    /// A question whether the cloud takes anything at all, beside something that it does not take.
    Probe {
        /// What it does not take.
        beside: Span,
    },
}

/// Which samples a cut may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The log.
    pub log: LogKey,
    /// What the samples are sent as.
    pub kind: Kind,
    /// Where they are.
    pub span: Span,
    /// How many at most.
    pub max_samples: u64,
    /// The newest anchor it may use; `None` for all there are now.
    pub horizon: Option<AnchorKey>,
    /// What for.
    pub purpose: Purpose,
    /// Whether it was made before: then its dates were believed, and what lay around it is known.
    pub again: Option<BatchKey>,
}

impl Bounds {
    /// What a written-down batch must be rebuilt from.
    pub const fn of(batch: &Batch, purpose: Purpose) -> Self {
        Self {
            log: batch.log,
            kind: batch.kind,
            span: batch.span,
            max_samples: u64::MAX,
            horizon: batch.anchor_horizon,
            purpose,
            again: Some(batch.key),
        }
    }
}

/// Cuts the next batch within `bounds`, as long as its samples can be dated and read.
pub async fn cut(outbox: &Outbox, sink: &SinkName, bounds: Bounds) -> Result<Next, CutError> {
    let Bounds { log, kind, horizon, purpose, again, .. } = bounds;
    let Some(stream) = Stream::of_kind(kind) else { return Ok(Next::Nothing) };
    let ignoring = if let Purpose::Probe { beside } = purpose { Some(beside) } else { None };
    let kept = match again {
        Some(batch) => outbox.seam(batch).await?,
        None => None,
    };
    let mut lookout =
        Lookout { outbox, sink, log, kind, stream, ignoring, kept: kept.as_ref(), holes: Vec::new() };
    let taken = gather(&mut lookout, bounds).await?;
    let Some(span) = span_of(&taken) else { return Ok(Next::Nothing) };
    let before = lookout.before(span).await?;
    let after = match purpose {
        Purpose::Next => Vec::new(),
        // A smaller one than before ends elsewhere.
        _ if span.end() == bounds.span.end() => lookout.after(span).await?,
        _ => Lookout { kept: None, ..lookout.clone() }.after(span).await?,
    };
    let seam =
        Seam { before: kept_of(&before), after: kept_of(&after), holes: std::mem::take(&mut lookout.holes) };
    // Values stand for themselves, in their turn; a frame takes in the beats before it.
    let shows = kind.value_type() == ValueType::Frame || matches!(purpose, Purpose::Errand(_));
    let seam = shows.then_some(seam);
    let context = before.iter().chain(&after).map(|part| part.block.header());
    let blocks = taken.iter().map(|(block, _)| (block.boot, block.t0_ms));
    let earliest = blocks.chain(context.map(|header| (header.boot, header.t0_ms))).min().unwrap_or_default();
    let clock = WatchClock::read(outbox, log, horizon, earliest).await?;
    let clock = if again.is_some() { clock.believed() } else { clock };
    let job = Job { sink: sink.clone(), log, kind, taken, before, after, clock, seam };
    Ok(tokio::task::spawn_blocking(move || job.build()).await??)
}

/// What is known of the clock that blocks were stamped with.
pub(super) struct WatchClock {
    /// From ticks to dates.
    pub timeline: Timeline,
    /// The newest anchor that was used.
    horizon: Option<AnchorKey>,
}

impl WatchClock {
    /// For everything since `earliest`, a boot and its milliseconds.
    pub async fn read(
        outbox: &Outbox,
        log: LogKey,
        horizon: Option<AnchorKey>,
        (boot, t0_ms): (Boot, u64),
    ) -> Result<Self, OutboxError> {
        let earliest = (boot, t0_ms.saturating_mul(1_000));
        let anchors = outbox.anchors_from(log, horizon, earliest).await?;
        let horizon = anchors.iter().map(|(key, _)| *key).max();
        let points = anchors.iter().map(|(_, anchor)| AnchorPoint {
            boot: anchor.boot.0,
            ticks_us: anchor.ticks_us,
            utc: anchor.utc,
        });
        let now = outbox.clock();
        let timeline = Timeline::new(points.collect()).as_of(now.is_set().then(|| now.now()));
        let timeline = if has_ended(outbox, log).await? { timeline.ended() } else { timeline };
        Ok(Self { timeline, horizon })
    }
}

impl WatchClock {
    /// What was dated once was not in the future then, whatever time it is now.
    fn believed(self) -> Self {
        Self { timeline: self.timeline.as_of(Some(UtcMicros(i64::MAX))), ..self }
    }
}

fn kept_of(parts: &[Part]) -> Vec<SeamPart> {
    let kept = |part: &Part| SeamPart {
        received: part.received,
        from: part.range.start,
        upto: part.range.end,
        body: part.block.bytes().to_vec(),
    };
    parts.iter().map(kept).collect()
}

/// Whether another log has begun in this one's place, so that no anchor will come for it. What the host keeps of a watch and what
/// the watch keeps itself go on side by side.
async fn has_ended(outbox: &Outbox, log: LogKey) -> Result<bool, OutboxError> {
    let logs = outbox.logs().await?;
    let side = |log: &Log| (log.device, log.log_id == LogId::HOST);
    let ours = logs.iter().find(|known| known.key == log).map(side);
    Ok(logs.iter().any(|other| Some(side(other)) == ours && other.key > log))
}

type Taken = Vec<(StoredBlock, Range<u16>)>;

/// Whole blocks as long as they fit. One that does not fit is cut, unless the others make half of what fits already.
async fn gather(lookout: &mut Lookout<'_>, bounds: Bounds) -> Result<Taken, OutboxError> {
    let Bounds { log, kind, span, max_samples, purpose, .. } = bounds;
    let (mut taken, mut room, mut from) = (Taken::new(), max_samples, span.first);
    loop {
        // Of a dead letter the block may be gone; it is one block, and the letter has kept it.
        let read = if purpose == Purpose::Errand(ErrandWhy::Retry) {
            lookout.outbox.blocks_or_letters(lookout.sink, (log, kind), span).await?
        } else {
            lookout.outbox.blocks(log, lookout.stream, from..=span.last, READ_BLOCKS).await?
        };
        let more = read.len() == READ_BLOCKS as usize;
        let holes = match (purpose, read.first().zip(read.last())) {
            (Purpose::Errand(ErrandWhy::Repair) | Purpose::Probe { .. }, Some((first, last))) => {
                lookout.holes(first.seq, last.seq).await?
            }
            _ => Vec::new(),
        };
        lookout.holes.extend(holes.iter().copied());
        for block in read {
            let part = span.within(block.seq, block.samples);
            for mut part in without(part, block.seq, block.samples, &holes) {
                if part.len() as u64 > room {
                    if room <= max_samples / 2 {
                        return Ok(taken);
                    }
                    part.end = part.start + room as u16;
                }
                room -= part.len() as u64;
                taken.push((block.clone(), part));
                if room == 0 {
                    return Ok(taken);
                }
            }
            from = block.seq.next();
        }
        if !more {
            return Ok(taken);
        }
    }
}

fn span_of(taken: &Taken) -> Option<Span> {
    let ((first, opening), (last, closing)) = taken.first().zip(taken.last())?;
    let upto = (closing.end < last.samples).then_some(closing.end);
    Some(Span { first: first.seq, skip: opening.start, last: last.seq, upto })
}

/// What it takes to make a table.
struct Job {
    sink: SinkName,
    log: LogKey,
    kind: Kind,
    taken: Taken,
    before: Vec<Part>,
    after: Vec<Part>,
    clock: WatchClock,
    seam: Option<Seam>,
}

impl Job {
    fn build(mut self) -> Result<Next, TableError> {
        let mut parts = Vec::with_capacity(self.taken.len());
        for (block, range) in &self.taken {
            match RawBlock::parse(block.body.clone()) {
                Ok(raw) => parts.push(Part { block: raw, received: block.received, range: range.clone() }),
                Err(error) if parts.is_empty() => {
                    let reason = format!("damaged in the outbox: {error}");
                    return Ok(Next::Hopeless { span: self.first(), reason });
                }
                Err(_) => break,
            }
        }
        self.taken.truncate(parts.len());
        let all = parts.clone();
        loop {
            let (kind, timeline) = (self.kind, &self.clock.timeline);
            let (before, after) = (&self.before, &self.after);
            let source = Source { kind, before, parts: &parts, after, timeline };
            let culprit = match source.rows() {
                Ok(rows) => {
                    let Some(span) = span_of(&self.taken) else { return Ok(Next::Nothing) };
                    let (folded, horizon, repeats) =
                        (rows.folded, self.clock.horizon, source.repeated(&rows));
                    let table = Table::new(kind, rows)?;
                    let mut seam = self.seam;
                    if let Some(seam) = seam.as_mut().filter(|_| self.after.is_empty()) {
                        seam.after.clear();
                    }
                    return Ok(Next::Ready(Box::new(Cut { span, horizon, folded, table, seam, repeats })));
                }
                Err(error) => error,
            };
            let at = match &culprit {
                RowsError::Undecodable { seq, .. } => Position::of(*seq),
                RowsError::Undated { at, .. } => *at,
            };
            if self.keep_before(&mut parts, at) {
                // What lay behind is not behind what is left.
                self.after.clear();
                continue;
            }
            return Ok(match culprit {
                RowsError::Undated { why: Undated::NotYet, .. } => Next::Undated,
                RowsError::Undated { why, boot, .. } => Next::Untrusted(self.run(&all, boot, why)),
                hopeless @ RowsError::Undecodable { .. } => {
                    Next::Hopeless { span: self.first(), reason: hopeless.to_string() }
                }
            });
        }
    }

    /// Drops everything from a place on. Tells whether something is left.
    fn keep_before(&mut self, parts: &mut Vec<Part>, at: Position) -> bool {
        let kept = parts.partition_point(|part| {
            let start = Position { seq: part.block.header().seq, sample: part.range.start };
            start < at
        });
        let keeps = kept > 0;
        if keeps {
            parts.truncate(kept);
            self.taken.truncate(kept);
            let last = parts.last_mut().zip(self.taken.last_mut());
            if let Some((part, (block, range))) = last.filter(|(_, (block, _))| block.seq == at.seq) {
                part.range.end = part.range.end.min(at.sample);
                range.end = part.range.end.min(block.samples);
            }
        }
        keeps
    }

    /// What is taken of the first block.
    fn first(&self) -> Span {
        span_of(&self.taken[..1].to_vec()).unwrap_or(Span::blocks(Seq(0), Seq(0)))
    }

    /// The samples from the first on, of one boot, that have no date for the same reason.
    fn run(&self, parts: &[Part], boot: Boot, why: Undated) -> HeldBack {
        let mut span = self.first();
        'run: for part in parts {
            let Ok(samples) = part.block.samples() else { break };
            let header = part.block.header();
            if header.boot != boot {
                break;
            }
            for index in part.range.clone() {
                let at_us =
                    samples.get(usize::from(index)).map_or(0, |sample| sample.at_ms.saturating_mul(1_000));
                let date = self.clock.timeline.date(boot.0, at_us, part.received);
                if date.err().map(cause) != Some(cause(why)) {
                    break 'run;
                }
                let end = index + 1;
                span = Span { last: header.seq, upto: (end < header.n).then_some(end), ..span };
            }
        }
        let detail = match why {
            Undated::Implausible { said, why } => {
                format!("the clock of boot {boot} says {said}, which cannot be: {why}")
            }
            _ => format!("the clock of boot {boot} was never compared with UTC"),
        };
        let Self { sink, log, kind, .. } = self;
        let (sink, log, kind, cause) = (sink.clone(), *log, *kind, cause(why).to_owned());
        HeldBack { sink, log, kind, span, boot, cause, detail }
    }
}

/// What equal cases of having no date are called.
const fn cause(why: Undated) -> &'static str {
    match why {
        Undated::NotYet => "no date yet",
        Undated::Never => "no date",
        Undated::Implausible { .. } => "implausible date",
    }
}
