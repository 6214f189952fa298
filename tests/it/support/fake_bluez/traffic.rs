//! What goes over a link: one connection event after the other, operations in order, then notifications.

use std::collections::VecDeque;

use nowbridge::radio::air::AttError;
use tokio::time::Instant;
use uuid::Uuid;

use super::database::{Node, is_protected};
use super::device::{Keys, Operation};
use super::machine::{Event, Key, Machine};
use super::outgoing::{CHARACTERISTIC, Call, Refusal};

/// Opcode and handle.
const ATT_HEADER_BYTES: usize = 3;

impl Machine {
    /// A call to the characteristic at `path` below a device.
    pub fn characteristic_call(
        &mut self,
        key: &Key,
        path: &str,
        member: &str,
        client: String,
        call: &Call,
    ) -> Result<(), Refusal> {
        let mtu = self.watches.get(&key.peer).map_or(23, |watch| usize::from(watch.mtu));
        let device = self.device(key).ok_or_else(|| Refusal::unknown(call))?;
        let node = device.database.as_ref().and_then(|database| database.0.get(path));
        let Some(Node::Characteristic { uuid, .. }) = node.cloned() else {
            return Err(Refusal::unknown(call));
        };
        if !device.is_connected() {
            return match member {
                // It says yes, and means the next link.
                "StartNotify" => {
                    device.wishes.insert((uuid, client));
                    self.out.reply(call, &());
                    Ok(())
                }
                "StopNotify" => Err(Refusal::failed("No notify session started")),
                _ => Err(Refusal::failed("Not connected")),
            };
        }
        let listens = device.link().is_some_and(|link| link.listeners.contains(&(uuid, client.clone())));
        match member {
            "StartNotify" if listens => self.out.reply(call, &()),
            "ReadValue" => self.queue(key, Operation::Read { call: call.clone(), uuid }),
            "WriteValue" => self.write_value(key, uuid, mtu, call)?,
            "StartNotify" => self.queue(key, Operation::Subscribe { call: call.clone(), uuid, client }),
            "StopNotify" => self.stop_notify(key, path, uuid, client, call)?,
            _ => return Err(Refusal::unknown(call)),
        }
        Ok(())
    }

    fn write_value(&mut self, key: &Key, uuid: Uuid, mtu: usize, call: &Call) -> Result<(), Refusal> {
        let body = call.body();
        let unreadable = |_| Refusal::bluez("InvalidArguments", "Invalid arguments in method call");
        let (value, options): (Vec<u8>, std::collections::HashMap<String, zbus::OwnedVariant>) =
            body.deserialize().map_err(unreadable)?;
        if value.len() > mtu - ATT_HEADER_BYTES {
            return Err(Refusal::failed("Failed to initiate write"));
        }
        let command = options
            .get("type")
            .is_some_and(|kind| matches!(&**kind, zbus::Variant::Str(word) if word.as_str() == "command"));
        // No back-pressure: a command is queued, however many there are, and that counts as done.
        let call = if command {
            self.out.reply(call, &());
            None
        } else {
            Some(call.clone())
        };
        self.queue(key, Operation::Write { call, uuid, value });
        Ok(())
    }

    fn stop_notify(
        &mut self,
        key: &Key,
        path: &str,
        uuid: Uuid,
        client: String,
        call: &Call,
    ) -> Result<(), Refusal> {
        let none = || Refusal::failed("No notify session started");
        let device = self.device(key).ok_or_else(none)?;
        let whole = format!("{}/{path}", device.path);
        let link = device.link().ok_or_else(none)?;
        if !link.listeners.remove(&(uuid, client)) {
            return Err(none());
        }
        if !link.listens(uuid) {
            self.out.changed(&whole, CHARACTERISTIC, [("Notifying", false.into())]);
        }
        self.out.reply(call, &());
        Ok(())
    }

    fn queue(&mut self, key: &Key, operation: Operation) {
        if let Some(link) = self.device(key).and_then(|device| device.link()) {
            link.operations.push_back(operation);
        }
        self.tick_soon(key);
    }

    /// Has the next connection event of this link take place, if there is anything to do in it.
    pub fn tick_soon(&mut self, key: &Key) {
        let interval = self.timing.interval;
        if !self.watches.get(&key.peer).is_some_and(super::air::Watch::answers) {
            return;
        }
        let Some(link) = self.device(key).and_then(|device| device.link()) else { return };
        if link.ticking || link.keys == Keys::Refused || !link.is_pending() {
            return;
        }
        link.ticking = true;
        let number = link.number;
        self.after(interval, Event::Tick(key.clone(), number));
    }

    /// A connection event.
    pub fn tick(&mut self, key: &Key, number: u64) {
        let Some(link) = self.link(key, number) else { return };
        link.ticking = false;
        if !self.watches.get(&key.peer).is_some_and(super::air::Watch::answers) {
            return;
        }
        let mut room = self.timing.packets;
        while room > 0 && self.next_operation(key) {
            room -= 1;
        }
        while room > 0 && self.next_notification(key) {
            room -= 1;
        }
        self.sleep_until_it_speaks(key, number);
        self.tick_soon(key);
    }

