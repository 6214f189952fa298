//! What happens in one connection event: answers, requests, notifications, in this order. No clock in here.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::faults::Dice;
use super::link::{Answer, Operation, Request};
use super::model::{ATT_HEADER_BYTES, Airtime, att_packet_bytes};
use super::peripheral::{AttError, Peripheral};
use crate::radio::{NotificationSink, RadioError};

/// Requests taken from the host before it has to wait: what a controller buffers.
const QUEUED_REQUESTS: usize = 16;
/// Error opcode, the request's opcode and handle, and the code.
const ERROR_RESPONSE_BYTES: usize = 5;

/// A packet of the attribute protocol on its way, PDU by PDU.
#[derive(Debug)]
struct Packet<T> {
    unsent: usize,
    content: T,
}

impl<T> Packet<T> {
    fn new(att_bytes: usize, content: T) -> Self {
        Self { unsent: att_packet_bytes(att_bytes), content }
    }
}

/// Sends what fits of the packet in `slot`; hands out its content when it has arrived.
fn deliver<T>(slot: &mut Option<Packet<T>>, airtime: &mut Airtime) -> Option<T> {
    if airtime.send(&mut slot.as_mut()?.unsent) { slot.take().map(|packet| packet.content) } else { None }
}

/// Everything under way on one link.
///
/// ATT allows one request at a time: it goes out in one event and is answered in the next. Writes without response wait for
/// nobody, but overtake nothing either.
#[derive(Debug)]
pub(super) struct Traffic {
    longest_value: usize,
    queue: VecDeque<Request>,
    request: Option<Packet<Request>>,
    answer: Option<Packet<(oneshot::Sender<Answer>, Answer)>>,
    notification: Option<Packet<(Uuid, Bytes)>>,
    subscribers: Vec<(Uuid, NotificationSink)>,
    /// The peripheral may have a notification.
    look: bool,
    /// Callers that will wait in vain; kept so that they do not take the silence for a closed link.
    hung: Vec<oneshot::Sender<Answer>>,
}

impl Traffic {
    /// A link on which values are at most this long.
    pub fn new(longest_value: usize) -> Self {
        Self {
            longest_value,
            queue: VecDeque::new(),
            request: None,
            answer: None,
            notification: None,
            subscribers: Vec::new(),
            look: false,
            hung: Vec::new(),
        }
    }

    /// Whether one more request may be queued.
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUED_REQUESTS
    }

    pub fn queue(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    /// The peripheral may have something to say.
    pub fn look(&mut self) {
        self.look = true;
    }

    pub fn is_subscribed(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Whether the next event has anything to do.
    pub fn is_pending(&self) -> bool {
        self.request.is_some()
            || self.answer.is_some()
            || self.notification.is_some()
            || !self.queue.is_empty()
            || (self.look && self.is_subscribed())
    }

    /// One connection event.
    pub fn event(&mut self, peripheral: &mut dyn Peripheral, dice: &mut Dice, mut airtime: Airtime) {
        if let Some((reply, answer)) = deliver(&mut self.answer, &mut airtime) {
            // A caller that gave up is none of the air's business.
            let _ = reply.send(answer);
        }
        self.requests(peripheral, dice, &mut airtime);
        self.notifications(peripheral, dice, &mut airtime);
    }

    fn requests(&mut self, peripheral: &mut dyn Peripheral, dice: &mut Dice, airtime: &mut Airtime) {
        loop {
            if self.request.is_none() {
                let free = self.answer.is_none();
                let next = self.queue.pop_front_if(|request| free || request.reply.is_none());
                let Some(request) = next else { return };
                self.request = Some(Packet::new(request_bytes(&request.operation), request));
            }
            let Some(request) = deliver(&mut self.request, airtime) else { return };
            self.perform(request, peripheral, dice);
        }
    }

    fn perform(&mut self, request: Request, peripheral: &mut dyn Peripheral, dice: &mut Dice) {
        let characteristic = request.characteristic;
        let result = match request.operation {
            Operation::Read => peripheral.read(characteristic),
            Operation::Write(value) => peripheral.write(characteristic, &value).map(|()| Vec::new()),
            Operation::Subscribe(sink) => peripheral.subscribe(characteristic).map(|()| {
                self.subscribers.retain(|(_, sink)| !sink.is_closed());
                self.subscribers.push((characteristic, sink));
                Vec::new()
            }),
        };
        self.look();
        let Some(reply) = request.reply else { return };
        if dice.hangs() {
            self.hung.push(reply);
            return;
        }
        let bytes = result.as_ref().map_or(ERROR_RESPONSE_BYTES, |value| 1 + value.len());
        let answer = result.map_err(|AttError(code)| RadioError::Refused { code });
        self.answer = Some(Packet::new(bytes, (reply, answer)));
    }

    fn notifications(&mut self, peripheral: &mut dyn Peripheral, dice: &mut Dice, airtime: &mut Airtime) {
        while self.is_subscribed() {
            if self.notification.is_none() && self.look {
                let next = peripheral.notify();
                self.look = next.is_some();
                self.notification =
                    next.map(|(uuid, value)| Packet::new(ATT_HEADER_BYTES + value.len(), (uuid, value)));
            }
            let Some((characteristic, value)) = deliver(&mut self.notification, airtime) else { return };
            self.publish(characteristic, value, dice);
        }
    }

    fn publish(&self, characteristic: Uuid, value: Bytes, dice: &mut Dice) {
        let mut listeners = self
            .subscribers
            .iter()
            .filter(|(uuid, _)| *uuid == characteristic)
            .map(|(_, sink)| sink)
            .peekable();
        if listeners.peek().is_none() || value.len() > self.longest_value {
            dice.count_improper();
            return;
        }
        if dice.loses_notification() {
            return;
        }
        let value = match dice.corrupts_notification(value.len()) {
            Some(bit) => with_flipped_bit(&value, bit),
            None => value,
        };
        for sink in listeners {
            if !sink.push(value.clone()) && !sink.is_closed() {
                dice.count_overrun();
            }
        }
    }
}

/// Bytes of the request itself: opcode and handle, and what is written. A subscription writes two bytes of configuration.
fn request_bytes(operation: &Operation) -> usize {
    ATT_HEADER_BYTES
        + match operation {
            Operation::Read => 0,
            Operation::Write(value) => value.len(),
            Operation::Subscribe(_) => 2,
        }
}

fn with_flipped_bit(value: &Bytes, bit: usize) -> Bytes {
    let mut bytes = value.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes.into()
}
