//! One entry, all of it: its JSON, a line a field.

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cli::instant;
use crate::measurement::UtcMicros;
use crate::outbox::Entry;

/// Fields that are instants.
const INSTANTS: [&str; 5] = ["at", "created", "last_attempt", "resolved", "released"];

/// A line for each field that there is.
pub fn text(entry: &Entry) -> String {
    text_in(entry, &TimeZone::system())
}

fn text_in(entry: &Entry, zone: &TimeZone) -> String {
    let mut lines = Vec::new();
    // Entries are plain structs: they always serialise, and what did not would show as nothing.
    let json = serde_json::to_value(entry).unwrap_or_default();
    for (sort, fields) in json.as_object().into_iter().flatten() {
        tell(sort, fields, zone, &mut lines);
    }
    lines.join("\n")
}

fn tell(name: &str, value: &Value, zone: &TimeZone, lines: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            lines.push(name.replace('_', " "));
            fields.iter().for_each(|(name, value)| tell(name, value, zone, lines));
        }
        _ => {
            let at = value.as_i64().filter(|_| INSTANTS.contains(&name)).map(UtcMicros);
            let at = at.map(|at| instant::at(at, zone));
            let plain = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let harmless = |letter: char| if letter.is_control() { '\u{FFFD}' } else { letter };
            let text: String = at.unwrap_or_else(plain).chars().map(harmless).collect();
            lines.push(format!("  {:<16} {text}", name.replace('_', " ")));
        }
    }
}
