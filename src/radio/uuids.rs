//! UUIDs that the Bluetooth SIG assigned.

use uuid::Uuid;

/// The full UUID of a 16-bit SIG number: `0000xxxx-0000-1000-8000-00805f9b34fb` (Core specification, Vol 3, Part B, 2.5.1).
pub const fn sig(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_1000_8000_0080_5f9b_34fb | ((short as u128) << 96))
}

#[cfg(test)]
mod tests {
    #[test]
    fn heart_rate_service() {
        assert_eq!(super::sig(0x180D).to_string(), "0000180d-0000-1000-8000-00805f9b34fb");
    }
}
