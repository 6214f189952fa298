//! InfluxDB's line protocol, as far as readings need it.

use std::fmt::Write as _;

use crate::measurement::{Kind, Quality, Reading, Value};
use crate::upload::receiver::Parcel;

/// A line a reading: `nowatch_heart_rate,device=07… value=61i,quality=4i 1672531200`.
pub fn lines(parcel: &Parcel) -> String {
    let kind = parcel.kind();
    let mut series = String::new();
    escape(&measurement(kind), &[',', ' '], &mut series);
    for (key, value) in [("device", parcel.device.to_string()), ("synthetic", "true".to_owned())] {
        if key == "synthetic" && !parcel.synthetic {
            continue;
        }
        series.push(',');
        escape(key, &[',', '=', ' '], &mut series);
        series.push('=');
        escape(&value, &[',', '=', ' '], &mut series);
    }
    let readings = &parcel.table.readings;
    let mut text = String::with_capacity(readings.len() * (series.len() + 40));
    for reading in readings {
        text.push_str(&series);
        fields(kind, reading, &mut text);
        text.push('\n');
    }
    text
}

/// What InfluxDB calls a kind.
fn measurement(kind: Kind) -> String {
    format!("nowatch_{}", kind.name().to_ascii_lowercase())
}

fn fields(kind: Kind, reading: &Reading, text: &mut String) {
    text.push_str(" value=");
    // Writing to a String cannot fail. Without the i it would be a decimal number, which no longer fits a field that began as one.
    let _ = match &reading.value {
        Value::Integer(number) => write!(text, "{number}i"),
        Value::Decimal(number) => write!(text, "{number}"),
        Value::Beats(frame) => {
            text.push('"');
            escape(&frame.to_hex(), &['"', '\\'], text);
            text.push('"');
            Ok(())
        }
    };
    if kind.has_quality() {
        let _ = write!(text, ",quality={}i", reading.quality.unwrap_or(Quality::UNRELIABLE));
    }
    let _ = write!(text, " {}", reading.at.0);
}

/// A backslash before each of `special`. A line break would end the line wherever it stands, so it becomes a space.
fn escape(text: &str, special: &[char], out: &mut String) {
    for mut character in text.chars() {
        if matches!(character, '\n' | '\r') {
            character = ' ';
        }
        if special.contains(&character) {
            out.push('\\');
        }
        out.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_word_is_escaped() {
        let escaped = |text: &str, special: &[char]| {
            let mut out = String::new();
            escape(text, special, &mut out);
            out
        };
        assert_eq!(escaped("left wrist,a=b", &[',', '=', ' ']), r"left\ wrist\,a\=b");
        assert_eq!(escaped("a=b c", &[',', ' ']), r"a=b\ c");
        assert_eq!(escaped(r#"say "\""#, &['"', '\\']), r#"say \"\\\""#);
        assert_eq!(escaped("a\nb", &[' ']), r"a\ b");
    }
}
