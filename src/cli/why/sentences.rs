//! A sentence for each thing that the ledger knows.

use jiff::tz::TimeZone;

use crate::cli::{format, instant};
use crate::control::WhyAnswer;
use crate::measurement::{Kind, UtcMicros};
use crate::outbox::{DeadRow, Hole, OffWrist, QuarantineRow, SessionRow, SinkEnd, SpellRow, Undated};
use crate::wire::bridge::{DeviceId, Stream};

/// What a receiver says may be long.
const WORDS: usize = 200;

/// Tells things in this zone, by the names that the answer gives.
pub struct Teller<'a> {
    /// What there is to tell.
    pub answer: &'a WhyAnswer,
    /// Where its reader lives.
    pub zone: &'a TimeZone,
}

impl Teller<'_> {
    /// What is missing.
    pub fn hole(&self, hole: &Hole) -> String {
        let gap = &hole.gap;
        let place = match (hole.after, hole.before) {
            (Some(after), Some(before)) => format!("Between {}", instant::range(after, before, self.zone)),
            (Some(after), None) => format!("After {}", instant::at(after, self.zone)),
            (None, Some(before)) => format!("Before {}", instant::at(before, self.zone)),
            (None, None) => format!("Found {}", instant::at(gap.at, self.zone)),
        };
        let blocks = match u64::from(gap.to.0 - gap.from.0) + 1 {
            1 => "1 block".to_owned(),
            many => format!("{} blocks", format::count(many)),
        };
        let of = gap.stream.map(|stream| format!(" of {}", stream_name(stream))).unwrap_or_default();
        let (id, watch) = (gap.id, self.name(gap.device));
        let why = match gap.cause.name() {
            "overwritten" => "lost: the watch needed the room before anybody fetched them".to_owned(),
            "burned" => "not missing: the watch skipped these numbers after a power cut, and recorded nothing under them".to_owned(),
            "corrupt" if gap.detail.starts_with("lost with damaged pages") => {
                "lost: the part of the outbox that held them was damaged".to_owned()
            }
            "corrupt" => "unreadable: damaged on arrival, and kept among the dead letters".to_owned(),
            "conflict" => "disputed: the watch sent others under the same numbers; those that came first were kept".to_owned(),
            "evicted" => format!("lost: their {} samples were evicted to make room on this disk", format::count(gap.samples)),
            other => format!("lost: {}", other.replace('_', " ")),
        };
        format!("{place}: {blocks}{of} of {watch} {} {why} ({id}{}).", are(&blocks), detail(&gap.detail))
    }

    /// What was refused.
    pub fn dead(&self, letter: &DeadRow) -> String {
        let at = instant::at(letter.at, self.zone);
        let what = match (letter.samples, letter.kind) {
            (0, _) => "a block".to_owned(),
            (samples, kind) => {
                let name = kind.map(Kind::name).map(str::to_owned);
                let name = name.or_else(|| letter.stream.map(stream_name)).unwrap_or_default();
                format!("{} samples of {name}", format::count(samples.into()))
            }
        };
        let Some(sink) = &letter.sink else {
            let (id, watch) = (letter.id, self.name(letter.device));
            let reason = format::safe_to(&letter.reason, WORDS);
            return format!(
                "{at}: {what} of {watch} could not be taken in: \"{reason}\" ({id}). `nowbridge outbox show {id}` has its bytes."
            );
        };
        let status = letter.status.map(|status| format!("{status} ")).unwrap_or_default();
        let said = format::safe_to(letter.response.as_deref().unwrap_or(&letter.reason), WORDS);
        let (id, watch) = (letter.id, self.name(letter.device));
        let end = match letter.resolution {
            Some(resolution) => format!("It was {resolution} by somebody since."),
            None => {
                format!(
                    "`nowbridge outbox retry {id}` sends it again, `nowbridge outbox drop {id}` leaves it at that."
                )
            }
        };
        format!("{at}: {what} of {watch} was refused by {sink} for good: {status}\"{said}\" ({id}). {end}")
    }

    /// What has no time that can be believed.
    pub fn quarantine(&self, held: &QuarantineRow) -> String {
        let (at, watch) = (instant::at(held.at, self.zone), self.name(held.device));
        let samples = format::count(held.samples);
        let (kind, id, boot) = (held.kind, held.id, held.boot);
        let cause = held.cause.replace('_', " ");
        let end = match held.released {
            Some(at) => format!("They were let go at {}.", instant::at(at, self.zone)),
            None => "They are kept, and sent when their time is known.".to_owned(),
        };
        format!(
            "{at}: {samples} samples of {kind} of {watch} (boot {boot}) were put in quarantine: {cause} ({id}{}). {end}",
            detail(&held.detail)
        )
    }

    /// What has no time yet.
    pub fn undated(&self, boot: &Undated) -> String {
        format!(
            "{}: {} samples of {} (boot {}) have no date yet: no session has compared the watch's clock since; they are kept, and dated by the next.",
            instant::at(boot.received, self.zone),
            format::count(boot.samples),
            self.name(boot.device),
            boot.boot
        )
    }

    /// When no heart was felt.
    pub fn off_wrist(&self, run: &OffWrist) -> String {
        format!(
            "{}: {} felt no heart that it was sure of: off the wrist, or worn loosely.",
            instant::range(run.began, run.ended, self.zone),
            self.name(run.device)
        )
    }

    /// What could not go on.
    pub fn spell(&self, spell: &SpellRow) -> String {
        let (what, now) = (self.trouble(spell), self.answer.why.now);
        let time = match spell.ended {
            None => format!("Since {} and still", instant::at(spell.began, self.zone)),
            Some(ended) => instant::range(spell.began, ended, self.zone),
        };
        let seconds = spell.ended.unwrap_or(now).since(spell.began).max(0) / 1_000_000;
        let long = format::span(seconds.unsigned_abs());
        let end = if spell.interrupted { "; then nowbridge itself was started again" } else { "" };
        format!("{time} ({long}): {what}{}{end}.", detail_sentence(&spell.detail))
    }

    /// A sink that was given up.
    pub fn sink_end(&self, end: &SinkEnd) -> String {
        format!(
            "{}: {} was forgotten as a sink; {} samples that waited for it were given up.",
            instant::at(end.at, self.zone),
            format::safe(&end.sink.0),
            format::count(end.given_up)
        )
    }

    fn trouble(&self, spell: &SpellRow) -> String {
        let reason = spell.reason.as_str();
        match spell.subject.split_once(' ') {
            Some(("watch", address)) => {
                let name = self.answer.addresses.get(address).map_or(address, String::as_str);
                let why = match reason {
                    "away" => "was out of reach, or off",
                    "held" => "was on hold for another host; `nowbridge release` takes it back",
                    "quiet_hours" => "was left alone in its quiet hours",
                    "pairing_needed" => "wanted to be paired; `nowbridge pair` does that",
                    "stale_bond" => "no longer knew the bond; `nowbridge repair` mends that",
                    "refused" => "could not be used",
                    "busy_elsewhere" => "had to wait, as the Bluetooth service was busy",
                    "radio_stuck" => "could not be reached, as the radio was stuck",
                    "failed" => "could not be synced",
                    other => return format!("{name}: {}", other.replace('_', " ")),
                };
                format!("{name} {why}")
            }
            Some(("sink", sink)) => {
                let why = match reason {
                    "needs_login" => "somebody has to log in, with `nowbridge login`",
                    "no_consent" => "the account does not consent to sharing data",
                    "unavailable" => "it could not be reached, or did not work",
                    "wrong_clock" => "this computer's clock is wrong, or theirs",
                    "misdirected" => "what answered was not the place for measurements",
                    "refused" => "it took nothing of a kind",
                    other => return format!("nothing was sent to {sink}: {}", other.replace('_', " ")),
                };
                format!("nothing was sent to {sink}: {why}")
            }
            _ if spell.subject == "radio" => {
                "no watch could be reached, as the radio was not ready".to_owned()
            }
            _ if spell.subject == "clock" => "nothing could be dated".to_owned(),
            _ if spell.subject == "outbox" => "nothing could be stored".to_owned(),
            _ if spell.subject == "nowbridge" => "nowbridge did not run".to_owned(),
            _ => format!("{}: {}", spell.subject, reason.replace('_', " ")),
        }
    }

    /// Sessions of a watch that ended alike.
    pub fn sessions(&self, run: &[&SessionRow]) -> String {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return String::new() };
        let ended = last.ended.unwrap_or(last.started);
        let time = instant::range(first.started, ended, self.zone);
        let many = if run.len() == 1 { "a session".to_owned() } else { format!("{} sessions", run.len()) };
        let name = self.name(first.device);
        let Some(report) = &first.report else { return format!("{time}: {many} with {name} runs.") };
        let sum = |of: fn(&crate::outbox::SessionReport) -> u64| {
            format::count(run.iter().filter_map(|session| session.report.as_ref()).map(of).sum())
        };
        let (new, duplicate, rejected) =
            (sum(|report| report.new), sum(|report| report.duplicate), sum(|report| report.rejected));
        let mut counts = format!("{new} new blocks");
        for (count, what) in [(duplicate, "known before"), (rejected, "rejected")] {
            if count != "0" {
                counts = format!("{counts}, {count} {what}");
            }
        }
        let newest = run.iter().filter_map(|session| session.report.as_ref()?.newest).max();
        let newest =
            newest.map(|at: UtcMicros| format!(", the newest sample of {}", instant::at(at, self.zone)));
        let outcome = format::safe_to(&report.outcome, WORDS);
        format!("{time}: {many} with {name}, {outcome}: {counts}{}.", newest.unwrap_or_default())
    }

    fn name(&self, device: DeviceId) -> String {
        self.answer.names.get(&device).cloned().unwrap_or_else(|| format!("watch {device}"))
    }
}

/// What a stream is called.
pub fn stream_name(stream: Stream) -> String {
    stream.info().map_or_else(|| format!("private stream {}", stream.0), |info| info.name.to_owned())
}

fn are(blocks: &str) -> &'static str {
    if blocks == "1 block" { "is" } else { "are" }
}

fn detail(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!("; {}", format::safe_to(detail, WORDS)) }
}

fn detail_sentence(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({})", format::safe_to(detail, WORDS)) }
}
