use std::time::Duration;

use bytes::Bytes;
use nowbridge::radio::air::{AirCentral, FaultCounts, Faults, LinkModel};
use nowbridge::radio::{Central, Link, LinkClosed, RadioError, WriteMode};

use crate::support::air::{FLOOD, address, air_with_watch, connected, rest};

const FAULTS: Faults = Faults {
    seed: 1,
    drop_link: 0.002,
    lose_notification: 0.05,
    corrupt_notification: 0.05,
    connect_fails: 0.5,
    hang: 0.0,
};

/// What one lossy link delivers until it drops, and what the air says it did.
async fn received(faults: Faults) -> (Vec<Bytes>, FaultCounts) {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    air.set_faults(faults);
    let central = AirCentral::new(air.clone());
    let link = loop {
        match central.connect(&address()).await {
            Ok(link) => break link,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    };
    let flood = link.subscribe(FLOOD).await.unwrap();
    link.write(FLOOD, 1_000_000_u32.to_le_bytes().to_vec(), WriteMode::WithResponse).await.unwrap();
    let received = rest(flood).await;
    assert_eq!(link.closed().await, LinkClosed::Lost);
    air.shutdown().await;
    (received, air.fault_counts())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
    let (first, counts) = received(FAULTS).await;
    assert_eq!((first.clone(), counts), received(FAULTS).await);
    assert_ne!(first, received(Faults { seed: 2, ..FAULTS }).await.0);
    assert!(counts.lost_notifications > 0 && counts.corrupted_notifications > 0, "{counts:?}");
    assert_eq!(counts.dropped_links, 1);
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_notification_has_one_wrong_bit() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;
    let mut flood = link.subscribe(FLOOD).await.unwrap();
    air.set_faults(Faults { corrupt_notification: 1.0, ..Faults::default() });
    link.write(FLOOD, 10_u32.to_le_bytes().to_vec(), WriteMode::WithResponse).await.unwrap();
    for number in 0..10_u32 {
        let value = flood.next().await.unwrap();
        let mut sent = vec![0; value.len()];
        sent[..4].copy_from_slice(&number.to_le_bytes());
        let wrong: u32 = value.iter().zip(&sent).map(|(got, sent)| (got ^ sent).count_ones()).sum();
        assert_eq!(wrong, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_connect_says_so_and_leaves_the_watch_free() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    air.set_faults(Faults { connect_fails: 1.0, ..Faults::default() });
    let central = AirCentral::new(air.clone());
    let error = central.connect(&address()).await.unwrap_err();
    assert!(error.is_transient() && matches!(error, RadioError::Aborted(_)), "{error}");
    assert_eq!(central.scan(Duration::from_secs(1)).await.unwrap().len(), 1);
}
