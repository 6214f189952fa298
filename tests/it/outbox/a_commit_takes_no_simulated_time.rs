use std::time::Duration;

use tokio::time::Instant;

use crate::support::outbox::Opened;

#[tokio::test(start_paused = true)]
async fn no_timer_fires_while_the_disk_is_busy() {
    let start = Instant::now();
    let it = Opened::new().await;
    let timer = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
    for seq in 1..=20 {
        it.append([seq]).await.unwrap();
        it.stored().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(!timer.is_finished());
    it.outbox.close().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
