//! Calls from the bus: who is meant, and what is wanted.

use std::collections::BTreeMap;
use std::fmt::Write;

use nowbridge::radio::PeerAddress;
use zbus::message::{Message, Type};
use zbus::{ObjectPath, Variant};

use super::database::Node;
use super::machine::{Key, Machine};
use super::outgoing::{
    ADAPTER, AGENT_MANAGER, CHARACTERISTIC, Call, DESCRIPTOR, DEVICE, INTROSPECTABLE, Interfaces,
    OBJECT_MANAGER, PROPERTIES, Refusal,
};

impl Machine {
    /// A message has come.
    pub fn received(&mut self, message: &Message) {
        match message.message_type() {
            Type::MethodCall => {
                if let Err(refusal) = self.answer(message) {
                    self.out.refuse(message, &refusal);
                }
            }
            Type::Signal => self.somebody_left(message),
            Type::MethodReturn | Type::Error => {}
        }
    }

    fn answer(&mut self, call: &Call) -> Result<(), Refusal> {
        let header = call.header();
        let text = |name: Option<String>| name.unwrap_or_default();
        let path = text(header.path().map(ToString::to_string));
        let interface = text(header.interface().map(ToString::to_string));
        let member = text(header.member().map(ToString::to_string));
        let client = text(header.sender().map(ToString::to_string));
        match interface.as_str() {
            OBJECT_MANAGER if path == "/" => self.tell_objects(call),
            PROPERTIES => self.properties_call(&path, &member, call)?,
            INTROSPECTABLE => self.out.reply(call, &self.introspect(&path)),
            AGENT_MANAGER => self.agent_manager_call(&member, client, call)?,
            ADAPTER => self.adapter_call(&path, &member, client, call)?,
            DEVICE => self.device_call(&path, &member, call)?,
            CHARACTERISTIC | DESCRIPTOR => {
                let (key, rest) = below_device(&path).ok_or_else(|| Refusal::unknown(call))?;
                if interface == CHARACTERISTIC {
                    self.characteristic_call(&key, rest, &member, client, call)?;
                } else {
                    self.out.reply(call, &vec![0_u8; 2]);
                }
            }
            _ => return Err(Refusal::unknown(call)),
        }
        Ok(())
    }

    fn adapter_call(&mut self, path: &str, member: &str, client: String, call: &Call) -> Result<(), Refusal> {
        if !self.adapters.contains_key(path) {
            return Err(Refusal::unknown(call));
        }
        match member {
            "StartDiscovery" => self.start_discovery(path, client, call),
            "StopDiscovery" => self.stop_discovery(path, &client, call),
            "SetDiscoveryFilter" => self.set_discovery_filter(path, client, call),
            "RemoveDevice" => {
                let body = call.body();
                let device = body.deserialize::<ObjectPath<'_>>().map_err(|_| Refusal::unknown(call))?;
                let none = || Refusal::bluez("DoesNotExist", "Does Not Exist");
                let (key, _) = below_device(device.as_str()).ok_or_else(none)?;
                self.device(&key).ok_or_else(none)?;
                self.remove_device(&key);
                self.out.reply(call, &());
                Ok(())
            }
            _ => Err(Refusal::unknown(call)),
        }
    }

    fn device_call(&mut self, path: &str, member: &str, call: &Call) -> Result<(), Refusal> {
        let (key, _) = below_device(path).ok_or_else(|| Refusal::unknown(call))?;
        let device = self.device(&key).ok_or_else(|| Refusal::unknown(call))?;
        match member {
            "Disconnect" => self.disconnect(&key, call),
            "Pair" if device.paired => Err(Refusal::bluez("AlreadyExists", "Already Exists")),
            "Pair" if device.pairing.is_some() => {
                Err(Refusal::bluez("InProgress", "Operation already in progress"))
            }
            "Pair" if device.is_connected() => self.pair(&key, call),
            // A link comes first, and then, as the call says, pairing.
            "Connect" | "Pair" => self.connect(&key, call),
            "CancelPairing" => {
                let canceled = Refusal::bluez("AuthenticationCanceled", "Authentication Canceled");
                if !self.call_off_pairing(&key, &canceled) {
                    return Err(Refusal::bluez("DoesNotExist", "Does Not Exist"));
                }
                self.out.reply(call, &());
                Ok(())
            }
            _ => Err(Refusal::unknown(call)),
        }
    }

    fn tell_objects(&mut self, call: &Call) {
        let mut objects = BTreeMap::from([("/org/bluez".to_owned(), agent_manager())]);
        for adapter in self.adapters.values() {
            objects.insert(adapter.path.clone(), adapter.interfaces());
            for device in adapter.devices.values() {
                objects.insert(device.path.clone(), device.interfaces());
                objects.extend(device.attributes());
            }
        }
        let objects: BTreeMap<ObjectPath<'_>, Interfaces> = objects
            .into_iter()
            .map(|(path, interfaces)| (super::outgoing::object_path(&path), interfaces))
            .collect();
        self.out.reply(call, &objects);
    }

