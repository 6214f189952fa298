//! Finding devices, and forgetting them.

use std::collections::HashMap;

use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::Advertisement;
use zbus::{OwnedVariant, Variant};

use super::device::{Device, LinkState};
use super::links::Reason;
use super::machine::{Event, Key, Machine};
use super::outgoing::{ADAPTER, CHARACTERISTIC, Call, DESCRIPTOR, DEVICE, Refusal, SERVICE};

impl Machine {
    pub fn start_discovery(&mut self, path: &str, client: String, call: &Call) -> Result<(), Refusal> {
        let adapter = self.adapters.get_mut(path).ok_or_else(|| Refusal::unknown(call))?;
        if !adapter.powered {
            return Err(Refusal::bluez("NotReady", "Resource Not Ready"));
        }
        if adapter.discoverers.contains(&client) {
            return Err(Refusal::bluez("InProgress", "Operation already in progress"));
        }
        let first = adapter.discoverers.is_empty();
        adapter.discoverers.insert(client);
        self.out.reply(call, &());
        if first {
            self.out.changed(path, ADAPTER, [("Discovering", true.into())]);
        }
        Ok(())
    }

    pub fn stop_discovery(&mut self, path: &str, client: &str, call: &Call) -> Result<(), Refusal> {
        let adapter = self.adapters.get_mut(path).ok_or_else(|| Refusal::unknown(call))?;
        if !adapter.powered {
            return Err(Refusal::bluez("NotReady", "Resource Not Ready"));
        }
        if !adapter.discoverers.contains(client) {
            return Err(Refusal::failed("No discovery started"));
        }
        self.discoverer_leaves(path, client);
        self.out.reply(call, &());
        Ok(())
    }

    /// A client wants no discovery any more. What is not of use by now expires.
    pub fn discoverer_leaves(&mut self, path: &str, client: &str) {
        let Some(adapter) = self.adapters.get_mut(path) else { return };
        adapter.filters.remove(client);
        if !adapter.discoverers.remove(client) || !adapter.discoverers.is_empty() {
            return;
        }
        let devices: Vec<PeerAddress> = adapter.devices.keys().cloned().collect();
        self.out.changed(path, ADAPTER, [("Discovering", false.into())]);
        for device in adapter.devices.values_mut().filter(|device| device.rssi.is_some()) {
            device.rssi = None;
            self.out.unknown(&device.path, DEVICE, "RSSI");
        }
        for peer in devices {
            self.let_expire(&Key { adapter: path.to_owned(), peer });
        }
    }

    /// Everybody advertises once; whoever is looked for is heard.
    pub fn adverts(&mut self) {
        let listening =
            |adapter: &&super::adapter::Adapter| adapter.powered && !adapter.discoverers.is_empty();
        let paths: Vec<String> =
            self.adapters.values().filter(listening).map(|adapter| adapter.path.clone()).collect();
        for path in paths {
            let mut heard: Vec<(PeerAddress, Advertisement)> = Vec::new();
            for (peer, watch) in &self.watches {
                heard.extend(watch.heard().map(|advertisement| (peer.clone(), advertisement)));
            }
            heard.extend(self.crowd.heard());
            for (peer, advertisement) in heard {
                self.sighted(&path, peer, advertisement);
            }
        }
        self.after(self.timing.advertising, Event::Adverts);
    }

    fn sighted(&mut self, path: &str, peer: PeerAddress, advertisement: Advertisement) {
        let Some(adapter) = self.adapters.get_mut(path) else { return };
        if !adapter.is_wanted(&peer, &advertisement) {
            return;
        }
        if let Some(device) = adapter.devices.get_mut(&peer) {
            device.kept += 1;
            let rssi = -40 - (device.rssi.unwrap_or(-60) + 41).rem_euclid(20);
            device.rssi = Some(rssi);
            self.out.changed(&device.path, DEVICE, [("RSSI", rssi.into())]);
        } else {
            let mut device = Device::new(path, peer.clone(), advertisement);
            device.rssi = Some(-50);
            device.paired = self.bonds.contains(&(adapter.address.clone(), peer.clone()));
            self.out.added(&device.path, &device.interfaces());
            adapter.devices.insert(peer, device);
        }
    }

    /// `SetDiscoveryFilter`. Of all that can be filtered by, only the pattern makes a difference here.
    pub fn set_discovery_filter(&mut self, path: &str, client: String, call: &Call) -> Result<(), Refusal> {
        let adapter = self.adapters.get_mut(path).ok_or_else(|| Refusal::unknown(call))?;
        let body = call.body();
        let unreadable = |_| Refusal::bluez("InvalidArguments", "Invalid arguments in method call");
        let filter: HashMap<String, OwnedVariant> = body.deserialize().map_err(unreadable)?;
        let pattern = match filter.get("Pattern").map(|pattern| &**pattern) {
            Some(Variant::Str(pattern)) => pattern.to_string(),
            _ => String::new(),
        };
        adapter.filters.insert(client, pattern);
        self.out.reply(call, &());
        Ok(())
    }

    /// From now on, the object goes away if nothing happens to it.
    pub fn let_expire(&mut self, key: &Key) {
        let delay = self.timing.temporary;
        let Some(device) = self.device(key) else { return };
        if device.paired || !matches!(device.link, LinkState::Down) {
            return;
        }
        device.kept += 1;
        let kept = device.kept;
        self.after(delay, Event::Expired(key.clone(), kept));
    }

    pub fn expire(&mut self, key: &Key, kept: u64) {
        let stale = |device: &mut Device| {
            device.kept == kept && !device.paired && matches!(device.link, LinkState::Down)
        };
        if self.device(key).is_some_and(stale) {
            self.remove_device(key);
        }
    }

    /// Removes a device with all that is known of it.
    pub fn remove_device(&mut self, key: &Key) {
        self.link_down(key, Reason::Local);
        let Some(adapter) = self.adapters.get_mut(&key.adapter) else { return };
        let Some(device) = adapter.devices.remove(&key.peer) else { return };
        self.bonds.remove(&(adapter.address.clone(), key.peer.clone()));
        for (path, interfaces) in device.attributes().into_iter().rev() {
            for interface in [SERVICE, CHARACTERISTIC, DESCRIPTOR] {
                if interfaces.contains_key(interface) {
                    self.out.removed(&path, interface);
                }
            }
        }
        self.out.removed(&device.path, DEVICE);
    }
}
