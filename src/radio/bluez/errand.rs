//! What takes the radio for a while: one errand at a time, so that discovery and connects never overlap.
//!
//! BlueZ and many controllers do badly at two things at once: a connect during a discovery, or two connects, abort each other. An errand runs in a
//! task of its own, for it must clean up also when its caller has stopped waiting: a discovery that nobody stops, or a
//! connect that BlueZ goes on trying, stands in the way of the next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ground::{Footing, Ground};
use super::signals::DeviceNews;
use crate::radio::{CALL_DEADLINE, LinkClosed, PeerAddress, RadioError, RadioState, RadioTrouble};

/// Something that needs the radio for itself.
pub(super) trait Errand: Send + 'static {
    /// What it brings back.
    type Gain: Send + 'static;

    /// What it is, for messages.
    const WHAT: &'static str;

    /// Whether it goes on when bluetoothd or the adapter has gone.
    const OUTLIVES_GROUND: bool = false;

    /// Whether it waits for its turn behind another errand. What does not waits at most until the one before has cleaned up.
    const QUEUES: bool = true;

    /// How long it may take once it has begun.
    fn limit(&self) -> Duration;

    /// Does it.
    fn run(&mut self, ground: &Ground) -> impl Future<Output = Result<Self::Gain, RadioError>> + Send;

    /// The error when it takes longer than its limit.
    fn too_late(&self) -> RadioError {
        RadioError::Timeout(Self::WHAT)
    }

    /// Leaves the radio as it was found, however far `run` came. Each step of it has a deadline.
    fn clean_up(&mut self, ground: &Ground) -> impl Future<Output = ()> + Send;
}

/// What everything at the radio shares. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Radio {
    pub state: watch::Receiver<RadioState>,
    pub footing: watch::Receiver<Footing>,
    pub news: broadcast::Sender<DeviceNews>,
    pub asleep: watch::Receiver<bool>,
    /// The peers with a link of ours that is not quite closed.
    pub open: watch::Sender<BTreeSet<PeerAddress>>,
    /// How many they are: sleep waits for them.
    pub open_links: watch::Sender<usize>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    /// Whoever holds it has the radio for itself.
    pub turn: Arc<Semaphore>,
    /// What whoever has the radio does with it; `None`: nothing, or it only cleans up.
    pub under_way: watch::Sender<Option<&'static str>>,
}

impl Radio {
    /// The ground, as soon as it is known whether there is any.
    pub async fn ground(&self) -> Result<Ground, RadioError> {
        let mut footing = self.footing.clone();
        let known = timeout(CALL_DEADLINE, footing.wait_for(|footing| !matches!(footing, Footing::Unknown)));
        let Ok(Ok(footing)) = known.await else { return Err(shut_down()) };
        match &*footing {
            Footing::On(ground) => Ok(ground.clone()),
            Footing::None(trouble) => Err(RadioError::NotReady(trouble.clone())),
            Footing::Unknown => Err(shut_down()),
        }
    }

    /// Sends somebody on an errand and waits for what they bring.
    pub async fn send<E: Errand>(&self, errand: E) -> Result<E::Gain, RadioError> {
        // Whatever is longer than a call: a scan takes as long as its caller asked for.
        let limit = errand.limit();
        let queueing = CALL_DEADLINE.saturating_sub(limit).max(CALL_DEADLINE / 4);
        let begin_by = Instant::now() + queueing;
        let (reply, answer) = oneshot::channel();
        self.tasks.spawn(self.clone().carry_out(errand, begin_by, reply));
        match timeout(queueing.saturating_add(limit), answer).await {
            Ok(Ok(answer)) => answer,
            // The task was dropped with its runtime, or a library panicked in it: nothing that should end ours.
            Ok(Err(_)) => Err(shut_down()),
            Err(_) => Err(RadioError::Timeout(E::WHAT)),
        }
    }

