//! What a hostile sensor can notify or let us read. Any bytes must end in a value or an error, and a value must say itself again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::wire::gatt::{
    BatteryStatus, CurrentTime, CyclingCadence, DateTime, HeartRate, LocalTime, Oximetry, PnpId,
    RunningCadence, SystemId, Temperature, battery_level, text,
};

fuzz_target!(|values: (&[u8], &[u8])| {
    let (first, second) = values;
    if let Ok(measured) = HeartRate::decode(first) {
        assert_eq!(HeartRate::decode(&measured.encode()), Ok(measured));
    }
    if let Ok(measured) = Temperature::decode(first) {
        assert!(measured.centi_celsius().is_none_or(|degrees| degrees.abs() <= 15_000));
    }
    for measured in [Oximetry::decode_spot(first), Oximetry::decode_continuous(first)].into_iter().flatten() {
        assert!(measured.spo2.is_none_or(|spo2| (0.0..=100.0).contains(&spo2)));
    }
    if let (Ok(before), Ok(after)) = (CyclingCadence::decode(first), CyclingCadence::decode(second)) {
        let _ = before.crank.zip(after.crank).and_then(|(before, after)| after.crank_rate_since(before));
        let _ = before.wheel.zip(after.wheel).and_then(|(before, after)| after.wheel_rate_since(before));
    }
    if let Ok(Some(shown)) = CurrentTime::decode(first) {
        assert_eq!(shown.encode(), first);
    }
    if let Ok(Some(at)) = DateTime::decode(first) {
        assert_eq!(at.encode(), first);
    }
    if let Ok(local) = LocalTime::decode(first) {
        assert_eq!(local.encode(), first);
    }
    let _ = RunningCadence::decode(first);
    let _ = battery_level(first);
    let _ = BatteryStatus::decode(first);
    let _ = SystemId::decode(first);
    let _ = PnpId::decode(first);
    assert!(text(first).is_none_or(|text| !text.contains(char::is_control)));
});
