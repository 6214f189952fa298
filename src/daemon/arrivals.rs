//! Telling every sink that something has arrived, or that the clock was put right.
//!
//! A [`Notify`] wakes one waiter only. So the watchers tell one, and the loop here passes it on: each sink has its own, and one that
//! would rather be told seldom (its files are written anew each time) is told once for all that came meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One sink's ear.
#[derive(Clone, Debug)]
pub struct Ear {
    /// What its loop waits for.
    pub bell: Arc<Notify>,
    /// What it waits for if the clock stands in its way.
    pub clock_set: Arc<Notify>,
    /// At least so long from one ringing to the next.
    pub every: Duration,
}

impl Ear {
    /// One that is told so often at most.
    pub fn new(every: Duration) -> Self {
        Self { bell: Arc::default(), clock_set: Arc::default(), every }
    }
}

/// An ear and when it is told.
struct Listener {
    ear: Ear,
    due: Option<Instant>,
    /// Not before this.
    from: Instant,
}

/// Who tells that something has arrived, and that the clock was put right.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Something has arrived, or can be dated now.
    pub arrivals: Arc<Notify>,
    /// This computer's clock was put right.
    pub clock_set: Arc<Notify>,
}

/// Passes on what they say, until cancelled.
pub async fn pass_on(signals: Signals, ears: Vec<Ear>, cancel: CancellationToken) {
    let Signals { arrivals, clock_set } = signals;
    let from = Instant::now();
    let mut listeners: Vec<Listener> =
        ears.into_iter().map(|ear| Listener { ear, due: None, from }).collect();
    loop {
        let next = listeners.iter().filter_map(|listener| listener.due).min();
        tokio::select! {
            () = cancel.cancelled() => return,
            () = arrivals.notified() => {
                for listener in &mut listeners {
                    listener.due.get_or_insert(listener.from);
                }
            }
            () = clock_set.notified() => {
                for listener in &listeners {
                    listener.ear.clock_set.notify_one();
                }
            }
            () = until(next) => {}
        }
        let now = Instant::now();
        for listener in listeners.iter_mut().filter(|listener| listener.due.is_some_and(|due| due <= now)) {
            listener.ear.bell.notify_one();
            (listener.due, listener.from) = (None, now + listener.ear.every);
        }
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => tokio::time::sleep_until(next).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everybody_hears_and_who_wants_to_hear_seldom_hears_once_for_all() {
        let signals = Signals::default();
        let arrivals = Arc::clone(&signals.arrivals);
        let (eager, other) = (Ear::new(Duration::ZERO), Ear::new(Duration::ZERO));
        let seldom = Ear::new(Duration::from_mins(5));
        let ears = vec![eager.clone(), other.clone(), seldom.clone()];
        let cancel = CancellationToken::new();
        let loops = tokio::spawn(pass_on(signals.clone(), ears, cancel.clone()));

        arrivals.notify_one();
        for ear in [&eager, &other, &seldom] {
            ear.bell.notified().await;
        }
        let rang = Instant::now();
        for _ in 0..10 {
            arrivals.notify_one();
            eager.bell.notified().await;
            assert_eq!(seldom.bell.notified().now_or_never(), None);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        seldom.bell.notified().await;
        assert_eq!(rang.elapsed(), Duration::from_mins(5));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(seldom.bell.notified().now_or_never(), None, "nothing has come since");

        signals.clock_set.notify_one();
        for ear in [&eager, &other, &seldom] {
            ear.clock_set.notified().await;
        }
        assert_eq!(rang.elapsed(), Duration::from_mins(65), "whoever waits for a clock hears of it at once");
        cancel.cancel();
        loops.await.unwrap();
    }
}
