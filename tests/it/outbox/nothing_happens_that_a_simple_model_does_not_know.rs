//! Random histories of an outbox, next to a model that is too simple to be wrong.

use std::collections::BTreeMap;

use bytes::Bytes;
use nowbridge::measurement::Kind;
use nowbridge::outbox::{Batch, DeadLetter, GapCause, NewBatch, Outbox, OutboxError, SessionKey};
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::outbox::{WATCH, batch, block, cloud, gap, open, receipt};

const KINDS: [Kind; 3] = [Kind::HeartRate, Kind::HeartBeat, Kind::Temperature];

#[derive(Clone, Debug)]
enum Step {
    /// New blocks of these streams, after a gap of some length, with some old blocks once more.
    Append {
        streams: Vec<Option<Kind>>,
        gap: u32,
        again: u32,
    },
    /// New blocks, and an old one with other bytes.
    Conflict {
        back: u32,
    },
    /// A block after a hole that nobody explains.
    Jump {
        by: u32,
    },
    Persist {
        kind: Kind,
        blocks: usize,
    },
    Recut {
        kind: Kind,
        blocks: usize,
    },
    Settle {
        kind: Kind,
    },
    Bury {
        kind: Kind,
    },
    Reopen {
        politely: bool,
    },
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&KINDS[..])
}

fn step() -> impl Strategy<Value = Step> {
    let streams = proptest::collection::vec(proptest::option::weighted(0.9, kind()), 0..12);
    prop_oneof![
        6 => (streams, prop_oneof![3 => Just(0), 1 => 1..5_u32], 0..5_u32)
            .prop_map(|(streams, gap, again)| Step::Append { streams, gap, again }),
        1 => (0..5_u32).prop_map(|back| Step::Conflict { back }),
        1 => (1..5_u32).prop_map(|by| Step::Jump { by }),
        4 => (kind(), 1..6_usize).prop_map(|(kind, blocks)| Step::Persist { kind, blocks }),
        2 => (kind(), 1..6_usize).prop_map(|(kind, blocks)| Step::Recut { kind, blocks }),
        4 => kind().prop_map(|kind| Step::Settle { kind }),
        1 => kind().prop_map(|kind| Step::Bury { kind }),
        1 => any::<bool>().prop_map(|politely| Step::Reopen { politely }),
    ]
}

#[derive(Default)]
struct Model {
    stored: BTreeMap<u32, Stream>,
    cursor: u32,
    gaps: usize,
    through: BTreeMap<Kind, u32>,
    sent: BTreeMap<Kind, u64>,
    dead: BTreeMap<Kind, u64>,
    open: BTreeMap<Kind, Batch>,
}

impl Model {
    fn unsent(&self, kind: Kind) -> Vec<u32> {
        let through = self.through.get(&kind).copied().unwrap_or(0);
        let of_kind = self.stored.iter().filter(|(_, stream)| stream.kind() == Some(kind));
        of_kind.map(|(seq, _)| *seq).filter(|seq| *seq > through).collect()
    }

    /// The newest stored blocks, at most `count`.
    fn newest(&self, count: u32) -> Vec<(u32, Stream)> {
        self.stored.iter().rev().take(count as usize).map(|(seq, stream)| (*seq, *stream)).collect()
    }
}

struct Trial {
    dir: TempDir,
    outbox: Outbox,
    session: SessionKey,
    model: Model,
}

