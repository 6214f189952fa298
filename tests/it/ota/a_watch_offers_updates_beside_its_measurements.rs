//! One watch, two services: SMP beside the bridge service, over the virtual air.

use std::time::Duration;

use nowbridge::ota::smp::{GattSmpLink, ImageUpload, SmpClient, SmpLinkError, UploadOptions};
use nowbridge::radio::air::{Air, AirCentral, AirLink, LinkModel};
use nowbridge::radio::{Central, Link, LinkClosed, RadioError, WriteMode};
use nowbridge::sim::smp::{Build, NewImage, Pace};
use nowbridge::wire::Sha256;
use nowbridge::wire::bridge::{INFO, Info, Seq};
use nowbridge::wire::gatt::FIRMWARE;
use nowbridge::wire::smp::{CHARACTERISTIC, Header, Message, Params, Request, Response, SERVICE, Version};
use tokio::time::Instant;

use super::host::{firmware, hash};
use super::way::{address, on_air};

async fn link(air: &Air) -> AirLink {
    AirCentral::new(air.clone()).connect(&address()).await.unwrap()
}

async fn info(link: &AirLink) -> Info {
    Info::decode(&link.read(INFO).await.unwrap()).unwrap()
}

async fn firmware_of(link: &AirLink) -> String {
    String::from_utf8(link.read(FIRMWARE).await.unwrap()).unwrap()
}

/// Until the watch is up again.
async fn back(air: &Air) -> AirLink {
    loop {
        match AirCentral::new(air.clone()).connect(&address()).await {
            Ok(link) => return link,
            Err(RadioError::NotFound(_)) => tokio::time::sleep(Duration::from_millis(250)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_one_of_the_whole_watch() {
    let slow = Pace { boot: Duration::from_secs(20), ..Pace::nrf52() };
    let (air, bridge, smp) = on_air(LinkModel::fast_2m_15ms(), Build::default(), slow);
    bridge.with(|watch| {
        watch.record_all(crate::support::watch::worn(&mut fastrand::Rng::with_seed(5), 0, 1));
        watch.seal_all();
    });
    let heard = AirCentral::new(air.clone()).scan(Duration::from_secs(1)).await.unwrap();
    assert!(heard[0].services.contains(&SERVICE));
    let first = link(&air).await;
    let before = info(&first).await;
    assert!(before.head > Seq(1));
    assert_eq!(firmware_of(&first).await, "1.0.0");

    let new = firmware("2.0.0", 30_000);
    let mut client = SmpClient::open(GattSmpLink::open(&first).await.unwrap()).await.unwrap();
    let options = UploadOptions::default();
    let mut upload = ImageUpload::new(new.clone().into(), options, client.session(), client.path()).unwrap();
    upload.run(&mut client).await.unwrap();
    client.test(Sha256(hash(&new))).await.unwrap();
    client.reset().await.unwrap();
    let asked = Instant::now();
    assert_eq!(first.closed().await, LinkClosed::Lost, "nobody says goodbye");
    drop(client);
    assert!(AirCentral::new(air.clone()).connect(&address()).await.is_err(), "it is swapping");

    let second = back(&air).await;
    // Eight pages each way are written, and most of them are erased.
    let (took, least) = (asked.elapsed(), slow.boot + Duration::from_millis(42) * 2 * 8);
    assert!(took > least && took < least * 2, "{took:?}");
    let after = info(&second).await;
    assert_eq!(after.boot.0, before.boot.0 + 1);
    assert_eq!((after.device_id, after.log_id), (before.device_id, before.log_id));
    assert!(after.head >= before.head, "its history is still there");
    assert_eq!(firmware_of(&second).await, "2.0.0");
    assert!(smp.with(|device| device.is_on_trial()));

    smp.power_cut(None);
    assert_eq!(second.closed().await, LinkClosed::Lost);
    let third = back(&air).await;
    assert_eq!(firmware_of(&third).await, "1.0.0", "nobody confirmed it");
    assert_eq!(info(&third).await.boot.0, before.boot.0 + 2);
    assert_eq!(smp.boots(), 3);
    air.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_image_may_be_without_the_service_or_without_the_other() {
    for (new_image, told) in [
        (NewImage::Good, "2.0.0"),
        (NewImage::WrongVersion, "0.0.1"),
        (NewImage::NoSmp, "2.0.0"),
        (NewImage::Mute, "2.0.0"),
        (NewImage::Loops, "1.0.0"),
    ] {
        let (air, _, smp) = on_air(LinkModel::fast_2m_15ms(), Build::default(), Pace::free());
        smp.with(|device| {
            let new = firmware("2.0.0", 5_000);
            device.place(1, &new);
            device.set_new_image(new_image);
            let test = Request::WriteState { hash: Some(hash(&new).to_vec().into()), confirm: false };
            device.handle(&test.encode(Version::V2, 1).unwrap());
        });
        smp.power_cut(None);
        let link = back(&air).await;
        assert_eq!(firmware_of(&link).await, told, "{new_image:?}");
        let smp_there = GattSmpLink::open(&link).await;
        assert_eq!(matches!(smp_there, Err(SmpLinkError::NoSmp)), new_image == NewImage::NoSmp);
        let answers = link.read(INFO).await.is_ok();
        assert_eq!(answers, new_image != NewImage::Mute, "{new_image:?}");
        assert_eq!(smp.with(|device| device.is_on_trial()), new_image != NewImage::Loops);
        air.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_buffer_is_dropped_without_a_word() {
    let build = Build { buffers: Params { buf_size: 400, buf_count: 2 }, ..Build::default() };
    let (air, _, smp) = on_air(LinkModel::fast_2m_15ms(), build, Pace::free());
    let link = link(&air).await;
    let mut replies = link.subscribe(CHARACTERISTIC).await.unwrap();
    for seq in 0..5 {
        let echo = Request::Echo("x".repeat(100)).encode(Version::V2, seq).unwrap();
        link.write(CHARACTERISTIC, echo, WriteMode::WithoutResponse).await.unwrap();
    }
    let mut seqs = Vec::new();
    for _ in 0..2 {
        let reply = Message::decode(&replies.next().await.unwrap()).unwrap();
        assert!(matches!(Response::decode(&reply), Ok(Response::Echo(_))));
        seqs.push(reply.header.seq);
    }
    assert_eq!((seqs, smp.dropped()), (vec![0, 1], 3));
    air.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_piece_swallows_the_next_message_until_notifications_are_turned_on_again() {
    let (air, _, smp) = on_air(LinkModel::fast_2m_15ms(), Build::default(), Pace::free());
    let link = link(&air).await;
    let mut replies = link.subscribe(CHARACTERISTIC).await.unwrap();
    let write = async |bytes: &[u8]| {
        link.write(CHARACTERISTIC, bytes.to_vec(), WriteMode::WithoutResponse).await.unwrap();
    };
    let long = Request::Echo("y".repeat(300)).encode(Version::V2, 1).unwrap();
    smp.lose_write(2);
    write(&long[..200]).await;
    write(&long[200..]).await;
    write(&Request::Params.encode(Version::V2, 2).unwrap()).await;
    let silence = tokio::time::timeout(Duration::from_secs(2), replies.next()).await;
    assert!(silence.is_err(), "it was taken for the missing piece");
    drop(replies);
    let mut replies = link.subscribe(CHARACTERISTIC).await.unwrap();
    write(&Request::Params.encode(Version::V2, 3).unwrap()).await;
    let reply = replies.next().await.unwrap();
    assert_eq!(Header::decode(&reply).unwrap().seq, 3);
    air.shutdown().await;
}
