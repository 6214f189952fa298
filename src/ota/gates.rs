//! What may keep an update waiting, whatever the watch itself says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measurement::UtcMicros;

/// Charge below which no watch is updated, percent; a manifest may ask for more.
pub const LEAST_BATTERY: u8 = 30;
/// An older word about the battery counts for nothing.
pub const BATTERY_WORD: Duration = Duration::from_mins(10);
/// Signal below which an upload takes for ever or breaks off, dBm.
pub const LEAST_SIGNAL: i16 = -80;

/// What is known when an update is to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Charge of the watch's battery, percent, and how long ago it was told.
    pub battery: Option<(u8, Duration)>,
    /// Whether it is on its charger; `None`: it does not tell.
    pub charging: Option<bool>,
    /// How strong it is heard, dBm; `None`: nobody has listened.
    pub signal: Option<i16>,
    /// Until when it is quiet.
    pub quiet: Option<UtcMicros>,
    /// Whether it was lent to another host.
    pub held: bool,
    /// Whether the radio can be used, and if not, why.
    pub radio: Option<String>,
    /// Why this watch does not get this image again.
    pub refused: Option<String>,
}

/// What stands in the way of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// It has tried this image before.
    #[error("the watch had this image before: {why}; `nowbridge update WATCH --again` gives it once more")]
    Refused {
        /// What came of it.
        why: String,
    },
    /// It was lent.
    #[error("the watch is on hold; `nowbridge release` takes it back")]
    Held,
    /// No radio.
    #[error("the radio is not ready: {detail}")]
    Radio {
        /// What is the matter with it.
        detail: String,
    },
    /// The hour.
    #[error("it is quiet now; the update begins afterwards")]
    Quiet {
        /// Until when.
        until: UtcMicros,
    },
    /// It might run out in the middle.
    #[error("the watch's battery has {percent} %, an update needs {needed} %: charge it")]
    BatteryLow {
        /// Charge.
        percent: u8,
        /// What it takes.
        needed: u8,
    },
    /// It might run out in the middle, for all we know.
    #[error(
        "nobody knows how full the watch's battery is; put it on its charger, or connect once so that it tells"
    )]
    BatteryUnknown,
    /// Too far away.
    #[error("the watch is heard with {dbm} dBm only, an update needs {LEAST_SIGNAL}: bring it closer")]
    Signal {
        /// How strong it is heard.
        dbm: i16,
    },
}

/// The first thing that stands in the way, in the order in which a person would want to know. `by_person`: somebody waits for it, who has
/// chosen the hour.
pub fn gate(conditions: &Conditions, least_battery: Option<u8>, by_person: bool) -> Result<(), Gate> {
    if let Some(why) = &conditions.refused {
        return Err(Gate::Refused { why: why.clone() });
    }
    if conditions.held {
        return Err(Gate::Held);
    }
    if let Some(detail) = &conditions.radio {
        return Err(Gate::Radio { detail: detail.clone() });
    }
    if let Some(until) = conditions.quiet.filter(|_| !by_person) {
        return Err(Gate::Quiet { until });
    }
    if conditions.charging != Some(true) {
        let needed = least_battery.map_or(LEAST_BATTERY, |least| least.max(LEAST_BATTERY));
        match conditions.battery.filter(|(_, age)| *age < BATTERY_WORD) {
            Some((percent, _)) if percent < needed => return Err(Gate::BatteryLow { percent, needed }),
            Some(_) => {}
            None => return Err(Gate::BatteryUnknown),
        }
    }
    match conditions.signal {
        Some(dbm) if dbm < LEAST_SIGNAL => Err(Gate::Signal { dbm }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Conditions {
        Conditions { battery: Some((80, Duration::from_secs(5))), signal: Some(-60), ..Conditions::default() }
    }

    #[test]
    fn each_gate_closes_by_itself_and_opens_again() {
        assert_eq!(gate(&fine(), None, false), Ok(()));
        let until = UtcMicros(7);
        let cases = [
            (Conditions { refused: Some("x".to_owned()), ..fine() }, Gate::Refused { why: "x".to_owned() }),
            (Conditions { held: true, ..fine() }, Gate::Held),
            (
                Conditions { radio: Some("off".to_owned()), ..fine() },
                Gate::Radio { detail: "off".to_owned() },
            ),
            (Conditions { quiet: Some(until), ..fine() }, Gate::Quiet { until }),
            (
                Conditions { battery: Some((29, Duration::ZERO)), ..fine() },
                Gate::BatteryLow { percent: 29, needed: 30 },
            ),
            (Conditions { battery: Some((99, BATTERY_WORD)), ..fine() }, Gate::BatteryUnknown),
            (Conditions { battery: None, ..fine() }, Gate::BatteryUnknown),
            (Conditions { signal: Some(-81), ..fine() }, Gate::Signal { dbm: -81 }),
        ];
        for (conditions, closed) in cases {
            assert_eq!(gate(&conditions, None, false), Err(closed));
        }
    }

    #[test]
    fn who_asks_and_what_the_manifest_wants_count() {
        let quiet = Conditions { quiet: Some(UtcMicros(7)), ..fine() };
        assert_eq!(gate(&quiet, None, true), Ok(()), "somebody waits for it");
        assert_eq!(gate(&fine(), Some(90), false), Err(Gate::BatteryLow { percent: 80, needed: 90 }));
        assert_eq!(
            gate(&Conditions { battery: Some((31, Duration::ZERO)), ..fine() }, Some(5), false),
            Ok(())
        );
        let charging = Conditions { charging: Some(true), battery: None, ..fine() };
        assert_eq!(gate(&charging, Some(90), false), Ok(()), "it cannot run out on its charger");
    }
}
