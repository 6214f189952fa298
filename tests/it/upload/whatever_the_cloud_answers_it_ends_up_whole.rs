//! Random logs, random batches, random answers, random crashes: in the end the cloud holds what was measured, without what it
//! will never take and what nobody can date, and every sample is counted once.

use std::time::Duration;

use nowbridge::measurement::{Quality, UtcMicros, Value};
use nowbridge::upload::{UploadState, UploaderConfig};
use nowbridge::wire::bridge::{Sample, Stream};
use proptest::prelude::*;

use crate::support::memory_cloud::{MemoryCloud, Parcel, Verdict, answer, answer_after};
use crate::support::stage::at_length;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats_of_boots, config, sample, values};

/// One after the other, what happens to the watch.
#[derive(Clone, Debug)]
enum Act {
    /// It records samples these many ms apart (where the stream leaves a choice), after a pause; some are poison.
    Record { stream: Stream, pause_ms: u64, apart_ms: Vec<(u64, bool)> },
    /// A host compares its clock with UTC.
    Anchor,
    /// A host fetches everything.
    Fetch,
    /// It is off for a while. Nobody may have compared its clock before.
    Reboot { off_ms: i64, unseen: bool },
    /// It turns out when the oldest boot was that nobody had seen.
    Recall,
}

/// What the cloud does with an upload that it could take.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Take,
    Lose,
    Fail,
    Wait(u64),
    Crash,
}

const STREAMS: [Stream; 4] = [Stream::HEART_RATE, Stream::BEATS, Stream::TEMPERATURE, Stream::ACTIVITY_TYPE];

fn act() -> impl Strategy<Value = Act> {
    let steps = proptest::collection::vec((250..1_500_u64, proptest::bool::weighted(0.03)), 1..60);
    prop_oneof![
        8 => (proptest::sample::select(&STREAMS[..]), 0..4_000_u64, steps)
            .prop_map(|(stream, pause_ms, apart_ms)| Act::Record { stream, pause_ms, apart_ms }),
        1 => Just(Act::Anchor),
        3 => Just(Act::Fetch),
        1 => (0..90_000_i64, proptest::bool::weighted(0.3)).prop_map(|(off_ms, unseen)| Act::Reboot { off_ms, unseen }),
        1 => Just(Act::Recall),
    ]
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        4 => Just(Answer::Take),
        2 => Just(Answer::Lose),
        1 => Just(Answer::Fail),
        1 => (0..4_000_u64).prop_map(Answer::Wait),
        1 => Just(Answer::Crash),
    ];
    proptest::collection::vec(answer, 0..60)
}

/// A sample that the cloud never takes: a beat without any quality, or a value out of range.
fn poison(stream: Stream, sample: Sample) -> Sample {
    if stream == Stream::BEATS {
        return Sample { quality: Quality::try_from(0_u8).unwrap(), ..sample };
    }
    Sample { value: 251, ..sample }
}

fn is_poison(stream: Stream, sample: &Sample) -> bool {
    sample.value == 251 && stream != Stream::BEATS || sample.quality != Quality::BEST
}

fn holds_poison(parcel: &Parcel) -> bool {
    parcel.rows.iter().any(|row| match &row.value {
        Value::Beats(frame) => frame.beats().iter().any(|beat| beat.quality != Quality::BEST),
        value => ["251", "2.51"].contains(&value.to_string().as_str()),
    })
}

/// A cloud that goes through `answers`, then takes everything; never more than `rows` at once.
fn cloud(answers: Vec<Answer>, rows: usize) -> MemoryCloud {
    let mut answers = answers.into_iter();
    MemoryCloud::judging(move |parcel: &Parcel| {
        if parcel.rows.len() > rows {
            return Verdict::Refuse(answer(413, "request entity too large"));
        }
        if holds_poison(parcel) {
            return Verdict::Refuse(answer(422, "that is no measurement"));
        }
        match answers.next().unwrap_or(Answer::Take) {
            Answer::Take => Verdict::Take,
            Answer::Lose => Verdict::Lose,
            Answer::Crash => Verdict::Hang,
            Answer::Fail => Verdict::Refuse(answer(500, "Internal server error")),
            Answer::Wait(seconds) => {
                Verdict::Refuse(answer_after(429, "later", Some(Duration::from_secs(seconds))))
            }
        }
    })
}

/// A watch, the host it is fetched by, and the cloud.
struct Trial {
    recorder: Recorder,
    boot: u16,
    booted: UtcMicros,
    now_ms: u64,
    anchored: bool,
    recorded: Vec<(Stream, u16, UtcMicros, Sample)>,
    /// Boots that were never compared with UTC, with their beginning and their last tick.
    unseen: Vec<(u16, UtcMicros, u64)>,
    depot: Depot,
    cloud: MemoryCloud,
    config: UploaderConfig,
    uploading: Loop,
}

impl Trial {
    async fn begin(cloud: MemoryCloud, seal_at: usize, max_samples: u64) -> Self {
        let config = UploaderConfig { max_samples, ..config() };
        let depot = Depot::new().await;
        let mut uploading = Loop::start_with(config.clone(), cloud.clone(), &depot.outbox);
        uploading.idle().await;
        Self {
            recorder: Recorder::sealing_at(seal_at),
            boot: 1,
            booted: BOOTED,
            now_ms: 0,
            anchored: false,
            recorded: Vec::new(),
            unseen: Vec::new(),
            uploading,
            depot,
            cloud,
            config,
        }
    }

