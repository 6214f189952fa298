//! What goes out to the bus: replies, refusals and signals, in the order in which they were made.

use std::collections::BTreeMap;

use serde::Serialize;
use zbus::message::{Flags, Message};
use zbus::{DynamicType, ObjectPath, Variant};

/// A method call that wants an answer.
pub type Call = Message;
/// The properties of an interface, or those that changed.
pub type Properties = BTreeMap<&'static str, Variant<'static>>;
/// The interfaces of an object.
pub type Interfaces = BTreeMap<&'static str, Properties>;

pub const ADAPTER: &str = "org.bluez.Adapter1";
pub const DEVICE: &str = "org.bluez.Device1";
pub const SERVICE: &str = "org.bluez.GattService1";
pub const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
pub const DESCRIPTOR: &str = "org.bluez.GattDescriptor1";
pub const AGENT_MANAGER: &str = "org.bluez.AgentManager1";
pub const AGENT: &str = "org.bluez.Agent1";
pub const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";

/// An error reply.
#[derive(Debug)]
pub struct Refusal {
    name: String,
    text: String,
}

impl Refusal {
    /// One of BlueZ's own errors.
    pub fn bluez(name: &str, text: impl Into<String>) -> Self {
        Self { name: format!("org.bluez.Error.{name}"), text: text.into() }
    }

    /// BlueZ's answer to nearly everything that went wrong.
    pub fn failed(text: &str) -> Self {
        Self::bluez("Failed", text)
    }

    /// There is no such object, or it has no such method.
    pub fn unknown(call: &Call) -> Self {
        let header = call.header();
        let member = header.member().map(ToString::to_string).unwrap_or_default();
        let interface = header.interface().map(ToString::to_string).unwrap_or_default();
        let text = format!("Method \"{member}\" on interface \"{interface}\" doesn't exist");
        Self { name: "org.freedesktop.DBus.Error.UnknownObject".to_owned(), text }
    }

    /// What BlueZ makes of an ATT error code.
    pub fn att(code: u8) -> Self {
        match code {
            0x02 => Self::bluez("NotPermitted", "Read not permitted"),
            0x03 => Self::bluez("NotPermitted", "Write not permitted"),
            0x05 | 0x0C | 0x0F => Self::bluez("NotPermitted", "Not paired"),
            0x06 => Self::bluez("NotSupported", "Operation is not supported"),
            0x08 => Self::bluez("NotAuthorized", "Operation Not Authorized"),
            0x0D => Self::bluez("InvalidArguments", "Invalid Length"),
            code => Self::failed(&format!("Operation failed with ATT error: 0x{code:02x}")),
        }
    }
}

/// Messages that wait to be sent.
#[derive(Default)]
pub struct Outgoing(Vec<Message>);

impl Outgoing {
    /// Everything that waits.
    pub fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.0)
    }

    /// Answers a call.
    pub fn reply<B: Serialize + DynamicType>(&mut self, call: &Call, body: &B) {
        self.0.push(Message::method_return(&call.header()).build(body).unwrap());
    }

    /// Refuses a call.
    pub fn refuse(&mut self, call: &Call, refusal: &Refusal) {
        let error = Message::error(&call.header(), refusal.name.as_str());
        self.0.push(error.build(&refusal.text.as_str()).unwrap());
    }

    /// Calls a method that takes nothing, and wants no answer.
    pub fn tell(&mut self, client: &str, path: &str, interface: &str, member: &str) {
        let call = Message::method_call(path, member).destination(client).interface(interface);
        self.0.push(call.with_flags(Flags::NO_REPLY_EXPECTED).build(&()).unwrap());
    }

    /// Properties have changed.
    pub fn changed<const N: usize>(
        &mut self,
        path: &str,
        interface: &str,
        properties: [(&str, Variant<'_>); N],
    ) {
        let properties: BTreeMap<&str, Variant<'_>> = properties.into_iter().collect();
        let body = (interface, properties, Vec::<&str>::new());
        self.0.push(Message::signal(path, PROPERTIES, "PropertiesChanged").build(&body).unwrap());
    }

    /// A property has no value any more.
    pub fn unknown(&mut self, path: &str, interface: &str, property: &str) {
        let body = (interface, BTreeMap::<&str, Variant<'_>>::new(), vec![property]);
        self.0.push(Message::signal(path, PROPERTIES, "PropertiesChanged").build(&body).unwrap());
    }

    /// A link is gone, and why (since BlueZ 5.83).
    pub fn disconnected(&mut self, path: &str, reason: &str) {
        let body = (format!("org.bluez.Reason.{reason}"), "");
        self.0.push(Message::signal(path, DEVICE, "Disconnected").build(&body).unwrap());
    }

    /// An object has appeared.
    pub fn added(&mut self, path: &str, interfaces: &Interfaces) {
        let body = (object_path(path), interfaces);
        self.0.push(Message::signal("/", OBJECT_MANAGER, "InterfacesAdded").build(&body).unwrap());
    }

    /// An object has gone.
    pub fn removed(&mut self, path: &str, interface: &str) {
        let body = (object_path(path), vec![interface]);
        self.0.push(Message::signal("/", OBJECT_MANAGER, "InterfacesRemoved").build(&body).unwrap());
    }
}

/// A path that is known to be one.
pub fn object_path(path: &str) -> ObjectPath<'static> {
    ObjectPath::try_from(path.to_owned()).unwrap()
}
