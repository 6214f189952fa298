//! From notifications to samples.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::Instant;
use uuid::Uuid;

use super::beats::BeatClock;
use crate::clock::Clock;
use crate::measurement::Quality;
use crate::watch::LiveSample;
use crate::wire::bridge::Stream;
use crate::wire::gatt::{
    self, Contact, CyclingCadence, DateTime, GattError, HeartRate, Oximetry, OximetryStatus, Revolutions,
    RunningCadence, Temperature,
};

/// The same bytes so soon after each other are one notification that came twice.
const TWICE: Duration = Duration::from_millis(50);
/// The bit of a heart rate's flags that says that intervals follow.
const HAS_INTERVALS: u8 = 0x10;
/// A crank that has not come round for so long stands still.
const STANDS_STILL: Duration = Duration::from_secs(3);
/// The event time of a crank begins anew every 64 s; what lies farther apart tells no rate.
const COMPARABLE: Duration = Duration::from_mins(1);
/// Nobody pedals faster; a number above it is a counter that was reset.
const MOST_TURNS_PER_MINUTE: u32 = 300;
/// What a pulse may be, beats a minute; an oximeter that finds none tells 0.
const PULSE: RangeInclusive<f64> = 1.0..=300.0;
/// A reading whose own date is farther off than this was taken earlier, or by a clock that is wrong.
const RECENT: Duration = Duration::from_mins(2);

/// A characteristic that notifies or indicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    HeartRate,
    Temperature,
    SpotOximetry,
    ContinuousOximetry,
    Running,
    Cycling,
    Battery,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 7] = [
        Self::HeartRate,
        Self::Temperature,
        Self::SpotOximetry,
        Self::ContinuousOximetry,
        Self::Running,
        Self::Cycling,
        Self::Battery,
    ];

    /// Its characteristic.
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::HeartRate => gatt::HEART_RATE,
            Self::Temperature => gatt::TEMPERATURE,
            Self::SpotOximetry => gatt::SPOT_OXIMETRY,
            Self::ContinuousOximetry => gatt::CONTINUOUS_OXIMETRY,
            Self::Running => gatt::RUNNING_CADENCE,
            Self::Cycling => gatt::CYCLING_CADENCE,
            Self::Battery => gatt::BATTERY_LEVEL,
        }
    }

    /// Whether it tells of a person, not of the device.
    pub const fn measures(self) -> bool {
        !matches!(self, Self::Battery)
    }
}

/// What must be remembered from one notification to the next.
#[derive(Debug, Default)]
pub struct Reader {
    beats: BeatClock,
    crank: Option<Crank>,
    last: Option<(Source, Vec<u8>, Instant)>,
    /// Notifications left out because they came twice.
    repeated: u64,
    /// What readings that carry a date are compared with.
    dating: Option<(Clock, TimeZone)>,
    battery: Option<u8>,
    /// Whether an oximeter's pulse rate is the heart rate.
    takes_pulse: bool,
}

/// The crank when it last moved.
#[derive(Clone, Copy, Debug)]
struct Crank {
    at: Instant,
    turns: Revolutions,
}

impl Reader {
    /// From now on the dates of readings are compared with this clock.
    pub fn date_by(&mut self, clock: Clock, zone: TimeZone) {
        self.dating = Some((clock, zone));
    }

    /// The device tells no heart rate but its oximeter's pulse rate.
    pub const fn take_pulse(&mut self) {
        self.takes_pulse = true;
    }

    /// The battery level that was notified last.
    pub const fn battery(&self) -> Option<u8> {
        self.battery
    }

    /// Notifications that were left out because they came twice.
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The samples in a notification.
    pub fn read(&mut self, source: Source, value: &[u8], at: Instant) -> Result<Vec<LiveSample>, GattError> {
        // After a fade several come at once, and an even heart says the same each time: what tells of beats is never left out.
        let beats =
            source == Source::HeartRate && value.first().is_some_and(|flags| flags & HAS_INTERVALS != 0);
        let twice = !beats
            && self.last.as_ref().is_some_and(|(from, last, then)| {
                *from == source && last == value && at.saturating_duration_since(*then) < TWICE
            });
        if twice {
            self.repeated += 1;
            return Ok(Vec::new());
        }
        self.last = Some((source, value.to_vec(), at));
        match source {
            Source::HeartRate => HeartRate::decode(value).map(|measured| self.heart_rate(&measured, at)),
            Source::Temperature => Temperature::decode(value).map(|measured| {
                let quality = self.quality(Quality::UNTOLD, measured.at);
                let sample = |value| LiveSample { stream: Stream::TEMPERATURE, at, value, quality };
                measured.centi_celsius().map(sample).into_iter().collect()
            }),
            Source::SpotOximetry => Oximetry::decode_spot(value).map(|measured| self.oximetry(&measured, at)),
            Source::ContinuousOximetry => {
                Oximetry::decode_continuous(value).map(|measured| self.oximetry(&measured, at))
            }
            Source::Running => {
                RunningCadence::decode(value).map(|measured| vec![cadence(measured.cadence.into(), at)])
            }
            Source::Cycling => CyclingCadence::decode(value).and_then(|measured| {
                let turns = measured.crank.map(|turns| self.turned(turns, at)).transpose()?;
                Ok(turns.flatten().map(|rate| cadence(rate, at)).into_iter().collect())
            }),
            Source::Battery => gatt::battery_level(value).map(|level| {
                self.battery = Some(level);
                Vec::new()
            }),
        }
    }

