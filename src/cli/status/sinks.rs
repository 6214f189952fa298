//! Where measurements go besides the cloud, in words.

use std::fmt::Write as _;

use crate::cli::format;
use crate::control::SinkStatus;
use crate::measurement::UtcMicros;
use crate::upload::{UploadState, UploadStatus};

/// A line a sink.
pub fn text(sink: &SinkStatus, now: UtcMicros) -> String {
    let mut out = match &sink.to {
        Some(to) => format!("\nsink {}, {to}: ", sink.name),
        None => format!("\nsink {}, no longer configured: ", sink.name),
    };
    match (&sink.upload, sink.paused) {
        (_, Some(since)) => {
            let _ = write!(out, "paused {}", format::relative(since, now));
        }
        // A folder is told of what has come every few minutes only.
        (Some(upload), None) if upload.state == UploadState::Idle && has_more(sink, upload) => {
            out.push_str("what has come since is sent when it is due");
        }
        (Some(upload), None) => out.push_str(&state(upload, now)),
        (None, None) => out.push_str("it goes on where it was when it comes back"),
    }
    let counts = &sink.counts;
    // Writing to a String cannot fail.
    if counts.waiting > 0 {
        let _ = write!(out, "; {} samples wait", format::count(counts.waiting));
        if let Some(since) = counts.waiting_since {
            let _ = write!(out, ", the oldest came {}", format::relative(since, now));
        }
    }
    if counts.dead > 0 {
        let _ = write!(out, "; {} samples refused for good", format::count(counts.dead));
    }
    if let Some(at) = counts.last_receipt {
        let _ = write!(out, "; last receipt {}", format::relative(at, now));
    }
    if let Some(since) = sink.since {
        let _ = write!(out, "\n  it begins with what was stored since {since}");
    }
    if let Some(upload) = &sink.upload {
        out.push_str(&super::held_text(upload));
    }
    out.push_str(&out_of_turn(sink, sink.upload.as_ref()));
    out
}

/// What was passed before and is sent after all: out of quarantine, a dead letter that is tried again, or what a receiver has lost.
pub fn out_of_turn(sink: &SinkStatus, upload: Option<&UploadStatus>) -> String {
    let quarantined = upload.map_or(0, |upload| upload.quarantined);
    match sink.counts.held.saturating_sub(quarantined) {
        0 => String::new(),
        samples => format!("\n  {} samples wait to be sent out of turn", format::count(samples)),
    }
}

/// Whether more waits than what cannot be sent.
const fn has_more(sink: &SinkStatus, upload: &UploadStatus) -> bool {
    sink.counts.waiting > upload.held_synthetic + upload.held_undated
}

/// What a loop is doing.
pub fn state(upload: &UploadStatus, now: UtcMicros) -> String {
    match &upload.state {
        UploadState::Idle => "everything that can be sent is sent".to_owned(),
        UploadState::Uploading { kind, rows } => {
            format!("sending {} rows of {kind}", format::count((*rows).into()))
        }
        UploadState::Holding { reason, until } => {
            let since = upload.holding_since.filter(|since| now.since(*since) >= 60_000_000);
            let since = since.map(|since| format!(" since {}", format::relative(since, now)));
            format!(
                "holding{}: {}; collecting goes on; next try {}",
                since.unwrap_or_default(),
                super::hold_text(reason),
                format::relative(*until, now)
            )
        }
        UploadState::Stopped => "stopped".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{SinkCounts, SinkName};
    use crate::upload::HoldReason;

    /// One line says what, since when, what is done about it, and what a person can do.
    #[test]
    fn every_reason_to_wait_is_told_with_a_way_out() {
        let now = UtcMicros(1_770_000_000_000_000);
        let detail = || "what the cloud said".to_owned();
        let reasons = [
            HoldReason::NeedsLogin { detail: detail() },
            HoldReason::NoConsent,
            HoldReason::Unavailable { detail: detail(), failures: 7 },
            HoldReason::WrongClock { detail: detail() },
            HoldReason::Misdirected { detail: detail() },
            HoldReason::Refused { detail: detail() },
            HoldReason::Outbox { detail: detail() },
        ];
        for reason in reasons {
            let state = UploadState::Holding { reason, until: UtcMicros(now.0 + 900_000_000) };
            let holding_since = Some(UtcMicros(now.0 - 7_200_000_000));
            let told = super::state(&UploadStatus { state, holding_since, ..UploadStatus::default() }, now);
            for wanted in ["holding since 2 h ago: ", "; collecting goes on; next try in 15 min"] {
                assert!(told.contains(wanted), "no {wanted} in {told}");
            }
            assert!(told.contains("what the cloud said") || told.contains("settings"), "{told}");
        }
    }

    #[test]
    fn a_sink_says_what_it_has_and_what_it_waits_for() {
        let now = UtcMicros(1_770_000_000_000_000);
        let ago = |minutes: i64| UtcMicros(now.0 - minutes * 60_000_000);
        let counts = SinkCounts {
            waiting: 1_234,
            waiting_since: Some(ago(180)),
            sent: 9,
            last_receipt: Some(ago(5)),
            ..SinkCounts::default()
        };
        let detail = "the folder /mnt/usb is not there; make it, or mount what belongs there".to_owned();
        let state = UploadState::Holding {
            reason: HoldReason::Misdirected { detail },
            until: UtcMicros(now.0 + 300_000_000),
        };
        let sink = SinkStatus {
            name: SinkName("folder".to_owned()),
            to: Some("/mnt/usb (csv)".to_owned()),
            since: None,
            paused: None,
            counts,
            upload: Some(UploadStatus { state, held_synthetic: 7, ..UploadStatus::default() }),
        };
        let paused = SinkStatus { paused: Some(ago(60)), since: Some(ago(600)), ..sink.clone() };
        let due = UploadStatus { state: UploadState::Idle, ..UploadStatus::default() };
        let due = SinkStatus { upload: Some(due), ..sink.clone() };
        let gone = SinkStatus { to: None, upload: None, ..sink.clone() };
        let text = [sink, paused, due, gone].map(|sink| text(&sink, now)).concat();
        insta::assert_snapshot!(text, @r"

        sink folder, /mnt/usb (csv): holding: the folder /mnt/usb is not there; make it, or mount what belongs there; collecting goes on; next try in 5 min; 1,234 samples wait, the oldest came 3 h ago; last receipt 5 min ago
          7 simulated samples are held: they go no farther than this computer
        sink folder, /mnt/usb (csv): paused 60 min ago; 1,234 samples wait, the oldest came 3 h ago; last receipt 5 min ago
          it begins with what was stored since 2026-02-01T16:40:00Z
          7 simulated samples are held: they go no farther than this computer
        sink folder, /mnt/usb (csv): what has come since is sent when it is due; 1,234 samples wait, the oldest came 3 h ago; last receipt 5 min ago
        sink folder, no longer configured: it goes on where it was when it comes back; 1,234 samples wait, the oldest came 3 h ago; last receipt 5 min ago
        ");
    }
}
