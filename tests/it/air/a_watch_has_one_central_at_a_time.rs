use std::time::Duration;

use nowbridge::radio::air::{AirCentral, LinkModel, Presence};
use nowbridge::radio::{Central, Link, LinkClosed, RadioError, sig};

use crate::support::air::{Happened, address, air_with_watch, connected};

const WINDOW: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn a_connected_watch_is_silent_to_others_until_its_link_is_dropped() {
    let (air, mut strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let central = AirCentral::new(air.clone());
    let seen = central.scan(WINDOW).await.unwrap();
    assert_eq!((&seen[0].address, seen[0].name.as_deref()), (&address(), Some("scripted")));
    assert_eq!(seen[0].services, [sig(0xFF00)]);

    let link = connected(&air).await;
    assert!(
        matches!(central.connect(&address()).await, Err(RadioError::NotFound(peer)) if peer == address())
    );
    assert_eq!(central.scan(WINDOW).await.unwrap(), []);

    drop(link);
    strings.until(&Happened::Disconnected).await;
    assert_eq!(central.scan(WINDOW).await.unwrap().len(), 1);
    let link = connected(&air).await;
    link.disconnect().await;
    assert_eq!(link.closed().await, LinkClosed::ByHost);
    connected(&air).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_who_race_for_a_watch_one_gets_it() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let central = AirCentral::new(air);
    let here = address();
    let (one, other) = tokio::join!(central.connect(&here), central.connect(&here));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_cannot_be_heard_is_not_found() {
    let (air, strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let central = AirCentral::new(air.clone());
    let not_found = async || matches!(central.connect(&address()).await, Err(RadioError::NotFound(_)));

    strings.set_presence(Presence::Silent);
    assert!(not_found().await);
    strings.set_presence(Presence::Here);
    air.set_in_range(&address(), false);
    assert!(not_found().await);
    assert_eq!(central.scan(WINDOW).await.unwrap(), []);
    air.set_in_range(&address(), true);
    drop(connected(&air).await);
    air.remove(&address());
    assert!(not_found().await);
}
