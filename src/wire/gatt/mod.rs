//! The values of standard characteristics, as the Bluetooth SIG lays them out (GATT Specification Supplement).
//!
//! Sensors are strangers: straps, thermometers and watches of a hundred makers. Each value is read strictly and as a whole. What is
//! cut off, too long, or has a bit set that nobody has defined is a [`GattError`] that names the characteristic and the field;
//! what says "no reading" in one of the ways that sensors have for it is `None`, not a number.

mod battery;
mod cadence;
mod error;
mod fields;
mod float;
mod heart_rate;
mod identity;
mod oximeter;
mod temperature;
mod time;

use uuid::Uuid;

pub use battery::{BatteryStatus, battery_level};
pub use cadence::{CyclingCadence, Revolutions, RunningCadence};
pub use error::GattError;
pub use heart_rate::{Contact, HeartRate};
pub use identity::{PnpId, SystemId, is_telling_serial, text};
pub use oximeter::{Oximetry, OximetryStatus};
pub use temperature::{BodySite, Temperature};
pub use time::{CurrentTime, DateTime, LocalTime};

/// The full UUID of an assigned 16-bit number: `0000xxxx-0000-1000-8000-00805f9b34fb`.
const fn sig(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_1000_8000_0080_5f9b_34fb | ((short as u128) << 96))
}

/// Heart Rate Measurement; notify.
pub const HEART_RATE: Uuid = sig(0x2A37);
/// Temperature Measurement; indicate.
pub const TEMPERATURE: Uuid = sig(0x2A1C);
/// Intermediate Temperature; notify.
pub const INTERMEDIATE_TEMPERATURE: Uuid = sig(0x2A1E);
/// PLX Spot-Check Measurement; indicate.
pub const SPOT_OXIMETRY: Uuid = sig(0x2A5E);
/// PLX Continuous Measurement; notify.
pub const CONTINUOUS_OXIMETRY: Uuid = sig(0x2A5F);
/// RSC Measurement; notify.
pub const RUNNING_CADENCE: Uuid = sig(0x2A53);
/// CSC Measurement; notify.
pub const CYCLING_CADENCE: Uuid = sig(0x2A5B);
/// Battery Level; read, notify.
pub const BATTERY_LEVEL: Uuid = sig(0x2A19);
/// Battery Level Status; read, notify.
pub const BATTERY_STATUS: Uuid = sig(0x2BED);
/// Manufacturer Name String; read.
pub const MAKER: Uuid = sig(0x2A29);
/// Model Number String; read.
pub const MODEL: Uuid = sig(0x2A24);
/// Serial Number String; read.
pub const SERIAL: Uuid = sig(0x2A25);
/// Firmware Revision String; read.
pub const FIRMWARE: Uuid = sig(0x2A26);
/// System ID; read.
pub const SYSTEM_ID: Uuid = sig(0x2A23);
/// PnP ID; read.
pub const PNP_ID: Uuid = sig(0x2A50);
/// Current Time; read, notify, mostly write.
pub const CURRENT_TIME: Uuid = sig(0x2A2B);
/// Local Time Information; read, mostly write.
pub const LOCAL_TIME: Uuid = sig(0x2A0F);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(
            value in proptest::collection::vec(any::<u8>(), 0..32), plain_flags in any::<bool>(),
        ) {
            let mut value = value;
            if let (true, Some(flags)) = (plain_flags, value.first_mut()) {
                *flags &= 0x1F;
            }
            let _ = (HeartRate::decode(&value), Temperature::decode(&value), BatteryStatus::decode(&value));
            let _ = (Oximetry::decode_spot(&value), Oximetry::decode_continuous(&value));
            let _ = (RunningCadence::decode(&value), CyclingCadence::decode(&value), battery_level(&value));
            let _ = (CurrentTime::decode(&value), LocalTime::decode(&value), DateTime::decode(&value));
            let _ = (SystemId::decode(&value), PnpId::decode(&value), text(&value));
        }

        #[test]
        fn what_is_cut_off_is_said_to_be(cut in 0_usize..19) {
            let whole = [
                0x0F, 0x62, 0x00, 0x48, 0x00, 0xE9, 0x07, 0x0B, 0x16, 0x10, 0, 0, 0x00, 0x01, 1, 2, 3, 5, 0,
            ];
            let error = Oximetry::decode_spot(&whole[..cut]).unwrap_err();
            prop_assert!(matches!(error, GattError::Truncated { have, .. } if have == cut), "{error}");
        }
    }
}
