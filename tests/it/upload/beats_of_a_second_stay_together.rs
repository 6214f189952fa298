//! A row of beats is a whole second, however the beats were spread over blocks and batches.

use nowbridge::upload::UploaderConfig;
use nowbridge::wire::bridge::Stream;

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, beats, config, sample};

#[tokio::test(start_paused = true)]
async fn even_if_the_strap_is_so_loose_that_a_second_holds_three_runs() {
    // Each beat is a batch of its own.
    let one_by_one = UploaderConfig { max_samples: 1, ..config() };
    let pulse =
        [(9_300, 0), (10_100, 0), (10_400, 0), (10_900, 0), (11_400, 500), (12_050, 650), (14_000, 0)];
    let pulse = pulse.map(|(at_ms, value)| sample(at_ms, value));
    let (mut recorder, mut expected) = (Recorder::new(), Held::new());
    recorder.record_all(Stream::BEATS, &pulse);
    beats(&mut expected, BOOTED, &pulse);
    let depot = Depot::holding(&mut recorder).await;
    let cloud = MemoryCloud::new();
    let status = Loop::start_with(one_by_one, cloud.clone(), &depot.outbox).idle().await;

    assert_eq!(cloud.held(), expected);
    assert_eq!((status.batches, depot.waiting().await), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_is_marked_once_the_next_has_begun() {
    let one_by_one = UploaderConfig { max_samples: 3, ..config() };
    let depot = Depot::holding(&mut Recorder::new()).await;
    let cloud = MemoryCloud::new();
    let mut uploading = Loop::start_with(one_by_one, cloud.clone(), &depot.outbox);
    let (mut recorder, mut pulse) = (Recorder::new(), Vec::new());
    for run in 0..4 {
        let run = [sample(run * 5_000, 0), sample(run * 5_000 + 800, 800), sample(run * 5_000 + 1_500, 700)];
        recorder.record_all(Stream::BEATS, &run);
        pulse.extend(run);
        depot.append(recorder.take()).await;
        let batches = uploading.status().batches;
        uploading.wake();
        uploading.until(|status| status.batches > batches).await;

        let mut expected = Held::new();
        beats(&mut expected, BOOTED, &pulse);
        assert_eq!(cloud.held(), expected);
    }
}