    async fn carry_out<E: Errand>(
        self,
        mut errand: E,
        begin_by: Instant,
        mut reply: oneshot::Sender<Result<E::Gain, RadioError>>,
    ) {
        let turn = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            () = reply.closed() => None,
            turn = self.turn.clone().acquire_owned() => turn.ok(),
            what = self.something_under_way(), if !E::QUEUES => {
                return drop(reply.send(Err(RadioError::OwnErrand(what))));
            }
            () = sleep_until(begin_by) => {
                let what = self.under_way.borrow().unwrap_or("the end of something else");
                return drop(reply.send(Err(RadioError::OwnErrand(what))));
            }
        };
        let Some(_turn) = turn else { return };
        let ground = match self.ground().await {
            Ok(ground) => ground,
            Err(error) => return drop(reply.send(Err(error))),
        };
        if let Err(error) = self.state.borrow().check() {
            return drop(reply.send(Err(error)));
        }
        self.under_way.send_replace(Some(E::WHAT));
        let outcome = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(LinkClosed::ByHost.into()),
            () = reply.closed() => Err(LinkClosed::ByHost.into()),
            () = ground.gone.cancelled(), if !E::OUTLIVES_GROUND => Err(self.what_happened().await),
            outcome = timeout(errand.limit(), errand.run(&ground)) => outcome.unwrap_or_else(|_| Err(errand.too_late())),
        };
        self.under_way.send_replace(None);
        // Who waits has it at once; the next errand begins after the cleaning.
        let _ = reply.send(outcome);
        if E::OUTLIVES_GROUND || !ground.gone.is_cancelled() {
            errand.clean_up(&ground).await;
        }
    }

    /// Waits until an errand does what it is for.
    async fn something_under_way(&self) -> &'static str {
        let mut under_way = self.under_way.subscribe();
        let what = under_way.wait_for(Option::is_some).await.ok().and_then(|what| *what);
        match what {
            Some(what) => what,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    /// Why the ground is gone. The keeper takes it away first and says why in the same breath.
    async fn what_happened(&self) -> RadioError {
        let mut footing = self.footing.clone();
        let said = footing.wait_for(|footing| matches!(footing, Footing::None(_)));
        if let Ok(Ok(footing)) = timeout(CALL_DEADLINE / 20, said).await
            && let Footing::None(trouble) = &*footing
        {
            return RadioError::NotReady(trouble.clone());
        }
        LinkClosed::RadioGone.into()
    }
}

fn shut_down() -> RadioError {
    RadioError::NotReady(RadioTrouble::NoService { detail: "this central was shut down".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::recovering::{Disconnect, Forget, StopDiscovery};
    use super::*;

    /// A radio that somebody has for the time being.
    fn taken(what: Option<&'static str>) -> Radio {
        let radio = Radio {
            state: watch::channel(RadioState::Ready).1,
            footing: watch::channel(Footing::None(RadioTrouble::AdapterOff)).1,
            news: broadcast::Sender::new(1),
            asleep: watch::channel(false).1,
            open: watch::Sender::new(BTreeSet::new()),
            open_links: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            turn: Arc::new(Semaphore::new(1)),
            under_way: watch::Sender::new(what),
        };
        radio.turn.try_acquire().unwrap().forget();
        radio
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_of_recovery_does_not_run_late() {
        let (radio, began) = (taken(Some("a scan")), Instant::now());
        let refused = radio.send(StopDiscovery).await;
        assert!(matches!(refused, Err(RadioError::OwnErrand("a scan"))), "{refused:?}");
        assert_eq!(began.elapsed(), Duration::ZERO);

        // What only cleans up is waited for; what was queued before is not.
        radio.under_way.send_replace(None);
        let (step, scan) = (radio.send(Disconnect(PeerAddress("E7".to_owned()))), async {
            tokio::task::yield_now().await;
            radio.under_way.send_replace(Some("a scan"));
        });
        let (refused, ()) = tokio::join!(step, scan);
        assert!(matches!(refused, Err(RadioError::OwnErrand("a scan"))), "{refused:?}");
        radio.under_way.send_replace(None);
        radio.turn.add_permits(1);
        let ran = radio.send(StopDiscovery).await;
        assert!(matches!(ran, Err(RadioError::NotReady(RadioTrouble::AdapterOff))), "{ran:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_in_vain_hears_that_it_was_ours() {
        let refused = taken(Some("a scan")).send(Forget(PeerAddress("E7".to_owned()))).await;
        let Err(error) = refused else { panic!("{refused:?}") };
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "nowbridge itself needs the radio for a scan");
    }
}
