//! A clock is set back by a day, ahead by ten years, or to 1970, and set right again, while the loops wait for something: no wait gets
//! longer or shorter, nothing is evicted, and nobody is logged out.

use std::time::Duration;

use nowbridge::clock::{Clock, SimulatedHost, Synchrony};
use nowbridge::cloud::{Client, ClientConfig};
use nowbridge::measurement::Kind;
use nowbridge::outbox::{Limits, Outbox};
use nowbridge::radio::air::Faults;
use nowbridge::sync::Mode;
use nowbridge::upload::{HoldReason, Nowatch, UploadState};
use nowbridge::wire::bridge::{LogId, Seq, Stream};
use tempfile::TempDir;
use tokio::time::sleep;

use super::night::{DAY_US, HOUR, MINUTE, Night};
use crate::support::memory_cloud::{MemoryCloud, Verdict, answer_after};
use crate::support::outbox::{WATCH, batch, block, cloud, receipt};
use crate::support::private_cloud::PASSWORD;
use crate::support::served_cloud::{ServedCloud, somebody};
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, config, sample, values};
use crate::support::watcher::AtWork;

const TEN_YEARS_US: i64 = 3_652 * DAY_US;
/// Where the clock goes.
const STEPS_US: [i64; 4] = [-DAY_US, TEN_YEARS_US, 5_000_000 - BOOTED.0, -TEN_YEARS_US];

/// An hour of heart rate, and what it comes to.
fn an_hour() -> (Recorder, Held) {
    let samples: Vec<_> =
        (0..3_600).map(|second| sample(second * 1_000, 60 + (second % 17) as i32)).collect();
    let (mut recorder, mut held) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    (recorder, held)
}

#[tokio::test(start_paused = true)]
async fn what_the_cloud_asked_for_is_waited_for_and_no_longer() {
    const ASKED: Duration = Duration::from_mins(10);
    for step_us in STEPS_US {
        let (mut recorder, expected) = an_hour();
        let depot = Depot::holding(&mut recorder).await;
        let (clock, host) = SimulatedHost::at(BOOTED, Synchrony::Synchronised);
        let cloud = MemoryCloud::judging(|parcel| match parcel.earlier {
            0 => Verdict::Refuse(answer_after(503, "later", Some(ASKED))),
            _ => Verdict::Take,
        });
        let mut uploading = Loop::by(clock, config(), Nowatch::new(cloud.clone(), HOUR), &depot.outbox);
        let waits = uploading.holding().await.state;
        assert!(matches!(waits, UploadState::Holding { reason: HoldReason::Unavailable { .. }, .. }));
        sleep(MINUTE).await;
        host.step(step_us);
        sleep(MINUTE).await;
        host.step(-step_us);
        uploading.idle().await;
        let parcels = cloud.parcels();
        let waited = parcels[1].at - parcels[0].at;
        assert!((ASKED..ASKED + Duration::from_secs(5)).contains(&waited), "{waited:?} after {step_us}");
        assert!(cloud.held() == expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_cannot_be_reached_is_tried_as_before() {
    for step_us in STEPS_US {
        let mut night = Night::begin(0, Synchrony::Synchronised).await;
        night.wear(HOUR).await;
        night.scene.air.set_faults(Faults { connect_fails: 1.0, ..Faults::default() });
        let mut at_work = AtWork::begin(&night.scene, Mode::Release);
        at_work.until(HOUR, |status| status.counts.failures > 5).await;
        night.host.step(step_us);
        let before = at_work.radio.connects();
        sleep(HOUR).await;
        let tried = at_work.radio.connects() - before;
        assert!((8..200).contains(&tried), "{tried} attempts in an hour, {step_us}");
        night.host.step(-step_us);
        night.scene.air.set_faults(Faults::default());
        at_work.until(15 * MINUTE, |status| status.complete_at.is_some()).await;
        // And every hour from then on.
        let before = at_work.radio.connects();
        night.host.step(step_us);
        sleep(3 * HOUR).await;
        let visits = at_work.radio.connects() - before;
        assert!((2..=6).contains(&visits), "{visits} visits in three hours, {step_us}");
        at_work.stop().await;
    }
}

/// An outbox with two blocks that were sent long ago, and two that wait.
async fn half_sent(clock: Clock) -> (TempDir, Outbox) {
    let dir = TempDir::new().unwrap();
    let outbox = Outbox::open_limited(Outbox::claim(dir.path()).await.unwrap(), clock, Limits::default());
    let outbox = outbox.await.unwrap();
    let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    let session = outbox.begin_session(WATCH, Some(log.key)).await.unwrap();
    let blocks = (1..=4).map(|seq| block(seq, Stream::HEART_RATE)).collect();
    outbox.append(log.key, session, blocks, vec![]).await.unwrap();
    let sent = outbox.persist_batch(batch(log.key, 1, 2)).await.unwrap();
    outbox.settle(sent.key, receipt()).await.unwrap();
    (dir, outbox)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_evicted_and_nothing_is_freed_before_its_time() {
    for step_us in STEPS_US {
        let (clock, host) = SimulatedHost::at(BOOTED, Synchrony::Synchronised);
        let (_dir, outbox) = half_sent(clock).await;
        host.step(step_us);
        let tidied = outbox.tidy().await.unwrap();
        assert_eq!((tidied.freed, tidied.evicted), (0, 0), "{step_us}");
        host.step(-step_us);
        let tidied = outbox.tidy().await.unwrap();
        assert_eq!((tidied.freed, tidied.evicted), (0, 0), "{step_us}, and back");
        assert_eq!(outbox.backlog(&cloud()).await.unwrap()[0].samples, 120);
        assert_eq!(outbox.gaps(9).await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_logged_out_and_no_token_is_renewed_again_and_again() {
    for step_us in STEPS_US {
        let (mut recorder, _) = an_hour();
        let (depot, mut measured_ms) = (Depot::holding(&mut recorder).await, 3_600_000);
        let served = ServedCloud::open().await;
        let (clock, host) = SimulatedHost::at(Clock::System.now(), Synchrony::Synchronised);
        let tokens = depot.dir.path().join("tokens");
        let client = || {
            let config = ClientConfig::new(served.base_url.clone());
            Client::new(ClientConfig { token_file: Some(tokens.clone()), ..config }, clock).unwrap()
        };
        client().login(&somebody(PASSWORD)).await.unwrap();
        host.step(step_us);
        // The second one comes by the same file, as after a restart.
        for client in [client(), client()] {
            let mut uploading = Loop::by(clock, config(), Nowatch::new(client, HOUR), &depot.outbox);
            uploading.idle().await;
            for _ in 0..3 {
                measured_ms += 60_000;
                recorder.record(Stream::HEART_RATE, sample(measured_ms, 70));
                depot.append(recorder.take()).await;
                uploading.idle_again().await;
            }
            uploading.stop().await;
        }
        assert_eq!(depot.waiting().await, 0, "{step_us}");
        let renewals = served.asked("/refresh").len();
        assert!(renewals <= 1, "{renewals} renewals, {step_us}");
        assert!(served.uploads().iter().all(|upload| upload.status < 300), "{step_us}");
    }
}
