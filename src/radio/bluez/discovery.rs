//! Listening for advertisements.
//!
//! Not over btleplug: its scan switches the adapter on, asks for classic Bluetooth too (on a dual-mode adapter the first one takes ten
//! seconds) and returns what BlueZ remembers as if it were heard.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep_until};

use super::errand::Errand;
use super::error::{Fault, Meaning, within};
use super::ground::{Ground, STEP_DEADLINE};
use super::signals::{DeviceEvent, DeviceNews};
use super::survey;
use crate::radio::{CALL_DEADLINE, PeerAddress, RadioError, Sighting};

/// How often a long scan writes down who is there: BlueZ may forget a device that falls silent.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// Whoever asks for more means "for ever", which is not to be added to a point in time.
const LONGEST_WINDOW: Duration = Duration::from_hours(24);

/// Starts to listen; only for `wanted` if there is one (a prefix of an address is a pattern to BlueZ, also a whole one).
pub(super) async fn start(ground: &Ground, wanted: Option<&PeerAddress>) -> Result<(), Fault> {
    let adapter = ground.adapter().await?;
    let mut filter = HashMap::from([("Transport", "le".into()), ("DuplicateData", false.into())]);
    let pattern = wanted.map(|peer| peer.0.to_ascii_uppercase());
    if let Some(pattern) = &pattern {
        filter.insert("Pattern", pattern.as_str().into());
    }
    within(STEP_DEADLINE, "a discovery filter", adapter.set_discovery_filter(filter)).await?;
    match within(STEP_DEADLINE, "a discovery", adapter.start_discovery()).await {
        // One of ours that could not be stopped is as good.
        Err(fault) if fault.meaning() == Meaning::Busy => Ok(()),
        started => started,
    }
}

/// Stops listening. Never fails: none to stop is fine.
pub(super) async fn stop(ground: &Ground) {
    let stopped = async {
        within(STEP_DEADLINE, "the end of a discovery", ground.adapter().await?.stop_discovery()).await
    };
    if let Err(fault) = stopped.await {
        tracing::debug!(%fault, "A discovery could not be stopped.");
    }
}

/// Listens until BlueZ knows the peer. Stop it afterwards.
pub(super) async fn find(
    ground: &Ground,
    peer: &PeerAddress,
    news: &mut broadcast::Receiver<DeviceNews>,
) -> Result<(), RadioError> {
    let failed = |fault: Fault| fault.into_radio(peer, false, "a discovery");
    start(ground, Some(peer)).await.map_err(failed)?;
    loop {
        // Asked each time, for among five thousand others the news may have been lost.
        if ground.connected(peer).await?.is_some() {
            return Ok(());
        }
        appeared(peer, news).await;
    }
}

async fn appeared(peer: &PeerAddress, news: &mut broadcast::Receiver<DeviceNews>) {
    loop {
        match news.recv().await {
            Ok(news) if news.event == DeviceEvent::Appeared && news.peer == *peer => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// A scan.
#[derive(Debug)]
pub(super) struct Scan {
    window: Duration,
    listening: bool,
}

impl Scan {
    pub fn new(window: Duration) -> Self {
        Self { window: window.min(LONGEST_WINDOW), listening: false }
    }
}

impl Errand for Scan {
    type Gain = Vec<Sighting>;

    const WHAT: &'static str = "a scan";

    fn limit(&self) -> Duration {
        self.window.saturating_add(CALL_DEADLINE)
    }

    async fn run(&mut self, ground: &Ground) -> Result<Vec<Sighting>, RadioError> {
        let failed = |fault: Fault| fault.into_radio(&PeerAddress(String::new()), false, "a scan");
        let end = Instant::now() + self.window;
        self.listening = true;
        start(ground, None).await.map_err(failed)?;
        let mut sightings = HashMap::new();
        loop {
            let next = end.min(Instant::now() + SNAPSHOT_EVERY);
            sleep_until(next).await;
            // Before discovery ends, for then BlueZ forgets how strong they were.
            survey::heard(&ground.bus, ground.adapter.as_str(), &mut sightings).await.map_err(failed)?;
            if next == end {
                return Ok(survey::strongest_first(sightings));
            }
        }
    }

    async fn clean_up(&mut self, ground: &Ground) {
        if self.listening {
            stop(ground).await;
        }
    }
}
