use std::time::Duration;

use bytes::Bytes;
use nowbridge::radio::Central;
use nowbridge::radio::air::{AirCentral, LinkModel};
use nowbridge::sync::Outcome;
use nowbridge::watch::{Bridge, Driver, WatchError};
use nowbridge::wire::bridge::{CONTROL, DATA, INFO};
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::air::{address, air_with_watch};
use crate::support::sync::{Scene, worn_for};
use crate::support::tamper::Tamper;

/// Speaks version 2.
struct Newer;

impl Tamper for Newer {
    fn shown(&mut self, characteristic: Uuid, mut value: Vec<u8>) -> Vec<u8> {
        if characteristic == INFO {
            value[0] = 2;
        }
        value
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_with_another_version() {
    let scene = Scene::new(worn_for(6)).await;
    scene.tamper(Newer);
    let report = scene.session().await;
    let Outcome::Failed { reason, transient: false, .. } = report.outcome else { panic!("{report:?}") };
    assert_eq!(
        reason,
        "the watch speaks version 2.0 of the bridge service, this program speaks 1.0; update one of them"
    );
    assert_eq!(scene.stored().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_device_without_the_service() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = AirCentral::new(air).connect(&address()).await.unwrap();
    let error = Bridge::open(link).await.unwrap_err();
    assert!(matches!(error, WatchError::NoDriver) && !error.is_transient(), "{error}");
}

/// Sends so many notifications of data and then no more. It still answers requests, unless it is mute altogether.
struct FallsSilent {
    after: u32,
    mute: bool,
}

impl Tamper for FallsSilent {
    fn said(&mut self, characteristic: Uuid, value: Bytes) -> Option<Bytes> {
        if characteristic == DATA {
            self.after = self.after.saturating_sub(1);
        }
        let answers = characteristic == CONTROL && !self.mute && value[0] == 0;
        (self.after > 0 || answers).then_some(value)
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_in_the_middle_of_a_pull() {
    for (mute, unanswered) in [(false, "a pull"), (true, "commit")] {
        let scene = Scene::new(worn_for(6)).await;
        scene.tamper(FallsSilent { after: 100, mute });
        let start = Instant::now();
        let report = scene.session().await;
        let Outcome::Failed { reason, transient: true, .. } = report.outcome else { panic!("{report:?}") };
        assert_eq!(reason, format!("the watch did not answer {unanswered}"));
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        assert!(report.new > 0);
        scene.leave_alone();
        scene.complete_session().await;
        assert_eq!(scene.stored_log().blocks, scene.offered());
    }
}
