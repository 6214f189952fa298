//! Values of standard characteristics, byte by byte.

use jiff::tz::TimeZone;
use nowbridge::measurement::UtcMicros;
use nowbridge::wire::gatt::{
    Contact, CurrentTime, CyclingCadence, HeartRate, LocalTime, Oximetry, OximetryStatus, Revolutions,
    RunningCadence, SystemId, Temperature, battery_level,
};

fn vectors() -> std::collections::BTreeMap<&'static str, Vec<u8>> {
    super::vectors(include_str!("../../golden/v1/gatt.txt"))
}

fn beating(bpm: u16, contact: Contact, energy_kj: Option<u16>, intervals: &[u16]) -> HeartRate {
    HeartRate { bpm: Some(bpm), contact, energy_kj, intervals: intervals.to_vec() }
}

#[test]
fn heart_rates_are_read_and_written() {
    let vectors = vectors();
    for (name, measured) in [
        ("300 bpm wide", beating(300, Contact::Unsupported, None, &[])),
        ("72 bpm one interval", beating(72, Contact::Unsupported, None, &[944])),
        ("contact 80 bpm two intervals", beating(80, Contact::Good, None, &[1024, 1024])),
        ("no contact", beating(72, Contact::Lost, None, &[])),
        ("with energy", beating(72, Contact::Unsupported, Some(10), &[])),
    ] {
        let vector = &vectors[format!("heart rate {name}").as_str()];
        assert_eq!(HeartRate::decode(vector), Ok(measured.clone()), "{name}");
        assert_eq!(&measured.encode(), vector, "{name}");
    }
}

#[test]
fn temperatures_are_read() {
    let centi = |name: &str| Temperature::decode(&vectors()[name]).unwrap().centi_celsius();
    assert_eq!(centi("temperature 36.4"), Some(3_640));
    assert_eq!(centi("temperature 36.44"), Some(3_644));
    assert_eq!(centi("temperature not a number"), None);
}

#[test]
fn oximetry_is_read() {
    let vectors = vectors();
    let spot = Oximetry::decode_spot(&vectors["oximetry spot 97.5 % questionable"]).unwrap();
    assert_eq!((spot.spo2, spot.pulse), (Some(97.5), Some(72.0)));
    assert_eq!(spot.status, Some(OximetryStatus::QUESTIONABLE));
    let continuous = Oximetry::decode_continuous(&vectors["oximetry continuous 98 %"]).unwrap();
    assert_eq!((continuous.spo2, continuous.status), (Some(98.0), None));
}

#[test]
fn cadences_are_read() {
    let vectors = vectors();
    let walking = RunningCadence::decode(&vectors["running 80 a minute"]).unwrap();
    assert_eq!((walking.speed, walking.cadence, walking.running), (512, 80, false));
    let running = RunningCadence::decode(&vectors["running with stride and distance"]).unwrap();
    assert_eq!((running.cadence, running.running), (180, true));
    assert_eq!((running.stride_cm, running.distance_dm), (Some(120), Some(10_000)));
    let crank = Revolutions { count: 42, event: 2_048 };
    let cycling = CyclingCadence::decode(&vectors["cycling crank"]).unwrap();
    assert_eq!(cycling, CyclingCadence { wheel: None, crank: Some(crank) });
    let wheel = Revolutions { count: 10_000, event: 1_024 };
    let cycling = CyclingCadence::decode(&vectors["cycling wheel and crank"]).unwrap();
    assert_eq!(cycling, CyclingCadence { wheel: Some(wheel), crank: Some(crank) });
}

#[test]
fn clocks_are_read_and_set() {
    let vectors = vectors();
    let shown = CurrentTime::at(UtcMicros(1_763_827_200_500_000), &TimeZone::UTC).unwrap();
    assert_eq!(shown.encode(), vectors["current time"]);
    assert_eq!(CurrentTime::decode(&vectors["current time"]), Ok(Some(shown)));
    let summer = LocalTime { zone: 4, daylight_saving: 4 };
    assert_eq!(summer.encode(), vectors["local time UTC+1 in summer"]);
}

#[test]
fn the_rest_is_read() {
    let vectors = vectors();
    assert_eq!(battery_level(&vectors["battery level 87"]), Ok(87));
    let id = SystemId::decode(&vectors["system ID"]).unwrap();
    assert!(id.is_telling() && id.0[0] == 0x12);
}
