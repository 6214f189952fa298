//! Nordic's legacy DFU as InfiniTime speaks it: the control point, the init packet, and the package that both come in.
//!
//! Only an application is brought over; a SoftDevice or a boot loader never is. There is no signature anywhere in it: a CRC of 16 bits
//! tells a damaged image from a whole one, and nothing tells an honest one from another.

mod control;
mod init_packet;
mod package;

use uuid::Uuid;

pub use control::{Command, Notice, NoticeError, Op, Status};
pub use init_packet::{InitPacket, InitPacketError, crc16};
pub use package::{Package, PackageError};

/// `0000xxxx-1212-efde-1523-785feabcd123`.
const fn nordic(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_1212_efde_1523_785f_eabc_d123 | ((short as u128) << 96))
}

/// The service.
pub const SERVICE: Uuid = nordic(0x1530);
/// Commands are written to it, and it notifies.
pub const CONTROL: Uuid = nordic(0x1531);
/// Takes what the commands are about; written without response.
pub const PACKET: Uuid = nordic(0x1532);
/// The revision of the service, a u16.
pub const REVISION: Uuid = nordic(0x1534);

/// Bytes of a packet. InfiniTime's buffer is made for these and no others: a longer one stops the watch, a shorter one before the
/// end makes its image wrong.
pub const PACKET_SIZE: usize = 20;
/// Bytes of the slot that an image goes into.
pub const SLOT_SIZE: u64 = 475_136;
/// The end of the slot, where the boot loader keeps its book: the mark that starts the image goes there.
const TRAILER_SIZE: u64 = 40;
/// Bytes that an image may have.
pub const ROOM: u64 = SLOT_SIZE - TRAILER_SIZE;

/// What begins an update: the sizes of a SoftDevice, of a boot loader (none of either) and of the application.
pub fn sizes(application: u32) -> [u8; 12] {
    let mut packet = [0; 12];
    packet[8..].copy_from_slice(&application.to_le_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_known_by_its_number() {
        assert_eq!(SERVICE.to_string(), "00001530-1212-efde-1523-785feabcd123");
        assert_eq!(PACKET.to_string(), "00001532-1212-efde-1523-785feabcd123");
    }

    #[test]
    fn an_update_is_of_the_application_alone() {
        assert_eq!(hex::encode(sizes(0x0001_0203)), "000000000000000003020100");
    }
}
