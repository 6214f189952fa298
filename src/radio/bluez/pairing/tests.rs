use tokio::sync::mpsc;

use super::super::fake_bluez::{ADAPTER, FakeBluez, Manner, No, WATCH};
use super::super::test_bus::{TestBus, within};
use super::*;
use crate::radio::PairingPrompt;

struct Scene {
    bus: TestBus,
    bluez: FakeBluez,
    host: Connection,
    adapter: OwnedObjectPath,
    peer: PeerAddress,
}

impl Scene {
    async fn with(manner: Manner) -> Self {
        let bus = TestBus::start().await;
        let (bluez, host) = (FakeBluez::on(&bus, manner).await, bus.connect().await);
        let adapter = ADAPTER.try_into().unwrap();
        Self { bus, bluez, host, adapter, peer: PeerAddress("E7:12:0A:00:00:01".to_owned()) }
    }

    /// Pairs; whether the right watch pairs is answered like this.
    async fn pair(&self, answer: bool) -> Result<(), RadioError> {
        let (desk, mut prompts) = mpsc::channel(1);
        let person = async {
            let mut asked = 0;
            while let Some(prompt) = prompts.recv().await {
                let PairingPrompt::Confirm { reply } = prompt else { panic!("{prompt:?}") };
                reply.send(answer).unwrap();
                asked += 1;
            }
            assert!(asked <= 1, "one question is enough");
        };
        let (paired, ()) = within(async { tokio::join!(self.start(desk), person) }).await;
        paired
    }

    async fn start(&self, desk: PairingDesk) -> Result<(), RadioError> {
        pair(&self.host, &self.adapter, &self.peer, desk).await
    }

    /// Starts to pair and stops waiting when BlueZ has got this call. Returns what it was called then.
    async fn abandon_after(&mut self, call: &str) -> Vec<String> {
        let (host, adapter, peer) = (self.host.clone(), self.adapter.clone(), self.peer.clone());
        tokio::select! {
            ended = pair(&host, &adapter, &peer, mpsc::channel(1).0) => panic!("{ended:?}"),
            _before = self.bluez.calls_until(call) => {}
        }
        self.bluez.calls_until("UnregisterAgent").await
    }
}

#[tokio::test]
async fn a_watch_is_found_paired_and_trusted() {
    let mut scene = Scene::with(Manner::Agrees).await;
    scene.pair(true).await.unwrap();
    let agent = ["RegisterAgent KeyboardDisplay", "RequestDefaultAgent"];
    let found = ["SetDiscoveryFilter le", "StartDiscovery", "StopDiscovery"];
    let bonded = ["Pair", "Trusted true", "UnregisterAgent"];
    assert_eq!(scene.bluez.other_calls(), [&agent[..], &found, &bonded].concat());
    // Now that it is known and bonded, there is nothing to look for or to pair.
    scene.pair(true).await.unwrap();
    assert_eq!(scene.bluez.other_calls(), [&agent[..], &bonded[1..]].concat());
}

#[tokio::test]
async fn a_person_who_says_no_is_named_as_the_reason() {
    let mut scene = Scene::with(Manner::Agrees).await;
    let error = scene.pair(false).await.unwrap_err();
    assert!(
        matches!(&error, RadioError::PairingFailed { reason, .. } if reason.contains("declined")),
        "{error}"
    );
    let calls = scene.bluez.other_calls();
    assert_eq!(calls.last().unwrap(), "UnregisterAgent");
    assert!(!calls.iter().any(|call| call.starts_with("Trusted") || call == "CancelPairing"), "{calls:?}");
}

#[tokio::test]
async fn a_bond_that_bluez_made_without_a_question_needs_a_yes() {
    let mut scene = Scene::with(Manner::JustWorks).await;
    scene.pair(true).await.unwrap();
    assert!(!scene.bluez.other_calls().contains(&"RemoveDevice".to_owned()));
    scene.bluez.behaves(Manner::JustWorks);
    let error = scene.pair(false).await.unwrap_err().to_string();
    assert!(error.contains("declined"), "{error}");
    assert_eq!(scene.bluez.other_calls()[2..], ["Pair", "RemoveDevice", "UnregisterAgent"]);
    // Whoever started it leaves before they are asked. Whether we learn of the bond before that or after, it does not stay.
    let after = scene.abandon_after("Pair").await;
    let (called_off, end) = after.split_at(after.len() - 2);
    assert_eq!(end, ["RemoveDevice", "UnregisterAgent"]);
    assert!(called_off.is_empty() || called_off == ["CancelPairing", "Disconnect"], "{called_off:?}");
}

