//! The driver of the bridge service.
//!
//! One conversation at a time: requests carry an id that the reply echoes. While blocks stream in, replies to other requests may
//! come in between; both are told apart here, so that whoever pulls sees blocks and the end of them and nothing else.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{Abilities, Driver, DriverName, Identity, WatchError};
use crate::clock::Clock;
use crate::measurement::UtcMicros;
use crate::radio::{Link, LinkClosed, Notifications, WriteMode};
use crate::wire::bridge::{
    Assembler, CONTROL, Capabilities, DATA, ErrorCode, INFO, Info, LogId, RawBlock, Request, Response, Seq,
    TIME, TimeReading, TimeSetting, TimeSource,
};

/// A watch that has said nothing for this long, though it owes us something, is taken for gone. Flash of a watch may need
/// seconds to erase; nothing needs ten.
const REPLY_DEADLINE: Duration = Duration::from_secs(10);
/// Reads of the clock for one anchor; the one with the shortest round trip is kept.
const CLOCK_READS: usize = 4;
/// Blocks that the watch may send ahead of us, if it allows so much. Half of it rides out a commit of 200 ms at 160 kB/s.
const WINDOW: u32 = 64 * 1024;

/// What a pull yields.
#[derive(Debug)]
pub enum Pulled {
    /// The next block.
    Block(RawBlock),
    /// The pull is over.
    End {
        /// The number after the last block that the watch has sent.
        next: Seq,
    },
    /// Nothing came until the moment given.
    Nothing,
}

/// The watch's clock against ours.
#[derive(Clone, Copy, Debug)]
pub struct WatchClock {
    /// What the watch told.
    pub reading: TimeReading,
    /// UTC at that moment, by our clock.
    pub utc: UtcMicros,
    /// Half the round trip: how far the two may be apart, µs.
    pub uncertainty_us: u32,
}

/// A conversation with a watch that offers the bridge service.
#[derive(Debug)]
pub struct Bridge<L> {
    link: L,
    control: Notifications,
    data: Notifications,
    last_id: u8,
    pull: Option<Pull>,
}

#[derive(Debug)]
struct Pull {
    id: u8,
    assembler: Assembler,
    ready: VecDeque<RawBlock>,
    /// Bytes that the watch may be ahead; 0: it gets what it was granted at first and no more.
    window: u32,
    granted: u64,
    received: u64,
    end: Option<Response>,
    deadline: Instant,
}

impl<L: Link> Driver for Bridge<L> {
    type Link = L;

    const NAME: DriverName = DriverName::Bridge;

    fn fits(link: &L) -> bool {
        let offered = link.characteristics();
        [INFO, CONTROL, DATA, TIME].iter().all(|uuid| offered.contains(uuid))
    }

    /// Notifications on.
    async fn open(link: L) -> Result<Self, WatchError> {
        if !Self::fits(&link) {
            return Err(WatchError::NoDriver);
        }
        let control = link.subscribe(CONTROL).await?;
        let data = link.subscribe(DATA).await?;
        Ok(Self { link, control, data, last_id: 0, pull: None })
    }

    fn link(&self) -> &L {
        &self.link
    }

    fn abilities(&self) -> Abilities {
        Abilities::LOG.and(Abilities::CLOCK).and(Abilities::CHECK)
    }

    async fn identify(&mut self) -> Result<Identity, WatchError> {
        let info = self.info().await?;
        let synthetic = info.caps.has(Capabilities::SYNTHETIC);
        Ok(Identity { device: Some(info.device_id), synthetic, ..Identity::default() })
    }

    async fn check(&mut self) -> Result<(), WatchError> {
        self.info().await.map(drop)
    }

    async fn close(self) {
        self.link.disconnect().await;
    }
}

impl<L: Link> Bridge<L> {
    /// Identity and log window.
    pub async fn info(&mut self) -> Result<Info, WatchError> {
        Ok(Info::decode(&self.link.read(INFO).await?)?)
    }

