//! The DFU service, packet by packet.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Slots;
use crate::wire::dfu::{Command, InitPacket, Notice, Op, PACKET_SIZE, Status, crc16};

/// An upload that nobody touches for so long is forgotten.
const FORGETS: Duration = Duration::from_secs(10);
/// Erasing the slot takes a while.
const ERASES: Duration = Duration::from_secs(6);
/// Some answers come by a timer.
const LATER: Duration = Duration::from_secs(1);

/// How a link ends in the middle of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Before the watch has heard what was written.
    Unheard,
    /// After it has, before it could answer.
    Unanswered,
}

/// What goes wrong. Writes and receipts are counted from 1, over all links.
#[derive(Clone, Debug, Default)]
pub struct DfuFaults {
    /// A person has switched updates off.
    pub switched_off: bool,
    /// The link is lost at this write.
    pub lost_at: Option<(u32, Loss)>,
    /// This packet of the image never arrives.
    pub lost_packet: Option<u32>,
    /// This receipt never arrives.
    pub lost_receipt: Option<u32>,
    /// This receipt counts what nobody sent.
    pub wrong_receipt: Option<u32>,
    /// The image is damaged in flash, so many times.
    pub flips: u32,
    /// This command ends with this status.
    pub refuses: Option<(Op, Status)>,
    /// The order to start the image is passed over, so many times.
    pub ignores_activation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Start,
    Init,
    Data,
    Validate,
    Validated,
}

/// What a write leads to beyond an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The watch starts anew.
    Restart,
}

/// The service.
#[derive(Debug)]
pub struct DfuService {
    state: State,
    size: usize,
    received: usize,
    packets: u32,
    receipts: u32,
    receipt_every: u8,
    crc: u16,
    touched: Instant,
    answers: VecDeque<(Instant, Notice)>,
    /// What goes wrong.
    pub faults: DfuFaults,
    /// Uploads that were begun.
    pub begun: u32,
    /// A packet came that would have stopped a real watch.
    pub stopped: bool,
}

impl Default for DfuService {
    fn default() -> Self {
        Self {
            state: State::Idle,
            size: 0,
            received: 0,
            packets: 0,
            receipts: 0,
            receipt_every: 0,
            crc: 0,
            touched: Instant::now(),
            answers: VecDeque::new(),
            faults: DfuFaults::default(),
            begun: 0,
            stopped: false,
        }
    }
}

impl DfuService {
    /// Forgets an upload that was left alone.
    pub fn catch_up(&mut self) {
        if self.state != State::Idle && Instant::now() >= self.touched + FORGETS {
            self.reset();
        }
    }

    /// Forgets an upload.
    pub fn reset(&mut self) {
        (self.state, self.receipt_every, self.packets, self.received) = (State::Idle, 0, 0, 0);
        self.answers.clear();
    }

    /// Restarts with the watch.
    pub fn restart(&mut self) {
        self.reset();
    }

    /// When it has something to say or to forget.
    pub fn wake_at(&self) -> Option<Instant> {
        self.answers.front().map(|(due, _)| *due)
    }

    /// What it has to say now.
    pub fn answer(&mut self) -> Option<Notice> {
        self.answers.pop_front_if(|(due, _)| *due <= Instant::now()).map(|(_, notice)| notice)
    }

    /// The control point is written. What it does not know, or not now, it passes over in silence.
    pub fn command(&mut self, value: &[u8], slots: &mut Slots) -> Effect {
        self.touched = Instant::now();
        match (Command::decode(value), self.state) {
            (Some(Command::Start), State::Idle) => self.state = State::Start,
            (Some(Command::InitEnds), State::Init) => self.end(Op::Init, LATER),
            (Some(Command::ReceiptEvery(packets)), _) => self.receipt_every = packets,
            (Some(Command::Receive), State::Init) => self.state = State::Data,
            (Some(Command::Validate), State::Validate) => self.validate(slots),
            (Some(Command::Activate), State::Validated) if self.faults.ignores_activation > 0 => {
                self.faults.ignores_activation -= 1;
            }
            (Some(Command::Activate), State::Validated) => return Effect::Restart,
            _ => {}
        }
        Effect::None
    }

    /// A packet is written.
    pub fn packet(&mut self, value: &[u8], slots: &mut Slots) {
        self.touched = Instant::now();
        match self.state {
            State::Start => {
                let Some(size) = value.get(8..12) else { return };
                self.size = size.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte));
                slots.erase();
                self.begun += 1;
                self.touched += ERASES;
                self.state = State::Init;
                self.end(Op::Start, ERASES);
            }
            State::Init => {
                if let Ok(packet) = InitPacket::decode(value) {
                    self.crc = packet.crc;
                }
            }
            State::Data => self.data(value, slots),
            State::Idle | State::Validate | State::Validated => {}
        }
    }

    fn data(&mut self, value: &[u8], slots: &mut Slots) {
        self.packets += 1;
        if self.faults.lost_packet == Some(self.packets) {
            self.faults.lost_packet = None;
            self.packets -= 1;
            return;
        }
        self.stopped |= value.len() > PACKET_SIZE;
        slots.append(value);
        self.received += value.len();
        let due = self.receipt_every > 0 && self.packets.is_multiple_of(u32::from(self.receipt_every));
        if due && self.received != self.size {
            self.receipts += 1;
            let wrong = self.faults.wrong_receipt == Some(self.receipts);
            if self.faults.lost_receipt != Some(self.receipts) {
                let count = self.received as u32 + u32::from(wrong);
                self.say(Notice::Receipt(count), Duration::ZERO);
            }
        }
        if self.received == self.size {
            slots.mark();
            self.state = State::Validate;
            self.end(Op::Receive, Duration::ZERO);
        }
    }

    fn validate(&mut self, slots: &mut Slots) {
        if self.faults.flips > 0 {
            self.faults.flips -= 1;
            slots.flip_a_bit();
        }
        if crc16(slots.flash()) == self.crc {
            self.state = State::Validated;
            self.end(Op::Validate, LATER);
        } else {
            self.reset();
            self.say(Notice::Ended(Op::Validate, Status::Crc), LATER);
        }
    }

    fn end(&mut self, op: Op, after: Duration) {
        let refused = self.faults.refuses.filter(|(refused, _)| *refused == op);
        self.say(Notice::Ended(op, refused.map_or(Status::Done, |(_, status)| status)), after);
    }

    fn say(&mut self, notice: Notice, after: Duration) {
        self.answers.push_back((Instant::now() + after, notice));
    }
}
