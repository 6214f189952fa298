use bytes::Bytes;
use nowbridge::outbox::NewBlock;
use nowbridge::wire::bridge::{Boot, Seq, Stream};

use crate::support::outbox::{Opened, cloud};

/// A full block of beats or of heart rate holds 200 samples or more in 240 bytes.
fn full_block(seq: u32) -> NewBlock {
    let stream = if seq.is_multiple_of(3) { Stream::HEART_RATE } else { Stream::BEATS };
    let body = Bytes::from(vec![seq as u8; 240]);
    NewBlock { seq: Seq(seq), boot: Boot(300), t0_ms: u64::from(seq) * 3_600_000, stream, samples: 200, body }
}

#[tokio::test]
async fn a_sample_takes_less_than_two_bytes() {
    let it = Opened::new().await;
    for first in (1..=6_400).step_by(64) {
        let blocks = (first..first + 64).map(full_block).collect();
        it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap();
    }
    it.outbox.clone().close().await.unwrap();
    let again = crate::support::outbox::open(it.dir.path()).await.unwrap();
    let summary = again.summary(&cloud()).await.unwrap();
    let samples: u64 = summary.streams.iter().map(|row| row.samples).sum();
    assert_eq!(samples, 6_400 * 200);
    let bytes = std::fs::metadata(it.dir.path().join("outbox.db")).unwrap().len();
    assert!(bytes < 2 * samples, "{bytes} bytes for {samples} samples");
}
