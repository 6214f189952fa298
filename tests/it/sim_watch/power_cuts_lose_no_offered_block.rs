//! Random lives of a watch with a small ring, watched by a host that writes down every block it was ever offered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fastrand::Rng;
use nowbridge::measurement::Quality;
use nowbridge::sim::watch::{SealPolicy, SimWatch};
use nowbridge::wire::bridge::{LogId, LogStore, RawBlock, Sample, Seq, Stream, TimeSetting, TimeSource};
use proptest::prelude::*;

use crate::support::watch::{Samples, offered, samples, watch_with};

#[derive(Clone, Debug)]
enum Step {
    /// One uninterrupted run of beats.
    Beats(u16),
    /// Events, each sealed alone: the smallest blocks there are.
    SmallBlocks(u8),
    Flush,
    SetTime,
    PowerCuts(u8),
    FactoryReset,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        // Less than a page, so that nothing is overwritten before the host has looked.
        5 => (1_u16..800).prop_map(Step::Beats),
        4 => (1_u8..60).prop_map(Step::SmallBlocks),
        2 => Just(Step::Flush),
        2 => Just(Step::SetTime),
        5 => (1_u8..4).prop_map(Step::PowerCuts),
        1 => Just(Step::FactoryReset),
    ]
}

/// What the host saw, and what the wrist did.
struct Host {
    watch: SimWatch,
    rng: Rng,
    log_id: LogId,
    seen: BTreeMap<Seq, Bytes>,
    torn: BTreeSet<Seq>,
    recorded: Samples,
    window: (Seq, Seq),
    at_ms: u64,
}

impl Host {
    fn new(ring_pages: usize, policy: SealPolicy, seed: u64) -> Self {
        let watch = watch_with(ring_pages, |options| options.policy = policy);
        let mut host = Self {
            log_id: watch.log_id(),
            watch,
            rng: Rng::with_seed(seed),
            seen: BTreeMap::new(),
            torn: BTreeSet::new(),
            recorded: Samples::new(),
            window: (Seq(1), Seq(0)),
            at_ms: 0,
        };
        host.look();
        host
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Beats(count) => (0..count).for_each(|_| {
                let value = self.rng.i32(400..1_400);
                self.record(Stream::BEATS, value as u64, value);
            }),
            Step::SmallBlocks(count) => (0..count).for_each(|_| {
                let value = self.rng.i32(..3);
                self.record(Stream::EVENTS, 1, value);
                self.watch.flush().unwrap();
            }),
            Step::Flush => {
                self.watch.flush().unwrap();
                assert_eq!(self.watch.ledger().counts.in_ram, 0);
            }
            Step::SetTime => self.watch.set_time(TimeSetting {
                utc_us: self.rng.u64(..),
                rtt_us: self.rng.u32(..200_000),
                zone_offset_s: 3_600,
                source: TimeSource::Host,
            }),
            Step::PowerCuts(count) => (0..count).for_each(|_| {
                let boot = self.watch.boot();
                let cut = self.watch.power_cut(&mut self.rng);
                assert!(cut.boot > boot, "boot {} came after boot {boot}", cut.boot);
                self.torn.extend(cut.torn);
                self.at_ms = 0;
            }),
            Step::FactoryReset => {
                self.watch.factory_reset();
                assert_ne!(self.watch.log_id(), self.log_id);
                self.log_id = self.watch.log_id();
                (self.seen, self.torn, self.recorded) = Default::default();
                (self.window, self.at_ms) = ((Seq(1), Seq(0)), 0);
            }
        }
    }

    fn record(&mut self, stream: Stream, gap_ms: u64, value: i32) {
        self.at_ms += gap_ms;
        let quality = Quality::try_from(self.rng.u8(3..=4)).unwrap();
        let sample = Sample { at_ms: self.at_ms, value, quality };
        self.watch.record(stream, sample);
        self.recorded.entry(stream).or_default().push((self.watch.boot(), sample));
    }

    /// Reads all that is offered, and holds it against what was seen before.
    fn look(&mut self) {
        let info = self.watch.info();
        let (tail, head) = (info.tail, info.head);
        assert!(tail <= head.next() && tail >= self.window.0 && head >= self.window.1, "{info:?}");
        self.window = (tail, head);
        let now = offered(&mut self.watch);
        assert!(now.keys().all(|seq| (tail..=head).contains(seq)));
        for (seq, bytes) in &now {
            assert!(!self.torn.contains(seq), "the burned number {seq} came again");
            assert_eq!(RawBlock::parse(bytes.clone()).unwrap().header().seq, *seq);
            let before = self.seen.entry(*seq).or_insert_with(|| bytes.clone());
            assert_eq!(before, bytes, "number {seq} was used twice");
        }
        for seq in self.seen.range(tail..).map(|(seq, _)| seq) {
            assert!(now.contains_key(seq), "block {seq} is lost, the window is {tail} to {head}");
        }
        self.reconcile(tail);
    }

    /// Nothing that was recorded is missing without a reason.
    fn reconcile(&self, tail: Seq) {
        let ledger = self.watch.ledger();
        let counts = ledger.counts;
        let seen: Vec<RawBlock> =
            self.seen.values().map(|bytes| RawBlock::parse(bytes.clone()).unwrap()).collect();
        let seen_samples = samples(&seen);
        let total = |samples: &Samples| samples.values().map(|list| list.len() as u64).sum::<u64>();
        assert_eq!(total(&self.recorded), total(&seen_samples) + counts.lost_in_ram + counts.in_ram);
        assert_eq!(self.seen.range(..tail).count() as u64, counts.overwritten_blocks);
        assert_eq!(
            counts.recorded,
            ledger.sample_count() + counts.overwritten_samples + counts.lost_in_ram + counts.in_ram
        );
        for (stream, list) in &seen_samples {
            let mut recorded = self.recorded[stream].iter();
            assert!(
                list.iter().all(|sample| recorded.any(|other| other == sample)),
                "{stream:?} is out of order"
            );
        }
        let here: Vec<&RawBlock> = seen.iter().filter(|block| block.header().seq >= tail).collect();
        assert_eq!(ledger.samples, samples(here));
        assert_eq!(ledger.damaged, []);
    }

    /// Every number up to the head was seen or is burned.
    fn account_for_numbers(&mut self) {
        self.record(Stream::EVENTS, 1, 1);
        self.watch.flush().unwrap();
        self.look();
        let burned = self.watch.ledger().counts.burned_numbers;
        assert_eq!(u64::from(self.window.1.0), self.seen.len() as u64 + burned);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_its_power(
        ring_pages in prop_oneof![Just(2_usize), Just(4), Just(5), Just(64)],
        packed in any::<bool>(),
        seed in any::<u64>(),
        life in proptest::collection::vec(steps(), 1..40),
    ) {
        let policy = if packed { SealPolicy::Packed } else { SealPolicy::Bounded };
        let mut host = Host::new(ring_pages, policy, seed);
        for step in &life {
            host.step(step);
            host.look();
        }
        host.account_for_numbers();
    }
}
