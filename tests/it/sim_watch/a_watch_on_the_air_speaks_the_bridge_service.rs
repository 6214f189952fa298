//! The whole way: flash, service, radio, host.

use std::time::Duration;

use fastrand::Rng;
use nowbridge::radio::air::{Air, AirCentral, AirLink, LinkModel};
use nowbridge::radio::{Central, Link, LinkClosed, Notifications, PeerAddress, RadioError, WriteMode};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::SimWatch;
use nowbridge::wire::bridge::{
    Assembler, CONTROL, DATA, INFO, Info, RawBlock, Request, Response, SERVICE, Seq, Stream, TIME,
};
use tokio::time::Instant;

use crate::support::watch::{samples, watch, worn};

fn address() -> PeerAddress {
    PeerAddress("E7:00:00:00:00:02".into())
}

async fn on_air(watch: SimWatch) -> (Air, WatchOnAir, AirLink) {
    let air = Air::new(LinkModel::fast_2m_15ms());
    let handle = WatchOnAir::new(watch);
    air.place(address(), handle.clone());
    let link = AirCentral::new(air.clone()).connect(&address()).await.unwrap();
    (air, handle, link)
}

async fn ask(link: &AirLink, request: Request) {
    link.write(CONTROL, request.encode(), WriteMode::WithResponse).await.unwrap();
}

async fn reply(replies: &mut Notifications) -> Response {
    Response::decode(&replies.next().await.unwrap()).unwrap()
}

/// One window.
async fn window(data: &mut Notifications) -> Vec<RawBlock> {
    let (mut assembler, mut blocks) = (Assembler::new(), Vec::new());
    while !assembler.push(&data.next().await.unwrap(), &mut blocks).unwrap() {}
    blocks
}

#[tokio::test(start_paused = true)]
async fn history_comes_over_the_air_as_it_lies_in_flash() {
    let mut worn_watch = watch(64);
    worn_watch.record_all(worn(&mut Rng::with_seed(3), 0, 2));
    let (air, handle, link) = on_air(worn_watch).await;
    let info = Info::decode(&link.read(INFO).await.unwrap()).unwrap();
    let (mut replies, mut data) =
        (link.subscribe(CONTROL).await.unwrap(), link.subscribe(DATA).await.unwrap());
    ask(&link, Request::Flush { id: 1 }).await;
    assert_eq!(reply(&mut replies).await, Response::Ok { id: 1 });
    ask(&link, Request::Pull { id: 2, log_id: info.log_id, from: info.tail, credit: 1 << 20 }).await;
    let blocks = window(&mut data).await;
    assert!(
        matches!(reply(&mut replies).await, Response::End { id: 2, next, head, .. } if next == head.next())
    );
    let ledger = handle.with(|watch| watch.ledger());
    assert_eq!((samples(&blocks), ledger.counts.in_ram), (ledger.samples, 0));
    assert_eq!(air.fault_counts().improper_notifications, 0);
}

#[tokio::test(start_paused = true)]
async fn live_values_come_as_they_are_measured() {
    let (_air, handle, link) = on_air(watch(64)).await;
    let (mut replies, mut data) =
        (link.subscribe(CONTROL).await.unwrap(), link.subscribe(DATA).await.unwrap());
    ask(&link, Request::Live { id: 1, mask: 1 << Stream::HEART_RATE.0 }).await;
    assert_eq!(reply(&mut replies).await, Response::Ok { id: 1 });
    let start_ms = handle.with(|watch| watch.ticks_ms()) + 1_000;
    handle.with(|watch| watch.follow(worn(&mut Rng::with_seed(7), start_ms, 1).into_iter()));
    let mut assembler = Assembler::new();
    for index in 0..600 {
        let mut blocks = Vec::new();
        assembler.push(&data.next().await.unwrap(), &mut blocks).unwrap();
        let [block] = blocks.try_into().unwrap();
        let [sample] = block.samples().unwrap().try_into().unwrap();
        assert_eq!((block.header().seq, sample.at_ms), (Seq(0), start_ms + 1_000 * index));
        assert!(handle.with(|watch| watch.ticks_ms()) - sample.at_ms < 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_power_is_lost_and_comes_back_in_another_boot() {
    let (air, handle, link) = on_air(watch(8)).await;
    let boot = Info::decode(&link.read(INFO).await.unwrap()).unwrap().boot;
    let cut_at = Instant::now();
    handle.with(|watch| watch.power_cut(&mut Rng::with_seed(1)));
    assert_eq!(link.closed().await, LinkClosed::Lost);
    assert!(cut_at.elapsed() > Duration::from_secs(1));
    let central = AirCentral::new(air);
    let sightings = central.scan(Duration::from_secs(1)).await.unwrap();
    assert_eq!(sightings[0].services, [SERVICE]);
    let link = central.connect(&address()).await.unwrap();
    assert!(Info::decode(&link.read(INFO).await.unwrap()).unwrap().boot > boot);
    handle.hang_up();
    assert_eq!(link.closed().await, LinkClosed::ByPeer);
    central.connect(&address()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_service_cannot_read_is_refused() {
    let (_air, _handle, link) = on_air(watch(8)).await;
    for (characteristic, code) in [(CONTROL, 0x80), (TIME, 0x80), (INFO, 0x03)] {
        let refused = link.write(characteristic, vec![0xFF; 3], WriteMode::WithResponse).await;
        assert!(matches!(refused, Err(RadioError::Refused { code: found }) if found == code));
    }
    assert!(matches!(link.read(DATA).await, Err(RadioError::Refused { code: 0x02 })));
    assert!(matches!(link.subscribe(INFO).await, Err(RadioError::Refused { code: 0x06 })));
}
