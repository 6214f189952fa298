//! Version 1 of the bridge service.

use std::collections::BTreeMap;

use bytes::Bytes;
use nowbridge::measurement::Quality;
use nowbridge::wire::bridge::{
    AnchorRecord, BlockHeader, Boot, Capabilities, DeviceId, ErrorCode, Info, LogId, RawBlock, Request,
    Response, Sample, Seq, Slicer, Stream, TimeReading, TimeSetting, TimeSource, seal,
};

const LOG: LogId = LogId(0x5EED_1234);

fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("pull", Request::Pull { id: 1, log_id: LOG, from: Seq(120_000), credit: 4_096 }),
        ("credit", Request::Credit { id: 1, add: 8_192 }),
        ("commit", Request::Commit { id: 2, log_id: LOG, through: Seq(123_519) }),
        ("flush", Request::Flush { id: 3 }),
        ("stop", Request::Stop { id: 4 }),
        ("live", Request::Live { id: 5, mask: 0b110 }),
        ("streams", Request::Streams { id: 6, from: Stream(9) }),
    ]
}

fn responses() -> Vec<(&'static str, Response)> {
    vec![
        ("ok", Response::Ok { id: 2 }),
        ("err", Response::Err { id: 1, code: ErrorCode::BeforeTail }),
        ("end", Response::End { id: 1, next: Seq(123_520), head: Seq(130_000), tail: Seq(100_000) }),
        ("stream", Response::Stream { id: 6, stream: Stream::TEMPERATURE, scale: 100, period_ms: 60_000 }),
    ]
}

fn info() -> Info {
    Info {
        major: 1,
        minor: 0,
        device_id: DeviceId(*b"nowbridge golden"),
        log_id: LOG,
        boot: Boot(7),
        tail: Seq(100_000),
        head: Seq(130_000),
        acked: Seq(123_519),
        ticks_ms: 604_800_000,
        caps: Capabilities::SYNTHETIC,
        max_credit: 65_535,
    }
}

fn samples(values: &[i32], first_ms: u64, period_ms: u64) -> Vec<Sample> {
    let sample = |(index, &value): (usize, &i32)| Sample {
        at_ms: first_ms + period_ms * index as u64,
        value,
        quality: Quality::BEST,
    };
    values.iter().enumerate().map(sample).collect()
}

fn blocks() -> Vec<(&'static str, Bytes)> {
    let heart_rate = samples(&[72, 72, 73, 74, 73, 71], 5_000, 1_000);
    let mut doubtful = heart_rate.clone();
    doubtful[3].quality = Quality::UNRELIABLE;
    let beats = [(1_000, 0), (1_700, 700), (2_500, 800)];
    let beats = beats.map(|(at_ms, value)| Sample { at_ms, value, quality: Quality::BEST });
    let activity = [(0, 7), (61_000, 2)];
    let activity = activity.map(|(at_ms, value)| Sample { at_ms, value, quality: Quality::BEST });
    let anchor = AnchorRecord {
        ticks_us: 604_800_000_000,
        utc_us: 1_672_531_200_000_000,
        uncertainty_ms: 15,
        zone_offset_s: 3_600,
        source: TimeSource::Host,
    };
    vec![
        ("block heart rate", seal(Seq(300), Boot(3), Stream::HEART_RATE, &heart_rate)),
        ("block heart rate with qualities", seal(Seq(301), Boot(3), Stream::HEART_RATE, &doubtful)),
        ("block beats", seal(Seq(302), Boot(3), Stream::BEATS, &beats)),
        ("block activity type", seal(Seq(303), Boot(3), Stream::ACTIVITY_TYPE, &activity)),
        (
            "block anchor",
            BlockHeader::opaque(Seq(304), Boot(3), 604_800_000, Stream::ANCHORS, &anchor.encode()),
        ),
    ]
}

