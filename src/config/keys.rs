//! The keys there are, and what to say about one that is not among them.
//!
//! serde refuses unknown keys, too, but cannot say which known one was meant; a test keeps the two in step.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Hint};
use super::parse::Source;

/// Below this Jaro-Winkler similarity a guess confuses more than it helps.
const SIMILAR: f64 = 0.8;

/// A table of the file and its keys.
pub(super) struct Table {
    pub name: &'static str,
    /// As written in the file.
    pub written: &'static str,
    pub keys: &'static [&'static str],
}

pub(super) const TOP: Table = Table {
    name: "",
    written: "the top level",
    keys: &["cloud", "state", "control", "radio", "watch", "outbox", "upload", "sink", "firmware", "log"],
};

/// A table that holds nothing but tables.
const SINK: Table = Table { name: "sink", written: "[sink]", keys: &["folder", "influxdb", "mqtt"] };

pub(super) const TABLES: [Table; 12] = [
    Table {
        name: "cloud",
        written: "[cloud]",
        keys: &["base_url", "email", "password_file", "x_auth_token_file", "upload"],
    },
    Table { name: "state", written: "[state]", keys: &["dir"] },
    Table { name: "control", written: "[control]", keys: &["socket", "group_access"] },
    Table {
        name: "radio",
        written: "[radio]",
        keys: &["kind", "adapter", "air", "max_links", "power_cycle"],
    },
    Table { name: "watch", written: "[[watch]]", keys: &["address", "name", "mode", "sync_every", "quiet"] },
    Table {
        name: "outbox",
        written: "[outbox]",
        keys: &["max_size", "keep_free", "keep_sent", "wear_saver"],
    },
    Table { name: "upload", written: "[upload]", keys: &["max_rows", "consent_check_every"] },
    Table {
        name: "sink.folder",
        written: "[sink.folder]",
        keys: &["path", "format", "every", "start", "paused"],
    },
    Table {
        name: "sink.influxdb",
        written: "[sink.influxdb]",
        keys: &["url", "org", "bucket", "token_file", "path", "start", "paused"],
    },
    Table {
        name: "sink.mqtt",
        written: "[sink.mqtt]",
        keys: &["url", "username", "password_file", "topic", "discovery", "start", "paused"],
    },
    Table {
        name: "firmware",
        written: "[firmware]",
        keys: &[
            "automatic",
            "channel",
            "hosts",
            "max_size",
            "offer_path",
            "admin_path",
            "require",
            "signing_keys",
            "image_keys",
        ],
    },
    Table { name: "log", written: "[log]", keys: &["filter", "format"] },
];

/// Complains about the first key that nowbridge does not know.
pub(super) fn check(source: &Source, file: &DeTable) -> Result<(), ConfigError> {
    check_table(source, &TOP, file)?;
    let sinks = file.get(SINK.name).and_then(|sinks| sinks.get_ref().as_table());
    sinks.map_or(Ok(()), |sinks| check_table(source, &SINK, sinks))?;
    for table in &TABLES {
        let value = match table.name.split_once('.') {
            Some((_, name)) => sinks.and_then(|sinks| sinks.get(name)),
            None => file.get(table.name),
        };
        match value.map(Spanned::get_ref) {
            Some(DeValue::Table(_)) if table.written.starts_with("[[") => {
                return Err(ConfigError::Value {
                    at: source.at(value.map_or(0, |value| value.span().start)),
                    key: table.name.to_owned(),
                    problem: format!(
                        "there may be several of them; write {} with two brackets",
                        table.written
                    ),
                });
            }
            Some(DeValue::Table(found)) => check_table(source, table, found)?,
            Some(DeValue::Array(all)) => {
                for found in all.iter().filter_map(|item| item.get_ref().as_table()) {
                    check_table(source, table, found)?;
                }
            }
            // A value where a table belongs: serde says so.
            _ => {}
        }
    }
    Ok(())
}

fn check_table(source: &Source, table: &'static Table, found: &DeTable) -> Result<(), ConfigError> {
    let unknown = found
        .keys()
        .filter(|key| !table.keys.contains(&key.get_ref().as_ref()))
        .min_by_key(|key| key.span().start);
    match unknown {
        None => Ok(()),
        Some(key) => Err(ConfigError::UnknownKey {
            at: source.at(key.span().start),
            key: key.get_ref().to_string(),
            table: table.written,
            hint: hint(table, key.get_ref()),
        }),
    }
}

fn hint(table: &Table, key: &str) -> Hint {
    if let Some(other) = TABLES.iter().find(|other| other.keys.contains(&key)) {
        return Hint::BelongsIn(other.written);
    }
    let likeness = |known: &str| strsim::jaro_winkler(&key.to_lowercase(), known);
    table
        .keys
        .iter()
        .map(|known| (likeness(known), *known))
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(Hint::Known(table.keys), |(_, known)| Hint::DidYouMean(known))
}

/// The key, with its table (`cloud.upload`), whose value is at `span`.
pub(super) fn key_at(table: &DeTable, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = match value.get_ref() {
            DeValue::Table(inner) => key_at(inner, span),
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| item.get_ref().as_table())
                .find_map(|inner| key_at(inner, span)),
            _ => None,
        };
        match inner {
            Some(inner) => Some(format!("{}.{inner}", key.get_ref())),
            None => spans(value, span).then(|| key.get_ref().to_string()),
        }
    })
}

/// Whether `span` lies in this value, or in one of its items: a table's own span is its header.
fn spans(value: &Spanned<DeValue>, span: &Range<usize>) -> bool {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    covers(value.span())
        || value.get_ref().as_array().is_some_and(|items| items.iter().any(|item| covers(item.span())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_shows_every_key_and_no_other() {
        let example = include_str!("../../packaging/config.toml");
        let shown: Vec<&str> = example
            .lines()
            .map(|line| line.trim_start_matches('#'))
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase() || first == '['))
            .map(|line| line.split(" = ").next().unwrap_or(line))
            .collect();
        let known: Vec<&str> = TABLES
            .iter()
            .flat_map(|table| std::iter::once(table.written).chain(table.keys.iter().copied()))
            .collect();
        assert_eq!(shown, known);
        let mut top = TABLES.each_ref().map(|table| table.name.split('.').next().unwrap()).to_vec();
        top.dedup();
        assert_eq!(TOP.keys, top);
    }

    #[test]
    fn a_guess_is_only_made_when_it_is_a_good_one() {
        let cloud = &TABLES[0];
        assert_eq!(hint(cloud, "baseurl"), Hint::DidYouMean("base_url"));
        assert_eq!(hint(cloud, "password"), Hint::DidYouMean("password_file"));
        assert_eq!(hint(cloud, "Email"), Hint::DidYouMean("email"));
        assert_eq!(hint(cloud, "group_access"), Hint::BelongsIn("[control]"));
        assert_eq!(hint(cloud, "zzz"), Hint::Known(cloud.keys));
    }
}
