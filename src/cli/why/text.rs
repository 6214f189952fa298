//! The whole answer: sentences in the order of time, then how things stand.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::sentences::Teller;
use crate::cli::status::holder_text;
use crate::cli::{format, instant};
use crate::control::WhyAnswer;
use crate::measurement::UtcMicros;
use crate::outbox::{SessionRow, SpellRow};
use crate::wire::bridge::DeviceId;

/// A start that takes longer is worth telling; what else lasts less than this is not noted either.
const RESTART_US: i64 = 10 * 1_000_000;

/// Everything, for people.
pub fn text(answer: &WhyAnswer, zone: &TimeZone) -> String {
    let why = &answer.why;
    let teller = Teller { answer, zone };
    let mut told: Vec<(UtcMicros, String)> = Vec::new();
    told.extend(why.holes.iter().map(|hole| (hole.after.unwrap_or(hole.gap.at), teller.hole(hole))));
    told.extend(why.dead.iter().map(|letter| (letter.at, teller.dead(letter))));
    told.extend(why.quarantine.iter().map(|held| (held.at, teller.quarantine(held))));
    told.extend(why.undated.iter().map(|boot| (boot.received, teller.undated(boot))));
    told.extend(why.off_wrist.iter().map(|run| (run.began, teller.off_wrist(run))));
    let spells: Vec<&SpellRow> = why.spells.iter().filter(|spell| !is_restart(spell)).collect();
    told.extend(spells.iter().map(|spell| (spell.began, teller.spell(spell))));
    told.extend(why.sink_ends.iter().map(|end| (end.at, teller.sink_end(end))));
    let is_all_well = why.holes.iter().all(|hole| hole.gap.cause.name() == "burned")
        && why.dead.iter().all(|letter| letter.resolution.is_some())
        && why.quarantine.iter().all(|held| held.released.is_some())
        && spells.is_empty()
        && why.sink_ends.iter().all(|end| end.given_up == 0)
        && why.undated.is_empty();
    let runs = runs(&why.sessions);
    told.extend(runs.iter().map(|run| (run[0].started, teller.sessions(run))));
    told.sort_by_key(|(at, _)| *at);
    let mut lines = vec![format!("Since {}:", instant::at(why.since, zone))];
    lines.extend(told.into_iter().map(|(_, sentence)| sentence));
    if why.is_cut {
        lines.push("There is more than is told here; ask about a shorter time with --since.".to_owned());
    }
    if why.sessions.is_empty() {
        lines.push("No session with a watch began in this time.".to_owned());
    }
    let waiting = waiting(answer);
    let nothing_waits = waiting.is_empty();
    lines.extend(waiting);
    match (is_all_well, nothing_waits) {
        (true, true) => lines.push("Nothing is missing, and nothing was held up.".to_owned()),
        (true, false) => lines.push("Nothing else is missing.".to_owned()),
        (false, _) => {}
    }
    if let Some(told) = holder_text(&why.holders, why.now) {
        lines.push(format!("There is little room left in the outbox: {told}."));
    }
    lines.push(receipts(answer, zone));
    lines.join("\n")
}

/// Nowbridge was started anew at once: nothing was late for it.
fn is_restart(spell: &SpellRow) -> bool {
    spell.subject == "nowbridge" && spell.ended.is_some_and(|ended| ended.since(spell.began) < RESTART_US)
}

/// Sessions of a watch in a row that ended alike.
fn runs(sessions: &[SessionRow]) -> Vec<Vec<&SessionRow>> {
    let outcome = |session: &SessionRow| session.report.as_ref().map(|report| report.outcome.clone());
    let (mut all, mut last): (Vec<Vec<&SessionRow>>, BTreeMap<DeviceId, usize>) = Default::default();
    for session in sessions {
        let own = last.get(&session.device).copied();
        if let Some(at) = own.filter(|at| outcome(all[*at][0]) == outcome(session)) {
            all[at].push(session);
        } else {
            last.insert(session.device, all.len());
            all.push(vec![session]);
        }
    }
    all
}

