//! The bridge service, version 1: our open protocol between a watch and its bridge.
//!
//! A watch seals samples into [blocks](RawBlock), numbers them, and keeps them in flash. The host reads [`Info`], anchors the
//! clock ([`TimeReading`], [`TimeSetting`]), asks for blocks from its cursor on ([`Request::Pull`]), receives them as slices in
//! notifications ([`Assembler`]), and, once they are safe on its own disk, says so ([`Request::Commit`]). The same bytes that
//! lie in flash go over the air and into the outbox.
//!
//! Both ends are here: [`BridgeDevice`] is the watch's side, so that a simulated watch runs the dispatch code that a firmware
//! would. Layouts: reference page on GATT, section 4. Wire enums are append-only; `tests/golden/v1` holds their bytes.

mod block;
mod codec;
mod control;
mod data;
mod device;
mod ids;
mod info;
mod sealer;
mod stream;
mod varint;

use uuid::Uuid;

pub use block::{BlockError, BlockHeader, MAX_BLOCK, RawBlock, SEALED_BLOCK, Sample, seal};
pub use codec::{Codec, CodecError};
pub use control::{ErrorCode, MAX_CONTROL, Request, Response};
pub use data::{Assembler, DataError, Slicer};
pub use device::{BridgeDevice, Channel, LogStore, Refused};
pub use ids::{Boot, DeviceId, InvalidDeviceId, LogId, Seq};
pub use info::{
    AnchorRecord, Capabilities, Info, MAJOR, MINOR, MessageError, TimeReading, TimeSetting, TimeSource,
};
pub use sealer::{Sealer, Verdict};
pub use stream::{STREAMS, Stream, StreamInfo};

/// A UUID of the service: `b68bNNNN-cf51-4033-86b3-35bd27c4f38b`.
const fn uuid(number: u16) -> Uuid {
    Uuid::from_u128(0xb68b_0000_cf51_4033_86b3_35bd_27c4_f38b | ((number as u128) << 96))
}

/// The service.
pub const SERVICE: Uuid = uuid(0x0001);
/// Identity and log window; read.
pub const INFO: Uuid = uuid(0x0002);
/// Requests and replies of at most 20 bytes; write with response, notify.
pub const CONTROL: Uuid = uuid(0x0003);
/// The block stream; notify.
pub const DATA: Uuid = uuid(0x0004);
/// The watch's clock; read, write.
pub const TIME: Uuid = uuid(0x0005);