    /// The object at a path.
    fn object(&self, path: &str) -> Option<Interfaces> {
        if path == "/org/bluez" {
            return Some(agent_manager());
        }
        if let Some(adapter) = self.adapters.get(path) {
            return Some(adapter.interfaces());
        }
        let (key, rest) = below_device(path)?;
        let device = self.adapters.get(&key.adapter)?.devices.get(&key.peer)?;
        if rest.is_empty() {
            return Some(device.interfaces());
        }
        let node: &Node = device.database.as_ref()?.0.get(rest)?;
        Some(device.attribute(rest, node))
    }

    fn properties_call(&mut self, path: &str, member: &str, call: &Call) -> Result<(), Refusal> {
        let unknown = || Refusal::unknown(call);
        let mut object = self.object(path).ok_or_else(unknown)?;
        let body = call.body();
        match member {
            "GetAll" => {
                let interface = body.deserialize::<&str>().map_err(|_| unknown())?;
                self.out.reply(call, &object.remove(interface).unwrap_or_default());
            }
            "Get" => {
                let (interface, name): (&str, &str) = body.deserialize().map_err(|_| unknown())?;
                let value = object.get(interface).and_then(|properties| properties.get(name));
                self.out.reply(call, value.ok_or_else(unknown)?);
            }
            "Set" => {
                let (_, name, value): (&str, &str, Variant<'_>) =
                    body.deserialize().map_err(|_| unknown())?;
                match (name, value) {
                    ("Powered", Variant::Bool(on)) => self.set_powered(path, on)?,
                    ("Trusted", Variant::Bool(on)) => {
                        let (key, _) = below_device(path).ok_or_else(unknown)?;
                        self.device(&key).ok_or_else(unknown)?.trusted = on;
                        self.out.changed(path, DEVICE, [("Trusted", on.into())]);
                    }
                    _ => {}
                }
                self.out.reply(call, &());
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// Switches an adapter on or off.
    pub fn set_powered(&mut self, path: &str, on: bool) -> Result<(), Refusal> {
        let Some(adapter) = self.adapters.get_mut(path) else { return Ok(()) };
        if on && adapter.blocked {
            return Err(Refusal::bluez("Blocked", "Blocked through rfkill"));
        }
        if adapter.powered == on {
            return Ok(());
        }
        adapter.powered = on;
        let searching = !on && !adapter.discoverers.is_empty();
        let state = adapter.power_state();
        if !on {
            adapter.discoverers.clear();
            self.drop_links(path);
        }
        self.out.changed(path, ADAPTER, [("Powered", on.into()), ("PowerState", state.into())]);
        if searching {
            self.out.changed(path, ADAPTER, [("Discovering", false.into())]);
        }
        Ok(())
    }

    /// Names of what stands below a path, and of the interfaces at it.
    fn introspect(&self, path: &str) -> String {
        let mut xml = "<node>".to_owned();
        for interface in self.object(path).unwrap_or_default().keys() {
            let _ = write!(xml, "<interface name=\"{interface}\"/>");
        }
        let mut children = Vec::new();
        if let Some((key, rest)) = below_device(path) {
            let device = self.adapters.get(&key.adapter).and_then(|adapter| adapter.devices.get(&key.peer));
            let nodes = device.and_then(|device| device.database.as_ref());
            let prefix = if rest.is_empty() { String::new() } else { format!("{rest}/") };
            let below = |node: &String| node.strip_prefix(&prefix).map(str::to_owned);
            children.extend(nodes.iter().flat_map(|database| database.0.keys()).filter_map(below));
        }
        for child in children.iter().filter(|child| !child.contains('/')) {
            let _ = write!(xml, "<node name=\"{child}\"/>");
        }
        xml + "</node>"
    }

    /// Whoever leaves the bus wants nothing any more.
    fn somebody_left(&mut self, signal: &Message) {
        let body = signal.body();
        let Ok((name, _, new_owner)) = body.deserialize::<(&str, &str, &str)>() else { return };
        if !name.starts_with(':') || !new_owner.is_empty() {
            return;
        }
        self.agents.leave(name);
        for path in self.adapters.keys().cloned().collect::<Vec<_>>() {
            self.discoverer_leaves(&path, name);
        }
        for device in self.adapters.values_mut().flat_map(|adapter| adapter.devices.values_mut()) {
            device.wishes.retain(|(_, client)| client != name);
            if let Some(link) = device.link() {
                link.listeners.retain(|(_, client)| client != name);
            }
        }
    }
}

fn agent_manager() -> Interfaces {
    Interfaces::from([(AGENT_MANAGER, BTreeMap::new())])
}

/// The device that a path belongs to, and what of the path is below it.
fn below_device(path: &str) -> Option<(Key, &str)> {
    let (adapter, rest) = path.split_once("/dev_")?;
    let (address, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((Key { adapter: adapter.to_owned(), peer: PeerAddress(address.replace('_', ":")) }, rest))
}
