use std::time::Duration;

use nowbridge::sync::Outcome;
use nowbridge::wire::bridge::Stream;
use tokio::time::Instant;

use crate::support::strap::{Listener, Strap, address};

#[tokio::test(start_paused = true)]
async fn out_of_range_in_the_middle_of_a_run() {
    let listener = Listener::near(Strap::new()).await;
    listener.strap.beats_evenly(Instant::now(), 300);
    let leave = async {
        // Between two commits.
        tokio::time::sleep(Duration::from_millis(47_700)).await;
        listener.air.set_in_range(&address(), false);
    };
    let ((report, told), ()) = tokio::join!(listener.listen_for(300), leave);
    let Outcome::Failed { reason, transient: true, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(reason.contains("out of range"), "{reason}");
    assert!(told.samples >= 2 * 46 && told.stored == told.samples, "{told:?}");
    assert_eq!(listener.stored(Stream::HEART_RATE).await.len() as u64 * 2 + 1, told.samples);
    let session = listener.outbox.sessions(1).await.unwrap().remove(0);
    assert_eq!(session.report.unwrap().outcome, report.outcome.to_string());

    // Back again: the run of beats is another one, the log goes on.
    listener.air.set_in_range(&address(), true);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (again, told_again) = listener.listen_for(60).await;
    assert_eq!((again.outcome, told_again.stored), (Outcome::Complete, told_again.samples));
    let beats = listener.stored(Stream::BEATS).await;
    // What had piled up in the strap came at once: a run of its own, since nobody knows when it was.
    assert_eq!(beats.iter().filter(|(_, beat)| beat.value == 0).count(), 3);
    assert!(beats.windows(2).all(|pair| pair[0].1.at_ms < pair[1].1.at_ms));
}
