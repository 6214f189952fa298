//! Simulated watches, what they record, and a host that pulls.

use std::collections::BTreeMap;

use bytes::Bytes;
use fastrand::Rng;
use nowbridge::clock::Clock;
use nowbridge::measurement::{Quality, UtcMicros};
use nowbridge::sim::watch::{Flash, SimWatch, WatchOptions};
use nowbridge::wire::bridge::{
    Assembler, Boot, BridgeDevice, Channel, LogStore, RawBlock, Request, Response, Sample, Seq, Stream,
};

/// 2025-11-22 16:00:00 UTC.
pub const START: UtcMicros = UtcMicros(1_763_827_200_000_000);

/// What a host knows of a log: samples by stream, each with its boot.
pub type Samples = BTreeMap<Stream, Vec<(Boot, Sample)>>;

/// A blank watch, at [`START`].
pub fn watch(ring_pages: usize) -> SimWatch {
    watch_with(ring_pages, |_| ())
}

/// A blank watch that is special in some way.
pub fn watch_with(ring_pages: usize, special: impl FnOnce(&mut WatchOptions)) -> SimWatch {
    let mut options = WatchOptions { clock: Clock::simulated(START), ..WatchOptions::default() };
    special(&mut options);
    SimWatch::power_on(Flash::blank(ring_pages), options)
}

/// So many hours on a wrist from tick `from_ms` on, merged in the order of time: heart rate, beats, temperature, activity.
pub fn worn(rng: &mut Rng, from_ms: u64, hours: u64) -> Vec<(Stream, Sample)> {
    let until_ms = from_ms + hours * 3_600_000;
    let mut samples = Vec::new();
    let mut beat_ms = from_ms;
    for at_ms in (from_ms..until_ms).step_by(1_000) {
        let quality = if at_ms / 60_000 % 17 == 3 { Quality::UNRELIABLE } else { Quality::BEST };
        samples.push((Stream::HEART_RATE, Sample { at_ms, value: rng.i32(58..75), quality }));
        while beat_ms < at_ms + 1_000 {
            let value = rng.i32(700..1_050);
            beat_ms += value as u64;
            samples.push((Stream::BEATS, Sample { at_ms: beat_ms, value, quality }));
        }
        if (at_ms - from_ms).is_multiple_of(60_000) {
            samples.push((Stream::TEMPERATURE, Sample { at_ms, value: rng.i32(2_900..3_500), quality }));
        }
        if rng.u16(..) < 100 {
            samples.push((Stream::ACTIVITY_TYPE, Sample { at_ms, value: rng.i32(1..8), quality }));
        }
    }
    samples.sort_by_key(|(_, sample)| sample.at_ms);
    samples
}

/// Every block that the watch offers, straight from its log.
pub fn offered(watch: &mut SimWatch) -> BTreeMap<Seq, Bytes> {
    let mut blocks = BTreeMap::new();
    let mut from = Seq(0);
    while let Some((seq, block)) = watch.block(from).unwrap() {
        assert!(seq >= from, "block {seq} where {from} or later was asked for");
        blocks.insert(seq, block);
        from = seq.next();
    }
    blocks
}

/// Pulls through the service until the head, with notifications of at most `room` bytes.
pub fn pull(device: &mut BridgeDevice<SimWatch>, from: Seq, credit: u32, room: usize) -> Vec<RawBlock> {
    let log_id = device.store().info().log_id;
    let (mut blocks, mut from) = (Vec::new(), from);
    loop {
        device.write_control(&Request::Pull { id: 5, log_id, from, credit }.encode()).unwrap();
        let mut assembler = Assembler::new();
        let reply = loop {
            match device.next_notification(room).expect("a pull ends with a reply") {
                (Channel::Control, reply) => break Response::decode(&reply).unwrap(),
                (Channel::Data, slice) => assembler.push(&slice, &mut blocks).map(drop).unwrap(),
            }
        };
        match reply {
            Response::End { next, head, .. } if next > head => return blocks,
            Response::End { next, .. } => from = next,
            other => panic!("the pull from {from} ended with {other:?}"),
        }
    }
}

/// The samples of blocks, anchors left out.
pub fn samples<'a>(blocks: impl IntoIterator<Item = &'a RawBlock>) -> Samples {
    let mut samples = Samples::new();
    for block in blocks.into_iter().filter(|block| block.header().stream != Stream::ANCHORS) {
        let decoded = block.samples().unwrap().into_iter().map(|sample| (block.header().boot, sample));
        samples.entry(block.header().stream).or_default().extend(decoded);
    }
    samples
}