    fn heart_rate(&mut self, measured: &HeartRate, at: Instant) -> Vec<LiveSample> {
        let quality = match measured.contact {
            Contact::Good => Quality::GOOD,
            Contact::Unsupported => Quality::UNTOLD,
            Contact::Lost => Quality::UNRELIABLE,
        };
        let rate = |bpm: u16| LiveSample { stream: Stream::HEART_RATE, at, value: i32::from(bpm), quality };
        let mut samples = self.beats.place(&measured.intervals, at, quality);
        samples.extend(measured.bpm.map(rate));
        samples
    }

    fn oximetry(&self, measured: &Oximetry, at: Instant) -> Vec<LiveSample> {
        let status = measured.status.unwrap_or_default();
        if status.any(OximetryStatus::MADE_UP) {
            return Vec::new();
        }
        let quality = self.quality(quality_of(status), measured.at);
        let sample = |stream, value: f64| LiveSample { stream, at, value: value.round() as i32, quality };
        let pulse = measured.pulse.filter(|bpm| self.takes_pulse && PULSE.contains(bpm));
        let pulse = pulse.map(|bpm| sample(Stream::HEART_RATE, bpm));
        measured.spo2.map(|spo2| sample(Stream::SPO2, spo2)).into_iter().chain(pulse).collect()
    }

    /// Turns of the crank a minute, where this tells any.
    fn turned(&mut self, turns: Revolutions, at: Instant) -> Result<Option<u32>, GattError> {
        let now = Crank { at, turns };
        let Some(before) = self.crank else {
            self.crank = Some(now);
            return Ok(None);
        };
        let since = at.saturating_duration_since(before.at);
        if turns.count == before.turns.count {
            return Ok((since > STANDS_STILL).then_some(0));
        }
        self.crank = Some(now);
        let rate = turns.crank_rate_since(before.turns).filter(|_| since < COMPARABLE);
        match rate {
            Some(rate) if rate > MOST_TURNS_PER_MINUTE => Err(GattError::OutOfRange {
                characteristic: "CSC measurement",
                field: "crank rate",
                value: rate.into(),
            }),
            rate => Ok(rate),
        }
    }

    /// The quality of a reading that may carry a date. It is filed under its arrival; if its own date is another, one of the two is
    /// wrong, and nobody can say which.
    fn quality(&self, told: Quality, dated: Option<DateTime>) -> Quality {
        let Some((dated, (clock, zone))) = dated.zip(self.dating.as_ref()) else { return told };
        let off = dated.utc(zone).map(|dated| clock.now().since(dated).unsigned_abs());
        let recent = off.is_some_and(|off_us| Duration::from_micros(off_us) <= RECENT);
        if recent { told } else { Quality::UNRELIABLE }
    }
}

fn quality_of(status: OximetryStatus) -> Quality {
    const BAD: OximetryStatus = OximetryStatus(
        OximetryStatus::INVALID.0 | OximetryStatus::UNAVAILABLE.0 | OximetryStatus::FROM_STORAGE.0,
    );
    if status.any(BAD) {
        Quality::UNRELIABLE
    } else if status.any(OximetryStatus::QUESTIONABLE) {
        Quality::DOUBTFUL
    } else if status.any(OximetryStatus::QUALIFIED) {
        Quality::BEST
    } else if status.any(OximetryStatus::VALIDATED) {
        Quality::GOOD
    } else {
        Quality::UNTOLD
    }
}