impl Trial {
    async fn begin() -> Self {
        let dir = TempDir::new().unwrap();
        let outbox = open(dir.path()).await.unwrap();
        outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
        let session = outbox.begin_session(WATCH, None).await.unwrap();
        Self { dir, outbox, session, model: Model::default() }
    }

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Append { streams, gap, again } => self.append(&streams, gap, again).await,
            Step::Conflict { back } => self.conflict(back).await,
            Step::Jump { by } => self.jump(by).await,
            Step::Persist { kind, blocks } => self.persist(kind, blocks).await,
            Step::Recut { kind, blocks } => self.recut(kind, blocks).await,
            Step::Settle { kind } => self.settle(kind).await,
            Step::Bury { kind } => self.bury(kind).await,
            Step::Reopen { politely } => return self.reopen(politely).await,
        }
        self
    }

    async fn append(&mut self, streams: &[Option<Kind>], gap_len: u32, again: u32) {
        let log = self.outbox.logs().await.unwrap()[0].key;
        let old = self.model.newest(again);
        let mut blocks: Vec<_> = old.iter().map(|(seq, stream)| block(*seq, *stream)).collect();
        let first = self.model.cursor + 1 + gap_len;
        for (seq, kind) in (first..).zip(streams) {
            let stream = kind.map_or(Stream::EVENTS, |kind| Stream::of_kind(kind).unwrap());
            blocks.push(block(seq, stream));
            self.model.stored.insert(seq, stream);
        }
        let gaps = (gap_len > 0).then(|| gap(self.model.cursor + 1, first - 1, GapCause::Overwritten));
        self.model.gaps += usize::from(gap_len > 0);
        self.model.cursor = first - 1 + streams.len() as u32;
        let done = self.outbox.append(log, self.session, blocks, gaps.into_iter().collect()).await.unwrap();
        let counts = (streams.len(), old.len(), Seq(self.model.cursor));
        assert_eq!((done.new as usize, done.duplicate as usize, done.cursor), counts);
    }

    async fn conflict(&mut self, back: u32) {
        let Some((seq, stream)) = self.model.newest(back + 1).pop() else { return };
        let log = self.outbox.logs().await.unwrap()[0].key;
        let mut other = block(seq, stream);
        other.body = Bytes::from_static(b"other");
        let blocks = vec![block(self.model.cursor + 1, stream), other];
        let error = self.outbox.append(log, self.session, blocks, vec![]).await.unwrap_err();
        assert!(matches!(error, OutboxError::Conflict { .. }), "{error}");
    }

    async fn jump(&mut self, by: u32) {
        let log = self.outbox.logs().await.unwrap()[0].key;
        let next = self.model.cursor + 1;
        let blocks = vec![block(next, Stream::BEATS), block(next + 1 + by, Stream::BEATS)];
        let error = self.outbox.append(log, self.session, blocks, vec![]).await.unwrap_err();
        assert!(matches!(error, OutboxError::Unexplained { .. }), "{error}");
    }

    async fn cut(&self, kind: Kind, blocks: usize) -> Option<NewBatch> {
        let log = self.outbox.logs().await.unwrap()[0].key;
        let unsent = self.model.unsent(kind);
        let last = unsent.get(blocks - 1).or(unsent.last())?;
        Some(NewBatch { kind, ..batch(log, unsent[0], *last) })
    }

    async fn persist(&mut self, kind: Kind, blocks: usize) {
        let Some(new) = self.cut(kind, blocks).await else { return };
        let done = self.outbox.persist_batch(new).await;
        if let Some(open) = self.model.open.get(&kind) {
            assert!(matches!(done, Err(OutboxError::StillOpen(key)) if key == open.key));
        } else {
            self.model.open.insert(kind, done.unwrap());
        }
    }

    async fn recut(&mut self, kind: Kind, blocks: usize) {
        let Some(old) = self.model.open.get(&kind) else { return };
        let Some(new) = self.cut(kind, blocks).await else { return };
        let grows = new.span.end() > old.span.end();
        match self.outbox.recut(old.key, new).await {
            Ok(smaller) => assert!(!grows && self.model.open.insert(kind, smaller).is_some()),
            Err(error) => assert!(grows && matches!(error, OutboxError::NotARecut(_)), "{error}"),
        }
    }

    async fn settle(&mut self, kind: Kind) {
        let Some(open) = self.model.open.remove(&kind) else { return };
        self.outbox.settle(open.key, receipt()).await.unwrap();
        self.model.through.insert(kind, open.span.last.0);
        *self.model.sent.entry(kind).or_default() += u64::from(open.samples);
    }

    async fn bury(&mut self, kind: Kind) {
        let Some(open) = self.model.open.remove(&kind) else { return };
        let letter = DeadLetter { reason: "poison".to_owned(), status: None, response: None };
        let moved = self.outbox.dead_letter(open.key, letter).await.unwrap();
        assert_eq!(moved * 60, u64::from(open.samples));
        self.model.through.insert(kind, open.span.last.0);
        *self.model.dead.entry(kind).or_default() += u64::from(open.samples);
    }

    async fn reopen(self, politely: bool) -> Self {
        let Self { dir, outbox, session, model } = self;
        if politely {
            outbox.close().await.unwrap();
        } else {
            drop(outbox);
        }
        let outbox = open(dir.path()).await.unwrap();
        Self { dir, outbox, session, model }
    }

    /// The outbox tells the same story as the model.
    async fn compare(&self) {
        let log = self.outbox.logs().await.unwrap()[0];
        assert_eq!(log.cursor, Seq(self.model.cursor));
        let backlog = self.outbox.backlog(&cloud()).await.unwrap();
        for kind in KINDS {
            let expected = self.model.unsent(kind);
            let found = backlog.iter().find(|waiting| waiting.kind == kind);
            let found = found.map(|waiting| (waiting.unsent_from.0, waiting.blocks as usize));
            assert_eq!(found, expected.first().map(|first| (*first, expected.len())), "{kind}");
            let open = self.outbox.open_batch(&cloud(), log.key, kind).await.unwrap();
            assert_eq!(open.as_ref(), self.model.open.get(&kind), "{kind}");
        }
    }

    /// Every block is there with its bytes, and every sample is sent, dead or waiting: none twice, none lost.
    async fn balance(&self) {
        let log = self.outbox.logs().await.unwrap()[0].key;
        for stream in KINDS.into_iter().map(|kind| Stream::of_kind(kind).unwrap()).chain([Stream::EVENTS]) {
            let all = Seq(0)..=Seq(u32::MAX);
            let found = self.outbox.blocks(log, stream, all, u32::MAX).await.unwrap();
            let expected = self.model.stored.iter().filter(|(_, of)| **of == stream);
            let expected: Vec<_> = expected.map(|(seq, _)| (Seq(*seq), block(*seq, stream).body)).collect();
            assert_eq!(found.into_iter().map(|it| (it.seq, it.body)).collect::<Vec<_>>(), expected);
        }
        let summary = self.outbox.summary(&cloud()).await.unwrap();
        for row in summary.streams {
            let Some(kind) = row.kind else { continue };
            let of_model = |counts: &BTreeMap<Kind, u64>| counts.get(&kind).copied().unwrap_or(0);
            assert_eq!(
                (row.uploaded, row.dead),
                (of_model(&self.model.sent), of_model(&self.model.dead)),
                "{kind}"
            );
            let unsent = self.model.unsent(kind).len() as u64 * 60;
            assert_eq!(row.samples, row.uploaded + row.dead + unsent, "{kind}");
        }
        assert_eq!(summary.gaps as usize, self.model.gaps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_history(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut trial = Trial::begin().await;
            for step in steps {
                trial = trial.take(step).await;
                trial.compare().await;
            }
            trial.balance().await;
        });
    }
}
