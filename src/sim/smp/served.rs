//! A watch that takes updates, on tokio's time: buffers that run out, flash that takes time, restarts.
//!
//! The watch is looked after whenever somebody calls: a restart that was due in the meantime happens then, as if it had happened
//! when it was due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use tokio::time::Instant;

use super::device::{End, SmpDevice};
use super::faults::NewImage;
use super::flags::Flags;
use super::link::Pace;
use crate::radio::air::{Doorbell, Presence};
use crate::sim::WatchOnAir;
use crate::wire::smp::{Reassembler, fragments};

/// A watch whose image falls over this often is not coming back.
const PATIENCE: u32 = 3;

/// The firmware side of a watch. Clones are the same watch.
#[derive(Clone, Debug)]
pub struct SmpWatch(Arc<Mutex<Served>>);

/// What a datagram gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    pub replies: Vec<Vec<u8>>,
    /// So much later.
    pub after: Duration,
}

/// The link to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Away,
    Up,
    /// The watch has restarted, and the host does not know yet.
    Orphaned,
}

#[derive(Debug)]
pub(super) struct Served {
    pub(super) device: SmpDevice,
    pub(super) doorbell: Doorbell,
    pub(super) battery: u8,
    pace: Pace,
    bridge: Option<WatchOnAir>,
    rng: Rng,
    /// Bytes of a write or a notification.
    room: usize,
    link: Link,
    subscribed: bool,
    reassembler: Reassembler,
    /// Replies that are ready at this time; each holds a buffer.
    replies: VecDeque<(Instant, Vec<u8>)>,
    /// What is left of the reply that is being sent.
    pieces: VecDeque<Bytes>,
    busy_until: Instant,
    restart_at: Option<Instant>,
    hang_up_at: Option<Instant>,
    /// It is starting until then.
    up_at: Instant,
    /// What runs falls over again and again, and there is nothing to go back to.
    dead: bool,
    boots: u32,
    dropped: u32,
    /// Bytes that were written to it.
    heard: u64,
    /// The write with this number is lost on the way.
    lost_write: Option<u32>,
    writes: u32,
}

impl SmpWatch {
    /// A watch that is up.
    pub fn new(device: SmpDevice, pace: Pace) -> Self {
        let now = Instant::now();
        let limit = device.build.buffers.buf_size as usize;
        Self(Arc::new(Mutex::new(Served {
            device,
            doorbell: Doorbell::default(),
            battery: 80,
            pace,
            bridge: None,
            rng: Rng::with_seed(1),
            room: 20,
            link: Link::Away,
            subscribed: false,
            reassembler: Reassembler::new(limit),
            replies: VecDeque::new(),
            pieces: VecDeque::new(),
            busy_until: now,
            restart_at: None,
            hang_up_at: None,
            up_at: now,
            dead: false,
            boots: 1,
            dropped: 0,
            heard: 0,
            lost_write: None,
            writes: 0,
        })))
    }

    /// The same watch's bridge service restarts with it.
    pub(super) fn joins(&self, bridge: WatchOnAir) {
        self.lock().bridge = Some(bridge);
    }

    /// Does something to the firmware.
    pub fn with<T>(&self, act: impl FnOnce(&mut SmpDevice) -> T) -> T {
        let mut served = self.lock();
        let done = act(&mut served.device);
        served.doorbell.ring();
        done
    }

    /// Takes the battery out and puts it back. A swap that the start makes is cut off once more after `units` of flash.
    pub fn power_cut(&self, units: Option<usize>) {
        let mut served = self.lock();
        if let Some(units) = units {
            served.device.boot_and_cut(units);
        }
        served.restart(Instant::now());
        served.doorbell.ring();
    }

    /// Sets what the watch tells of its battery, percent.
    pub fn set_battery(&self, percent: u8) {
        self.lock().battery = percent;
    }

    /// Loses the write with this number from now on (1 is the next) on the way to the watch.
    pub fn lose_write(&self, nth: u32) {
        let mut served = self.lock();
        (served.writes, served.lost_write) = (0, Some(nth));
    }

    /// How often it has started.
    pub fn boots(&self) -> u32 {
        self.lock().boots
    }

    /// Messages that were dropped because no buffer was free, or no message was to be made of what came.
    pub fn dropped(&self) -> u32 {
        self.lock().dropped
    }

    /// Bytes that were written to its characteristic.
    pub fn heard(&self) -> u64 {
        self.lock().heard
    }

    /// Whether it will never be heard again.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Answers a datagram.
    pub(super) fn datagram(&self, bytes: &[u8]) -> Exchange {
        let mut served = self.lock();
        let limit = served.device.build.buffers.buf_size as usize;
        if !served.is_up() || bytes.len() > limit {
            return Exchange::default();
        }
        let now = Instant::now();
        let (ready, replies) = served.handle(bytes, now);
        Exchange { replies, after: ready - now }
    }

    /// No code panics while it holds the lock; a poisoned one is still whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Served> {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        served.catch_up();
        served
    }
}

