//! The loop itself.

use std::time::Duration;

use super::parts::{Part, Parts};
use super::{
    Action, BUSY_PATIENCE, IDLE_LINKS, IDLE_REPLIES, PATIENCE, Path, Plan, Progress, STEPS_BACK,
    UploadFailure,
};
use crate::wire::smp::{
    MAX_MESSAGE, MIN_MESSAGE, Message, MgmtCode, ReplyError, Request, Response, SmpError, UploadRequest,
    UploadResponse,
};

/// Parts are cut at multiples of this, the write block of most flash. Zephyr buffers what is not, others may not.
const ALIGN: u32 = 4;
/// Bytes of image that a question for where the watch stands carries: the image's header, which the watch looks at.
const QUESTION: u32 = 32;

/// Requests in a row that the watch may find damaged before we believe that it means it.
const DAMAGED: u32 = 3;

/// Timeouts in a row after which messages are halved, and after which the link is given up.
const HALVE_AFTER: u32 = 3;
const GIVE_UP_AFTER: u32 = 5;

/// An upload under way.
#[derive(Debug)]
pub struct Upload {
    plan: Plan,
    path: Path,
    stage: Stage,
    parts: Parts,
    progress: Progress,
    /// The next byte to send.
    next: u32,
    /// The watch can know of no byte from here on.
    reach: u32,
    /// No byte from here on was ever sent.
    sent_to: u32,
    seq: u8,
    /// The first part is due: the watch shall say where it stands.
    ask: bool,
    /// One part at a time, until one is answered.
    probing: bool,
    resubscribe: bool,
    pieces: Pieces,
    /// When the watch was last heard.
    heard: Duration,
    /// Nothing is sent before.
    hold: Duration,
    busy: Option<Busy>,
    timeouts: u32,
    damaged: u32,
    idle_replies: u32,
    idle_links: u32,
    steps_back: u32,
    /// Bytes that count against the budget: what a busy watch did not look at does not.
    charged: u64,
}

#[derive(Debug)]
enum Stage {
    Open,
    /// Nothing is sent until what is under way is answered: the watch stands somewhere else.
    Draining {
        until: Duration,
        stands: Option<u32>,
    },
    Closed,
    Done,
    Failed(UploadFailure),
}

/// Whether the watch puts messages of several pieces together. It may tell of large buffers and not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces {
    Unknown,
    Work,
    Fail,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    since: Duration,
    pause: Duration,
}

impl Upload {
    /// An upload that begins over an open link.
    pub fn new(plan: Plan, path: Path) -> Result<Self, UploadFailure> {
        let size = plan.image.len();
        let len = u32::try_from(size).ok().filter(|len| *len > 0).ok_or(UploadFailure::Size(size))?;
        let mut upload = Self {
            plan,
            path,
            stage: Stage::Open,
            parts: Parts::default(),
            progress: Progress { len, ..Progress::default() },
            next: 0,
            reach: 0,
            sent_to: 0,
            seq: 0,
            ask: true,
            probing: false,
            resubscribe: false,
            pieces: Pieces::Unknown,
            heard: Duration::ZERO,
            hold: Duration::ZERO,
            busy: None,
            timeouts: 0,
            damaged: 0,
            idle_replies: 0,
            idle_links: 0,
            steps_back: 0,
            charged: 0,
        };
        upload.take(path)?;
        Ok(upload)
    }

    fn take(&mut self, path: Path) -> Result<(), UploadFailure> {
        if path.message < MIN_MESSAGE {
            return Err(UploadFailure::SmallMessages(path.message));
        }
        let message = path.message.min(MAX_MESSAGE);
        let piece = path.piece.clamp(MIN_MESSAGE, message);
        let message = if self.pieces == Pieces::Fail { piece } else { message };
        self.set(Path { message, window: path.window.max(1), piece });
        Ok(())
    }

    const fn set(&mut self, path: Path) {
        (self.progress.message, self.progress.window) = (path.message, path.window);
        self.path = path;
    }

    /// How far it is.
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// What to do now; to be asked again after it is done.
    pub fn poll(&mut self, now: Duration) -> Action {
        if let Stage::Draining { until, stands } = self.stage
            && (self.parts.is_empty() || now >= until)
        {
            self.drained(stands);
        }
        if matches!(self.stage, Stage::Open) && self.parts.deadline(self.heard).is_some_and(|at| now >= at) {
            self.timed_out();
        }
        match &self.stage {
            Stage::Done => Action::Done,
            Stage::Failed(failure) => Action::Failed(failure.clone()),
            Stage::Closed => Action::Reconnect,
            _ if std::mem::take(&mut self.resubscribe) => Action::Resubscribe,
            Stage::Draining { until, .. } => Action::WaitUntil(*until),
            Stage::Open if now < self.hold => Action::WaitUntil(self.hold),
            Stage::Open => self.send_or_wait(now),
        }
    }

