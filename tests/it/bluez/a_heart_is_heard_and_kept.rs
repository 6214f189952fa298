use std::time::Duration;

use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use nowbridge::sync::{Kept, Listening, Outcome, listen};
use nowbridge::watch::{Driver, Opened, open};
use nowbridge::wire::bridge::Stream;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ours::{connected, radio};
use crate::support::stage::{Wearable, story};
use crate::support::strap::kept;
use crate::support::watch::START;

#[test]
fn a_plain_sensor_of_another_maker_fills_the_outbox() {
    const BEATS: u64 = 5;
    story(async |stage| {
        // As often as a strap does: beats are put together from what each value says of the time since the last.
        stage.heart_rate(Some(Duration::from_secs(1))).await;
        let radio = radio().await;
        let opened = open(connected(&radio, Wearable::Sensor).await).await.unwrap();
        let Opened::Sensor(mut sensor) = opened else { panic!("it has no bridge service: {opened:?}") };
        let identity = sensor.identify().await.unwrap();
        assert_eq!((identity.maker.as_deref(), identity.battery), (Some("Nowbridge Lab"), Some(87)));
        let device = identity.device.expect("it tells its serial number");

        let directory = TempDir::new().unwrap();
        let clock = Clock::simulated(START);
        let outbox = Outbox::open(directory.path(), clock).await.unwrap();
        let (told, mut seen) = watch::channel(Listening::default());
        let stop = CancellationToken::new();
        let enough = async {
            // A heart rate and a beat each.
            seen.wait_for(|told| told.samples > 2 * BEATS).await.unwrap();
            stop.cancel();
        };
        let mut waiting = Kept::new(outbox.clone(), clock);
        let heard = listen(&mut sensor, device, &identity, &mut waiting, &told, &stop);
        let (report, ()) = tokio::join!(heard, enough);
        sensor.close().await;

        assert_eq!((report.outcome, report.rejected), (Outcome::Complete, 0));
        let told = *told.borrow();
        assert_eq!((told.stored, told.unreadable), (told.samples, 0));
        let rates = kept(&outbox, Stream::HEART_RATE).await;
        assert!(rates.len() as u64 >= BEATS, "{rates:?}");
        // One more each time, 60 to 119 and round again: none is missing, and none is there twice.
        for pair in rates.windows(2) {
            assert_eq!(pair[1].1.value, 60 + (pair[0].1.value - 59) % 60, "{rates:?}");
        }
        // Each value brings the end of one beat at least, and the first its beginning.
        assert!(kept(&outbox, Stream::BEATS).await.len() > rates.len());
        let temperature = kept(&outbox, Stream::TEMPERATURE).await;
        assert_eq!(temperature.iter().map(|(_, sample)| sample.value).collect::<Vec<_>>(), [3_664]);
    });
}
