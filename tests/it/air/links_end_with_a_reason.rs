use std::time::Duration;

use nowbridge::radio::air::{Air, AirCentral, AirLink, Faults, LinkModel, Presence};
use nowbridge::radio::{Central, Link, LinkClosed, Notifications, RadioError, WriteMode};
use tokio::time::{Instant, sleep};

use crate::support::air::{ECHO, FLOOD, Happened, Strings, address, air_with_watch, connected, rest};

const MODEL: LinkModel = LinkModel::fast_2m_15ms();

/// A link in the middle of a long transfer.
async fn transfer() -> (Air, Strings, AirLink, Notifications) {
    let (air, strings) = air_with_watch(MODEL);
    let link = connected(&air).await;
    let mut flood = link.subscribe(FLOOD).await.unwrap();
    link.write(FLOOD, 1_000_000_u32.to_le_bytes().to_vec(), WriteMode::WithResponse).await.unwrap();
    flood.next().await.unwrap();
    (air, strings, link, flood)
}

/// The notifications end, every way to ask gives this reason, and the watch was told.
async fn assert_ended(link: &AirLink, flood: Notifications, strings: &mut Strings, reason: LinkClosed) {
    rest(flood).await;
    assert_eq!((link.closed().await, link.closed().await), (reason, reason));
    assert!(matches!(link.read(ECHO).await, Err(RadioError::Closed(why)) if why == reason));
    strings.until(&Happened::Disconnected).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_link_is_lost_after_the_supervision_timeout_and_can_be_opened_again() {
    let (air, mut strings, link, flood) = transfer().await;
    let start = Instant::now();
    air.set_faults(Faults { drop_link: 1.0, ..Faults::default() });
    assert_ended(&link, flood, &mut strings, LinkClosed::Lost).await;
    assert!(start.elapsed() >= MODEL.supervision_timeout);
    assert_eq!(air.fault_counts().dropped_links, 1);
    air.set_faults(Faults::default());
    connected(&air).await.read(ECHO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_on_the_way_when_the_link_is_lost_learns_why() {
    let (air, _strings) = air_with_watch(MODEL);
    let link = connected(&air).await;
    air.set_in_range(&address(), false);
    assert!(matches!(link.read(ECHO).await, Err(RadioError::Closed(LinkClosed::Lost))));
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_power_is_lost() {
    let (_air, mut strings, link, flood) = transfer().await;
    strings.set_presence(Presence::Silent);
    assert_ended(&link, flood, &mut strings, LinkClosed::Lost).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_hangs_up_did_it_itself() {
    let (_air, mut strings, link, flood) = transfer().await;
    strings.set_presence(Presence::HangingUp);
    assert_ended(&link, flood, &mut strings, LinkClosed::ByPeer).await;
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_switched_off_takes_its_links_along() {
    let (air, mut strings, link, flood) = transfer().await;
    air.set_adapter(false);
    assert_ended(&link, flood, &mut strings, LinkClosed::RadioGone).await;
    let central = AirCentral::new(air.clone());
    assert!(matches!(central.connect(&address()).await, Err(RadioError::NotReady(_))));
    assert!(matches!(central.scan(Duration::ZERO).await, Err(RadioError::NotReady(_))));
    air.set_adapter(true);
    connected(&air).await;
}

#[tokio::test(start_paused = true)]
async fn an_air_that_shuts_down_ends_its_links_and_says_it_is_gone() {
    let (air, mut strings, link, flood) = transfer().await;
    air.shutdown().await;
    assert_ended(&link, flood, &mut strings, LinkClosed::RadioGone).await;
    let again = AirCentral::new(air).connect(&address()).await;
    assert!(matches!(again, Err(RadioError::NotReady(_))), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_comes_back_in_time_keeps_its_link() {
    let (air, _strings) = air_with_watch(MODEL);
    let link = connected(&air).await;
    air.set_in_range(&address(), false);
    let away = async {
        sleep(MODEL.supervision_timeout / 2).await;
        air.set_in_range(&address(), true);
    };
    let (answer, ()) = tokio::join!(link.read(ECHO), away);
    answer.unwrap();
    sleep(2 * MODEL.supervision_timeout).await;
    link.read(ECHO).await.unwrap();
}
