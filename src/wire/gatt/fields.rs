//! Takes the fields of a value off its front, little endian.

use super::GattError;

/// What is left of a value.
#[derive(Debug)]
pub struct Fields<'a> {
    characteristic: &'static str,
    length: usize,
    rest: &'a [u8],
    last: &'static str,
}

impl<'a> Fields<'a> {
    /// The fields of a value; errors will name `characteristic`.
    pub const fn of(characteristic: &'static str, value: &'a [u8]) -> Self {
        Self { characteristic, length: value.len(), rest: value, last: "beginning" }
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], GattError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(GattError::Truncated {
                characteristic: self.characteristic,
                field,
                need: self.length - self.rest.len() + N,
                have: self.length,
            });
        };
        (self.rest, self.last) = (rest, field);
        Ok(*bytes)
    }

    /// The next byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, GattError> {
        self.take(field).map(u8::from_le_bytes)
    }

    /// The next two bytes.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, GattError> {
        self.take(field).map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, GattError> {
        self.take(field).map(u32::from_le_bytes)
    }

    /// The flags, of which only those in `known` may be set.
    pub fn flags(&mut self, known: u8) -> Result<u8, GattError> {
        let flags = self.u8("flags")?;
        match flags & !known {
            0 => Ok(flags),
            bits => Err(GattError::Reserved { characteristic: self.characteristic, bits }),
        }
    }

    /// `field` if `present`, read by `read`.
    pub fn if_set<T>(
        &mut self,
        present: bool,
        read: impl FnOnce(&mut Self) -> Result<T, GattError>,
    ) -> Result<Option<T>, GattError> {
        present.then(|| read(self)).transpose()
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether all of the value has been read.
    pub fn end(self) -> Result<(), GattError> {
        let Self { characteristic, rest, last: field, .. } = self;
        if rest.is_empty() {
            Ok(())
        } else {
            Err(GattError::Oversized { characteristic, field, extra: rest.len() })
        }
    }

    /// The error of a field with a value that it cannot have.
    pub fn out_of_range(&self, field: &'static str, value: impl Into<i64>) -> GattError {
        GattError::OutOfRange { characteristic: self.characteristic, field, value: value.into() }
    }
}

/// The bit `number` of `flags`.
pub const fn bit(flags: u8, number: u8) -> bool {
    flags & (1 << number) != 0
}
