//! Numbers and times as people read them.

use crate::measurement::UtcMicros;
use crate::watch::{DriverName, Identity};

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that fits.
pub fn bytes(number: u64) -> String {
    match number {
        0..10_000 => format!("{number} B"),
        10_000..10_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        _ => format!("{:.1} MB", number as f64 / 1e6),
    }
}

/// How long ago, or how soon: `12 s ago`, `in 3 min`.
pub fn relative(at: UtcMicros, now: UtcMicros) -> String {
    let seconds = at.since(now) / 1_000_000;
    let text = span(seconds.unsigned_abs());
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {text}"),
        _ => format!("{text} ago"),
    }
}

/// A length of time: `12 s`, `3 min`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Text from the air, which may be anything, as a terminal may show it.
pub fn safe(text: &str) -> String {
    safe_to(text, 40)
}

/// The same, up to so many letters.
pub fn safe_to(text: &str, longest: usize) -> String {
    let harmless = |letter: char| if letter.is_control() { '\u{FFFD}' } else { letter };
    text.chars().take(longest).map(harmless).collect()
}

/// Maker and model, as far as they are known.
pub fn model(identity: &Identity) -> Option<String> {
    match (&identity.maker, &identity.model) {
        (Some(maker), Some(model)) => Some(format!("{} {}", safe(maker), safe(model))),
        (one, other) => one.as_ref().or(other.as_ref()).map(|text| safe(text)),
    }
}

/// A driver's name, as in the JSON.
pub const fn driver(driver: DriverName) -> &'static str {
    match driver {
        DriverName::Bridge => "bridge",
        DriverName::Sensor => "sensor",
    }
}

/// A name as an argument of a command that somebody may copy.
pub fn argument(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
    if name.chars().all(plain) { name.to_owned() } else { format!("\"{name}\"") }
}

/// Rows under a heading, each column as wide as its widest cell.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(heading)).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_read_it() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([512, 43_210, 12_345_678].map(bytes), ["512 B", "43.2 kB", "12.3 MB"]);
        let now = UtcMicros(1_000_000_000_000);
        let at = |seconds: i64| relative(UtcMicros(now.0 + seconds * 1_000_000), now);
        assert_eq!([at(0), at(-90), at(600), at(-200_000)], ["now", "90 s ago", "in 10 min", "2 days ago"]);
    }

    #[test]
    fn what_comes_from_the_air_cannot_steer_the_terminal() {
        assert_eq!(safe("\u{1b}[2Jwatch\n"), "\u{FFFD}[2Jwatch\u{FFFD}");
        assert_eq!(safe(&"x".repeat(300)).len(), 40);
        assert_eq!(["left", "left wrist", "E7:12"].map(argument), ["left", "\"left wrist\"", "E7:12"]);
    }
}
