//! Bluetooth LE over BlueZ, the Linux Bluetooth service.
//!
//! Two libraries speak D-Bus here, each over a connection of its own. btleplug does GATT: services, read, write, listen. zbus does what
//! btleplug leaves out or does not do safely: discovery of LE only, connects, pairing, power, bonds, and the news that bluetoothd
//! came or went, which no btleplug event tells. The keeper follows the bus and gives calls their ground; errands use the radio one at a time; each link has a
//! session that finds out why it ends.
//!
//! A library's bug must not take the daemon with it: bluez-async is known to panic in tasks of its own when the bus goes away. So
//! panics must unwind, and no task here takes for granted that another one is alive.

mod address;
mod agent;
mod bonding;
mod bus;
mod central;
mod connecting;
mod discovery;
mod ears;
mod echo;
mod errand;
mod error;
#[cfg(test)]
mod fake_bluez;
mod ground;
mod inquiry;
mod keeper;
mod link;
mod pairing;
mod picture;
mod recovering;
mod refusals;
mod rfkill;
mod session;
mod signals;
mod sleep;
mod standing;
mod survey;
#[cfg(test)]
mod test_bus;

pub use central::BluezCentral;
pub use link::BluezLink;

#[cfg(test)]
mod tests {
    #[test]
    fn no_profile_aborts_on_a_panic() {
        let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
        let profiles = manifest["profile"].as_table().unwrap();
        assert!(profiles.contains_key("release"));
        for (name, profile) in profiles {
            assert_ne!(profile.get("panic").and_then(toml::Value::as_str), Some("abort"), "profile {name}");
        }
    }
}
