//! Random histories of a small outbox that is freed and evicted: *accepted = queued + sent + dead + held + missed*, for each sink and
//! kind, after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::measurement::Kind;
use nowbridge::outbox::{
    DeadLetter, GapCause, Limits, Log, NewBatch, Outbox, OutboxError, SessionKey, SinkName,
};
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::outbox::{NOON, WATCH, batch, block, receipt};

const KINDS: [Kind; 3] = [Kind::HeartRate, Kind::HeartBeat, Kind::Temperature];
const SINKS: [&str; 2] = ["nowatch", "folder"];
/// The schema, the reserve for receipts, and a few pages.
const LIMITS: Limits =
    Limits { max_size: 370 * 4_096, keep_free: 0, keep_sent: Duration::from_hours(24), wear_saver: false };

#[derive(Clone, Debug)]
enum Step {
    Append {
        kinds: Vec<Option<Kind>>,
        times: usize,
    },
    /// To a sink, so many blocks. How it ends.
    Send {
        sink: usize,
        kind: Kind,
        blocks: u32,
        end: End,
    },
    Tidy,
    PassDays {
        days: u64,
    },
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Settled,
    Buried,
    Open,
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&KINDS[..])
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = proptest::collection::vec(proptest::option::weighted(0.9, kind()), 1..12);
    let end = prop_oneof![6 => Just(End::Settled), 1 => Just(End::Buried), 1 => Just(End::Open)];
    prop_oneof![
        6 => (kinds, 1..80_usize).prop_map(|(kinds, times)| Step::Append { kinds, times }),
        6 => (0..2_usize, kind(), 1..400_u32, end)
            .prop_map(|(sink, kind, blocks, end)| Step::Send { sink, kind, blocks, end }),
        4 => Just(Step::Tidy),
        1 => (1..4_u64).prop_map(|days| Step::PassDays { days }),
        1 => Just(Step::Reopen),
    ]
}

fn sink(index: usize) -> SinkName {
    SinkName(SINKS[index].to_owned())
}

fn stream(kind: Kind) -> Stream {
    Stream::of_kind(kind).unwrap()
}

struct Trial {
    dir: TempDir,
    clock: Clock,
    outbox: Outbox,
    log: Log,
    session: SessionKey,
    /// Every block that was accepted.
    accepted: BTreeMap<u32, Stream>,
    evictions: u64,
}

