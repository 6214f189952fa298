//! The D-Bus paths that BlueZ makes of radio addresses.

use crate::radio::PeerAddress;

/// Where BlueZ keeps a device: `/org/bluez/hci0/dev_E7_12_0A_00_00_01`. `None` if the address is not one.
pub(super) fn device_path(adapter: &str, peer: &PeerAddress) -> Option<String> {
    PeerAddress::parse(&peer.0).map(|peer| format!("{adapter}/dev_{}", peer.0.replace(':', "_")))
}

/// The address of the device at a path, also of something that belongs to it (a service, a characteristic).
pub(super) fn device_address(path: &str) -> Option<PeerAddress> {
    let rest = path.split_once("/dev_")?.1;
    PeerAddress::parse(&rest.split('/').next()?.replace('_', ":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_go_both_ways() {
        let peer = PeerAddress("E7:12:0A:00:00:01".to_owned());
        let path = device_path("/org/bluez/hci0", &peer).unwrap();
        assert_eq!(path, "/org/bluez/hci0/dev_E7_12_0A_00_00_01");
        assert_eq!(device_address(&path), Some(peer.clone()));
        assert_eq!(device_address(&format!("{path}/service000e/char000f")), Some(peer));
        assert_eq!(device_address("/org/bluez/hci0"), None);
        assert_eq!(device_path("/org/bluez/hci0", &PeerAddress("left wrist".to_owned())), None);
    }
}
