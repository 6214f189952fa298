//! What the cloud must hold, worked out from the watch's own flash and not through the code that uploads.

use std::collections::BTreeMap;

use crate::measurement::{
    Beat, HeartBeatFrame, Kind, Quality, Timeline, UnixSeconds, UtcMicros, Value, ValueType,
};
use crate::sim::watch::WatchLedger;
use crate::wire::bridge::{Boot, Sample, Stream};

/// Values by second, as the API keeps them: the later of two in one second stands.
pub type Values = BTreeMap<UnixSeconds, (Value, Option<Quality>)>;

/// The values of one kind.
pub fn values(kind: Kind, ledger: &WatchLedger, timeline: &Timeline) -> Values {
    let Some(samples) = Stream::of_kind(kind).and_then(|stream| ledger.samples.get(&stream)) else {
        return Values::new();
    };
    let dated = samples.iter().filter_map(|&(boot, sample)| Some((sample, date(timeline, boot, sample)?)));
    if kind.value_type() == ValueType::Frame {
        return beats(&dated.collect::<Vec<_>>());
    }
    let scale = Stream::of_kind(kind).and_then(Stream::info).map_or(1, |info| info.scale);
    dated
        .map(|(sample, at)| {
            let value = match kind.value_type() {
                ValueType::Decimal => Value::Decimal(f64::from(sample.value) / f64::from(scale)),
                _ => Value::Integer(sample.value.into()),
            };
            (at.seconds(), (value, kind.has_quality().then_some(sample.quality)))
        })
        .collect()
}

/// Beats, a frame a second. A beat ends its run if the next one starts another.
fn beats(dated: &[(Sample, UtcMicros)]) -> Values {
    let mut seconds: BTreeMap<UnixSeconds, Vec<Beat>> = BTreeMap::new();
    for (index, (sample, at)) in dated.iter().enumerate() {
        let ends_run = dated.get(index + 1).is_some_and(|(next, _)| next.value <= 0);
        let beat = Beat { at_ms: sample.at_ms as u32, quality: sample.quality, ends_run };
        seconds.entry(at.seconds()).or_default().push(beat);
    }
    let frame = |beats| Some((Value::Beats(HeartBeatFrame::new(beats).ok()?), Some(Quality::BEST)));
    seconds.into_iter().filter_map(|(second, beats)| Some((second, frame(beats)?))).collect()
}

/// UTC of a sample, by the anchors that the host has written down.
pub fn date(timeline: &Timeline, boot: Boot, sample: Sample) -> Option<UtcMicros> {
    timeline.utc(boot.0, sample.at_ms.saturating_mul(1_000))
}
