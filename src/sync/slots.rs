//! Who may hold a link: an adapter carries a few at a time, and makes one at a time.
//!
//! Slots are given in the order of asking. Who holds one and could do without it is told when somebody waits: each who waits moves
//! one holder to give way, not all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

/// The links of one adapter. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Slots {
    links: Arc<Semaphore>,
    connecting: Arc<Semaphore>,
    demand: Arc<watch::Sender<Demand>>,
}

/// Who wants what.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    waiting: u32,
    /// Holders that are giving way.
    leaving: u32,
}

/// The right to hold one link. Dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    demand: Arc<watch::Sender<Demand>>,
}

/// A slot, and the adapter's attention while the link is made.
#[derive(Debug)]
pub struct Turn {
    slot: Slot,
    _connecting: OwnedSemaphorePermit,
}

impl Slots {
    /// So many links at a time, at least one.
    pub fn new(budget: usize) -> Self {
        Self {
            links: Arc::new(Semaphore::new(budget.max(1))),
            connecting: Arc::new(Semaphore::new(1)),
            demand: Arc::default(),
        }
    }

    /// Whether a turn would come at once.
    pub fn is_free(&self) -> bool {
        self.links.available_permits() > 0 && self.connecting.available_permits() > 0
    }

    /// Waits for a turn; after `patience` somebody else is asked to give way. Dropping the future gives the place in the queue up.
    pub async fn turn(&self, patience: Duration) -> Turn {
        let permit = {
            let permit = permit_of(&self.links);
            tokio::pin!(permit);
            tokio::select! {
                biased;
                permit = &mut permit => permit,
                () = sleep(patience) => {
                    let waiting = Waiting::begin(&self.demand);
                    let permit = permit.await;
                    waiting.served();
                    permit
                }
            }
        };
        let slot = Slot { _permit: permit, demand: Arc::clone(&self.demand) };
        Turn { slot, _connecting: permit_of(&self.connecting).await }
    }
}

impl Turn {
    /// The link is made: the next may be.
    pub fn connected(self) -> Slot {
        self.slot
    }
}

impl Slot {
    /// Waits until somebody waits for whom nobody gives way yet. Whoever is told has promised to give way. Cancel-safe.
    pub async fn wanted(&self) {
        let mut demand = self.demand.subscribe();
        loop {
            let mine = self.demand.send_if_modified(|demand| {
                let unmet = demand.waiting > demand.leaving;
                demand.leaving += u32::from(unmet);
                unmet
            });
            // The sender is ours: it cannot be gone.
            if mine || demand.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Somebody in the queue.
struct Waiting<'a>(&'a watch::Sender<Demand>);

impl<'a> Waiting<'a> {
    fn begin(demand: &'a watch::Sender<Demand>) -> Self {
        demand.send_modify(|demand| demand.waiting += 1);
        Self(demand)
    }

    fn served(self) {
        self.0.send_modify(|demand| demand.leaving = demand.leaving.saturating_sub(1));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|demand| {
            demand.waiting = demand.waiting.saturating_sub(1);
            demand.leaving = demand.leaving.min(demand.waiting);
        });
    }
}

async fn permit_of(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("nobody closes it")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_who_waits_moves_one_holder() {
        let slots = Slots::new(2);
        let first = slots.turn(Duration::ZERO).await.connected();
        let second = slots.turn(Duration::ZERO).await.connected();
        assert!(first.wanted().now_or_never().is_none() && !slots.is_free());

        let mut queued = Box::pin(slots.turn(Duration::ZERO));
        tokio::select! {
            _ = &mut queued => panic!("there is no third slot"),
            () = second.wanted() => {}
        }
        assert!(first.wanted().now_or_never().is_none(), "one is enough");
        drop(second);
        let third = queued.await.connected();
        assert!(first.wanted().now_or_never().is_none() && third.wanted().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_patient_or_goes_away_asks_nobody_to_leave() {
        let slots = Slots::new(1);
        let held = slots.turn(Duration::ZERO).await.connected();
        let patience = Duration::from_mins(15);
        let mut queued = Box::pin(slots.turn(patience));
        assert!(queued.as_mut().now_or_never().is_none());
        assert!(held.wanted().now_or_never().is_none());
        tokio::select! {
            _ = &mut queued => panic!("nobody gave way"),
            () = held.wanted() => {}
        }
        drop(queued);
        assert!(held.wanted().now_or_never().is_none());
        let mut queued = Box::pin(slots.turn(Duration::ZERO));
        tokio::select! {
            _ = &mut queued => panic!("nobody gave way"),
            () = held.wanted() => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_link_is_made_at_a_time() {
        let slots = Slots::new(3);
        let turn = slots.turn(Duration::ZERO).await;
        assert!(slots.turn(Duration::ZERO).now_or_never().is_none());
        let _slot = turn.connected();
        assert!(slots.turn(Duration::ZERO).now_or_never().is_some());
    }
}
