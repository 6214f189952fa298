//! Who a sensor is, what it can do, and what is said to it first.

use std::time::Duration;

use jiff::tz::TimeZone;
use nowbridge::radio::air::AirLink;
use nowbridge::watch::{Abilities, Driver, DriverName, Identity, Live, Sensor, WatchError, driver_for};
use nowbridge::wire::bridge::DeviceId;
use nowbridge::wire::gatt::{self, CurrentTime};
use tokio::time::Instant;

use crate::support::strap::{Listener, Strap};

async fn identity(strap: Strap) -> Identity {
    Listener::near(strap).await.sensor().await.identify().await.unwrap()
}

fn strap() -> Strap {
    Strap::new().telling(gatt::MAKER, "Maker").telling(gatt::MODEL, "Strap 3")
}

#[tokio::test(start_paused = true)]
async fn by_its_serial_number_before_anything_else() {
    let told = strap().telling(gatt::SERIAL, "A1B2\0").telling(gatt::SYSTEM_ID, [1, 2, 3, 4, 5, 6, 7, 8]);
    let told = told.telling(gatt::FIRMWARE, "2.1").telling(gatt::BATTERY_LEVEL, [88]);
    let identity = identity(told).await;
    let expected = Identity {
        device: Some(DeviceId::of_serial("Maker", "Strap 3", "A1B2")),
        maker: Some("Maker".into()),
        model: Some("Strap 3".into()),
        firmware: Some("2.1".into()),
        battery: Some(88),
        synthetic: false,
    };
    assert_eq!(identity, expected);
}

#[tokio::test(start_paused = true)]
async fn by_its_system_id_if_the_serial_number_tells_nothing() {
    let id = [0x12, 0x34, 0x56, 0xFE, 0xFF, 0x9A, 0xBC, 0xDE];
    for serial in ["", "0", "000000"] {
        let strap = strap().telling(gatt::SERIAL, serial).telling(gatt::SYSTEM_ID, id);
        assert_eq!(identity(strap).await.device, Some(DeviceId::of_system_id(id)), "{serial:?}");
    }
    let strap = strap().hiding(gatt::SERIAL).telling(gatt::SYSTEM_ID, id);
    assert_eq!(identity(strap).await.device, Some(DeviceId::of_system_id(id)));
}

#[tokio::test(start_paused = true)]
async fn by_nothing_if_it_is_like_all_others() {
    let alike = strap().telling(gatt::SERIAL, "0").telling(gatt::SYSTEM_ID, [0; 8]);
    assert_eq!(identity(alike).await.device, None);
    assert_eq!(identity(Strap::new()).await, Identity::default());
    let damaged = strap().telling(gatt::SYSTEM_ID, [1, 2, 3]).telling(gatt::BATTERY_LEVEL, [200]);
    let damaged = identity(damaged).await;
    assert_eq!((damaged.device, damaged.battery), (None, None));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_while_it_is_asked_is_not_taken_for_another() {
    let listener = Listener::near(strap().telling(gatt::SERIAL, "A1B2")).await;
    let mut sensor = listener.sensor().await;
    listener.air.remove(&crate::support::strap::address());
    let error = sensor.identify().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

async fn abilities(strap: Strap) -> Abilities {
    Listener::near(strap).await.sensor().await.abilities()
}

#[tokio::test(start_paused = true)]
async fn what_it_offers_is_what_it_can_do() {
    assert_eq!(abilities(Strap::new()).await, Abilities::LIVE);
    let rich = Strap::new().telling(gatt::BATTERY_LEVEL, [88]).telling(gatt::CURRENT_TIME, []);
    let all = [Abilities::BATTERY, Abilities::CLOCK, Abilities::CHECK];
    assert_eq!(abilities(rich).await, all.into_iter().fold(Abilities::LIVE, Abilities::and));

    let listener = Listener::near(Strap::default().telling(gatt::BATTERY_LEVEL, [88])).await;
    let link: AirLink = listener.connect().await;
    assert_eq!(driver_for(&link), None);
    assert!(matches!(Sensor::open(link).await, Err(WatchError::NoDriver)));
    let listener = Listener::near(Strap::default().notifying(gatt::CYCLING_CADENCE)).await;
    assert_eq!(driver_for(&listener.connect().await), Some(DriverName::Sensor));
}

#[tokio::test(start_paused = true)]
async fn its_clock_is_set_zone_first() {
    let strap = Strap::new().telling(gatt::CURRENT_TIME, []).telling(gatt::LOCAL_TIME, []);
    let listener = Listener::near(strap).await;
    let mut sensor = listener.sensor().await;
    sensor.greet(listener.clock).await.unwrap();
    let written = listener.strap.written();
    let order: Vec<_> = written.iter().map(|(characteristic, _)| *characteristic).collect();
    assert_eq!(order, [gatt::LOCAL_TIME, gatt::CURRENT_TIME]);
    let shown = CurrentTime::decode(&written[1].1).unwrap().unwrap();
    let off = listener.clock.now().since(shown.at.utc(&TimeZone::system()).unwrap());
    assert!((0..2_000_000).contains(&off), "{off} µs off");
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_silent_is_asked_whether_it_is_still_there() {
    let listener = Listener::near(Strap::new().telling(gatt::BATTERY_LEVEL, [88])).await;
    let began = Instant::now();
    // It answers for as long as it is there.
    let (report, _) = listener.listen_for(600).await;
    assert_eq!(report.outcome, nowbridge::sync::Outcome::Complete);
    assert!(began.elapsed() >= Duration::from_mins(10));
}
