//! Numbers and times as people read them.

use crate::measurement::UtcMicros;

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

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
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
}
