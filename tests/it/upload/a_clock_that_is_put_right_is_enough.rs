//! A night on a computer whose clock stands in the past: no connection is secure. As soon as it is set, everything is sent; nobody waits
//! for the end of a back-off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nowbridge::clock::{Clock, SimulatedHost, Synchrony};
use nowbridge::outbox::Receipt;
use nowbridge::sync::Timekeeper;
use nowbridge::upload::{Failure, HoldReason, Parcel, Receiver, UploadState, Verdict};
use nowbridge::wire::bridge::Stream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::outbox::NOON;
use crate::support::upload::{Depot, Loop, Recorder, config, sample};

/// Its certificate is valid from [`NOON`] on.
struct Secure {
    clock: Clock,
    asked: Arc<AtomicU32>,
}

impl Receiver for Secure {
    async fn admits(&mut self) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.clock.now() >= NOON {
            return Ok(());
        }
        Err(Failure::new(Verdict::WrongClock, "the certificate is not valid yet; check the clock"))
    }

    async fn deliver(&mut self, _: &Parcel) -> Result<Receipt, Failure> {
        Ok(Receipt { status: 201, body: String::new(), bytes: 1 })
    }
}

#[tokio::test(start_paused = true)]
async fn and_nothing_waits_for_the_end_of_a_back_off() {
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &(0..600).map(|at| sample(at * 1_000, 60)).collect::<Vec<_>>());
    let depot = Depot::holding(&mut recorder).await;
    let week = 7 * 86_400 * 1_000_000;
    let (clock, host) =
        SimulatedHost::at(nowbridge::measurement::UtcMicros(NOON.0 - week), Synchrony::Unsynchronised);
    let asked = Arc::<AtomicU32>::default();
    let mut uploading = Loop::to(config(), Secure { clock, asked: Arc::clone(&asked) }, &depot.outbox);
    // As the daemon wires it.
    let (arrivals, clock_set) = (Arc::clone(&uploading.arrivals), Arc::clone(&uploading.clock_set));
    let wake = move || {
        arrivals.notify_one();
        clock_set.notify_one();
    };
    let cancel = CancellationToken::new();
    let keeper = Timekeeper::new(clock, depot.outbox.clone(), watch::Sender::default(), wake);
    let keeping = tokio::spawn(keeper.run(cancel.clone()));

    tokio::time::sleep(Duration::from_hours(8)).await;
    let status = uploading.holding().await;
    let UploadState::Holding { reason: HoldReason::WrongClock { detail }, .. } = &status.state else {
        panic!("{status:?}")
    };
    assert!(detail.contains("clock"), "{detail}");
    assert!(asked.load(Ordering::Relaxed) < 100, "it is not asked again and again");
    // What arrives meanwhile does not make it ask sooner.
    let before = asked.load(Ordering::Relaxed);
    uploading.wake();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(asked.load(Ordering::Relaxed) <= before + 1);

    // Right after a failed attempt, when the next is farthest.
    let last = asked.load(Ordering::Relaxed);
    while asked.load(Ordering::Relaxed) == last {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let set = Instant::now();
    host.step(week + 1_000_000);
    host.say(Synchrony::Synchronised);
    uploading.idle().await;
    // The clock is looked at every twenty seconds while it is in doubt.
    assert!(set.elapsed() <= Duration::from_secs(21), "{:?}", set.elapsed());
    assert_eq!(depot.waiting().await, 0);
    cancel.cancel();
    keeping.await.unwrap();
}
