//! What a conversation with a watch knows of those before, as long as this process lives.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::ota::Other;

/// A watch forgets an upload when it was left alone for 10 s, and not when a link ends: until then it would take what begins anew for more
/// of the old one.
const QUIET: Duration = Duration::from_secs(12);
/// Packets to a receipt: two such stretches are under way at a time, 2 kB.
const WIDE: u8 = 50;
/// What is known to work, if slowly: other hosts use it.
const NARROW: u8 = 10;
/// The ATT MTU of a link on which nobody has asked for more.
const LEAST_MTU: u16 = 23;

/// Shared by the conversations with one watch: whoever opens them keeps it.
#[derive(Clone, Debug, Default)]
pub struct Past(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    under_way: Option<(BrokeOff, Instant)>,
    /// It is on the watch, and is not known to have been started.
    staged: Option<Other>,
    /// Whether the link ended with the order to start it.
    ordered: bool,
    /// As many receipts were waited for in vain.
    troubles: u32,
}

/// An upload that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokeOff {
    /// Bytes that the watch had acknowledged.
    pub acked: u64,
    /// Why.
    pub why: String,
}

impl fmt::Display for BrokeOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acked, why } = self;
        write!(
            f,
            "the last upload broke off at byte {acked} ({why}); such a watch keeps nothing of it, so all of it goes again"
        )
    }
}

impl Past {
    /// The last upload, if it broke off: why the next one begins anew.
    pub fn broke_off(&self) -> Option<BrokeOff> {
        self.lock().under_way.as_ref().map(|(broke_off, _)| broke_off.clone())
    }

    /// Waits until the watch has forgotten an upload that broke off.
    pub(super) async fn forgotten(&self) {
        let quiet = self.lock().under_way.as_ref().map(|(_, touched)| *touched + QUIET);
        if let Some(quiet) = quiet {
            sleep_until(quiet).await;
        }
    }

    /// An upload is so far. It counts as broken off from then on, for whoever drops it says nothing.
    pub(super) fn uploading(&self, acked: u64) {
        let why = "it was given up".to_owned();
        let mut inner = self.lock();
        inner.under_way = Some((BrokeOff { acked, why }, Instant::now()));
        inner.staged = None;
    }

    /// It broke off. `in_vain`: the watch no longer counted as it should.
    pub(super) fn failed(&self, why: String, in_vain: bool) {
        let mut inner = self.lock();
        if let Some((broke_off, touched)) = &mut inner.under_way {
            (broke_off.why, *touched) = (why, Instant::now());
        }
        inner.troubles += u32::from(in_vain);
    }

    /// All of it is there.
    pub(super) fn arrived(&self, staged: Other) {
        let mut inner = self.lock();
        (inner.under_way, inner.staged) = (None, Some(staged));
    }

    /// What waits on the watch for its start.
    pub(super) fn staged(&self) -> Option<Other> {
        self.lock().staged.clone()
    }

    /// It has been started.
    pub(super) fn started(&self) {
        let mut inner = self.lock();
        (inner.staged, inner.ordered) = (None, false);
    }

    /// The link ended with the order to start it: the watch may have heard it.
    pub(super) fn ordered(&self) {
        self.lock().ordered = true;
    }

    /// Whether it did before.
    pub(super) fn was_ordered(&self) -> bool {
        self.lock().ordered
    }

    /// Packets to a receipt on such a link. Half as many after each upload in which packets or receipts were lost.
    pub(super) fn receipt_every(&self, mtu: u16) -> u8 {
        let most = if mtu > LEAST_MTU { WIDE } else { NARROW };
        (most >> self.lock().troubles.min(7)).max(NARROW)
    }

    /// No code panics while it holds the lock; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_sized_to_the_link_and_to_its_troubles() {
        let past = Past::default();
        assert_eq!((past.receipt_every(247), past.receipt_every(23)), (50, 10));
        past.failed("in vain".to_owned(), true);
        assert_eq!((past.receipt_every(247), past.receipt_every(23)), (25, 10));
        for _ in 0..100 {
            past.failed("in vain".to_owned(), true);
        }
        assert_eq!(past.receipt_every(247), 10);
    }
}
