//! Logs to deliver, what a cloud should hold afterwards, and the upload loop itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::cloud::Api;
use nowbridge::measurement::{Kind, Quality, UtcMicros};
use nowbridge::outbox::{Anchor, AnchorSource, Log, LogKey, NewBlock, Outbox, SessionKey, SinkName, Tally};
use nowbridge::upload::{
    HoldReason, Nowatch, Receiver, UploadError, UploadState, UploadStatus, Uploader, UploaderConfig,
};
use nowbridge::wire::bridge::{Boot, LogId, RawBlock, Sample, Sealer, Seq, Stream, Verdict};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::outbox::{WATCH, open};

/// Longer than any story, µs: an anchor there dates everything before it.
pub const LONG_US: u64 = 400 * 86_400 * 1_000_000;

/// The instant of that anchor on a watch that booted at `booted`.
pub fn after_long(booted: UtcMicros) -> UtcMicros {
    UtcMicros(booted.0 + LONG_US as i64)
}

/// When the watch of these stories booted: 2023-01-01T00:00:00Z.
pub const BOOTED: UtcMicros = UtcMicros(1_672_531_200_000_000);

/// What a cloud should hold: kind and Unix second to value and quality, as texts.
pub type Held = BTreeMap<(Kind, i64), (String, Option<u8>)>;

/// A sample of the best quality.
pub fn sample(at_ms: u64, value: i32) -> Sample {
    Sample { at_ms, value, quality: Quality::BEST }
}

/// A watch that seals what it records, as a real one would.
pub struct Recorder {
    sealers: BTreeMap<Stream, Sealer>,
    next: Seq,
    boot: Boot,
    /// Samples after which a block is sealed although it is not full.
    seal_at: usize,
    sealed: Vec<NewBlock>,
}

impl Recorder {
    pub fn new() -> Self {
        Self::sealing_at(usize::MAX)
    }

    pub fn sealing_at(samples: usize) -> Self {
        let (sealers, sealed) = (BTreeMap::new(), Vec::new());
        Self { sealers, next: Seq(1), boot: Boot(1), seal_at: samples, sealed }
    }

    pub fn record(&mut self, stream: Stream, sample: Sample) {
        let sealer = self.sealers.entry(stream).or_insert_with(|| Sealer::new(stream));
        if sealer.samples().len() >= self.seal_at || sealer.push(sample) == Verdict::SealFirst {
            let block = sealer.seal(self.next, self.boot).expect("it holds a sample");
            self.next = self.next.next();
            self.sealed.push(stored(block));
            assert_eq!(self.sealers.get_mut(&stream).unwrap().push(sample), Verdict::Taken);
        }
    }

    pub fn record_all(&mut self, stream: Stream, samples: &[Sample]) {
        for &sample in samples {
            self.record(stream, sample);
        }
    }

    /// Seals what is open, as before a sync.
    pub fn flush(&mut self) {
        for sealer in self.sealers.values_mut() {
            if let Some(block) = sealer.seal(self.next, self.boot) {
                self.next = self.next.next();
                self.sealed.push(stored(block));
            }
        }
    }

    /// Seals what is open, and counts time anew.
    pub fn reboot(&mut self) {
        self.flush();
        self.boot = Boot(self.boot.0 + 1);
    }

    /// Adds a block as it is; what it says of itself need not be true.
    pub fn forge(&mut self, make: impl FnOnce(Seq, Boot) -> Bytes) {
        self.flush();
        self.sealed.push(stored(make(self.next, self.boot)));
        self.next = self.next.next();
    }

    /// Everything since the last time, sealed.
    pub fn take(&mut self) -> Vec<NewBlock> {
        self.flush();
        std::mem::take(&mut self.sealed)
    }
}

fn stored(bytes: Bytes) -> NewBlock {
    let header = *RawBlock::parse(bytes.clone()).unwrap().header();
    NewBlock {
        seq: header.seq,
        boot: header.boot,
        t0_ms: header.t0_ms,
        stream: header.stream,
        samples: header.n,
        body: bytes,
    }
}

