//! A block whose checksum is right and whose content is not what it says.

use nowbridge::measurement::Kind;
use nowbridge::wire::bridge::{BlockHeader, Stream};

use crate::support::memory_cloud::MemoryCloud;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

#[tokio::test(start_paused = true)]
async fn it_becomes_a_dead_letter_and_the_others_arrive() {
    let (mut recorder, mut expected) = (Recorder::new(), Held::new());
    for (hour, bpm) in [(0, 61), (1, 62), (2, 63)] {
        let samples: Vec<_> = (0..3_600).map(|second| sample((hour * 3_600 + second) * 1_000, bpm)).collect();
        recorder.record_all(Stream::HEART_RATE, &samples);
        values(&mut expected, Kind::HeartRate, BOOTED, &samples);
        // Sealed as raw bytes, which heart rate never is.
        recorder.forge(|seq, boot| BlockHeader::opaque(seq, boot, 0, Stream::HEART_RATE, b"what is this"));
    }
    let forged = recorder.take();
    let forged_seqs: Vec<u32> =
        forged.iter().filter(|block| block.samples == 1).map(|block| block.seq.0).collect();
    let depot = Depot::holding(&mut Recorder::new()).await;
    depot.append(forged).await;
    let cloud = MemoryCloud::new();
    let status = Loop::start(cloud.clone(), &depot.outbox).idle().await;

    assert_eq!((cloud.held(), depot.waiting().await), (expected, 0));
    let dead = depot.dead().await;
    assert_eq!(dead.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), forged_seqs);
    assert!(dead.iter().all(|(_, reason, _)| reason.contains("cannot be unpacked")), "{dead:?}");
    assert_eq!(status.dead, 3);
}