fn cadence(per_minute: u32, at: Instant) -> LiveSample {
    LiveSample { stream: Stream::CADENCE, at, value: per_minute.cast_signed(), quality: Quality::UNTOLD }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::UtcMicros;

    /// 2025-11-22 16:00:00 UTC.
    const NOW: UtcMicros = UtcMicros(1_763_827_200_000_000);

    fn told(samples: &[LiveSample]) -> Vec<(Stream, i32, u8)> {
        samples.iter().map(|sample| (sample.stream, sample.value, sample.quality.get())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn contact_is_quality() {
        let mut reader = Reader::default();
        for (flags, quality) in [(0_u8, 2), (2, 2), (4, 0), (6, 3)] {
            tokio::time::advance(Duration::from_secs(1)).await;
            let samples = reader.read(Source::HeartRate, &[flags, 72], Instant::now()).unwrap();
            assert_eq!(told(&samples), [(Stream::HEART_RATE, 72, quality)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_notification_that_comes_twice_counts_once() {
        let (mut reader, value) = (Reader::default(), [0x00, 60]);
        let mut read = || reader.read(Source::HeartRate, &value, Instant::now()).unwrap().len();
        assert_eq!((read(), read()), (1, 0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(read(), 1);
        assert_eq!(reader.repeated(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn beats_that_come_together_after_a_fade_all_count() {
        let (mut reader, value) = (Reader::default(), [0x10, 128, 0xE0, 1]);
        let mut beats = 0;
        for _ in 0..3 {
            let samples = reader.read(Source::HeartRate, &value, Instant::now()).unwrap();
            beats += samples.iter().filter(|sample| sample.stream == Stream::BEATS).count();
        }
        assert_eq!((beats, reader.repeated()), (4, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_date_that_is_not_now_makes_a_reading_unreliable() {
        let mut reader = Reader::default();
        reader.date_by(Clock::simulated(NOW), TimeZone::UTC);
        let mut value = [0x02, 0x6C, 0x01, 0x00, 0xFF, 0xE9, 0x07, 11, 22, 16, 1, 0];
        let samples = reader.read(Source::Temperature, &value, Instant::now()).unwrap();
        assert_eq!(told(&samples), [(Stream::TEMPERATURE, 3_640, 2)]);
        value[9] = 4;
        let samples = reader.read(Source::Temperature, &value, Instant::now()).unwrap();
        assert_eq!(told(&samples), [(Stream::TEMPERATURE, 3_640, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_oximeter_says_how_good_it_is() {
        let mut reader = Reader::default();
        for (status, expected) in [
            (1_u16 << 8, Some(4)),
            (1 << 7, Some(3)),
            (1 << 6, Some(2)),
            (1 << 14, Some(1)),
            (1 << 15, Some(0)),
            (1 << 10, None),
        ] {
            let [low, high] = status.to_le_bytes();
            let value = [0x04, 0x62, 0, 0x48, 0, low, high];
            let samples = reader.read(Source::ContinuousOximetry, &value, Instant::now()).unwrap();
            let expected: Vec<_> = expected.map(|quality| (Stream::SPO2, 98, quality)).into_iter().collect();
            assert_eq!(told(&samples), expected, "{status:#x}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pulse_is_a_heart_rate_where_there_is_no_other() {
        let (mut reader, value) = (Reader::default(), [0x00, 0x62, 0, 0x48, 0]);
        reader.take_pulse();
        let samples = reader.read(Source::ContinuousOximetry, &value, Instant::now()).unwrap();
        assert_eq!(told(&samples), [(Stream::SPO2, 98, 2), (Stream::HEART_RATE, 72, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crank_that_turns_stands_still_and_is_reset() {
        let mut reader = Reader::default();
        let mut read = |count: u16, event: u16| {
            let mut value = vec![0x02];
            value.extend(count.to_le_bytes());
            value.extend(event.to_le_bytes());
            let samples = reader.read(Source::Cycling, &value, Instant::now());
            samples.map(|samples| samples.first().map(|sample| sample.value))
        };
        let second = || tokio::time::advance(Duration::from_secs(1));
        assert_eq!(read(0xFFFE, 0xFC00), Ok(None));
        second().await;
        assert_eq!(read(0xFFFF, 0), Ok(Some(60)));
        second().await;
        assert_eq!(read(0xFFFF, 0), Ok(None));
        second().await;
        second().await;
        second().await;
        assert_eq!(read(0xFFFF, 0), Ok(Some(0)));
        second().await;
        assert_eq!(read(1, 5 * 1_024), Ok(Some(24)));
        second().await;
        let error = read(0, 6 * 1_024).unwrap_err();
        assert!(error.to_string().starts_with("CSC measurement: crank rate"), "{error}");
        second().await;
        assert_eq!(read(1, 7 * 1_024), Ok(Some(60)));
        tokio::time::advance(Duration::from_secs(70)).await;
        assert_eq!(read(2, 8 * 1_024), Ok(None));
    }
}
