//! A plain sensor: heart rate, battery, temperature, and a service for tests. The lab's Bumble peer offers the same.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use nowbridge::radio::air::{Advertisement, AttError, Doorbell, Peripheral};
use nowbridge::radio::sig;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::database::{AUTH, RX, SEC, STAT, TX};

/// What it is called.
pub const NAME: &str = "VirtualWatch";
/// Heart rate measurement.
pub const HEART_RATE: Uuid = sig(0x2A37);
/// Temperature measurement.
pub const TEMPERATURE: Uuid = sig(0x2A1C);
const BATTERY: Uuid = sig(0x2A19);
/// Flags of a heart rate: one byte, contact supported and found, R-R intervals follow.
const CONTACT_AND_BEATS: u8 = 0x16;
/// 36.64 °C: flags, 3,664 as a 24-bit mantissa, exponent −2.
const WARM: [u8; 5] = [0, 0x50, 0x0E, 0x00, 0xFE];

/// What is done to it from outside.
#[derive(Debug)]
enum Cue {
    HeartRate(Option<Duration>),
    Stream { count: u32, size: usize },
}

/// What came in at its test service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub bytes: u64,
    pub writes: u64,
}

/// The strings it hangs on.
pub struct Strings {
    cues: mpsc::UnboundedSender<Cue>,
    pub stats: watch::Receiver<Stats>,
    doorbell: watch::Receiver<Doorbell>,
}

impl Strings {
    /// How often it tells the heart rate; never with `None`.
    pub fn heart_rate(&self, period: Option<Duration>) {
        self.cue(Cue::HeartRate(period));
    }

    /// Notifies so many values of so many bytes, each starting with its number (u32).
    pub fn stream(&self, count: u32, size: usize) {
        self.cue(Cue::Stream { count, size });
    }

    fn cue(&self, cue: Cue) {
        self.cues.send(cue).unwrap();
        self.doorbell.borrow().ring();
    }
}

/// The sensor.
pub struct Sensor {
    cues: mpsc::UnboundedReceiver<Cue>,
    stats: watch::Sender<Stats>,
    doorbell: watch::Sender<Doorbell>,
    subscribed: BTreeSet<Uuid>,
    waiting: VecDeque<(Uuid, Bytes)>,
    heart_rate: Option<Duration>,
    next_beat: Instant,
    bpm: u8,
    stream: std::ops::Range<u32>,
    size: usize,
}

impl Sensor {
    pub fn new() -> (Self, Strings) {
        let (cues, cue_receiver) = mpsc::unbounded_channel();
        let (stats, stats_receiver) = watch::channel(Stats::default());
        let (doorbell, doorbell_receiver) = watch::channel(Doorbell::default());
        let strings = Strings { cues, stats: stats_receiver, doorbell: doorbell_receiver };
        let sensor = Self {
            cues: cue_receiver,
            stats,
            doorbell,
            subscribed: BTreeSet::new(),
            waiting: VecDeque::new(),
            heart_rate: Some(Duration::from_secs(1)),
            next_beat: Instant::now(),
            bpm: 60,
            stream: 0..0,
            size: 0,
        };
        (sensor, strings)
    }

    fn follow_cues(&mut self) {
        while let Ok(cue) = self.cues.try_recv() {
            match cue {
                Cue::HeartRate(period) => (self.heart_rate, self.next_beat) = (period, Instant::now()),
                Cue::Stream { count, size } => (self.stream, self.size) = (0..count, size.max(4)),
            }
        }
    }

    fn beat(&mut self) -> Option<Bytes> {
        let period = self.heart_rate.filter(|_| self.subscribed.contains(&HEART_RATE))?;
        let now = Instant::now();
        if now < self.next_beat {
            return None;
        }
        self.next_beat = now + period;
        self.bpm = 60 + (self.bpm - 59) % 60;
        let [low, high] = (60 * 1024 / u16::from(self.bpm)).to_le_bytes();
        Some(Bytes::from(vec![CONTACT_AND_BEATS, self.bpm, low, high]))
    }
}

impl Peripheral for Sensor {
    fn advertisement(&self) -> Option<Advertisement> {
        Some(Advertisement { name: Some(NAME.to_owned()), services: vec![sig(0x180D), sig(0x180F)] })
    }

    fn characteristics(&self) -> Vec<Uuid> {
        let standard = [0x2A37, 0x2A38, 0x2A19, 0x2A29, 0x2A24, 0x2A25, 0x2A26, 0x2A1C];
        standard.into_iter().map(sig).chain([RX, TX, STAT, SEC, AUTH]).collect()
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.doorbell.send_replace(doorbell);
    }

    fn wake_at(&self) -> Option<Instant> {
        let beating = self.heart_rate.is_some() && self.subscribed.contains(&HEART_RATE);
        beating.then_some(self.next_beat)
    }

    fn disconnected(&mut self) {
        self.subscribed.clear();
        self.waiting.clear();
        self.stream = 0..0;
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        if ![HEART_RATE, TEMPERATURE, BATTERY, TX].contains(&characteristic) {
            return Err(AttError::REQUEST_NOT_SUPPORTED);
        }
        if characteristic == TEMPERATURE {
            self.waiting.push_back((TEMPERATURE, Bytes::from_static(&WARM)));
        }
        self.subscribed.insert(characteristic);
        Ok(())
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        self.follow_cues();
        let texts = [(0x2A29, "Nowbridge Lab"), (0x2A24, "Virtual-1"), (0x2A25, "SN0001"), (0x2A26, "1.2.3")];
        if let Some((_, text)) = texts.into_iter().find(|(short, _)| sig(*short) == characteristic) {
            return Ok(text.into());
        }
        let stats = *self.stats.borrow();
        match characteristic {
            STAT => Ok([stats.bytes as u32, stats.writes as u32].map(u32::to_le_bytes).concat()),
            SEC => Ok(b"secret".to_vec()),
            AUTH => Ok(b"top-secret".to_vec()),
            BATTERY => Ok(vec![87]),
            wrist if wrist == sig(0x2A38) => Ok(vec![2]),
            _ => Err(AttError::READ_NOT_PERMITTED),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        self.follow_cues();
        if characteristic != RX {
            return Err(AttError::WRITE_NOT_PERMITTED);
        }
        self.stats.send_modify(|stats| {
            stats.bytes += value.len() as u64;
            stats.writes += 1;
        });
        Ok(())
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        self.follow_cues();
        if let Some(waiting) = self.waiting.pop_front() {
            return Some(waiting);
        }
        if let Some(beat) = self.beat() {
            return Some((HEART_RATE, beat));
        }
        let mut value = self.stream.next()?.to_le_bytes().to_vec();
        value.resize(self.size, 0);
        Some((TX, value.into()))
    }
}
