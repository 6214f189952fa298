use std::time::Duration;

use nowbridge::radio::bluez::BluezCentral;
use nowbridge::radio::{Central, Link, RecoveryStep};
use zbus::Connection;

use super::holdings::holdings;
use super::ours::{connected, radio, ready};
use crate::support::fake_bluez::database::TX;
use crate::support::fake_bluez::{FakeBluez, Machine};
use crate::support::process::until;
use crate::support::stage::{Stage, Wearable, story};

const CYCLES: u32 = 30;
const RESTARTS: u32 = 3;
/// A real link takes its three seconds from beginning to end.
const IN_THE_LAB: (u32, u32) = (8, 1);

async fn cycle(stage: &Stage, radio: &BluezCentral) {
    let link = connected(radio, Wearable::Sensor).await;
    let mut values = link.subscribe(TX).await.unwrap();
    stage.stream(1, 20).await;
    values.next().await.unwrap();
    link.disconnect().await;
}

#[test]
fn links_and_restarts_cost_neither_files_nor_match_rules() {
    story(async |stage| {
        let (cycles, restarts) = if stage.fake_at_hand().is_some() { (CYCLES, RESTARTS) } else { IN_THE_LAB };
        let bus = Connection::system().await.unwrap();
        let radio = radio().await;
        cycle(&stage, &radio).await;
        let before = holdings(&bus).await;
        for _ in 0..cycles {
            cycle(&stage, &radio).await;
        }
        for _ in 0..restarts {
            let link = connected(&radio, Wearable::Sensor).await;
            stage.kill_bluetoothd().await;
            link.closed().await;
            stage.start_bluetoothd().await;
            ready(&radio).await;
        }
        cycle(&stage, &radio).await;
        // Rules are taken back a moment after the link that they were for.
        until("as much is held as before", async || (holdings(&bus).await <= before).then_some(())).await;
    });
}

#[test]
fn a_connect_and_a_scan_that_nobody_waits_for_are_called_off() {
    story(async |stage| {
        let Some(fake) = stage.only_on_the_fake() else { return };
        let (radio, watch) = (radio().await, Wearable::Sensor.address());
        connected(&radio, Wearable::Sensor).await.disconnect().await;
        radio.scan(Duration::from_millis(300)).await.unwrap();
        stage.advertise(Wearable::Sensor, false).await;
        tokio::select! {
            link = radio.connect(&watch) => panic!("{link:?}"),
            () = connects(fake, true) => {}
        }
        connects(fake, false).await;
        tokio::select! {
            heard = radio.scan(Duration::from_mins(1)) => panic!("{heard:?}"),
            () = listens(fake, true) => {}
        }
        listens(fake, false).await;
    });
}

/// Waits until BlueZ is trying to connect the sensor, or no longer.
async fn connects(fake: &FakeBluez, expected: bool) {
    let tries = |machine: &mut Machine| machine.is_connect_pending(&Wearable::Sensor.address());
    until("BlueZ tries, or not", async || (fake.with(tries).await == expected).then_some(())).await;
}

/// Waits until BlueZ is listening, or no longer.
async fn listens(fake: &FakeBluez, expected: bool) {
    let listens = |machine: &mut Machine| machine.is_discovering();
    until("BlueZ listens, or not", async || (fake.with(listens).await == expected).then_some(())).await;
}

#[test]
fn a_power_cycle_ends_with_an_adapter_that_is_on() {
    story(async |_stage| {
        let radio = radio().await;
        let link = connected(&radio, Wearable::Sensor).await;
        radio.recover(RecoveryStep::PowerCycle, &Wearable::Sensor.address()).await.unwrap();
        link.closed().await;
        assert!(radio.state().borrow().is_ready());
        connected(&radio, Wearable::Sensor).await;
    });
}
