//! What services and characteristics are called: those of the Bluetooth SIG that health devices have (Assigned Numbers, 3.4 and 3.8), and
//! our own.

use uuid::Uuid;

use crate::radio::sig;
use crate::wire::bridge;

/// By 16-bit number.
const ASSIGNED: [(u16, &str); 62] = [
    (0x1800, "Generic Access"),
    (0x1801, "Generic Attribute"),
    (0x1802, "Immediate Alert"),
    (0x1804, "Tx Power"),
    (0x1805, "Current Time"),
    (0x1808, "Glucose"),
    (0x1809, "Health Thermometer"),
    (0x180A, "Device Information"),
    (0x180D, "Heart Rate"),
    (0x180F, "Battery"),
    (0x1810, "Blood Pressure"),
    (0x1811, "Alert Notification"),
    (0x1812, "Human Interface Device"),
    (0x1814, "Running Speed and Cadence"),
    (0x1816, "Cycling Speed and Cadence"),
    (0x1818, "Cycling Power"),
    (0x181A, "Environmental Sensing"),
    (0x181B, "Body Composition"),
    (0x181C, "User Data"),
    (0x181D, "Weight Scale"),
    (0x181E, "Bond Management"),
    (0x1822, "Pulse Oximeter"),
    (0x1826, "Fitness Machine"),
    (0x1829, "Reconnection Configuration"),
    (0x183E, "Physical Activity Monitor"),
    (0x183F, "Elapsed Time"),
    (0x1840, "Generic Health Sensor"),
    (0x2A00, "Device Name"),
    (0x2A01, "Appearance"),
    (0x2A04, "Peripheral Preferred Connection Parameters"),
    (0x2A05, "Service Changed"),
    (0x2A0F, "Local Time Information"),
    (0x2A14, "Reference Time Information"),
    (0x2A19, "Battery Level"),
    (0x2A1C, "Temperature Measurement"),
    (0x2A1D, "Temperature Type"),
    (0x2A1E, "Intermediate Temperature"),
    (0x2A21, "Measurement Interval"),
    (0x2A23, "System ID"),
    (0x2A24, "Model Number"),
    (0x2A25, "Serial Number"),
    (0x2A26, "Firmware Revision"),
    (0x2A27, "Hardware Revision"),
    (0x2A28, "Software Revision"),
    (0x2A29, "Manufacturer Name"),
    (0x2A2B, "Current Time"),
    (0x2A37, "Heart Rate Measurement"),
    (0x2A38, "Body Sensor Location"),
    (0x2A39, "Heart Rate Control Point"),
    (0x2A50, "PnP ID"),
    (0x2A52, "Record Access Control Point"),
    (0x2A53, "RSC Measurement"),
    (0x2A54, "RSC Feature"),
    (0x2A55, "SC Control Point"),
    (0x2A5B, "CSC Measurement"),
    (0x2A5C, "CSC Feature"),
    (0x2A5D, "Sensor Location"),
    (0x2A5E, "PLX Spot-Check Measurement"),
    (0x2A5F, "PLX Continuous Measurement"),
    (0x2A60, "PLX Features"),
    (0x2AA6, "Central Address Resolution"),
    (0x2BED, "Battery Level Status"),
];

const OURS: [(Uuid, &str); 5] = [
    (bridge::SERVICE, "nowbridge bridge"),
    (bridge::INFO, "bridge info"),
    (bridge::CONTROL, "bridge control"),
    (bridge::DATA, "bridge data"),
    (bridge::TIME, "bridge time"),
];

/// What a service or characteristic is called; `None` if it is not one of those that are known here.
pub fn known_name(uuid: Uuid) -> Option<&'static str> {
    let ours = OURS.iter().find(|(known, _)| *known == uuid).map(|(_, name)| *name);
    ours.or_else(|| ASSIGNED.iter().find(|(short, _)| sig(*short) == uuid).map(|(_, name)| *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_once_and_in_order() {
        assert!(ASSIGNED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(known_name(sig(0x180D)), Some("Heart Rate"));
        assert_eq!(known_name(bridge::DATA), Some("bridge data"));
        assert_eq!(known_name(sig(0xFFFF)), None);
    }
}