/// What a kind with plain values comes to: the last sample of each second.
pub fn values(held: &mut Held, kind: Kind, booted: UtcMicros, samples: &[Sample]) {
    let scale = if kind == Kind::Temperature { 100.0 } else { 1.0 };
    for sample in samples {
        let second = (booted.0 / 1_000 + sample.at_ms as i64).div_euclid(1_000);
        let value = (f64::from(sample.value) / scale).to_string();
        let quality = kind.has_quality().then(|| sample.quality.get());
        held.insert((kind, second), (value, quality));
    }
}

/// What beats come to: each second's beats in one frame, with `ff` at the last beat before the next run.
pub fn beats(held: &mut Held, booted: UtcMicros, samples: &[Sample]) {
    let samples: Vec<_> = samples.iter().map(|sample| (booted, *sample)).collect();
    beats_of_boots(held, &samples);
}

/// The same for beats of several boots, in order.
pub fn beats_of_boots(held: &mut Held, samples: &[(UtcMicros, Sample)]) {
    let mut frames: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (index, (booted, beat)) in samples.iter().enumerate() {
        let second = (booted.0 / 1_000 + beat.at_ms as i64).div_euclid(1_000);
        let ends = samples.get(index + 1).is_some_and(|(_, next)| next.value <= 0);
        let at = hex::encode((beat.at_ms as u32).to_le_bytes());
        let end = if ends { "ff" } else { "00" };
        let frame = format!("{:02x}{at}0000{end}", beat.quality.get());
        frames.entry(second).or_default().push(frame);
    }
    for (second, frame) in frames {
        let value = format!("{:02x}02{}", frame.len(), frame.concat());
        held.insert((Kind::HeartBeat, second), (value, Some(4)));
    }
}

/// An outbox with a watch's log, to be delivered.
pub struct Depot {
    pub dir: TempDir,
    pub outbox: Outbox,
    pub log: Log,
    session: SessionKey,
}

impl Depot {
    /// With a log that is not anchored.
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let outbox = open(dir.path()).await.unwrap();
        let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
        let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
        Self { dir, outbox, log, session }
    }

    /// With boot 1 anchored at [`BOOTED`], and what was recorded.
    pub async fn holding(recorder: &mut Recorder) -> Self {
        let depot = Self::new().await;
        depot.anchor(1, LONG_US, after_long(BOOTED)).await;
        depot.append(recorder.take()).await;
        depot
    }

    pub async fn append(&self, blocks: Vec<NewBlock>) {
        self.append_to(self.log.key, blocks).await;
    }

    pub async fn append_to(&self, log: LogKey, blocks: Vec<NewBlock>) {
        self.outbox.append(log, self.session, blocks, vec![]).await.unwrap();
    }

    /// Adds an anchor; samples up to it have dates, at the rate of an exact clock before the first.
    pub async fn anchor(&self, boot: u16, ticks_us: u64, utc: UtcMicros) {
        self.anchor_in(self.log.key, boot, ticks_us, utc).await;
    }

    pub async fn anchor_in(&self, log: LogKey, boot: u16, ticks_us: u64, utc: UtcMicros) {
        let source = AnchorSource::Host;
        let anchor = Anchor { boot: Boot(boot), ticks_us, utc, uncertainty_us: 15_000, source };
        self.outbox.add_anchor(log, anchor).await.unwrap();
    }

    /// Takes a block out of the database, as one that everybody has had.
    pub fn forget(&self, seq: Seq) {
        let database = rusqlite::Connection::open(self.dir.path().join("outbox.db")).unwrap();
        let deleted = database.execute("DELETE FROM block WHERE seq = ?1", [seq.0]).unwrap();
        assert_eq!(deleted, 1);
    }

    /// The same files, opened by a new process.
    pub async fn reopened(self) -> Self {
        let Self { dir, outbox, log, session } = self;
        outbox.close().await.unwrap();
        let outbox = open(dir.path()).await.unwrap();
        Self { dir, outbox, log, session }
    }

    /// Samples that wait.
    pub async fn waiting(&self) -> u64 {
        self.outbox.backlog(&sink()).await.unwrap().iter().map(|backlog| backlog.samples).sum()
    }

    /// Samples that were sent, are dead, and are held, of all kinds.
    pub async fn counts(&self) -> (u64, u64, u64) {
        let tallies = self.outbox.tallies(&sink()).await.unwrap();
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum();
        (sum(|it| it.sent), sum(|it| it.dead), sum(|it| it.held))
    }

    /// The dead letters, oldest first: number, reason and what the cloud said.
    pub async fn dead(&self) -> Vec<(u32, String, String)> {
        let rows = self.outbox.dead_letters(u32::MAX).await.unwrap();
        let told = |response: Option<String>| response.unwrap_or_default();
        rows.into_iter().rev().map(|row| (row.seq.0, row.reason, told(row.response))).collect()
    }
}