    fn send_or_wait(&mut self, now: Duration) -> Action {
        let window = if self.probing || self.ask { 1 } else { self.path.window };
        match self.parts.deadline(self.heard) {
            Some(deadline) if self.parts.len() >= window || self.next >= self.progress.len => {
                Action::WaitUntil(deadline)
            }
            _ => match self.send(now) {
                Ok(message) => Action::Send(message),
                Err(failure) => self.fail(failure),
            },
        }
    }

    fn send(&mut self, now: Duration) -> Result<Vec<u8>, UploadFailure> {
        let (part, size) = self.cut();
        let (off, first) = (if self.ask { 0 } else { self.next }, self.ask);
        let end = off + part.data.len() as u32;
        let count = u64::from(end - off);
        let budget = (3 * u64::from(self.progress.len)).max(8 * size as u64);
        if self.charged + count > budget {
            return Err(UploadFailure::Budget { sent: self.progress.sent, len: self.progress.len });
        }
        let message = Request::Upload(part).message(self.plan.version, self.free_seq())?;
        let header = message.header;
        let (last, in_pieces) = (end == self.progress.len, header.message_len() > self.path.piece);
        self.parts.push(Part { header, off, end, first, last, in_pieces, sent_at: now });
        self.charged += count;
        self.progress.sent += count;
        self.progress.resent += u64::from(self.sent_to.min(end).saturating_sub(off));
        self.progress.messages += 1;
        (self.sent_to, self.reach, self.next) = (self.sent_to.max(end), self.reach.max(end), end);
        Ok(message.encode())
    }

    /// The next part, and the longest message that it might have been. The first one goes over in one piece: it takes the watch
    /// long, and whether pieces are put together is better found out with the next.
    fn cut(&self) -> (UploadRequest, usize) {
        let (off, len) = (if self.ask { 0 } else { self.next }, self.progress.len);
        let mut part = UploadRequest { off: Some(off), ..UploadRequest::default() };
        let mut size = self.path.message;
        if self.ask {
            part.len = Some(len);
            part.sha = Some(self.plan.sha.0.to_vec().into());
            (part.image, part.upgrade) = (self.plan.number, self.plan.upgrade);
            size = self.path.piece;
        }
        let room = match part.room(size) as u32 {
            // Most likely the watch has it already, and only says how far it is.
            room if self.ask && self.progress.acked > 0 => room.min(QUESTION),
            room => room,
        };
        let count = if room < len - off { room - room % ALIGN } else { len - off };
        part.data = self.plan.image.slice(off as usize..(off + count) as usize);
        (part, size)
    }

    fn free_seq(&mut self) -> u8 {
        loop {
            self.seq = self.seq.wrapping_add(1);
            if !self.parts.uses(self.seq) {
                return self.seq;
            }
        }
    }

    /// A message came. What answers nothing that is under way is ignored.
    pub fn reply(&mut self, message: &Message, now: Duration) {
        if !matches!(self.stage, Stage::Open | Stage::Draining { .. }) {
            return;
        }
        let Some(part) = self.parts.answered(&message.header) else { return };
        self.heard = now;
        self.timeouts = 0;
        match Response::decode(message) {
            Ok(Response::Upload(answer)) => self.told(part, answer, now),
            Err(ReplyError::Refused(refusal)) => self.refused(part, refusal, now),
            // A reply that cannot be read says at least that the watch is there.
            Ok(_) | Err(ReplyError::Unreadable(_)) => {
                self.idle();
                self.drain(None, now);
            }
        }
    }

    fn told(&mut self, part: Part, answer: UploadResponse, now: Duration) {
        let (off, len) = (answer.off, self.progress.len);
        if answer.matched == Some(false) {
            self.fail(UploadFailure::HashMismatch);
            return;
        }
        if off > len {
            self.fail(UploadFailure::PastEnd { off, len });
            return;
        }
        self.damaged = 0;
        if part.in_pieces {
            self.pieces = Pieces::Work;
        }
        if part.first {
            self.ask = false;
            self.progress.resumed_at = self.progress.resumed_at.max(if off == part.end { 0 } else { off });
            self.reach = self.reach.max(off);
        }
        let draining = matches!(self.stage, Stage::Draining { .. });
        if off > self.progress.acked && off <= self.reach {
            self.grown();
        } else {
            self.idle();
        }
        if off == len && off <= self.reach {
            self.progress.acked = len;
            self.finish(Stage::Done);
        } else if off == part.end && !draining && off >= self.progress.acked {
            self.progress.acked = off;
            self.parts.covered(off);
            self.probing = false;
        } else {
            self.drain(Some(off), now);
        }
    }

