//! How far an update is, for those who wait for it.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Sent;
use crate::outbox::UpdateStep;

/// The rate is that of so long.
const RATE_OVER: Duration = Duration::from_secs(5);

/// How far an update is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub step: UpdateStep,
    /// Of the upload.
    pub sent: Sent,
    /// Bytes a second that the watch acknowledged in the last five seconds; `None` when nothing is being sent, or just began.
    pub rate: Option<f64>,
    /// Seconds until the upload is done, at that rate.
    pub seconds_left: Option<u64>,
    /// Whether the watch may go away.
    pub leave: Leave,
}

/// Whether the watch may go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// Nothing depends on it.
    Freely,
    /// Nothing breaks; the upload waits, and goes on from there if the watch is not restarted.
    AndWait,
    /// Better not: it is about to start its new image, or must show that it is well.
    BetterNot,
}

impl Leave {
    /// During a step.
    pub const fn during(step: UpdateStep) -> Self {
        match step {
            UpdateStep::Preflight | UpdateStep::Uploading | UpdateStep::Draining => Self::AndWait,
            UpdateStep::Testing | UpdateStep::Rebooting | UpdateStep::Checking | UpdateStep::Confirming => {
                Self::BetterNot
            }
            _ => Self::Freely,
        }
    }
}

impl Progress {
    /// A step at whose beginning nothing is known of its rate.
    pub const fn at(step: UpdateStep, sent: Sent) -> Self {
        Self { step, sent, rate: None, seconds_left: None, leave: Leave::during(step) }
    }
}

/// Measures the rate of an upload.
#[derive(Debug, Default)]
pub struct Meter {
    seen: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// Takes down where the upload stands now, and tells how fast it is.
    pub fn read(&mut self, sent: Sent) -> Progress {
        let now = Instant::now();
        // An upload that began anew has no rate yet.
        if self.seen.back().is_some_and(|(_, acked)| *acked > sent.acked) {
            self.seen.clear();
        }
        self.seen.push_back((now, sent.acked));
        // The oldest that is kept is the last that is old enough.
        while self.seen.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RATE_OVER) {
            self.seen.pop_front();
        }
        let rate = self.seen.front().and_then(|(at, acked)| {
            let seconds = now.duration_since(*at).as_secs_f64();
            (seconds > 0.0).then(|| (sent.acked - acked) as f64 / seconds)
        });
        let left = sent.total.saturating_sub(sent.acked) as f64;
        let seconds_left = rate.filter(|rate| *rate > 0.0).map(|rate| (left / rate).ceil() as u64);
        Progress { rate, seconds_left, ..Progress::at(UpdateStep::Uploading, sent) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn at(acked: u64) -> Sent {
        Sent { acked, total: 100_000, ..Sent::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_five_seconds() {
        let mut meter = Meter::default();
        assert_eq!(meter.read(at(0)).rate, None);
        let mut acked = 0;
        for _ in 0..10 {
            advance(Duration::from_secs(1)).await;
            acked += 1_000;
            meter.read(at(acked));
        }
        for _ in 0..5 {
            advance(Duration::from_secs(1)).await;
            acked += 5_000;
            meter.read(at(acked));
        }
        let progress = meter.read(at(acked));
        assert_eq!(progress.rate, Some(5_000.0));
        assert_eq!(progress.seconds_left, Some((100_000 - acked) / 5_000));
        assert_eq!(meter.read(at(0)).rate, None, "begun anew");
    }
}
