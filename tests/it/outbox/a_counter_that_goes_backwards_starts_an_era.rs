use nowbridge::outbox::LogKey;
use nowbridge::wire::bridge::{LogId, Seq, Stream};

use crate::support::outbox::{Opened, WATCH, block, cloud};

#[tokio::test]
async fn the_same_number_in_two_eras_is_two_blocks() {
    let it = Opened::new().await;
    it.append(1..=5).await.unwrap();
    let era = it.outbox.new_era(it.log.key, Seq(0)).await.unwrap();
    assert_eq!((era.era, era.cursor), (2, Seq(0)));
    let block = block(1, Stream::HEART_RATE);
    assert_eq!(it.outbox.append(era.key, it.session, vec![block], vec![]).await.unwrap().new, 1);
    let backlog = it.outbox.backlog(&cloud()).await.unwrap();
    let waiting: Vec<_> = backlog.iter().map(|log| (log.log, log.blocks)).collect();
    assert_eq!(waiting, [(it.log.key, 5), (era.key, 1)]);
}

#[tokio::test]
async fn the_watch_goes_on_in_its_newest_era() {
    let it = Opened::new().await;
    let era = it.outbox.new_era(it.log.key, Seq(40)).await.unwrap();
    let found = it.outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap();
    assert_eq!(found, era);
    it.outbox.new_era(LogKey(99), Seq(0)).await.unwrap_err();
}

#[tokio::test]
async fn simulated_and_real_measurements_never_share_a_log() {
    let it = Opened::new().await;
    let simulated = it.outbox.watch_log(WATCH, LogId(1), true, Seq(0)).await.unwrap();
    assert!(simulated.synthetic && simulated.key != it.log.key);
    let other = it.outbox.watch_log(WATCH, LogId(2), false, Seq(7)).await.unwrap();
    assert_eq!((other.era, other.cursor), (1, Seq(7)));
}