/// Where the loop delivers to.
pub fn sink() -> SinkName {
    SinkName("cloud".to_owned())
}

/// How the loop of most stories works: small batches.
pub fn config() -> UploaderConfig {
    UploaderConfig { sink: sink(), max_samples: 2_000, takes_synthetic: true, seed: 7 }
}

/// An upload loop at work. Ends when dropped.
pub struct Loop {
    pub arrivals: Arc<Notify>,
    /// Told when this computer's clock was put right.
    pub clock_set: Arc<Notify>,
    status: watch::Receiver<UploadStatus>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), UploadError>>,
}

impl Loop {
    pub fn start(api: impl Api, outbox: &Outbox) -> Self {
        Self::start_with(config(), api, outbox)
    }

    pub fn start_with(config: UploaderConfig, api: impl Api, outbox: &Outbox) -> Self {
        Self::to(config, Nowatch::new(api, Duration::from_hours(1)), outbox)
    }

    /// A loop that delivers to any receiver.
    pub fn to<R: Receiver + Sync>(config: UploaderConfig, receiver: R, outbox: &Outbox) -> Self {
        Self::by(Clock::simulated(BOOTED), config, receiver, outbox)
    }

    /// The same by this clock.
    pub fn by<R: Receiver + Sync>(
        clock: Clock,
        config: UploaderConfig,
        receiver: R,
        outbox: &Outbox,
    ) -> Self {
        // Not idle, so that being idle means that everything was looked at.
        let status = UploadStatus { state: UploadState::Stopped, ..UploadStatus::default() };
        let (status, seen) = watch::channel(status);
        let (arrivals, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
        let uploader = Uploader::new(receiver, config, outbox.clone(), clock, status, Arc::clone(&arrivals));
        let clock_set = Arc::<Notify>::default();
        let uploader = uploader.waking_on(Arc::clone(&clock_set));
        let task = tokio::spawn(uploader.run(cancel.clone()));
        Self { arrivals, clock_set, status: seen, cancel, task }
    }

    pub fn status(&self) -> UploadStatus {
        self.status.borrow().clone()
    }

    /// Waits for a status that `is_it`.
    pub async fn until(&mut self, is_it: impl FnMut(&UploadStatus) -> bool) -> UploadStatus {
        self.status.wait_for(is_it).await.expect("the loop goes on").clone()
    }

    /// Waits until there is nothing to do.
    pub async fn idle(&mut self) -> UploadStatus {
        self.until(|status| status.state == UploadState::Idle).await
    }

    /// Tells an idle loop that something came, and waits until it has looked at everything.
    pub async fn idle_again(&mut self) {
        self.again(|state| *state == UploadState::Idle).await;
    }

    /// Waits until there is nothing to do, or nothing but what the cloud refuses.
    pub async fn settled(&mut self) {
        self.until(|status| is_settled(&status.state)).await;
    }

    /// Tells a loop that something came, and waits until it has looked at everything.
    pub async fn settled_again(&mut self) {
        self.again(is_settled).await;
    }

    async fn again(&mut self, is_it: impl Fn(&UploadState) -> bool) {
        self.status.mark_unchanged();
        self.wake();
        while self.status.changed().await.is_ok() {
            if is_it(&self.status.borrow_and_update().state) {
                break;
            }
        }
    }

    /// Waits until nothing can be done.
    pub async fn holding(&mut self) -> UploadStatus {
        self.until(|status| matches!(status.state, UploadState::Holding { .. })).await
    }

    /// Tells the loop that something came.
    pub fn wake(&self) {
        self.arrivals.notify_one();
    }

    /// Ends the loop, and checks that it goes quietly.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        (&mut self.task).await.unwrap().unwrap();
    }
}

fn is_settled(state: &UploadState) -> bool {
    use UploadState::{Holding, Idle};
    matches!(state, Idle | Holding { reason: HoldReason::Refused { .. }, .. })
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.task.abort();
    }
}
