use nowbridge::measurement::{Quality, UtcMicros};
use nowbridge::sim::recording::{Recording, RecordingError, read_fit};
use nowbridge::wire::bridge::Stream;

use super::fixture;

/// 2022-02-07T16:47:52Z as FIT counts: seconds since the end of 1989.
const START: u32 = 1_013_186_872;
const START_UTC: UtcMicros = UtcMicros(1_644_252_472_000_000);

/// Builds the smallest FIT files that hold records and R-R intervals.
struct Fit(Vec<u8>);

impl Fit {
    fn new() -> Self {
        Self(vec![
            // Definition 0: record (20) with timestamp, heart rate, cadence. Little endian.
            0x40, 0, 0, 20, 0, 3, 253, 4, 0x86, 3, 1, 0x02, 4, 1, 0x02,
            // Definition 1: hrv (78) with an array of three u16, ms.
            0x41, 0, 0, 78, 0, 1, 0, 6, 0x84,
        ])
    }

    fn record(mut self, second: u32, heart_rate: u8, cadence: u8) -> Self {
        self.0.push(0);
        self.0.extend((START + second).to_le_bytes());
        self.0.extend([heart_rate, cadence]);
        self
    }

    fn hrv(mut self, intervals_ms: [u16; 3]) -> Self {
        self.0.push(1);
        self.0.extend(intervals_ms.iter().flat_map(|interval| interval.to_le_bytes()));
        self
    }

    fn bytes(self) -> Vec<u8> {
        let mut file = vec![14, 0x20, 0x08, 0x08];
        file.extend((self.0.len() as u32).to_le_bytes());
        file.extend(b".FIT\0\0");
        file.extend(self.0);
        let checksum = crc::Crc::<u16>::new(&crc::CRC_16_ARC).checksum(&file);
        file.extend(checksum.to_le_bytes());
        file
    }

    fn read(self) -> Result<Recording, RecordingError> {
        read(&self.bytes())
    }
}

fn read(bytes: &[u8]) -> Result<Recording, RecordingError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("morning.fit");
    std::fs::write(&path, bytes).unwrap();
    read_fit(&path)
}

fn beats(recording: &Recording) -> Vec<(u64, i32)> {
    recording.samples_of(Stream::BEATS).iter().map(|beat| (beat.at_ms, beat.value)).collect()
}

#[test]
fn records_become_samples_and_intervals_become_beats() {
    let recording = Fit::new()
        .record(0, 128, 60)
        .hrv([467, 464, 0xFFFF])
        .record(1, 0, 0xFF)
        .hrv([0xFFFF; 3])
        .record(2, 0xFF, 64)
        .hrv([463, 0xFFFF, 470])
        .read()
        .unwrap();
    assert_eq!(recording.started, Some(START_UTC));
    let of = |stream| -> Vec<(u64, i32, u8)> {
        let samples = recording.samples_of(stream).iter();
        samples.map(|sample| (sample.at_ms, sample.value, sample.quality.get())).collect()
    };
    // 0xFF is "no value"; a heart rate of 0 is a sensor that has lost the skin.
    assert_eq!(of(Stream::HEART_RATE), [(0, 128, 4), (1_000, 0, Quality::UNRELIABLE.get())]);
    assert_eq!(of(Stream::CADENCE), [(0, 60, 4), (2_000, 64, 4)]);
    assert_eq!(beats(&recording), [(0, 0), (467, 467), (931, 464), (1_394, 463), (1_864, 470)]);
}

#[test]
fn beats_after_a_pause_start_a_new_run_where_the_records_are() {
    let recording = Fit::new()
        .record(0, 100, 0)
        .hrv([600, 600, 600])
        .record(300, 90, 0)
        .hrv([700, 0xFFFF, 0xFFFF])
        .record(301, 90, 0)
        .hrv([710, 0xFFFF, 0xFFFF])
        .read()
        .unwrap();
    let expected =
        [(0, 0), (600, 600), (1_200, 600), (1_800, 600), (300_000, 0), (300_700, 700), (301_410, 710)];
    assert_eq!(beats(&recording), expected);
}

#[test]
fn each_fault_names_the_file_and_what_is_wrong() {
    let text = read(b"timestamp,value,quality\n1,2,3\n").unwrap_err();
    assert!(matches!(text, RecordingError::NotFit { .. }));
    assert!(text.to_string().contains("morning.fit is not a FIT file"), "{text}");
    assert!(matches!(read(b""), Err(RecordingError::NotFit { .. })));

    let mut flipped = Fit::new().record(0, 100, 0).bytes();
    *flipped.last_mut().unwrap() ^= 1;
    let damaged = read(&flipped).unwrap_err().to_string();
    assert!(damaged.contains("morning.fit is a damaged FIT file") && damaged.contains("CRC"), "{damaged}");

    let nothing = Fit::new().record(0, 0xFF, 90).read().unwrap_err().to_string();
    assert!(nothing.contains("morning.fit is a FIT file with no heart rate inside"), "{nothing}");

    let missing = read_fit("no/such/file.fit".as_ref()).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file.fit cannot be read"), "{missing}");
}

#[test]
fn the_files_of_real_devices_are_understood() {
    let Some(triathlon) = fixture::fit("sample_mulitple_header.fit") else { return };
    let triathlon = read_fit(&triathlon).unwrap();
    assert_eq!(triathlon.samples_of(Stream::HEART_RATE).len(), 1_430);
    let cadences = triathlon.samples_of(Stream::CADENCE);
    let moving = cadences.iter().filter(|cadence| cadence.value > 0).count();
    assert_eq!((cadences.len(), moving), (919, 883));
    assert_eq!(triathlon.samples_of(Stream::BEATS).len(), 0);

    let Some(day) = fixture::fit("MonitoringFile.fit") else { return };
    assert!(matches!(read_fit(&day), Err(RecordingError::NoHeartRate { .. })));
}
