//! A real mosquitto: what it is told, and what becomes of a parcel when it dies in the middle of it.

use std::collections::BTreeMap;

use nowbridge::config::{MqttConfig, SecretSource, SinkConfig};
use nowbridge::upload::sinks::Mqtt;
use nowbridge::upload::{HoldReason, UploadState, UploadStatus, UploaderConfig};
use nowbridge::wire::bridge::{Sample, Stream};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::mosquitto::{Listener, Mosquitto, PASSWORD, Passing, USER, Way};
use crate::support::outbox::WATCH;
use crate::support::process::until;
use crate::support::upload::{Depot, Loop, Recorder, config, sample};

fn broker(port: u16) -> MqttConfig {
    MqttConfig {
        broker: format!("mqtt://127.0.0.1:{port}").parse().unwrap(),
        username: None,
        password: None,
        topic: "nowbridge".to_owned(),
        discovery: Some("homeassistant".to_owned()),
        sink: SinkConfig::default(),
    }
}

fn start(config_of_it: &MqttConfig, depot: &Depot) -> Loop {
    let config = UploaderConfig { max_samples: 500, ..config() };
    Loop::to(config, Mqtt::new(config_of_it, depot.outbox.queue_id()), &depot.outbox)
}

fn heart(seconds: std::ops::Range<u64>) -> Vec<Sample> {
    seconds.map(|second| sample(second * 1_000, 60 + second as i32 % 40)).collect()
}

/// Second to value.
fn expected(samples: &[Sample]) -> BTreeMap<i64, i64> {
    samples.iter().map(|sample| (1_672_531_200 + sample.at_ms as i64 / 1_000, sample.value.into())).collect()
}

fn readings(history: &str) -> Vec<(i64, i64)> {
    let all: Vec<Value> = serde_json::from_str(history).unwrap();
    all.iter().map(|row| (row["datetime"].as_i64().unwrap(), row["value"].as_i64().unwrap())).collect()
}

fn why(status: &UploadStatus) -> &HoldReason {
    let UploadState::Holding { reason, .. } = &status.state else { panic!("it goes on: {status:?}") };
    reason
}

#[tokio::test]
async fn with_the_newest_kept_for_whoever_comes_later() {
    let Some(mosquitto) = Mosquitto::start(false).await else { return };
    let samples = heart(0..1_700);
    let mut recorder = Recorder::sealing_at(100);
    recorder.record_all(Stream::HEART_RATE, &samples);
    recorder.record_all(Stream::BEATS, &[sample(0, 0), sample(700, 700)]);
    let depot = Depot::holding(&mut recorder).await;
    let mut live = Listener::at(&mosquitto, "live").await;
    let mut uploading = start(&broker(mosquitto.port), &depot);
    uploading.idle().await;
    assert_eq!(depot.waiting().await, 0);

    let (mut heard, mut parcels) = (BTreeMap::new(), 0);
    while heard.len() < samples.len() {
        heard.extend(readings(&live.hears("/heart_rate/history").await));
        parcels += 1;
    }
    assert_eq!((heard == expected(&samples), parcels), (true, 4));

    // Only what is retained is there for who comes later.
    let mut later = Listener::at(&mosquitto, "later").await;
    let last: Value = serde_json::from_str(&later.hears("/heart_rate/state").await).unwrap();
    let newest = samples.last().unwrap();
    assert_eq!(
        (last["datetime"].as_i64(), last["value"].as_i64()),
        (Some(1_672_532_899), Some(newest.value.into()))
    );
    let mut later = Listener::at(&mosquitto, "later-still").await;
    let config = later.hears(&format!("homeassistant/sensor/nowbridge_{WATCH}/heart_rate/config")).await;
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["state_topic"], format!("nowbridge/{WATCH}/heart_rate/state"));
    assert_eq!(
        (&config["availability_topic"], &config["unit_of_measurement"]),
        (&"nowbridge/status".into(), &"bpm".into())
    );
    let all = Listener::at(&mosquitto, "last").await.all();
    assert!(
        !all.keys().any(|topic| topic.contains("history") || topic.contains("heart_beat/config")),
        "{all:?}"
    );

    // The daemon is killed: nobody says goodbye, and the broker notices.
    let mut watching = Listener::at(&mosquitto, "watching").await;
    assert_eq!(watching.hears("nowbridge/status").await, "online");
    drop(uploading);
    assert_eq!(watching.hears("nowbridge/status").await, "offline");
}

