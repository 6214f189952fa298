//! The decimal floating-point numbers of IEEE 11073-20601: a mantissa and a power of ten.
//!
//! Five mantissas mean something else than a number: not a number, not at this resolution, two infinities, reserved. None of
//! them is a reading, so all five are `None`.

/// The 32-bit form: 24 bits of mantissa, 8 of exponent.
pub fn medfloat32([m0, m1, m2, exponent]: [u8; 4]) -> Option<f64> {
    let mantissa = i32::from_le_bytes([0, m0, m1, m2]) >> 8;
    number(mantissa, 0x7F_FFFF, i32::from(exponent.cast_signed()))
}

/// The 16-bit form: 12 bits of mantissa, 4 of exponent.
pub fn sfloat(bytes: [u8; 2]) -> Option<f64> {
    let bits = i16::from_le_bytes(bytes);
    let mantissa = i32::from(bits << 4) >> 4;
    number(mantissa, 0x7FF, i32::from(bits >> 12))
}

/// `largest` is the mantissa of "not a number"; the other special ones lie around it and, below zero, opposite it.
fn number(mantissa: i32, largest: i32, exponent: i32) -> Option<f64> {
    let special = mantissa >= largest - 1 || mantissa <= -(largest - 1);
    (!special).then(|| f64::from(mantissa) * 10_f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_either_size() {
        assert_eq!(medfloat32([0x6C, 0x01, 0x00, 0xFF]), Some(36.4));
        assert_eq!(medfloat32([0x9C, 0xFF, 0xFF, 0x00]), Some(-100.0));
        assert_eq!(sfloat(0x0062_u16.to_le_bytes()), Some(98.0));
        assert_eq!(sfloat(0xF3CF_u16.to_le_bytes()), Some(97.5));
        assert_eq!(sfloat(0x0FFF_u16.to_le_bytes()), Some(-1.0));
    }

    #[test]
    fn what_is_no_number_has_no_value() {
        for mantissa in [0x7F_FFFF_u32, 0x80_0000, 0x7F_FFFE, 0x80_0002, 0x80_0001] {
            assert_eq!(medfloat32(mantissa.to_le_bytes()), None, "{mantissa:#x}");
        }
        for bits in [0x07FF_u16, 0x0800, 0x07FE, 0x0802, 0x0801] {
            assert_eq!(sfloat(bits.to_le_bytes()), None, "{bits:#x}");
        }
    }
}