fn waiting(answer: &WhyAnswer) -> Vec<String> {
    let mut by_sink: BTreeMap<&str, (u64, Vec<String>, Option<UtcMicros>)> = BTreeMap::new();
    for waiting in &answer.why.waiting {
        let (samples, kinds, oldest) = by_sink.entry(&waiting.sink.0).or_default();
        *samples += waiting.backlog.samples;
        let kind = waiting.backlog.kind.to_string();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        let received = waiting.backlog.oldest_received;
        *oldest = Some(oldest.map_or(received, |oldest| oldest.min(received)));
    }
    let sentence = |(sink, (samples, kinds, oldest)): (&str, (u64, Vec<String>, Option<UtcMicros>))| {
        let oldest = oldest.map(|oldest| format::relative(oldest, answer.why.now)).unwrap_or_default();
        format!(
            "{} samples wait to be sent to {sink} ({}); the oldest came {oldest}.",
            format::count(samples),
            kinds.join(", ")
        )
    };
    by_sink.into_iter().map(sentence).collect()
}

fn receipts(answer: &WhyAnswer, zone: &TimeZone) -> String {
    let last = answer.why.receipts.iter();
    let told: Vec<String> = last
        .map(|(sink, at)| format!("The last receipt of {sink} is of {}.", instant::at(*at, zone)))
        .collect();
    if told.is_empty() { "No sink has confirmed anything yet.".to_owned() } else { told.join(" ") }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tempfile::TempDir;

    use super::*;
    use crate::clock::Clock;
    use crate::control::Known;
    use crate::outbox::{
        Anchor, AnchorSource, GapCause, LogKey, NewBlock, NewGap, Outbox, SessionKey, SessionReport, SinkName,
    };
    use crate::radio::PeerAddress;
    use crate::wire::bridge::{Boot, LogId, Sample, Seq, Stream, seal};

    /// 2026-11-22T03:00 in Amsterdam.
    const NIGHT: UtcMicros = UtcMicros(1_795_312_800_000_000);
    const MINUTE: i64 = 60_000_000;
    const WATCH: DeviceId = DeviceId([7; 16]);

    fn minute(minutes: i64) -> UtcMicros {
        UtcMicros(NIGHT.0 + minutes * MINUTE)
    }

    struct Night {
        _dir: TempDir,
        outbox: Outbox,
        log: LogKey,
        session: SessionKey,
    }

    impl Night {
        /// A watch that booted at three.
        async fn begin() -> Self {
            let dir = TempDir::new().unwrap();
            let outbox = Outbox::open(dir.path(), Clock::simulated(NIGHT)).await.unwrap();
            let log = outbox.watch_log(WATCH, LogId(1), false, Seq(0)).await.unwrap().key;
            outbox.bind_peer(&address(), WATCH).await.unwrap();
            let source = AnchorSource::Host;
            let (boot, ticks_us) = (Boot(1), 86_400_000_000);
            let utc = UtcMicros(NIGHT.0 + ticks_us as i64);
            outbox.add_anchor(log, Anchor { boot, ticks_us, utc, uncertainty_us: 1, source }).await.unwrap();
            let session = outbox.begin_session(WATCH, Some(log)).await.unwrap();
            Self { _dir: dir, outbox, log, session }
        }

        /// Ten minutes of heart rate from this minute on, in a block.
        fn block(seq: u32, boot: u16, minute: u64, quality: u8) -> NewBlock {
            let quality = quality.try_into().unwrap();
            let sample = |at: u64| Sample { at_ms: (minute * 60 + at) * 1_000, value: 60, quality };
            let samples: Vec<Sample> = (0..600).map(sample).collect();
            let (seq, boot, stream) = (Seq(seq), Boot(boot), Stream::HEART_RATE);
            let body = seal(seq, boot, stream, &samples);
            NewBlock { seq, boot, t0_ms: minute * 60_000, stream, samples: 600, body }
        }

        async fn append(&self, blocks: Vec<NewBlock>, gaps: Vec<NewGap>) {
            self.outbox.append(self.log, self.session, blocks, gaps).await.unwrap();
        }

        async fn end_session(&self, outcome: &str, new: u64) {
            let report = SessionReport {
                log: Some(self.log),
                outcome: outcome.to_owned(),
                fetched: new,
                new,
                duplicate: 0,
                rejected: 0,
                newest: Some(minute(60)),
            };
            self.outbox.end_session(self.session, report).await.unwrap();
        }

        async fn spell(&self, subject: &str, reason: &str, detail: &str, from: i64, to: Option<i64>) {
            let (subject, reason, detail) = (subject.to_owned(), reason.to_owned(), detail.to_owned());
            let spell = self.outbox.begin_spell(subject, reason, detail, minute(from)).await.unwrap();
            if let Some(to) = to {
                self.outbox.end_spell(spell, minute(to)).await.unwrap();
            }
        }

        async fn told(&self) -> String {
            let called = [(address(), Some("left wrist".to_owned()))];
            let known = Known::gather(&self.outbox, called).await.unwrap();
            let sinks = vec![SinkName("nowatch".to_owned())];
            let answer = WhyAnswer::gather(&self.outbox, &known, NIGHT, None, sinks).await.unwrap();
            let json = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<WhyAnswer>(&json).unwrap(), answer, "it survives the socket");
            text(&answer, &TimeZone::get("Europe/Amsterdam").unwrap())
        }
    }

    fn address() -> PeerAddress {
        PeerAddress("E7:12:0A:00:00:01".to_owned())
    }

    fn gap(from: u32, to: u32, cause: GapCause, raw: Option<Bytes>) -> NewGap {
        NewGap { from: Seq(from), to: Seq(to), stream: None, cause, detail: String::new(), raw }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_night_is_explained_from_its_beginning() {
        let night = Night::begin().await;
        let blocks = vec![Night::block(1, 1, 0, 4), Night::block(4, 1, 30, 0), Night::block(5, 1, 40, 0)];
        let damaged = gap(6, 6, GapCause::Corrupt, Some(Bytes::from_static(b"damaged")));
        let lost = gap(2, 3, GapCause::Overwritten, None);
        night.append(blocks, vec![lost, damaged, gap(7, 9, GapCause::Burned, None)]).await;
        night.append(vec![Night::block(10, 2, 0, 4)], vec![]).await;
        night.end_session("complete", 4).await;
        night.spell("sink nowatch", "unavailable", "no route to api.example.org", 5, Some(65)).await;
        night.spell("watch E7:12:0A:00:00:01", "away", "", 12, Some(28)).await;
        night.spell("radio", "adapter_off", "the adapter is switched off", 70, None).await;
        night.spell("nowbridge", "stopped", "", 50, Some(55)).await;
        night.spell("nowbridge", "stopped", "", 58, Some(58)).await;
        insta::assert_snapshot!(night.told().await, @r#"
        Since Sun 2026-11-22 03:00 CET:
        Between Sun 2026-11-22 03:00–03:30 CET: 2 blocks of left wrist are lost: the watch needed the room before anybody fetched them (g1).
        Sun 2026-11-22 03:00 CET: a block of left wrist could not be taken in: "corrupt: " (d1). `nowbridge outbox show d1` has its bytes.
        Sun 2026-11-22 03:00 CET: 600 samples of left wrist (boot 2) have no date yet: no session has compared the watch's clock since; they are kept, and dated by the next.
        Sun 2026-11-22 03:00 CET: a session with left wrist, complete: 4 new blocks, the newest sample of Sun 2026-11-22 04:00 CET.
        Sun 2026-11-22 03:05–04:05 CET (60 min): nothing was sent to nowatch: it could not be reached, or did not work (no route to api.example.org).
        Sun 2026-11-22 03:12–03:28 CET (16 min): left wrist was out of reach, or off.
        Sun 2026-11-22 03:30–03:49 CET: left wrist felt no heart that it was sure of: off the wrist, or worn loosely.
        After Sun 2026-11-22 03:40 CET: 1 block of left wrist is unreadable: damaged on arrival, and kept among the dead letters (g2).
        After Sun 2026-11-22 03:40 CET: 3 blocks of left wrist are not missing: the watch skipped these numbers after a power cut, and recorded nothing under them (g3).
        Sun 2026-11-22 03:50–03:55 CET (5 min): nowbridge did not run.
        Since Sun 2026-11-22 04:10 CET and still (0 s): no watch could be reached, as the radio was not ready (the adapter is switched off).
        2,400 samples wait to be sent to nowatch (HEART_RATE); the oldest came now.
        No sink has confirmed anything yet.
        "#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_night_is_told_in_a_few_lines() {
        let night = Night::begin().await;
        night.append(vec![Night::block(1, 1, 0, 4)], vec![]).await;
        night.end_session("complete", 1).await;
        for _ in 0..3 {
            let session = night.outbox.begin_session(WATCH, Some(night.log)).await.unwrap();
            Night { session, _dir: TempDir::new().unwrap(), outbox: night.outbox.clone(), log: night.log }
                .end_session("complete", 2)
                .await;
        }
        insta::assert_snapshot!(night.told().await, @r"
        Since Sun 2026-11-22 03:00 CET:
        Sun 2026-11-22 03:00 CET: 4 sessions with left wrist, complete: 7 new blocks, the newest sample of Sun 2026-11-22 04:00 CET.
        600 samples wait to be sent to nowatch (HEART_RATE); the oldest came now.
        Nothing else is missing.
        No sink has confirmed anything yet.
        ");
    }
}
