//! A link may look open long after the device has gone.

use std::time::Duration;

use nowbridge::radio::air::Faults;
use nowbridge::sync::Outcome;
use nowbridge::wire::gatt;
use tokio::time::Instant;

use crate::support::strap::{Listener, Strap};

#[tokio::test(start_paused = true)]
async fn one_that_answers_may_be_silent_for_as_long_as_it_likes() {
    for strap in [
        Strap::new().telling(gatt::BATTERY_LEVEL, [88]),
        Strap::new().hiding(gatt::MODEL),
        // Nothing to ask it.
        Strap::new(),
    ] {
        let listener = Listener::near(strap).await;
        let (report, _) = listener.listen_for(600).await;
        assert_eq!(report.outcome, Outcome::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_is_given_up() {
    let listener = Listener::near(Strap::new().telling(gatt::BATTERY_LEVEL, [88])).await;
    listener.strap.beats_evenly(Instant::now(), 20);
    let (began, vanish) = (Instant::now(), async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        listener.air.set_faults(Faults { hang: 1.0, ..Faults::default() });
    });
    let ((report, told), ()) = tokio::join!(listener.listen_for(600), vanish);
    assert!(matches!(report.outcome, Outcome::Failed { transient: true, .. }), "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(90), "{:?}", began.elapsed());
    assert_eq!((told.samples, told.stored), (41, 41));
}