impl Served {
    fn catch_up(&mut self) {
        if let Some(at) = self.restart_at.filter(|at| *at <= Instant::now()) {
            self.restart(at);
        }
    }

    /// Restarts, as if it happened at this time.
    fn restart(&mut self, at: Instant) {
        if self.link == Link::Up {
            self.link = Link::Orphaned;
        }
        self.forget_host();
        (self.restart_at, self.hang_up_at) = (None, None);
        let mut up_at = at;
        self.dead = true;
        for _ in 0..PATIENCE {
            self.device.boot();
            self.boots += 1;
            up_at += self.pace.boot + self.pace.of(self.device.take_effects().work);
            if self.device.behaviour() != NewImage::Loops {
                self.dead = false;
                break;
            }
            up_at += self.pace.watchdog;
        }
        (self.up_at, self.busy_until) = (up_at, up_at);
        if let Some(bridge) = &self.bridge {
            let rng = &mut self.rng;
            // A firmware that restarts in order saves what it has in RAM.
            bridge.with(|watch| {
                watch.catch_up();
                watch.seal_all();
                watch.power_cut(rng);
            });
        }
    }

    pub(super) fn is_up(&self) -> bool {
        !self.dead && self.up_at <= Instant::now()
    }

    /// Whether the SMP service is there.
    pub(super) fn offers_smp(&self) -> bool {
        self.device.behaviour() != NewImage::NoSmp
    }

    /// The version that the firmware tells.
    pub(super) fn told_version(&self) -> String {
        match self.device.behaviour() {
            NewImage::WrongVersion => "0.0.1".to_owned(),
            _ => self.device.version().to_string(),
        }
    }

    pub(super) fn presence(&self) -> Presence {
        if self.link == Link::Orphaned || !self.is_up() {
            return Presence::Silent;
        }
        match self.hang_up_at {
            Some(at) if at <= Instant::now() && self.link == Link::Up => Presence::HangingUp,
            _ => Presence::Here,
        }
    }

    pub(super) fn connected(&mut self, mtu: u16) {
        (self.link, self.room) = (Link::Up, usize::from(mtu.saturating_sub(3)));
    }

    pub(super) fn disconnected(&mut self) {
        self.forget_host();
        (self.link, self.hang_up_at) = (Link::Away, None);
    }

    /// Notifications are wanted. Those who unsubscribe and subscribe again are told apart by this call only; it drops a half
    /// message, as the first half of that does on a real watch.
    pub(super) fn subscribe(&mut self) {
        self.subscribed = true;
        self.reassembler.reset();
    }

    /// An upload goes on over another link; what was on its way does not.
    fn forget_host(&mut self) {
        self.subscribed = false;
        self.reassembler.reset();
        self.replies.clear();
        self.pieces.clear();
    }

    pub(super) fn write(&mut self, value: &[u8]) {
        self.writes += 1;
        self.heard += value.len() as u64;
        if !self.is_up() || self.lost_write == Some(self.writes) {
            return;
        }
        let message = if self.device.build.flags.has(Flags::NO_REASSEMBLY) {
            value.to_vec()
        } else {
            match self.reassembler.push(value) {
                Ok(Some(message)) => message.encode(),
                Ok(None) => return,
                // Nobody is told.
                Err(_) => return self.dropped += 1,
            }
        };
        let held = self.replies.len() + usize::from(!self.pieces.is_empty());
        if held >= self.device.build.buffers.buf_count as usize {
            return self.dropped += 1;
        }
        let (ready, replies) = self.handle(&message, Instant::now());
        self.replies.extend(replies.into_iter().map(|reply| (ready, reply)));
    }

    /// Handles a message after those before; tells when the replies are ready.
    fn handle(&mut self, message: &[u8], now: Instant) -> (Instant, Vec<Vec<u8>>) {
        let replies = self.device.handle(message);
        let effects = self.device.take_effects();
        let took = self.pace.message + self.pace.of(effects.work) + effects.delay;
        let ready = self.busy_until.max(now) + took;
        self.busy_until = ready;
        match effects.end {
            None => {}
            Some(End::HangUp) => self.hang_up_at = Some(ready),
            Some(End::Reset) => self.restart_at = Some(ready + self.pace.reset),
            Some(End::Crash) => self.restart_at = Some(ready),
        }
        (ready, replies)
    }

    /// When something happens without being called.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let reply = self.replies.front().map(|(ready, _)| *ready).filter(|_| self.subscribed);
        [reply, self.restart_at, self.hang_up_at].into_iter().flatten().min()
    }

    /// The next piece of a reply that is ready.
    pub(super) fn notify(&mut self) -> Option<Bytes> {
        if !self.subscribed {
            return None;
        }
        if self.pieces.is_empty() {
            self.replies.front().filter(|(ready, _)| *ready <= Instant::now())?;
            let (_, reply) = self.replies.pop_front()?;
            self.pieces = fragments(&reply, self.room).map(Bytes::copy_from_slice).collect();
        }
        self.pieces.pop_front()
    }
}