fn notifications() -> Vec<(String, Bytes)> {
    let (mut slicer, mut source) = (Slicer::new(), blocks().into_iter().map(|(_, block)| block).take(2));
    let cut = std::iter::from_fn(|| slicer.next(20, || source.next()));
    cut.enumerate().map(|(index, slice)| (format!("notification {index} of 20 bytes"), slice)).collect()
}

/// Everything that version 1 writes, by the names in the vector file.
fn written() -> BTreeMap<String, Vec<u8>> {
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    all.extend(requests().into_iter().map(|(name, message)| (format!("request {name}"), message.encode())));
    all.extend(responses().into_iter().map(|(name, message)| (format!("response {name}"), message.encode())));
    all.extend(blocks().into_iter().map(|(name, block)| (name.to_owned(), block.to_vec())));
    all.extend(notifications().into_iter().map(|(name, slice)| (name, slice.to_vec())));
    all.insert("info".to_owned(), info().encode());
    all.insert("time read".to_owned(), time_reading().encode());
    all.insert("time write".to_owned(), time_setting().encode());
    all
}

fn time_reading() -> TimeReading {
    TimeReading {
        boot: Boot(7),
        ticks_us: 604_800_000_000,
        utc_us: 1_672_531_200_000_000,
        source: TimeSource::Network,
        uncertainty_ms: 15,
    }
}

fn time_setting() -> TimeSetting {
    TimeSetting {
        utc_us: 1_672_531_200_000_000,
        rtt_us: 30_000,
        zone_offset_s: 3_600,
        source: TimeSource::Host,
    }
}

#[test]
fn version_1_writes_the_bytes_it_always_wrote() {
    let expected = super::vectors(include_str!("../../golden/v1/bridge.txt"));
    let written = written();
    for (name, bytes) in &written {
        let hex = hex::encode(bytes);
        let vector = expected.get(name.as_str()).unwrap_or_else(|| panic!("no vector: {name} = {hex}"));
        assert_eq!(hex, hex::encode(vector), "{name}");
    }
    assert_eq!(expected.len(), written.len(), "a vector that nothing writes");
}

#[test]
fn version_1_reads_what_it_wrote() {
    let vectors = super::vectors(include_str!("../../golden/v1/bridge.txt"));
    let vector = |name: &str| vectors[name].as_slice();
    for (name, message) in requests() {
        assert_eq!(Request::decode(vector(&format!("request {name}"))), Ok(message));
    }
    for (name, message) in responses() {
        assert_eq!(Response::decode(vector(&format!("response {name}"))), Ok(message));
    }
    assert_eq!(Info::decode(vector("info")), Ok(info()));
    assert_eq!(TimeReading::decode(vector("time read")), Ok(time_reading()));
    assert_eq!(TimeSetting::decode(vector("time write")), Ok(time_setting()));
    let heart_rate = RawBlock::parse(vector("block heart rate").to_vec().into()).unwrap();
    assert_eq!(heart_rate.samples().unwrap(), samples(&[72, 72, 73, 74, 73, 71], 5_000, 1_000));
}

#[test]
fn the_sizes_of_the_reference_page() {
    let vectors = super::vectors(include_str!("../../golden/v1/bridge.txt"));
    assert_eq!(vectors["request pull"].len(), 12);
    assert_eq!(vectors["request credit"].len(), 4);
    assert_eq!(vectors["request commit"].len(), 10);
    assert_eq!(vectors["response end"].len(), 11);
    assert_eq!(vectors["time read"].len(), 17);
    let control = requests().iter().map(|(_, message)| message.encode().len()).max().unwrap();
    assert!(control <= nowbridge::wire::bridge::MAX_CONTROL);
}

#[test]
fn a_longer_message_of_a_later_minor_version_is_read() {
    let mut longer = info().encode();
    longer.extend([1, 2, 3]);
    assert_eq!(Info::decode(&longer), Ok(info()));
    let mut other = info().encode();
    other[0] = 2;
    assert!(Info::decode(&other).unwrap_err().to_string().contains("speaks version 2.0"));
}
