//! The `.dat` of a package: which device it is for, and the image's CRC.

use crc::{CRC_16_IBM_3740, Crc};
use thiserror::Error;

/// CRC-16/CCITT-FALSE, which the catalogue calls IBM-3740.
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);
/// Up to the list of SoftDevices.
const HEAD: usize = 10;
/// More SoftDevices than fit into one packet would not reach the watch.
const MOST_SOFT_DEVICES: usize = 4;

/// CRC-16/CCITT-FALSE of an image: polynomial 0x1021, begun with 0xffff.
pub fn crc16(image: &[u8]) -> u16 {
    CRC.checksum(image)
}

/// What a watch is told of an image before it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitPacket {
    /// What kind of device it is for.
    pub device_type: u16,
    /// Which of them; 0xffff is any.
    pub device_revision: u16,
    /// A number of the application that InfiniTime does not use.
    pub application_version: u32,
    /// SoftDevices that it runs with; 0xfffe is any.
    pub soft_devices: Vec<u16>,
    /// The image's CRC.
    pub crc: u16,
}

/// What a `.dat` is wrong with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InitPacketError {
    /// Its length.
    #[error("it has {actual} bytes where {expected} are needed")]
    Length {
        /// By what it says of itself.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// The list of SoftDevices.
    #[error("it lists {0} SoftDevices")]
    SoftDevices(usize),
}

impl InitPacket {
    /// What InfiniTime's own packages say: device type 0x52, and any of everything else.
    pub fn infinitime(crc: u16) -> Self {
        Self {
            device_type: Self::INFINITIME,
            device_revision: 0xffff,
            application_version: 0xffff_ffff,
            soft_devices: vec![0xfffe],
            crc,
        }
    }

    /// The device type in InfiniTime's packages.
    pub const INFINITIME: u16 = 0x0052;

    /// Reads a `.dat`, whole.
    pub fn decode(value: &[u8]) -> Result<Self, InitPacketError> {
        let length = |expected| InitPacketError::Length { expected, actual: value.len() };
        let u16_at = |at: usize| value.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        let count = usize::from(u16_at(8).ok_or(length(HEAD + 4))?);
        if count > MOST_SOFT_DEVICES {
            return Err(InitPacketError::SoftDevices(count));
        }
        let expected = HEAD + 2 * count + 2;
        if value.len() != expected {
            return Err(length(expected));
        }
        let field = |at: usize| u16_at(at).ok_or(length(expected));
        Ok(Self {
            device_type: field(0)?,
            device_revision: field(2)?,
            application_version: u32::from(field(6)?) << 16 | u32::from(field(4)?),
            soft_devices: (0..count).map(|index| field(HEAD + 2 * index)).collect::<Result<_, _>>()?,
            crc: field(expected - 2)?,
        })
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + 2 * self.soft_devices.len() + 2);
        bytes.extend(self.device_type.to_le_bytes());
        bytes.extend(self.device_revision.to_le_bytes());
        bytes.extend(self.application_version.to_le_bytes());
        bytes.extend((self.soft_devices.len() as u16).to_le_bytes());
        bytes.extend(self.soft_devices.iter().flat_map(|device| device.to_le_bytes()));
        bytes.extend(self.crc.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_crc_is_the_one_with_29b1() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
    }

    /// Section 9.1 of the reference on firmware: its CRC is 17564.
    #[test]
    fn what_infinitime_ships() {
        let bytes = hex::decode("5200ffffffffffff0100feff9c44").unwrap();
        let packet = InitPacket::decode(&bytes).unwrap();
        assert_eq!(packet, InitPacket::infinitime(17_564));
        assert_eq!(packet.encode(), bytes);
        assert_eq!(
            InitPacket::decode(&bytes[..13]),
            Err(InitPacketError::Length { expected: 14, actual: 13 })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..32)) {
            if let Ok(packet) = InitPacket::decode(&value) {
                prop_assert_eq!(packet.encode(), value);
            }
        }
    }
}
