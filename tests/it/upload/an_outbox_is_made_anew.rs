//! Somebody deletes the outbox, and the watch gives everything once more: the cloud ends up with each value once, and no key that was
//! used for one file is used for another.

use std::collections::BTreeMap;

use nowbridge::measurement::Kind;
use nowbridge::wire::bridge::Stream;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

/// What a watch has after so many seconds; each time it is asked it gives the same blocks under the same numbers.
fn recorded(seconds: u64) -> (Recorder, Held) {
    let samples: Vec<_> =
        (0..seconds).map(|second| sample(second * 1_000, 50 + (second % 90) as i32)).collect();
    let (mut recorder, mut held) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::HEART_RATE, &samples);
    values(&mut held, Kind::HeartRate, BOOTED, &samples);
    (recorder, held)
}

#[tokio::test(start_paused = true)]
async fn and_no_key_is_used_for_two_files() {
    let cloud = MemoryCloud::new();
    // The same numbers, and with them ranges, hold more each time.
    for seconds in [3_600, 5_000, 9_000] {
        let (mut recorder, expected) = recorded(seconds);
        let depot = Depot::holding(&mut recorder).await;
        Loop::start(cloud.clone(), &depot.outbox).idle().await;
        assert!(cloud.held() == expected, "the cloud holds something else");
    }
    let mut files = BTreeMap::new();
    for parcel in cloud.parcels() {
        let known = files.insert(parcel.key.clone(), parcel.zip.clone());
        assert_eq!(known, None, "key {} was used in two outboxes", parcel.key);
    }
}
