use std::time::Duration;

use nowbridge::radio::air::LinkModel;
use nowbridge::radio::{Link, WriteMode};
use tokio::time::{Instant, sleep};

use crate::support::air::{ECHO, air_with_watch, connected};

const INTERVAL: Duration = Duration::from_millis(15);

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_an_event_and_its_answer_for_the_next() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;

    let start = Instant::now();
    for _ in 0..10 {
        link.read(ECHO).await.unwrap();
    }
    assert_eq!(start.elapsed(), 20 * INTERVAL, "one after the other");

    let start = Instant::now();
    tokio::try_join!(link.read(ECHO), link.read(ECHO), link.read(ECHO)).unwrap();
    assert_eq!(
        start.elapsed(),
        4 * INTERVAL,
        "queued, so that an event takes an answer and the next request"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_sleeps_and_wakes_on_its_grid() {
    let (air, strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;
    let mut echoes = link.subscribe(ECHO).await.unwrap();
    link.read(ECHO).await.unwrap();
    let asked = *strings.asked.borrow();

    sleep(Duration::from_hours(1) + Duration::from_millis(7)).await;
    assert_eq!(*strings.asked.borrow(), asked, "an hour without a single event");

    let start = Instant::now();
    strings.speak(ECHO, b"by itself".to_vec());
    assert_eq!(echoes.next().await.unwrap(), &b"by itself"[..]);
    assert_eq!(start.elapsed(), Duration::from_millis(8), "the rest of the interval");

    let minute = Duration::from_mins(1);
    let start = Instant::now();
    strings.speak_at(start + minute, ECHO, b"on time".to_vec());
    assert_eq!(echoes.next().await.unwrap(), &b"on time"[..]);
    assert_eq!(start.elapsed(), minute + INTERVAL, "the event after the moment");
    assert!(*strings.asked.borrow() < asked + 10, "a minute without a single event");
}

#[tokio::test(start_paused = true)]
async fn writes_without_response_share_an_event_and_keep_their_order() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;
    let mut echoes = link.subscribe(ECHO).await.unwrap();

    let start = Instant::now();
    for number in 0..4 {
        link.write(ECHO, vec![number], WriteMode::WithoutResponse).await.unwrap();
    }
    for number in 0..4 {
        assert_eq!(echoes.next().await.unwrap()[..], [number]);
    }
    assert_eq!(start.elapsed(), INTERVAL);
}
