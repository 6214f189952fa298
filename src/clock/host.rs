//! A simulated host's clock: wrong at first, set by network, stepped by hand.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use tokio::time::Instant;

use super::{Clock, Synchrony, micros_since};
use crate::measurement::UtcMicros;

/// A host whose clock can be set.
#[derive(Debug)]
pub struct SimulatedHost {
    origin: Instant,
    /// What the clock would have shown at `origin`, had it always been set as it is now.
    start_us: AtomicI64,
    synchrony: AtomicU8,
}

impl SimulatedHost {
    /// A host whose clock shows `start` now, and its clock. It is never freed: whoever holds a [`Clock`] may hold it for ever, and a
    /// simulation has few hosts.
    pub fn at(start: UtcMicros, synchrony: Synchrony) -> (Clock, &'static Self) {
        let host = Self {
            origin: Instant::now(),
            start_us: AtomicI64::new(start.0),
            synchrony: AtomicU8::new(synchrony as u8),
        };
        let host: &'static Self = Box::leak(Box::new(host));
        (Clock::Host(host), host)
    }

    /// Moves the clock, forward or back.
    pub fn step(&self, by_us: i64) {
        self.start_us.fetch_add(by_us, Ordering::Relaxed);
    }

    /// Sets the clock.
    pub fn set(&self, to: UtcMicros) {
        self.step(to.since(self.now()));
    }

    /// What the operating system says of the clock from now on.
    pub fn say(&self, synchrony: Synchrony) {
        self.synchrony.store(synchrony as u8, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> UtcMicros {
        UtcMicros(self.start_us.load(Ordering::Relaxed).saturating_add(self.steady_us()))
    }

    pub(super) fn steady_us(&self) -> i64 {
        micros_since(self.origin)
    }

    pub(super) fn synchrony(&self) -> Synchrony {
        Synchrony::of(self.synchrony.load(Ordering::Relaxed))
    }
}
