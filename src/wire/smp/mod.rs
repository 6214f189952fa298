//! The Simple Management Protocol, as MCUmgr and Zephyr speak it: messages of an 8-byte [`Header`] and a CBOR map, for both
//! ends.
//!
//! The host encodes a [`Request`] and reads a [`Response`]; a simulated watch does it the other way round, in the [`Style`] of
//! the firmware that it plays. [`Reassembler`] and [`fragments()`] are for links that carry less than a message at once.
//!
//! Layouts and vectors: reference page on SMP, sections 1–3, 5, 13.3 and 15; `tests/golden/v1/smp.txt` holds them.

mod body;
mod chunk;
mod codes;
mod error;
mod fragments;
mod header;
mod image_state;
mod request;
mod response;
pub mod upload;

use uuid::Uuid;

pub use chunk::MIN_MESSAGE;
pub use codes::{ImageCode, MgmtCode, OsCode};
pub use error::{MessageError, ReplyError, RequestError, SmpError};
pub use fragments::{Reassembler, ReassemblyError, fragments, write_size};
pub use header::{Header, MAX_MESSAGE, Message, Op, Version, group, messages};
pub use image_state::{ImageSlots, ImageState, Slot, SlotState, wire_version};
pub use request::{BootloaderQuery, Request, UploadRequest};
pub use response::{BootMode, BootloaderInfo, Params, Response, Style, UploadResponse};

/// The GATT service.
pub const SERVICE: Uuid = Uuid::from_u128(0x8d53_dc1d_1db7_4cd3_868b_8a52_7460_aa84);
/// Its one characteristic: requests by write without response, responses by notification.
pub const CHARACTERISTIC: Uuid = Uuid::from_u128(0xda2e_7828_fbce_4e01_ae9e_2611_7499_7c48);
