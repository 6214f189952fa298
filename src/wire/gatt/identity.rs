//! Device Information: who made a device, and what tells it from its like.

use super::GattError;
use super::fields::Fields;

/// Longer than any name that a person should have to read.
const LONGEST: usize = 64;

/// An EUI-64 of the device, or something that its maker took for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemId(pub [u8; 8]);

/// Vendor and product, by the numbers of the Bluetooth SIG or of the USB forum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PnpId {
    /// Whose numbers: 1 Bluetooth SIG, 2 USB forum.
    pub source: u8,
    /// The vendor.
    pub vendor: u16,
    /// The product.
    pub product: u16,
    /// Its version.
    pub version: u16,
}

/// A string of the service, without what does not belong into one line of text. `None` if nothing is left.
pub fn text(value: &[u8]) -> Option<String> {
    let plain = |letter: &char| !letter.is_control() && *letter != char::REPLACEMENT_CHARACTER;
    let text: String = String::from_utf8_lossy(value).chars().filter(plain).take(LONGEST).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a serial number tells a device from its like: every unit of some products says "0".
pub fn is_telling_serial(serial: &str) -> bool {
    serial.chars().any(|letter| letter.is_alphanumeric() && letter != '0')
}

impl SystemId {
    /// Reads the characteristic.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of("system ID", value);
        let id = fields.take("identifier")?;
        fields.end()?;
        Ok(Self(id))
    }

    /// Whether it tells a device from its like: all zeros and all ones are what nobody has filled in.
    pub fn is_telling(self) -> bool {
        self.0 != [0; 8] && self.0 != [0xFF; 8]
    }
}

impl PnpId {
    /// Reads the characteristic.
    pub fn decode(value: &[u8]) -> Result<Self, GattError> {
        let mut fields = Fields::of("PnP ID", value);
        let id = Self {
            source: fields.u8("vendor ID source")?,
            vendor: fields.u16("vendor ID")?,
            product: fields.u16("product ID")?,
            version: fields.u16("product version")?,
        };
        fields.end()?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_text() {
        assert_eq!(text(b"Polar H10\0\0").as_deref(), Some("Polar H10"));
        assert_eq!(text(b" \x1b[31mred\r\n\xFF ").as_deref(), Some("[31mred"));
        assert_eq!(text(b"\0\0"), None);
        assert_eq!(text(&[b'x'; 500]).map(|text| text.len()), Some(64));
    }

    #[test]
    fn serials_that_every_unit_has_tell_nothing() {
        for serial in ["", "0", "00000000", "00-00"] {
            assert!(!is_telling_serial(serial), "{serial}");
        }
        assert!(is_telling_serial("A1B2C300"));
    }
}