impl Trial {
    async fn begin() -> Self {
        let (dir, clock) = (TempDir::new().unwrap(), Clock::simulated(NOON));
        let outbox = open(&dir, clock).await;
        let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
        let session = outbox.begin_session(WATCH, None).await.unwrap();
        let mut it = Self { dir, clock, outbox, log, session, accepted: BTreeMap::new(), evictions: 0 };
        // From the start there are two sinks.
        it.append(&[Some(Kind::HeartRate)], 1).await;
        for index in 0..SINKS.len() {
            it.send(index, Kind::HeartRate, 1, End::Settled).await;
        }
        it
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append { kinds, times } => self.append(&kinds, times).await,
            Step::Send { sink, kind, blocks, end } => self.send(sink, kind, blocks, end).await,
            Step::Tidy => self.tidy().await,
            Step::PassDays { days } => tokio::time::advance(Duration::from_hours(24 * days)).await,
            Step::Reopen => {
                self.outbox.clone().close().await.unwrap();
                self.outbox = open(&self.dir, self.clock).await;
            }
        }
    }

    async fn append(&mut self, kinds: &[Option<Kind>], times: usize) {
        let first = self.accepted.last_key_value().map_or(1, |(seq, _)| seq + 1);
        let streams = kinds.repeat(times).into_iter().map(|kind| kind.map_or(Stream::EVENTS, stream));
        let new: Vec<_> = (first..).zip(streams).collect();
        let blocks = new.iter().map(|(seq, stream)| block(*seq, *stream)).collect();
        match self.outbox.append(self.log.key, self.session, blocks, vec![]).await {
            Ok(_) => self.accepted.extend(new),
            Err(error) => assert!(matches!(error, OutboxError::CapReached { .. }), "{error}"),
        }
    }

    async fn send(&mut self, index: usize, kind: Kind, blocks: u32, end: End) {
        let sink = sink(index);
        let open = self.outbox.open_batch(&sink, self.log.key, kind).await.unwrap();
        let batch = if let Some(open) = open {
            open
        } else {
            let backlog = self.outbox.backlog(&sink).await.unwrap();
            let Some(waiting) = backlog.iter().find(|waiting| waiting.kind == kind) else { return };
            let range = waiting.unsent_from..=Seq(u32::MAX);
            let range = self.outbox.blocks(self.log.key, stream(kind), range, blocks).await.unwrap();
            let (first, last) = (range[0].seq.0, range[range.len() - 1].seq.0);
            let new = NewBatch { sink, kind, ..batch(self.log.key, first, last) };
            self.outbox.persist_batch(new).await.unwrap()
        };
        let letter = DeadLetter { reason: "poison".to_owned(), status: None, response: None };
        match end {
            End::Settled => self.outbox.settle(batch.key, receipt()).await.unwrap(),
            End::Buried => drop(self.outbox.dead_letter(batch.key, letter).await.unwrap()),
            End::Open => {}
        }
    }

    async fn stored(&self) -> BTreeMap<u32, Stream> {
        let mut stored = BTreeMap::new();
        for stream in KINDS.map(stream).into_iter().chain([Stream::EVENTS]) {
            let all = Seq(0)..=Seq(u32::MAX);
            let blocks = self.outbox.blocks(self.log.key, stream, all, u32::MAX).await.unwrap();
            stored.extend(blocks.into_iter().map(|block| (block.seq.0, block.stream)));
        }
        stored
    }

    /// Only the oldest go, and what a sink had not been sent is in a gap.
    async fn tidy(&mut self) {
        let before = self.stored().await;
        let mut waiting = BTreeSet::new();
        for index in 0..SINKS.len() {
            for backlog in self.outbox.backlog(&sink(index)).await.unwrap() {
                let all = before.iter().filter(|(_, stream)| **stream == backlog.stream);
                waiting.extend(all.map(|(seq, _)| *seq).filter(|seq| *seq >= backlog.unsent_from.0));
            }
        }
        let tidied = self.outbox.tidy().await.unwrap();
        let after = self.stored().await;
        let gone: Vec<_> = before.keys().filter(|seq| !after.contains_key(seq)).copied().collect();
        assert_eq!(gone.len() as u64, tidied.freed + tidied.evicted);
        self.evictions += u64::from(tidied.evicted > 0);
        let Some(last) = gone.last() else { return };
        assert!(
            after.range(..last).count() <= KINDS.len() + 1,
            "only the last block of each stream stays behind"
        );
        let gaps = self.outbox.gaps(u32::MAX).await.unwrap();
        for seq in gone {
            let is_named = gaps.iter().any(|gap| {
                let range = gap.from.0..=gap.to.0;
                gap.cause == GapCause::Evicted && gap.stream == Some(before[&seq]) && range.contains(&seq)
            });
            assert!(is_named || !waiting.contains(&seq), "block {seq} went without a word");
        }
    }

    async fn balance(&self) {
        let stored = self.stored().await;
        assert_eq!(self.outbox.logs().await.unwrap()[0].cursor.0, *self.accepted.last_key_value().unwrap().0);
        assert!(stored.iter().all(|(seq, stream)| self.accepted[seq] == *stream));
        for index in 0..SINKS.len() {
            let summary = self.outbox.summary(&sink(index)).await.unwrap();
            let backlog = self.outbox.backlog(&sink(index)).await.unwrap();
            for row in summary.streams.iter().filter(|row| row.kind.is_some()) {
                let accepted =
                    self.accepted.values().filter(|stream| **stream == row.stream).count() as u64 * 60;
                let queued = backlog.iter().find(|waiting| Some(waiting.kind) == row.kind);
                let queued = queued.map_or(0, |waiting| waiting.samples);
                let told = queued + row.uploaded + row.dead + row.held + row.missed;
                assert_eq!((accepted, row.accepted(), row.unsent()), (told, told, queued), "{row:?}");
            }
        }
    }
}

async fn open(dir: &TempDir, clock: Clock) -> Outbox {
    Outbox::open_limited(Outbox::claim(dir.path()).await.unwrap(), clock, LIMITS).await.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut trial = Trial::begin().await;
            for step in steps {
                trial.take(step).await;
                trial.balance().await;
            }
        });
    }
}

/// The random histories do get there: an outbox of this size is full after a while.
#[tokio::test(start_paused = true)]
async fn an_outbox_that_is_never_drained_evicts() {
    let mut trial = Trial::begin().await;
    for _ in 0..12 {
        trial.append(&[Some(Kind::HeartRate), Some(Kind::HeartBeat), None], 250).await;
        trial.tidy().await;
        trial.balance().await;
    }
    assert!(trial.evictions > 0);
}