    /// Compares the clocks: reads the watch's a few times and keeps the reading with the shortest round trip.
    pub async fn compare_clocks(&mut self, clock: Clock) -> Result<WatchClock, WatchError> {
        let mut best: Option<WatchClock> = None;
        for _ in 0..CLOCK_READS {
            let (began, sent) = (clock.now(), Instant::now());
            let reading = TimeReading::decode(&self.link.read(TIME).await?)?;
            let round_trip = i64::try_from(sent.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
            let compared = WatchClock {
                reading,
                utc: UtcMicros(began.0.saturating_add(round_trip / 2)),
                uncertainty_us: u32::try_from(round_trip / 2).unwrap_or(u32::MAX),
            };
            if best.is_none_or(|best| compared.uncertainty_us < best.uncertainty_us) {
                best = Some(compared);
            }
        }
        Ok(best.expect("the clock was read at least once"))
    }

    /// Sets the watch's clock; it writes an anchor into its log.
    pub async fn set_clock(&mut self, now: UtcMicros, round_trip_us: u32) -> Result<(), WatchError> {
        let setting = TimeSetting {
            utc_us: u64::try_from(now.0).unwrap_or(0),
            rtt_us: round_trip_us,
            zone_offset_s: 0,
            source: TimeSource::Host,
        };
        Ok(self.link.write(TIME, setting.encode(), WriteMode::WithResponse).await?)
    }

    /// Has the watch seal what is still open.
    pub async fn flush(&mut self) -> Result<(), WatchError> {
        let id = self.new_id();
        self.ask("flush", Request::Flush { id }).await
    }

    /// Tells the watch that everything up to `through` is safe.
    pub async fn commit(&mut self, log_id: LogId, through: Seq) -> Result<(), WatchError> {
        let id = self.new_id();
        self.ask("commit", Request::Commit { id, log_id, through }).await
    }

    /// Starts a pull. Any pull before it must have ended or been stopped.
    pub async fn start_pull(&mut self, info: &Info, from: Seq) -> Result<(), WatchError> {
        let window = WINDOW.min(info.max_credit.into());
        self.begin_pull(info.log_id, from, window, window).await
    }

    /// Asks for one block: the first from `from` on. `None` if none arrives whole, or if `from` was overwritten by now.
    ///
    /// Of what a long pull brings, 64 notifications may be lost in a row without a trace in the counter. Here the watch itself
    /// says which block it has sent, and that one came.
    pub async fn peek(&mut self, info: &Info, from: Seq) -> Result<Option<RawBlock>, WatchError> {
        self.begin_pull(info.log_id, from, 1, 0).await?;
        let mut found: Option<RawBlock> = None;
        loop {
            match self.pull_next(None).await {
                Ok(Pulled::Block(block)) => found = Some(block),
                Ok(Pulled::Nothing) => {}
                Ok(Pulled::End { next }) => {
                    return Ok(found.filter(|block| block.header().seq.next() == next));
                }
                Err(WatchError::Data(_)) => {
                    self.stop_pull().await?;
                    return Ok(None);
                }
                Err(WatchError::Refused { code: ErrorCode::BeforeTail, .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    async fn begin_pull(
        &mut self,
        log_id: LogId,
        from: Seq,
        credit: u32,
        window: u32,
    ) -> Result<(), WatchError> {
        let id = self.new_id();
        while self.data.try_next().is_some() {}
        self.pull = Some(Pull {
            id,
            assembler: Assembler::new(),
            ready: VecDeque::new(),
            window,
            granted: credit.into(),
            received: 0,
            end: None,
            deadline: Instant::now() + REPLY_DEADLINE,
        });
        self.send(Request::Pull { id, log_id, from, credit }).await
    }

    /// The next block of the running pull, or its end. With `until` it returns [`Pulled::Nothing`] at that moment.
    pub async fn pull_next(&mut self, until: Option<Instant>) -> Result<Pulled, WatchError> {
        loop {
            let Some(pull) = &mut self.pull else {
                return Err(WatchError::Silent("a pull that was not started"));
            };
            if let Some(block) = pull.ready.pop_front() {
                pull.received += block.bytes().len() as u64;
                self.top_up().await?;
                return Ok(Pulled::Block(block));
            }
            // Replies may overtake data on their way through the host, so the end counts only once the data are in.
            if let Some(notification) = self.data.try_next() {
                self.take(&notification)?;
                continue;
            }
            if let Some(end) = pull.end.take() {
                self.pull = None;
                return match end {
                    Response::End { next, .. } => Ok(Pulled::End { next }),
                    Response::Err { code, .. } => Err(WatchError::Refused { request: "pull", code }),
                    other => Err(WatchError::OutOfTurn { request: "pull", answer: format!("{other:?}") }),
                };
            }
            let deadline = until.map_or(pull.deadline, |until| until.min(pull.deadline));
            let silent = pull.deadline <= deadline;
            tokio::select! {
                biased;
                data = self.data.next() => self.take(&data.ok_or(closed())?)?,
                reply = self.control.next() => self.hear(&reply.ok_or(closed())?)?,
                () = tokio::time::sleep_until(deadline) => {
                    return if silent { Err(WatchError::Silent("a pull")) } else { Ok(Pulled::Nothing) };
                }
            }
        }
    }

    /// Ends the running pull, if any, and forgets what is still on its way. The damaged block, if one was the reason.
    pub async fn stop_pull(&mut self) -> Result<Option<Bytes>, WatchError> {
        let damaged = self.pull.take().and_then(|mut pull| pull.assembler.take_damaged());
        let id = self.new_id();
        self.ask("stop", Request::Stop { id }).await?;
        while self.data.try_next().is_some() {}
        Ok(damaged)
    }

    /// Whether something of the running pull has arrived and was not taken.
    pub fn has_more(&self) -> bool {
        !self.data.is_empty() || self.pull.as_ref().is_some_and(|pull| !pull.ready.is_empty())
    }

    fn new_id(&mut self) -> u8 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    async fn send(&mut self, request: Request) -> Result<(), WatchError> {
        Ok(self.link.write(CONTROL, request.encode(), WriteMode::WithResponse).await?)
    }

    /// Sends a request that is answered with Ok or Err.
    async fn ask(&mut self, name: &'static str, request: Request) -> Result<(), WatchError> {
        let id = self.last_id;
        self.send(request).await?;
        let deadline = Instant::now() + REPLY_DEADLINE;
        loop {
            let Ok(reply) = timeout_at(deadline, self.control.next()).await else {
                return Err(WatchError::Silent(name));
            };
            let reply = reply.ok_or(closed())?;
            match Response::decode(&reply)? {
                Response::Ok { id: answered } if answered == id => return Ok(()),
                Response::Err { id: answered, code } if answered == id => {
                    return Err(WatchError::Refused { request: name, code });
                }
                _ => self.hear(&reply)?,
            }
        }
    }

    /// Takes a reply that nobody is waiting for right now: the end of the pull is kept, late answers are dropped.
    fn hear(&mut self, reply: &[u8]) -> Result<(), WatchError> {
        let reply = Response::decode(reply)?;
        if let Some(pull) = self.pull.as_mut().filter(|pull| pull.id == reply.id()) {
            pull.end = Some(reply);
        }
        Ok(())
    }

    /// Takes a slice of the block stream.
    fn take(&mut self, notification: &[u8]) -> Result<(), WatchError> {
        let Some(pull) = &mut self.pull else { return Ok(()) };
        // A notification without content is no sign of progress.
        if notification.len() > 1 {
            pull.deadline = Instant::now() + REPLY_DEADLINE;
        }
        let mut blocks = Vec::new();
        let taken = pull.assembler.push(notification, &mut blocks);
        pull.ready.extend(blocks);
        // Good blocks before a hole are handed out first; the hole stays and is reported when they are gone.
        match taken {
            Err(_) if !pull.ready.is_empty() => Ok(()),
            taken => Ok(taken.map(|_last| ())?),
        }
    }

    /// Keeps the stream going: grants credit anew when half the window is used.
    async fn top_up(&mut self) -> Result<(), WatchError> {
        let running = |pull: &&mut Pull| pull.end.is_none() && pull.window > 0;
        let Some(pull) = self.pull.as_mut().filter(running) else { return Ok(()) };
        let ahead = pull.granted.saturating_sub(pull.received);
        if ahead > u64::from(pull.window / 2) {
            return Ok(());
        }
        let add = pull.window.saturating_sub(u32::try_from(ahead).unwrap_or(u32::MAX));
        pull.granted += u64::from(add);
        let id = pull.id;
        self.send(Request::Credit { id, add }).await
    }
}

fn closed() -> WatchError {
    WatchError::Radio(LinkClosed::Lost.into())
}
