use nowbridge::radio::air::LinkModel;
use nowbridge::radio::{Link, WriteMode};
use tokio::time::Instant;

use crate::support::air::{FLOOD, air_with_watch, connected};

const NOTIFICATIONS: u32 = 20_000;

/// Bytes per second of a long flood on such a link.
async fn measured(model: LinkModel) -> f64 {
    let (air, _strings) = air_with_watch(model);
    let link = connected(&air).await;
    let mut flood = link.subscribe(FLOOD).await.unwrap();
    link.write(FLOOD, NOTIFICATIONS.to_le_bytes().to_vec(), WriteMode::WithResponse).await.unwrap();
    let start = Instant::now();
    let mut bytes = 0;
    for number in 0..NOTIFICATIONS {
        let value = flood.next().await.expect("the link stays open");
        assert_eq!(value[..4], number.to_le_bytes(), "in order and complete");
        bytes += value.len();
    }
    let rate = bytes as f64 / start.elapsed().as_secs_f64();
    air.shutdown().await;
    rate
}

#[tokio::test(start_paused = true)]
async fn a_flood_reaches_the_ceiling_and_not_more() {
    let models = [
        LinkModel::fast_2m_15ms(),
        LinkModel::slow_1m_30ms(),
        LinkModel::no_dle(),
        LinkModel { mtu: 517, ..LinkModel::fast_2m_15ms() },
        // Events closer together than tokio's timers can tell apart.
        LinkModel::fast_2m_15ms().scaled(40.0),
    ];
    for model in models {
        let (ceiling, measured) = (model.ceiling_bytes_per_second(), measured(model).await);
        assert!((measured / ceiling - 1.0).abs() < 0.02, "{measured} of {ceiling} B/s on {model:?}");
    }
}
