//! A chest strap on the virtual air, as scripted as its story wants, and a host that listens to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::outbox::{Anchor, AnchorKey, Outbox};
use nowbridge::radio::air::{
    Advertisement, Air, AirCentral, AirLink, AttError, Doorbell, LinkModel, Peripheral,
};
use nowbridge::radio::{Central, PeerAddress};
use nowbridge::sync::{Kept, Listening, SessionReport, listen};
use nowbridge::watch::{Driver, Identity, Sensor};
use nowbridge::wire::bridge::{DeviceId, RawBlock, Sample, Seq, Stream};
use nowbridge::wire::gatt;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::watch::START;

/// Whose the strap is, in stories that do not ask it.
pub const STRAP: DeviceId = DeviceId([0x57; 16]);

/// Where it is.
pub fn address() -> PeerAddress {
    PeerAddress("E7:00:00:00:00:03".into())
}

/// A strap; clones are the same one.
#[derive(Clone, Default)]
pub struct Strap(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    readable: BTreeMap<Uuid, Result<Vec<u8>, AttError>>,
    notifying: Vec<Uuid>,
    subscribed: Vec<Uuid>,
    written: Vec<(Uuid, Vec<u8>)>,
    script: VecDeque<(Instant, Uuid, Bytes)>,
    doorbell: Doorbell,
}

impl Strap {
    /// A strap that notifies its heart rate, and tells nothing of itself.
    pub fn new() -> Self {
        Self::default().notifying(gatt::HEART_RATE)
    }

    /// It also notifies this.
    pub fn notifying(self, characteristic: Uuid) -> Self {
        self.0.lock().unwrap().notifying.push(characteristic);
        self
    }

    /// It also lets this be read.
    pub fn telling(self, characteristic: Uuid, value: impl Into<Vec<u8>>) -> Self {
        self.0.lock().unwrap().readable.insert(characteristic, Ok(value.into()));
        self
    }

    /// It has this, and lets nobody read it.
    pub fn hiding(self, characteristic: Uuid) -> Self {
        let refusal = Err(AttError::INSUFFICIENT_AUTHENTICATION);
        self.0.lock().unwrap().readable.insert(characteristic, refusal);
        self
    }

    /// Will notify its heart rate at this moment. Moments must not go back.
    pub fn will_say(&self, at: Instant, value: impl Into<Bytes>) {
        self.will_notify(at, gatt::HEART_RATE, value);
    }

    /// Will notify this.
    pub fn will_notify(&self, at: Instant, characteristic: Uuid, value: impl Into<Bytes>) {
        let mut state = self.0.lock().unwrap();
        state.script.push_back((at, characteristic, value.into()));
        state.doorbell.ring();
    }

    /// What was written to it.
    pub fn written(&self) -> Vec<(Uuid, Vec<u8>)> {
        self.0.lock().unwrap().written.clone()
    }

    /// A heart that beats evenly from `start` on, told of once a second: 60 bpm with contact, one interval of 1 s.
    pub fn beats_evenly(&self, start: Instant, seconds: u64) {
        for second in 1..=seconds {
            self.will_say(start + Duration::from_secs(second), &[0x16, 60, 0, 4][..]);
        }
    }
}

impl Peripheral for Strap {
    fn advertisement(&self) -> Option<Advertisement> {
        Some(Advertisement { name: Some("strap".into()), services: vec![] })
    }

    fn characteristics(&self) -> Vec<Uuid> {
        let state = self.0.lock().unwrap();
        state.notifying.iter().chain(state.readable.keys()).copied().collect()
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.0.lock().unwrap().doorbell = doorbell;
    }

    fn wake_at(&self) -> Option<Instant> {
        self.0.lock().unwrap().script.front().map(|(at, ..)| *at)
    }

    fn disconnected(&mut self) {
        self.0.lock().unwrap().subscribed.clear();
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        let mut state = self.0.lock().unwrap();
        let notifies = state.notifying.contains(&characteristic);
        state.subscribed.push(characteristic);
        if notifies { Ok(()) } else { Err(AttError::REQUEST_NOT_SUPPORTED) }
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        let state = self.0.lock().unwrap();
        state.readable.get(&characteristic).cloned().unwrap_or(Err(AttError::READ_NOT_PERMITTED))
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        self.0.lock().unwrap().written.push((characteristic, value.to_vec()));
        Ok(())
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let mut state = self.0.lock().unwrap();
        let due = state.script.pop_front_if(|(at, ..)| *at <= Instant::now());
        due.map(|(_, characteristic, value)| (characteristic, value))
    }
}

/// A host with an outbox, in reach of the strap. It is 2025, and time runs with tokio's.
pub struct Listener {
    pub air: Air,
    pub strap: Strap,
    pub clock: Clock,
    pub outbox: Outbox,
    pub dir: TempDir,
}

impl Listener {
    pub async fn near(strap: Strap) -> Self {
        let (air, clock) = (Air::new(LinkModel::fast_2m_15ms()), Clock::simulated(START));
        air.place(address(), strap.clone());
        let dir = TempDir::new().unwrap();
        let outbox = Outbox::open(dir.path(), clock).await.unwrap();
        Self { air, strap, clock, outbox, dir }
    }

    pub async fn connect(&self) -> AirLink {
        AirCentral::new(self.air.clone()).connect(&address()).await.unwrap()
    }

    pub async fn sensor(&self) -> Sensor<AirLink> {
        Sensor::open(self.connect().await).await.unwrap()
    }

    /// A session that is stopped after so many seconds, if it has not ended by then.
    pub async fn listen_for(&self, seconds: u64) -> (SessionReport, Listening) {
        let mut sensor = self.sensor().await;
        let mut kept = Kept::new(self.outbox.clone(), self.clock);
        let (told, seen) = watch::channel(Listening::default());
        let (identity, stop) = (Identity::default(), CancellationToken::new());
        let wait = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        let report = tokio::select! {
            report = listen(&mut sensor, STRAP, &identity, &mut kept, &told, &stop) => report,
            () = wait => unreachable!("it waits for the session"),
        };
        sensor.close().await;
        let seen = *seen.borrow();
        (report, seen)
    }

    /// What is stored of a stream: boot and sample, in the order of the log.
    pub async fn stored(&self, stream: Stream) -> Vec<(u16, Sample)> {
        kept(&self.outbox, stream).await
    }

    /// The anchors of the only log.
    pub async fn anchors(&self) -> Vec<(AnchorKey, Anchor)> {
        let logs = self.outbox.logs().await.unwrap();
        assert_eq!(logs.len(), 1, "{logs:?}");
        self.outbox.anchors(logs[0].key, None).await.unwrap()
    }

    /// The same files, opened by a new process.
    pub async fn restarted(self) -> Self {
        let Self { air, strap, clock, outbox, dir } = self;
        outbox.close().await.unwrap();
        let outbox = Outbox::open(dir.path(), clock).await.unwrap();
        Self { air, strap, clock, outbox, dir }
    }
}

/// What an outbox has of a stream: boot and sample, in the order of the logs.
pub async fn kept(outbox: &Outbox, stream: Stream) -> Vec<(u16, Sample)> {
    let mut all = Vec::new();
    for log in outbox.logs().await.unwrap() {
        let numbers = Seq(0)..=Seq(u32::MAX);
        for block in outbox.blocks(log.key, stream, numbers, u32::MAX).await.unwrap() {
            let block = RawBlock::parse(block.body).unwrap();
            let boot = block.header().boot.0;
            all.extend(block.samples().unwrap().into_iter().map(|sample| (boot, sample)));
        }
    }
    all
}