    async fn take(mut self, act: Act) -> Self {
        match act {
            Act::Record { stream, pause_ms, apart_ms } => self.record(stream, pause_ms, &apart_ms),
            Act::Anchor => self.anchor().await,
            Act::Fetch => {
                self.depot.append(self.recorder.take()).await;
                self = self.upload().await;
            }
            Act::Recall => {
                if !self.unseen.is_empty() {
                    let (boot, booted, ticks_us) = self.unseen.remove(0);
                    self.depot.anchor(boot, ticks_us, UtcMicros(booted.0 + ticks_us as i64)).await;
                }
            }
            Act::Reboot { off_ms, unseen } => {
                if unseen && !self.anchored {
                    self.unseen.push((self.boot, self.booted, self.now_ms * 1_000));
                } else if !self.anchored {
                    self.anchor().await;
                }
                self.recorder.reboot();
                self.booted = UtcMicros(self.booted.0 + (self.now_ms as i64 + off_ms) * 1_000);
                (self.boot, self.now_ms, self.anchored) = (self.boot + 1, 0, false);
            }
        }
        self
    }

    fn record(&mut self, stream: Stream, pause_ms: u64, apart_ms: &[(u64, bool)]) {
        self.now_ms += pause_ms;
        for (index, &(step_ms, bad)) in apart_ms.iter().enumerate() {
            let step_ms = match stream {
                _ if index == 0 => 0,
                Stream::HEART_RATE => 1_000,
                Stream::TEMPERATURE => 60_000,
                _ => step_ms,
            };
            self.now_ms += step_ms;
            // Of beats, the interval; 0 where a run begins. Of anything else, any number.
            let value = if stream == Stream::BEATS { step_ms } else { self.now_ms % 97 };
            let sample = sample(self.now_ms, value as i32);
            let sample = if bad { poison(stream, sample) } else { sample };
            self.recorder.record(stream, sample);
            self.recorded.push((stream, self.boot, self.booted, sample));
        }
        self.now_ms += 1;
    }

    async fn anchor(&mut self) {
        let ticks_us = self.now_ms * 1_000;
        let utc = UtcMicros(self.booted.0 + ticks_us as i64);
        self.depot.anchor(self.boot, ticks_us, utc).await;
        self.anchored = true;
    }

    /// Lets the loop do what it can, and starts it anew, on an outbox opened anew, whenever it hangs.
    async fn upload(mut self) -> Self {
        let cloud = self.cloud.clone();
        tokio::select! {
            () = self.uploading.settled_again() => return self,
            () = cloud.hangs() => {}
        }
        loop {
            self = self.restart().await;
            tokio::select! {
                () = self.uploading.settled() => return self,
                () = cloud.hangs() => {}
            }
        }
    }

    fn is_unseen(&self, boot: u16) -> bool {
        self.unseen.iter().any(|(unseen, ..)| *unseen == boot)
    }

    /// What was measured without poison and without what has no date. Where a beat is missing, the next one does not follow.
    fn expected(&self) -> Held {
        let (mut held, mut pulse, mut follows) = (Held::new(), Vec::new(), true);
        for &(stream, boot, booted, mut sample) in &self.recorded {
            let is_there = !is_poison(stream, &sample) && !self.is_unseen(boot);
            if stream != Stream::BEATS {
                if is_there {
                    values(&mut held, stream.kind().unwrap(), booted, &[sample]);
                }
                continue;
            }
            if is_there {
                if !follows {
                    sample.value = 0;
                }
                pulse.push((booted, sample));
            }
            follows = is_there;
        }
        beats_of_boots(&mut held, &pulse);
        held
    }

    /// Sees to it that something good follows on everything, and waits until all is looked at.
    async fn end(mut self) -> Self {
        for stream in STREAMS {
            let one = Act::Record { stream, pause_ms: 5_000, apart_ms: vec![(1_000, false)] };
            self = self.take(one).await;
        }
        self.anchor().await;
        self = self.take(Act::Fetch).await;
        while self.uploading.status().state != UploadState::Idle {
            let cloud = self.cloud.clone();
            tokio::select! {
                _ = self.uploading.idle() => {}
                () = cloud.hangs() => self = self.restart().await,
            }
        }
        self
    }

    async fn restart(mut self) -> Self {
        drop(self.uploading);
        self.depot = self.depot.reopened().await;
        self.uploading = Loop::start_with(self.config.clone(), self.cloud.clone(), &self.depot.outbox);
        self
    }
}

fn cases() -> u32 {
    if at_length() { 240 } else { 24 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_history(
        acts in proptest::collection::vec(act(), 1..30),
        answers in answers(),
        seal_at in 1..30_usize,
        max_samples in 5..400_u64,
        rows in 40..300_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut trial = Trial::begin(cloud(answers, rows), seal_at, max_samples).await;
            for act in acts {
                trial = trial.take(act).await;
            }
            trial = trial.end().await;

            let (sent, dead, held) = trial.depot.counts().await;
            let recorded = trial.recorded.len() as u64;
            assert_eq!((sent + dead + held, trial.depot.waiting().await), (recorded, 0));
            let unseen = trial.recorded.iter().filter(|(_, boot, ..)| trial.is_unseen(*boot)).count();
            assert_eq!(held, unseen as u64);
            let poison = trial.recorded.iter().filter(|(stream, _, _, sample)| is_poison(*stream, sample)).count();
            let letters = trial.depot.dead().await.len() as u64;
            assert!(dead == letters && dead <= poison as u64, "{dead} dead, {letters} letters, {poison} poison");
            let receipts = trial.depot.outbox.receipts(u32::MAX).await.unwrap();
            assert_eq!(sent, receipts.iter().map(|receipt| u64::from(receipt.samples)).sum::<u64>());
            assert_eq!(trial.cloud.held(), trial.expected());
        });
    }
}
