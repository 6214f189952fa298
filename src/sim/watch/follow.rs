//! A watch on somebody's wrist: samples come as time passes.

use std::fmt;
use std::iter::Peekable;
use std::time::Duration;

use super::SimWatch;
use crate::wire::bridge::{Sample, Stream};

type Source = Box<dyn Iterator<Item = (Stream, Sample)> + Send>;

/// Where samples come from.
pub(super) struct Follow {
    source: Peekable<Source>,
    /// Where the present boot began, on the source's time.
    base_ms: u64,
}

impl Follow {
    /// A boot ended after so many ticks; life went on.
    pub(super) const fn rebase(&mut self, ticks_ms: u64) {
        self.base_ms += ticks_ms;
    }

    /// The next sample whose time has come, on the clock of the present boot.
    fn take_due(&mut self, now_ms: u64) -> Option<(Stream, Sample)> {
        let (base_ms, now_ms) = (self.base_ms, now_ms + self.base_ms);
        while let Some((stream, sample)) = self.source.next_if(|(_, sample)| sample.at_ms <= now_ms) {
            if let Some(at_ms) = sample.at_ms.checked_sub(base_ms) {
                return Some((stream, Sample { at_ms, ..sample }));
            }
        }
        None
    }
}

impl SimWatch {
    /// From now on records these samples, each when its time comes ([`SimWatch::catch_up`]). Their times are on the clock of the
    /// present boot, in order; later boots go on where it ended. What is older than the present boot is passed over.
    pub fn follow(&mut self, source: impl Iterator<Item = (Stream, Sample)> + Send + 'static) {
        let source: Source = Box::new(source);
        self.follow = Some(Follow { source: source.peekable(), base_ms: 0 });
    }

    /// Records what is due by now and seals what is old enough. Tells in how much (true) time the next sample is due.
    pub fn catch_up(&mut self) -> Option<Duration> {
        let now_ms = self.clock.ticks_ms();
        while let Some((stream, sample)) = self.follow.as_mut().and_then(|follow| follow.take_due(now_ms)) {
            self.record(stream, sample);
        }
        self.seal_due(now_ms);
        self.next_due()
    }

    /// In how much (true) time the next sample is due.
    pub fn next_due(&mut self) -> Option<Duration> {
        let Follow { source, base_ms } = self.follow.as_mut()?;
        let (_, sample) = source.peek()?;
        Some(self.clock.until(sample.at_ms.saturating_sub(*base_ms)))
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("base_ms", &self.base_ms).finish_non_exhaustive()
    }
}