#[tokio::test]
async fn each_failure_says_what_can_be_done() {
    let mut scene = Scene::with(Manner::WasFaster).await;
    scene.pair(true).await.unwrap();
    let mut reasons = std::collections::BTreeSet::new();
    let failures = [
        No::AuthenticationFailed,
        No::AuthenticationRejected,
        No::AuthenticationCanceled,
        No::AuthenticationTimeout,
        No::ConnectionAttemptFailed,
    ];
    for no in failures {
        scene.bluez.behaves(Manner::Says(no));
        let error = scene.pair(true).await.unwrap_err();
        let RadioError::PairingFailed { reason, .. } = error else { panic!("{no}: {error}") };
        assert!(reasons.insert(reason), "{no} is told apart");
    }
    for (no, expected) in [
        (No::Failed, "no connection could be made"),
        (No::InProgress, "busy"),
        (No::NotReady, "switched off"),
        (No::AlreadyExists, "stale"),
    ] {
        scene.bluez.behaves(Manner::Says(no));
        let error = scene.pair(true).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{no}: {error}");
    }
    assert!(!scene.bluez.other_calls().contains(&"CancelPairing".to_owned()));
}

#[tokio::test]
async fn a_pairing_that_nobody_waits_for_is_called_off() {
    let mut scene = Scene::with(Manner::Hangs).await;
    let after = scene.abandon_after("Pair").await;
    assert_eq!(after, ["CancelPairing", "Disconnect", "UnregisterAgent"]);
    scene.bluez.behaves(Manner::Agrees);
    scene.pair(true).await.unwrap();
}

#[tokio::test]
async fn a_search_that_nobody_waits_for_is_stopped() {
    let mut scene = Scene::with(Manner::Away).await;
    assert_eq!(scene.abandon_after("StartDiscovery").await, ["StopDiscovery", "UnregisterAgent"]);
}

#[tokio::test]
async fn a_standing_agent_refuses_before_and_after_and_outlives_the_pairing() {
    let mut scene = Scene::with(Manner::Agrees).await;
    let standing = StandingAgent::register(&scene.host).await.unwrap();
    assert!(!scene.bluez.asks_about(&WATCH).await);
    scene.pair(true).await.unwrap();
    assert!(!scene.bluez.asks_about(&WATCH).await);
    let calls = scene.bluez.other_calls();
    let expected = ["Trusted true", "UnregisterAgent", "RegisterAgent KeyboardDisplay"];
    assert_eq!(calls[calls.len() - 3..], expected, "it stands, and gave back the place of the default agent");
    standing.renew().await.unwrap();
    standing.release().await;
    assert_eq!(scene.bluez.other_calls().last().unwrap(), "UnregisterAgent");
}

#[tokio::test]
async fn one_watch_pairs_at_a_time() {
    let mut scene = Scene::with(Manner::Hangs).await;
    let (host, adapter, peer) = (scene.host.clone(), scene.adapter.clone(), scene.peer.clone());
    let first = tokio::spawn(async move { pair(&host, &adapter, &peer, mpsc::channel(1).0).await });
    scene.bluez.calls_until("Pair").await;
    let second = scene.start(mpsc::channel(1).0).await;
    assert!(matches!(second, Err(RadioError::Busy(_))), "{second:?}");
    assert!(!scene.bluez.other_calls().contains(&"UnregisterAgent".to_owned()), "the first needs it");
    let device = bus::device(&scene.host, WATCH.into()).await.unwrap();
    device.cancel_pairing().await.unwrap();
    let first = within(first).await.unwrap();
    assert!(matches!(first, Err(RadioError::PairingFailed { .. })), "{first:?}");
    assert_eq!(scene.bluez.other_calls().last().unwrap(), "UnregisterAgent");
}

#[tokio::test]
async fn a_bluez_that_dies_ends_the_pairing() {
    let mut scene = Scene::with(Manner::Hangs).await;
    let (host, adapter, peer) = (scene.host.clone(), scene.adapter.clone(), scene.peer.clone());
    let pairing = tokio::spawn(async move { pair(&host, &adapter, &peer, mpsc::channel(1).0).await });
    scene.bluez.calls_until("Pair").await;
    scene.bluez.die().await;
    let ended = within(pairing).await.unwrap();
    assert!(matches!(ended, Err(RadioError::NotReady(RadioTrouble::NoService { .. }))), "{ended:?}");
    // Whoever comes next finds no trace of it.
    scene.bluez = FakeBluez::on(&scene.bus, Manner::Agrees).await;
    scene.pair(true).await.unwrap();
}

#[tokio::test]
async fn without_bluez_the_reason_is_that_it_does_not_run() {
    let (bus, peer) = (TestBus::start().await, PeerAddress("E7:12:0A:00:00:01".to_owned()));
    let host = bus.connect().await;
    let adapter = ADAPTER.try_into().unwrap();
    let error = within(pair(&host, &adapter, &peer, mpsc::channel(1).0)).await.unwrap_err();
    assert!(matches!(&error, RadioError::NotReady(RadioTrouble::NoService { .. })), "{error}");
}