    fn refused(&mut self, part: Part, refusal: SmpError, now: Duration) {
        match refusal.mgmt_code() {
            Some(MgmtCode::Busy) => {
                self.charged = self.charged.saturating_sub(u64::from(part.end - part.off));
                let mut busy = self.busy.unwrap_or(Busy { since: now, pause: Duration::from_millis(50) });
                if now.saturating_sub(busy.since) >= BUSY_PATIENCE {
                    self.fail(UploadFailure::Busy(BUSY_PATIENCE));
                    return;
                }
                self.hold = now + busy.pause;
                busy.pause = (busy.pause * 2).min(Duration::from_millis(500));
                self.busy = Some(busy);
                self.drain(None, now);
            }
            Some(MgmtCode::MessageSize | MgmtCode::NoMemory) if self.halve() => self.drain(None, now),
            // Pieces of two messages may have been taken for one.
            Some(MgmtCode::Invalid | MgmtCode::Corrupt) if self.damaged + 1 < DAMAGED => {
                self.damaged += 1;
                self.resubscribe = true;
                self.drain(None, now);
            }
            _ => {
                self.fail(refusal.into());
            }
        }
    }

    /// Stops sending until what is under way is answered. The last answer tells where the watch stands.
    fn drain(&mut self, off: Option<u32>, now: Duration) {
        self.stage = match self.stage {
            Stage::Open => Stage::Draining { until: now + PATIENCE, stands: off },
            Stage::Draining { until, stands } => Stage::Draining { until, stands: off.or(stands) },
            _ => return,
        };
    }

    /// Goes on from where the watch stands; where that is unknown, from the last byte that it is known to have.
    fn drained(&mut self, stands: Option<u32>) {
        self.stage = Stage::Open;
        self.parts.clear();
        let off = stands.unwrap_or(self.progress.acked);
        // Nobody sent what the watch claims to have: it is to say once more, with the image's hash before its eyes.
        let strange = off > self.reach;
        if off < self.progress.acked || strange {
            self.steps_back += 1;
            self.progress.restarts += 1;
            if self.steps_back > STEPS_BACK {
                self.stuck();
                return;
            }
        }
        if off < self.progress.acked {
            self.reach = off;
        }
        if !strange {
            (self.progress.acked, self.next) = (off, off);
        }
        self.ask |= off == 0 || strange;
        self.probing = stands.is_none();
    }

    fn timed_out(&mut self) {
        self.timeouts += 1;
        self.progress.timeouts += 1;
        self.parts.clear();
        (self.next, self.probing) = (self.progress.acked, true);
        self.resubscribe = self.timeouts > 1 || self.ask;
        match self.timeouts {
            // The first part had 40 s each time.
            2.. if self.ask => self.lost(),
            2 if self.path.message > self.path.piece && self.pieces == Pieces::Unknown => {
                self.pieces = Pieces::Fail;
                self.set(Path { message: self.path.piece, ..self.path });
            }
            HALVE_AFTER => {
                self.halve();
            }
            GIVE_UP_AFTER.. => self.lost(),
            _ => {}
        }
    }

    /// Halves messages and window. `false` if they are as small as they may be.
    fn halve(&mut self) -> bool {
        let Path { message, window, piece } = self.path;
        let half = (message / 2).max(MIN_MESSAGE);
        self.set(Path { message: half, window: (window / 2).max(1), piece: piece.min(half) });
        (half, self.path.window) != (message, window)
    }

    /// The link is closed.
    pub fn closed(&mut self) {
        if matches!(self.stage, Stage::Open | Stage::Draining { .. }) {
            self.lost();
        }
    }

    fn lost(&mut self) {
        self.parts.clear();
        self.resubscribe = false;
        if self.pieces == Pieces::Fail && self.timeouts > 1 {
            // Shorter messages were not answered either, so it was not that.
            self.pieces = Pieces::Unknown;
        }
        self.idle_links += 1;
        self.progress.restarts += 1;
        let (acked, len, links) = (self.progress.acked, self.progress.len, self.idle_links);
        self.stage = Stage::Closed;
        if links >= IDLE_LINKS {
            self.fail(UploadFailure::Silent { acked, len, links });
        }
    }

    /// Another link is open. The first part goes again, and the watch says where it stands.
    pub fn reopened(&mut self, path: Path) {
        if !matches!(self.stage, Stage::Closed) {
            return;
        }
        self.stage = Stage::Open;
        (self.ask, self.probing, self.timeouts) = (true, false, 0);
        self.hold = Duration::ZERO;
        if let Err(failure) = self.take(path) {
            self.fail(failure);
        }
    }

    const fn grown(&mut self) {
        (self.idle_replies, self.idle_links) = (0, 0);
        self.busy = None;
    }

    fn idle(&mut self) {
        self.idle_replies += 1;
        if self.idle_replies >= IDLE_REPLIES {
            self.stuck();
        }
    }

    fn stuck(&mut self) {
        let (acked, len) = (self.progress.acked, self.progress.len);
        self.fail(UploadFailure::NoProgress { acked, len });
    }

    fn fail(&mut self, failure: UploadFailure) -> Action {
        self.finish(Stage::Failed(failure.clone()));
        Action::Failed(failure)
    }

    fn finish(&mut self, stage: Stage) {
        if !matches!(self.stage, Stage::Done | Stage::Failed(_)) {
            self.parts.clear();
            self.stage = stage;
        }
    }
}
