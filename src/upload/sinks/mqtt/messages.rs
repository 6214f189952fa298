//! The topics, and what is said there.

use serde_json::json;

use crate::config::{FolderFormat, MqttConfig};
use crate::measurement::{Kind, Reading, ValueType};
use crate::upload::receiver::Parcel;
use crate::upload::sinks::row;
use crate::wire::bridge::DeviceId;

/// What the broker is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
    pub retained: bool,
}

impl Message {
    /// How large its packet is at most.
    pub fn bytes(&self) -> u64 {
        (self.topic.len() + self.payload.len() + 32) as u64
    }
}

/// Whose measurements of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    device: DeviceId,
    synthetic: bool,
    kind: Kind,
}

impl Place {
    pub const fn of(parcel: &Parcel) -> Self {
        Self { device: parcel.device, synthetic: parcel.synthetic, kind: parcel.kind() }
    }

    fn device(&self) -> String {
        format!("{}{}", if self.synthetic { "synthetic-" } else { "" }, self.device)
    }

    fn kind(&self) -> String {
        self.kind.name().to_ascii_lowercase()
    }
}

/// Where everything is said.
#[derive(Clone, Debug)]
pub struct Topics {
    topic: String,
    discovery: Option<String>,
}

impl Topics {
    pub fn new(config: &MqttConfig) -> Self {
        Self { topic: config.topic.clone(), discovery: config.discovery.clone() }
    }

    /// Where it says whether somebody is here.
    pub fn status(&self) -> String {
        format!("{}/status", self.topic)
    }

    fn place(&self, place: &Place) -> String {
        format!("{}/{}/{}", self.topic, place.device(), place.kind())
    }

    /// Every reading of a parcel.
    pub fn history(&self, parcel: &Parcel) -> Message {
        let readings = &parcel.table.readings;
        let mut payload = String::with_capacity(readings.len() * 64 + 2);
        payload.push('[');
        for (index, reading) in readings.iter().enumerate() {
            payload.push_str(if index == 0 { "" } else { "," });
            row::write(parcel.kind(), FolderFormat::Jsonl, reading, &mut payload);
        }
        payload.push(']');
        Message { topic: format!("{}/history", self.place(&Place::of(parcel))), payload, retained: false }
    }

    /// The newest reading.
    pub fn state(&self, place: &Place, newest: &Reading) -> Message {
        let mut payload = String::new();
        row::write(place.kind, FolderFormat::Jsonl, newest, &mut payload);
        Message { topic: format!("{}/state", self.place(place)), payload, retained: true }
    }

    /// What Home Assistant needs to show it; nothing for what it cannot show.
    pub fn discovery(&self, place: &Place) -> Option<Message> {
        let prefix = self.discovery.as_ref()?;
        if place.kind.value_type() == ValueType::Frame {
            return None;
        }
        let (device, kind, state) = (place.device(), place.kind(), format!("{}/state", self.place(place)));
        let short: String = place.device.to_string().chars().take(6).collect();
        let mut config = json!({
            "name": in_words(&kind),
            "unique_id": format!("nowbridge_{device}_{kind}"),
            "state_topic": state,
            "value_template": "{{ value_json.value }}",
            "json_attributes_topic": state,
            "availability_topic": self.status(),
            "device": {
                "identifiers": [format!("nowbridge_{device}")],
                "name": format!("Watch {short}{}", if place.synthetic { " (simulated)" } else { "" }),
            },
            "origin": { "name": "nowbridge", "sw_version": env!("CARGO_PKG_VERSION") },
        });
        if let Some(unit) = unit(place.kind) {
            config["unit_of_measurement"] = unit.into();
        }
        if place.kind == Kind::Temperature {
            config["device_class"] = "temperature".into();
        }
        // A code is no quantity to draw or to average.
        if place.kind != Kind::ActivityType {
            config["state_class"] = "measurement".into();
        }
        let topic = format!("{prefix}/sensor/nowbridge_{device}/{kind}/config");
        Some(Message { topic, payload: config.to_string(), retained: true })
    }
}

/// `heart_rate` as "Heart rate".
fn in_words(kind: &str) -> String {
    let mut words = kind.replace('_', " ");
    words[..1].make_ascii_uppercase();
    words
}

const fn unit(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::HeartRate | Kind::HeartRateGraph | Kind::RestingHeartRate => Some("bpm"),
        Kind::RespirationRate | Kind::ActivityCadence => Some("1/min"),
        Kind::Temperature => Some("°C"),
        Kind::HeartBeat | Kind::ActivityCount | Kind::ActivityType | Kind::MotionGraph => None,
    }
}
