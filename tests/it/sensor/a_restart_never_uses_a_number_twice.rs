//! The host's log of a sensor across processes.

use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::{Anchor, AnchorSource};
use nowbridge::wire::bridge::{Boot, LogId, Seq, Stream};
use tokio::time::Instant;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::strap::{Listener, STRAP, Strap};
use crate::support::upload::Loop;

#[tokio::test(start_paused = true)]
async fn a_process_is_a_boot_and_the_numbers_go_on() {
    let mut listener = Listener::near(Strap::new()).await;
    listener.strap.beats_evenly(Instant::now(), 1_000);
    let mut cursor = Seq(0);
    for run in 1..=3 {
        for _ in 0..2 {
            let (report, _) = listener.listen_for(30).await;
            assert!(report.cursor > cursor && report.duplicate == 0, "{report:?}");
            assert_eq!((report.fetched, u64::from(report.cursor.0 - cursor.0)), (report.new, report.new));
            cursor = report.cursor;
        }
        let boots: Vec<u16> =
            listener.stored(Stream::HEART_RATE).await.iter().map(|(boot, _)| *boot).collect();
        assert!(boots.is_sorted() && boots.last() == Some(&run), "{boots:?}");
        listener = listener.restarted().await;
    }
    let logs = listener.outbox.logs().await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].log_id, logs[0].cursor, logs[0].device), (LogId::HOST, cursor, STRAP));
    assert_eq!(listener.outbox.gaps(9).await.unwrap(), []);
    let sessions = listener.outbox.sessions(9).await.unwrap();
    assert_eq!(sessions.len(), 6);
    assert!(
        sessions.iter().all(|row| row.report.as_ref().is_some_and(|report| report.outcome == "complete"))
    );
}

#[tokio::test(start_paused = true)]
async fn when_the_boots_are_used_up_a_new_era_begins() {
    let listener = Listener::near(Strap::new()).await;
    let host = listener.outbox.host_log(STRAP, false).await.unwrap();
    assert_eq!((host.boot, host.log.era), (Boot(1), 1));
    let last = Anchor {
        boot: Boot(u16::MAX),
        ticks_us: 1,
        utc: UtcMicros(1),
        uncertainty_us: 1,
        source: AnchorSource::Host,
    };
    listener.outbox.add_anchor(host.log.key, last).await.unwrap();
    assert_eq!(listener.outbox.host_log(STRAP, false).await.unwrap().boot, Boot(1));
    let listener = listener.restarted().await;
    let host = listener.outbox.host_log(STRAP, false).await.unwrap();
    assert_eq!((host.boot, host.log.era, host.log.cursor), (Boot(1), 2, Seq(0)));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_also_keeps_a_log_of_its_own_ends_neither() {
    let mut listener = Listener::near(Strap::new()).await;
    listener.strap.beats_evenly(Instant::now(), 1_000);
    // The host's log is there first, and its clock is not known yet.
    let right = listener.clock;
    listener.clock = nowbridge::clock::Clock::simulated(UtcMicros(7_000_000));
    listener.listen_for(30).await;
    let own = listener.outbox.watch_log(STRAP, LogId(1), false, Seq(0)).await.unwrap();
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start(cloud.clone(), &listener.outbox);
    let status = uploading.until(|status| status.held_undated > 0).await;
    assert_eq!((status.dead, own.log_id), (0, LogId(1)));

    listener.clock = right;
    listener.listen_for(30).await;
    uploading.wake();
    let status = uploading.until(|status| status.held_undated == 0).await;
    assert_eq!(status.dead, 0);
    assert!(cloud.held().len() > 50, "{}", cloud.held().len());
}
