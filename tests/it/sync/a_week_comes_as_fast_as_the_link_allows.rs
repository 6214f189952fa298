use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::radio::air::LinkModel;
use nowbridge::sim::watch::{SealPolicy, WatchOptions};

use crate::support::sync::{ROOMY, measure_first_session, worn_watch};
use crate::support::watch::START;

#[tokio::test(start_paused = true)]
async fn a_week_over_a_fast_link() {
    let options = WatchOptions {
        clock: Clock::simulated(START),
        policy: SealPolicy::Packed,
        ..WatchOptions::default()
    };
    let watch = worn_watch(Duration::from_hours(7 * 24), ROOMY, options);
    let measured = measure_first_session(LinkModel::fast_2m_15ms(), watch).await;
    eprintln!(
        "{:.0} B/s, {:.1} % of the link, {:?}",
        measured.bytes_per_second(),
        measured.share() * 100.0,
        measured.took
    );
    assert!(measured.took <= Duration::from_secs(9), "{measured:?}");
    assert!(measured.share() >= 0.95, "{measured:?}");
}