    /// Performs the next operation. `false` if there is none.
    fn next_operation(&mut self, key: &Key) -> bool {
        let Some(link) = self.device(key).and_then(|device| device.link()) else { return false };
        let Some(operation) = link.operations.pop_front() else { return false };
        link.look = true;
        match operation {
            Operation::Read { uuid, .. } if is_protected(uuid) && link.keys != Keys::Encrypted => {
                self.pair_for(key, operation);
            }
            operation => self.perform(key, operation),
        }
        true
    }

    fn perform(&mut self, key: &Key, operation: Operation) {
        let Some(watch) = self.watches.get_mut(&key.peer) else { return };
        match operation {
            Operation::Read { call, uuid } => match watch.peripheral.read(uuid) {
                Ok(value) => {
                    // BlueZ tells everybody what one client has read, just as if it had been notified.
                    self.tell_value(key, uuid, value.clone());
                    self.out.reply(&call, &value);
                }
                Err(AttError(code)) => self.out.refuse(&call, &Refusal::att(code)),
            },
            Operation::Write { call, uuid, value } => {
                let written = watch.peripheral.write(uuid, &value);
                match (written, call) {
                    (Ok(()), Some(call)) => self.out.reply(&call, &()),
                    (Err(AttError(code)), Some(call)) => self.out.refuse(&call, &Refusal::att(code)),
                    (_, None) => {}
                }
            }
            Operation::Subscribe { call, uuid, client } => match watch.peripheral.subscribe(uuid) {
                Ok(()) => {
                    self.subscribed(key, uuid, client);
                    self.out.reply(&call, &());
                }
                Err(AttError(code)) => self.out.refuse(&call, &Refusal::att(code)),
            },
        }
    }

    /// Whoever listened to the former link listens to this one.
    pub fn listen_again(&mut self, key: &Key) {
        let wishes = self.device(key).map(|device| std::mem::take(&mut device.wishes));
        for (uuid, client) in wishes.unwrap_or_default() {
            let watch = self.watches.get_mut(&key.peer);
            if watch.is_some_and(|watch| watch.peripheral.subscribe(uuid).is_ok()) {
                self.subscribed(key, uuid, client);
            }
        }
        self.tick_soon(key);
    }

    fn subscribed(&mut self, key: &Key, uuid: Uuid, client: String) {
        let Some(device) = self.device(key) else { return };
        let path = device.database.as_ref().and_then(|database| database.path_of(uuid));
        let path = format!("{}/{}", device.path, path.unwrap_or_default());
        if let Some(link) = device.link() {
            link.look = true;
            link.listeners.insert((uuid, client));
        }
        self.out.changed(&path, CHARACTERISTIC, [("Notifying", true.into())]);
    }

    /// Takes the watch's next notification to those who listen. `false` if there is none.
    fn next_notification(&mut self, key: &Key) -> bool {
        let Some(link) = self.device(key).and_then(|device| device.link()) else { return false };
        if link.listeners.is_empty() || !link.look {
            return false;
        }
        let notification = self.watches.get_mut(&key.peer).and_then(|watch| watch.peripheral.notify());
        let Some(device) = self.device(key) else { return false };
        let listened = device.link().is_some_and(|link| {
            link.look = notification.is_some();
            notification.as_ref().is_some_and(|(uuid, _)| link.listens(*uuid))
        });
        let Some((uuid, value)) = notification else { return false };
        if listened {
            self.tell_value(key, uuid, value.to_vec());
        }
        true
    }

    fn tell_value(&mut self, key: &Key, uuid: Uuid, value: Vec<u8>) {
        let Some(device) = self.device(key) else { return };
        let path = device.database.as_ref().and_then(|database| database.path_of(uuid));
        let path = format!("{}/{}", device.path, path.unwrap_or_default());
        device.values.insert(uuid, value.clone());
        self.out.changed(&path, CHARACTERISTIC, [("Value", value.into())]);
    }

    /// Sets the alarm for what the watch will say unasked.
    fn sleep_until_it_speaks(&mut self, key: &Key, number: u64) {
        let wanted = self.watches.get(&key.peer).and_then(|watch| watch.peripheral.wake_at());
        let Some(wanted) = wanted else { return };
        let Some(link) = self.link(key, number).filter(|link| !link.listeners.is_empty()) else { return };
        if link.wake_at.is_some_and(|set| set <= wanted && set > Instant::now()) {
            return;
        }
        link.wake_at = Some(wanted);
        let key = key.clone();
        self.later.spawn(async move {
            tokio::time::sleep_until(wanted).await;
            Event::Wake(key, number)
        });
    }

    /// The watch has something to say by now.
    pub fn wake(&mut self, key: &Key, number: u64) {
        if let Some(link) = self.link(key, number) {
            link.look = true;
        }
        self.tick_soon(key);
    }

    /// The link is encrypted: what waited for that goes first.
    pub fn encrypted(&mut self, key: &Key, parked: VecDeque<Operation>) {
        if let Some(link) = self.device(key).and_then(|device| device.link()) {
            link.keys = Keys::Encrypted;
            parked.into_iter().rev().for_each(|operation| link.operations.push_front(operation));
        }
        self.tick_soon(key);
    }
}
