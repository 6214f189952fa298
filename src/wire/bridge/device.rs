//! The watch's side of the service: what to answer, and what to send next. A firmware would run this; the simulated watch does.

use std::collections::VecDeque;

use bytes::Bytes;

use super::control::{ErrorCode, Request, Response};
use super::data::Slicer;
use super::{Info, LogId, STREAMS, Seq, TimeReading, TimeSetting};

/// What the service needs of a watch's flash and clock.
pub trait LogStore {
    /// Identity and log window as they are now.
    fn info(&self) -> Info;

    /// The first block with `seq >= from`. `None` above the head.
    fn block(&mut self, from: Seq) -> Result<Option<(Seq, Bytes)>, ErrorCode>;

    /// Everything up to `through` is safe on the host.
    fn acked(&mut self, through: Seq);

    /// Seals what is still open.
    fn flush(&mut self) -> Result<(), ErrorCode>;

    /// The clock.
    fn time(&self) -> TimeReading;

    /// Sets the clock and writes an anchor into the log.
    fn set_time(&mut self, setting: TimeSetting);

    /// A block of newest values (seq 0) of the streams in `mask`, if there is something new.
    fn live(&mut self, mask: u32) -> Option<Bytes>;
}

/// Which characteristic a notification belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A reply.
    Control,
    /// A slice of the block stream.
    Data,
}

/// A write that the service cannot read: ATT error 0x80, "application error".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// A pull in progress.
#[derive(Debug)]
struct Pull {
    id: u8,
    log_id: LogId,
    next: Seq,
    credit: u64,
    slicer: Slicer,
    failed: Option<ErrorCode>,
}

/// The service on top of a store.
#[derive(Debug)]
pub struct BridgeDevice<S> {
    store: S,
    replies: VecDeque<Response>,
    pull: Option<Pull>,
    live: u32,
    live_slices: Slicer,
}

impl<S: LogStore> BridgeDevice<S> {
    /// The service of a watch with this store.
    pub fn new(store: S) -> Self {
        Self { store, replies: VecDeque::new(), pull: None, live: 0, live_slices: Slicer::new() }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The store, to record into.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Forgets whatever a host that is gone had asked for.
    pub fn disconnected(&mut self) {
        self.replies.clear();
        self.pull = None;
        self.live = 0;
    }

    /// What the info characteristic reads.
    pub fn read_info(&self) -> Vec<u8> {
        self.store.info().encode()
    }

    /// What the time characteristic reads.
    pub fn read_time(&self) -> Vec<u8> {
        self.store.time().encode()
    }

    /// A write to the time characteristic.
    pub fn write_time(&mut self, value: &[u8]) -> Result<(), Refused> {
        self.store.set_time(TimeSetting::decode(value).map_err(|_| Refused)?);
        Ok(())
    }

    /// A write to the control characteristic.
    pub fn write_control(&mut self, value: &[u8]) -> Result<(), Refused> {
        match Request::decode(value).map_err(|_| Refused)? {
            Request::Pull { id, log_id, from, credit } => self.start_pull(id, log_id, from, credit),
            Request::Credit { id, add } => {
                // Credit for a pull that has just ended is late, not wrong.
                if let Some(pull) = self.pull.as_mut().filter(|pull| pull.id == id) {
                    pull.credit += u64::from(add);
                }
            }
            Request::Commit { id, log_id, through } => {
                let info = self.store.info();
                if log_id != info.log_id {
                    self.fail(id, ErrorCode::WrongLog);
                } else if through > info.head {
                    self.fail(id, ErrorCode::BadRequest);
                } else {
                    self.store.acked(through);
                    self.replies.push_back(Response::Ok { id });
                }
            }
            Request::Flush { id } => match self.store.flush() {
                Ok(()) => self.replies.push_back(Response::Ok { id }),
                Err(code) => self.fail(id, code),
            },
            Request::Stop { id } => {
                self.pull = None;
                self.replies.push_back(Response::Ok { id });
            }
            Request::Live { id, mask } => {
                self.live = mask;
                self.live_slices = Slicer::new();
                self.replies.push_back(Response::Ok { id });
            }
            Request::Streams { id, from } => self.tell_streams(id, from),
        }
        Ok(())
    }

    /// The next notification of at most `room` bytes, replies first.
    pub fn next_notification(&mut self, room: usize) -> Option<(Channel, Bytes)> {
        if let Some(reply) = self.replies.pop_front() {
            return Some((Channel::Control, reply.encode().into()));
        }
        if self.pull.is_some() {
            return self.pull_on(room);
        }
        if self.live != 0 {
            let (store, mask) = (&mut self.store, self.live);
            return self.live_slices.next(room, || store.live(mask)).map(|slice| (Channel::Data, slice));
        }
        None
    }

    fn fail(&mut self, id: u8, code: ErrorCode) {
        self.replies.push_back(Response::Err { id, code });
    }

    fn start_pull(&mut self, id: u8, log_id: LogId, from: Seq, credit: u32) {
        let info = self.store.info();
        if self.pull.is_some() {
            self.fail(id, ErrorCode::Busy);
        } else if log_id != info.log_id {
            self.fail(id, ErrorCode::WrongLog);
        } else if from < info.tail {
            self.fail(id, ErrorCode::BeforeTail);
        } else {
            let (credit, slicer) = (credit.into(), Slicer::new());
            self.pull = Some(Pull { id, log_id, next: from, credit, slicer, failed: None });
        }
    }

    /// Sends the next slice, or ends the pull.
    fn pull_on(&mut self, room: usize) -> Option<(Channel, Bytes)> {
        let Self { store, pull: Some(pull), .. } = self else { return None };
        let Pull { log_id, next, credit, slicer, failed, .. } = pull;
        let slice = slicer.next(room, || {
            if *credit == 0 || failed.is_some() {
                return None;
            }
            // A wiped watch begins again at 1: what it holds now was not asked for.
            if store.info().log_id != *log_id {
                *failed = Some(ErrorCode::WrongLog);
                return None;
            }
            match store.block(*next) {
                Ok(Some((seq, block))) => {
                    // The last block may go beyond the credit, so that a small credit still moves.
                    *credit = credit.saturating_sub(block.len() as u64);
                    *next = seq.next();
                    Some(block)
                }
                Ok(None) => None,
                Err(code) => {
                    *failed = Some(code);
                    None
                }
            }
        });
        if let Some(slice) = slice {
            return Some((Channel::Data, slice));
        }
        let (id, next, failed) = (pull.id, pull.next, pull.failed);
        self.pull = None;
        let Info { head, tail, .. } = self.store.info();
        let reply = match failed {
            Some(code) => Response::Err { id, code },
            None => Response::End { id, next, head, tail },
        };
        Some((Channel::Control, reply.encode().into()))
    }

    fn tell_streams(&mut self, id: u8, from: super::Stream) {
        let rows = STREAMS.iter().filter(|info| info.stream >= from);
        self.replies.extend(rows.map(|info| Response::Stream {
            id,
            stream: info.stream,
            scale: info.scale,
            period_ms: info.period_ms,
        }));
        let Info { head, tail, .. } = self.store.info();
        self.replies.push_back(Response::End { id, next: head.next(), head, tail });
    }
}
