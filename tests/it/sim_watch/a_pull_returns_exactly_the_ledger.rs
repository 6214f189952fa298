//! What comes over the air is what is on the watch: no more, no less.

use fastrand::Rng;
use nowbridge::measurement::Quality;
use nowbridge::sim::watch::SealPolicy;
use nowbridge::wire::bridge::{
    AnchorRecord, BridgeDevice, Capabilities, Channel, Info, LogStore, RawBlock, Request, Response, Sample,
    Seq, Stream, TimeSetting, TimeSource,
};

use crate::support::watch::{START, pull, samples, watch, watch_with, worn};

const SETTING: TimeSetting = TimeSetting {
    utc_us: START.0 as u64,
    rtt_us: 30_000,
    zone_offset_s: -3_600,
    source: TimeSource::Network,
};

#[test]
fn over_two_boots_and_a_ring_that_turned() {
    for (ring_pages, room, policy) in
        [(400, 244, SealPolicy::Packed), (16, 20, SealPolicy::Packed), (24, 495, SealPolicy::Bounded)]
    {
        let mut rng = Rng::with_seed(1);
        let mut device = BridgeDevice::new(watch_with(ring_pages, |options| options.policy = policy));
        for _ in 0..2 {
            device.store_mut().record_all(worn(&mut rng, 0, 5));
            device.write_time(&SETTING.encode()).unwrap();
            device.store_mut().power_cut(&mut rng);
        }
        let Info { tail, caps, .. } = Info::decode(&device.read_info()).unwrap();
        assert!(caps.has(Capabilities::SYNTHETIC));
        assert_eq!(tail > Seq(1), ring_pages < 100, "{ring_pages} pages");

        let blocks = pull(&mut device, tail, 3_000, room);
        let ledger = device.store().ledger();
        assert_eq!(blocks.iter().map(|block| block.header().seq).collect::<Vec<_>>(), ledger.blocks);
        assert_eq!(samples(&blocks), ledger.samples);
        let anchors = blocks.iter().filter(|block| block.header().stream == Stream::ANCHORS);
        let anchors: Vec<_> = anchors
            .map(|block| (block.header().boot, AnchorRecord::decode(block.payload()).unwrap()))
            .collect();
        assert_eq!(anchors, ledger.anchors);
        assert!(ledger.sample_count() > 10_000);
    }
}

#[test]
fn sealing_early_bounds_what_a_power_cut_costs() {
    let lost = |policy| {
        let mut rng = Rng::with_seed(4);
        let mut watch = watch_with(400, |options| options.policy = policy);
        watch.record_all(worn(&mut rng, 0, 2));
        watch.ledger().counts.in_ram
    };
    // A minute of 1 Hz and of beats, a quarter of an hour of one a minute, a few activities.
    assert!(lost(SealPolicy::Bounded) < 60 + 90 + 15 + 5);
    assert!(lost(SealPolicy::Packed) > lost(SealPolicy::Bounded));
}

#[test]
fn acknowledged_blocks_stay_until_the_room_is_needed_and_the_mark_survives_a_cut() {
    let mut device = BridgeDevice::new(watch(16));
    device.store_mut().record_all(worn(&mut Rng::with_seed(2), 0, 1));
    let info = device.store().info();
    let commit = Request::Commit { id: 1, log_id: info.log_id, through: Seq(20) };
    device.write_control(&commit.encode()).unwrap();
    device.store_mut().acked(Seq(7));
    device.store_mut().power_cut(&mut Rng::with_seed(5));
    let after = device.store().info();
    assert_eq!((after.acked, after.tail), (Seq(20), info.tail));
    device.store_mut().factory_reset();
    let after = device.store().info();
    assert_eq!((after.acked, after.tail, after.head), (Seq(0), Seq(1), Seq(0)));
    assert_eq!(after.device_id, info.device_id);
}

#[test]
fn live_blocks_carry_the_newest_value_once() {
    let mut device = BridgeDevice::new(watch(4));
    let mask = 1 << Stream::HEART_RATE.0;
    device.write_control(&Request::Live { id: 9, mask }.encode()).unwrap();
    let (_, reply) = device.next_notification(20).unwrap();
    assert_eq!(Response::decode(&reply), Ok(Response::Ok { id: 9 }));
    assert_eq!(device.next_notification(244), None);
    for (stream, value) in [(Stream::HEART_RATE, 70), (Stream::TEMPERATURE, 3_300), (Stream::HEART_RATE, 71)]
    {
        let at_ms = if value == 71 { 1_000 } else { 0 };
        device.store_mut().record(stream, Sample { at_ms, value, quality: Quality::BEST });
    }
    let (channel, slice) = device.next_notification(244).unwrap();
    assert_eq!(channel, Channel::Data);
    let block = RawBlock::parse(slice.slice(1..)).unwrap();
    assert_eq!((block.header().seq, block.samples().unwrap()[0].value), (Seq(0), 71));
    assert_eq!(device.next_notification(244), None);
}
