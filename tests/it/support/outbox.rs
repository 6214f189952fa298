//! A temporary outbox with a watch's log in it.

use std::path::Path;

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::measurement::{Kind, UtcMicros};
use nowbridge::outbox::{
    Appended, GapCause, Limits, Log, LogKey, NewBatch, NewBlock, NewGap, Outbox, OutboxError, Receipt,
    SessionKey, SinkName, Span,
};
use nowbridge::wire::bridge::{Boot, DeviceId, LogId, Seq, Stream};
use tempfile::TempDir;

/// The watch that every story is about.
pub const WATCH: DeviceId = DeviceId([7; 16]);

/// When the stories take place.
pub const NOON: UtcMicros = UtcMicros(1_770_000_000_000_000);

/// The place measurements go to.
pub fn cloud() -> SinkName {
    SinkName("cloud".to_owned())
}

/// An outbox in a directory of its own, and a session with a watch whose log starts at 1.
pub struct Opened {
    pub dir: TempDir,
    pub outbox: Outbox,
    pub log: Log,
    pub session: SessionKey,
}

impl Opened {
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let outbox = open(dir.path()).await.unwrap();
        let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
        let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
        Self { dir, outbox, log, session }
    }

    /// Appends blocks of heart rate with these numbers.
    pub async fn append(&self, numbers: impl IntoIterator<Item = u32>) -> Result<Appended, OutboxError> {
        self.append_with(numbers, vec![]).await
    }

    /// Appends blocks of heart rate with these numbers, and gaps.
    pub async fn append_with(
        &self,
        numbers: impl IntoIterator<Item = u32>,
        gaps: Vec<NewGap>,
    ) -> Result<Appended, OutboxError> {
        let blocks = numbers.into_iter().map(|seq| block(seq, Stream::HEART_RATE)).collect();
        self.outbox.append(self.log.key, self.session, blocks, gaps).await
    }

    /// The log's cursor as it stands in the database.
    pub async fn cursor(&self) -> Seq {
        self.outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap().cursor
    }

    /// The numbers of the heart-rate blocks that are stored.
    pub async fn stored(&self) -> Vec<u32> {
        let all = Seq(0)..=Seq(u32::MAX);
        let blocks = self.outbox.blocks(self.log.key, Stream::HEART_RATE, all, u32::MAX).await.unwrap();
        blocks.into_iter().map(|block| block.seq.0).collect()
    }
}

/// Opens the outbox in `dir` at [`NOON`].
pub async fn open(dir: &Path) -> Result<Outbox, OutboxError> {
    Outbox::open(dir, Clock::simulated(NOON)).await
}

/// Opens the outbox in `dir` at [`NOON`], to take no more room than that.
pub async fn open_limited(dir: &Path, limits: Limits) -> Result<Outbox, OutboxError> {
    Outbox::open_limited(Outbox::claim(dir).await?, Clock::simulated(NOON), limits).await
}

/// A block of 200 samples that is as long as blocks get.
pub fn full_block(seq: u32, stream: Stream) -> NewBlock {
    NewBlock { samples: 200, body: Bytes::from(seq.to_le_bytes().repeat(60)), ..block(seq, stream) }
}

/// A block of 60 samples whose bytes follow from its number.
pub fn block(seq: u32, stream: Stream) -> NewBlock {
    let body = Bytes::from(seq.to_le_bytes().repeat(15));
    NewBlock { seq: Seq(seq), boot: Boot(1), t0_ms: u64::from(seq) * 60_000, stream, samples: 60, body }
}

/// A gap of `cause`.
pub fn gap(from: u32, to: u32, cause: GapCause) -> NewGap {
    NewGap { from: Seq(from), to: Seq(to), stream: None, cause, detail: String::new(), raw: None }
}

/// A batch of heart rate for [`cloud`].
pub fn batch(log: LogKey, first: u32, last: u32) -> NewBatch {
    NewBatch {
        sink: cloud(),
        log,
        kind: Kind::HeartRate,
        span: Span::blocks(Seq(first), Seq(last)),
        errand: None,
        anchor_horizon: None,
        rows: 60,
        csv_sha256: [9; 32],
    }
}

/// What a cloud answers when all is well.
pub fn receipt() -> Receipt {
    Receipt { status: 201, body: "{}".to_owned(), bytes: 123 }
}
