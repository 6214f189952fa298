//! Bluetooth LE over BlueZ, the Linux Bluetooth service.
//!
//! Two libraries speak D-Bus here, each over a connection of its own. btleplug does GATT: find, connect, read, write, listen. zbus does what
//! btleplug leaves out: pairing, power, bonds, and the news that bluetoothd came or went, which no btleplug event tells.

mod address;
mod agent;
mod bus;
#[cfg(test)]
mod fake_bluez;
mod pairing;
mod rfkill;
mod sleep;
mod standing;
#[cfg(test)]
mod test_bus;

pub use address::AdapterChoice;