#[tokio::test]
async fn also_if_it_dies_before_it_has_acknowledged_what_it_got() {
    let Some(mut mosquitto) = Mosquitto::start(false).await else { return };
    let way = Way::to(&mosquitto).await;
    let depot = Depot::holding(&mut Recorder::new()).await;
    let mut recorder = Recorder::new();
    let mut live = Listener::at(&mosquitto, "live").await;
    let first = heart(0..100);
    recorder.record_all(Stream::HEART_RATE, &first);
    depot.append(recorder.take()).await;
    let mut uploading = start(&broker(way.port), &depot);
    uploading.idle().await;
    live.hears("/heart_rate/history").await;

    way.lets(Passing::NoAnswers);
    let second = heart(100..300);
    recorder.record_all(Stream::HEART_RATE, &second);
    depot.append(recorder.take()).await;
    uploading.wake();
    assert_eq!(BTreeMap::from_iter(readings(&live.hears("/heart_rate/history").await)), expected(&second));
    assert_eq!((depot.waiting().await, depot.outbox.receipts(9).await.unwrap().len()), (200, 1));
    way.lets(Passing::Nothing);
    mosquitto.kill().await;
    let status = uploading.holding().await;
    let HoldReason::Unavailable { detail, .. } = why(&status) else { panic!("{status:?}") };
    assert!(detail.contains("broker"), "{detail}");
    assert_eq!(depot.waiting().await, 200);

    mosquitto.restart().await;
    let mut live = Listener::at(&mosquitto, "live-again").await;
    way.lets(Passing::Everything);
    uploading.idle().await;
    assert_eq!(depot.waiting().await, 0);
    assert_eq!(BTreeMap::from_iter(readings(&live.hears("/heart_rate/history").await)), expected(&second));
    // It has forgotten what it had been told of Home Assistant's sensors.
    live.hears("/heart_rate/config").await;
}

#[tokio::test]
async fn and_a_wrong_password_is_named_and_a_right_one_needs_no_restart() {
    let Some(mosquitto) = Mosquitto::start(true).await else { return };
    let password = NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "Canary-wrong").unwrap();
    let mut recorder = Recorder::new();
    recorder.record_all(Stream::HEART_RATE, &heart(0..10));
    let depot = Depot::holding(&mut recorder).await;
    let config = MqttConfig {
        username: Some(USER.to_owned()),
        password: Some(SecretSource::file("sink.mqtt.password_file", password.path())),
        ..broker(mosquitto.port)
    };
    let status = start(&config, &depot).holding().await;
    let HoldReason::Misdirected { detail } = why(&status) else { panic!("{status:?}") };
    assert!(detail.contains("refuses the user name or the password; check sink.mqtt.username"), "{detail}");
    assert!(!format!("{status:?}").contains("Canary"));

    let nobody = start(&broker(mosquitto.port), &depot).holding().await;
    assert!(matches!(why(&nobody), HoldReason::Misdirected { .. }), "{nobody:?}");

    // The receiver itself is asked, as the loop asks again only after minutes.
    let mut mqtt = Mqtt::new(&config, depot.outbox.queue_id());
    assert!(nowbridge::upload::Receiver::admits(&mut mqtt).await.is_err());
    std::fs::write(password.path(), PASSWORD).unwrap();
    until("it is let in", async || nowbridge::upload::Receiver::admits(&mut mqtt).await.ok()).await;
}
