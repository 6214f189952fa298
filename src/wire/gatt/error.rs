//! What can be wrong with the value of a characteristic.

/// A value that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GattError {
    /// It ends too early.
    #[error("{characteristic}: truncated: {have} bytes where {need} are needed for the {field}")]
    Truncated {
        /// Which characteristic.
        characteristic: &'static str,
        /// What does not fit any more.
        field: &'static str,
        /// Bytes there must be up to and with that field.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// It goes on after the last field that its flags promise.
    #[error("{characteristic}: oversized: {extra} bytes after the {field}")]
    Oversized {
        /// Which characteristic.
        characteristic: &'static str,
        /// The last field.
        field: &'static str,
        /// Bytes after it.
        extra: usize,
    },
    /// Bits are set that have no meaning, so nobody knows what else they change.
    #[error("{characteristic}: reserved flag bits {bits:#04x}")]
    Reserved {
        /// Which characteristic.
        characteristic: &'static str,
        /// The bits that are set and should not be.
        bits: u8,
    },
    /// A field has a value that it cannot have.
    #[error("{characteristic}: {field} {value} is out of range")]
    OutOfRange {
        /// Which characteristic.
        characteristic: &'static str,
        /// The field.
        field: &'static str,
        /// Its value, rounded where it has decimals.
        value: i64,
    },
}
