//! A watch in words: what it is doing, what there is to know of it, and what a person should do.

use std::fmt::Write as _;

use crate::cli::format;
use crate::measurement::UtcMicros;
use crate::sync::{Listening, WaitReason, WatchState, WatchStatus};
use crate::watch::DriverName;

/// So many failures in a row no longer pass by themselves.
const MANY: u32 = 5;

/// One line, and another one for details if there are any.
pub fn text(watch: &WatchStatus, now: UtcMicros) -> String {
    let mut out = format!("watch {}", in_a_line(watch, now));
    // Of a device that keeps nothing there is nothing to fetch.
    if watch.driver != Some(DriverName::Sensor) {
        // Writing to a String cannot fail.
        let _ = match watch.complete_at {
            Some(at) => write!(out, " (complete {})", format::relative(at, now)),
            None => write!(out, " (nothing fetched completely yet)"),
        };
    }
    let details = details(watch);
    if !details.is_empty() {
        let _ = write!(out, "\n  {}", details.join(", "));
    }
    out
}

/// The same without what is known of it, for a line of something else.
pub fn in_a_line(watch: &WatchStatus, now: UtcMicros) -> String {
    let name = watch.name.as_deref().unwrap_or(&watch.address.0);
    format!("{name}: {}", state_text(watch, now))
}

fn state_text(watch: &WatchStatus, now: UtcMicros) -> String {
    match &watch.state {
        WatchState::Connecting => "connecting".to_owned(),
        WatchState::Syncing(progress) => {
            format!("syncing, block {} of {}", progress.cursor, progress.head)
        }
        WatchState::Live(listening) => live_text(listening, now),
        WatchState::Connected { next_sync } => {
            format!("connected, everything fetched; next look {}", format::relative(*next_sync, now))
        }
        WatchState::Waiting { reason, until } => {
            let next = until.map(|until| format!("; next try {}", format::relative(until, now)));
            format!("{}{}", wait_text(watch, reason), next.unwrap_or_default())
        }
        WatchState::Held { until } => {
            let until = until.map(|until| format!("; taken back {}", format::relative(until, now)));
            let until = until.unwrap_or_default();
            let command = command(watch, "release");
            format!("on hold, so that another host can have it{until}; to take it back run {command}")
        }
        WatchState::Updating => "its firmware is being replaced; leave it near this computer".to_owned(),
        WatchState::RadioOff => {
            "not looked for, as the configuration switches the radio off; set radio.kind to \"bluez\" and restart the daemon"
                .to_owned()
        }
        WatchState::Stopped => "not looked after any more, as the daemon is stopping".to_owned(),
    }
}

fn live_text(listening: &Listening, now: UtcMicros) -> String {
    let (samples, stored) = (format::count(listening.samples), format::count(listening.stored));
    let mut out = format!("live, {samples} samples heard, {stored} stored");
    if let Some(newest) = listening.newest {
        let _ = write!(out, ", the newest {}", format::relative(newest, now));
    }
    if listening.unreadable > 0 {
        let _ = write!(out, ", {} notifications unreadable", format::count(listening.unreadable));
    }
    out
}

fn wait_text(watch: &WatchStatus, reason: &WaitReason) -> String {
    match reason {
        WaitReason::Scheduled => "everything fetched, link released".to_owned(),
        WaitReason::QuietHours => {
            "left alone in its quiet hours; `quiet` in the configuration sets them".to_owned()
        }
        WaitReason::Away => "does not answer; it is away, off, or connected to another phone".to_owned(),
        WaitReason::RadioNotReady { trouble } => format!("the radio is not ready: {trouble}"),
        WaitReason::ItsTurn => {
            "waits for its turn; `radio.max_links` sets how many watches may be connected at a time"
                .to_owned()
        }
        WaitReason::RadioTaken { detail } => format!("waits for the radio: {detail}"),
        WaitReason::PairingNeeded => {
            format!("wants to be paired: run `nowbridge pair {}`", watch.address)
        }
        WaitReason::StaleBond => {
            format!("the bond is stale, the watch no longer knows it: run {}", command(watch, "repair"))
        }
        WaitReason::Refused { detail } => {
            format!("cannot be used: {detail}; once that is mended, run {}", command(watch, "sync"))
        }
        WaitReason::BusyElsewhere { detail, failures } => format!(
            "held up{}: {detail}; if it goes on, close other programs that use Bluetooth",
            in_a_row(*failures)
        ),
        WaitReason::RadioStuck { detail, failures } => format!(
            "the radio fails{}: {detail}; if it goes on, restart bluetooth.service or replug the adapter",
            in_a_row(*failures)
        ),
        WaitReason::OutboxFails { detail, failures } => {
            format!("answers, but nothing can be stored{}: {detail}", in_a_row(*failures))
        }
        WaitReason::Failed { detail, failures } => {
            let advice = if *failures < MANY { "" } else { "; if it goes on, restart the watch" };
            format!("failed{}: {detail}{advice}", in_a_row(*failures))
        }
    }
}

fn in_a_row(failures: u32) -> String {
    if failures > 1 { format!(" ({failures} in a row)") } else { String::new() }
}

fn command(watch: &WatchStatus, verb: &str) -> String {
    let name = watch.name.as_deref().unwrap_or(&watch.address.0);
    format!("`nowbridge {verb} {}`", format::argument(name))
}

fn details(watch: &WatchStatus) -> Vec<String> {
    let identity = watch.identity.as_ref();
    let mut details = Vec::new();
    if let Some(model) = identity.and_then(format::model) {
        details.push(model);
    }
    if let Some(driver) = watch.driver {
        details.push(format!("driver {}", format::driver(driver)));
    }
    // What a sensor told last is newer than what it said when it was opened.
    let told_last = match &watch.state {
        WatchState::Live(listening) => listening.battery,
        _ => None,
    };
    if let Some(battery) = told_last.or(identity.and_then(|identity| identity.battery)) {
        details.push(format!("battery {battery} %"));
    }
    if let Some(firmware) = identity.and_then(|identity| identity.firmware.as_deref()) {
        details.push(format!("firmware {}", format::safe(firmware)));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::OutboxError;
    use crate::radio::{LinkClosed, PeerAddress, RadioError, RadioTrouble};
    use crate::sync::{SyncError, WatchCounts};
    use crate::watch::Identity;

    const NOW: UtcMicros = UtcMicros(1_763_827_200_000_000);

    fn watch(state: WatchState) -> WatchStatus {
        WatchStatus {
            address: PeerAddress("E7:12:0A:00:00:01".to_owned()),
            name: Some("left wrist".to_owned()),
            device: None,
            driver: None,
            identity: None,
            state,
            complete_at: None,
            last_session: None,
            counts: WatchCounts::default(),
        }
    }

    #[test]
    fn every_state_is_a_sentence_with_the_way_out() {
        let soon = Some(UtcMicros(NOW.0 + 7_200_000_000));
        let said = |error: RadioError| error.to_string();
        let full = SyncError::from(OutboxError::Closed);
        let busy = said(RadioError::Busy("InProgress".to_owned()));
        let reasons = [
            WaitReason::Scheduled,
            WaitReason::QuietHours,
            WaitReason::Away,
            WaitReason::RadioNotReady { trouble: RadioTrouble::AdapterOff },
            WaitReason::ItsTurn,
            WaitReason::RadioTaken { detail: said(RadioError::OwnErrand("a scan")) },
            WaitReason::PairingNeeded,
            WaitReason::StaleBond,
            WaitReason::Refused { detail: said(RadioError::Refused { code: 2 }) },
            WaitReason::BusyElsewhere { detail: busy, failures: 2 },
            WaitReason::RadioStuck { detail: said(RadioError::Timeout("a connect")), failures: 9 },
            WaitReason::OutboxFails { detail: full.to_string(), failures: 1 },
            WaitReason::Failed { detail: said(LinkClosed::ByPeer.into()), failures: 1 },
            WaitReason::Failed { detail: said(LinkClosed::ByPeer.into()), failures: 5 },
        ];
        let states = [
            WatchState::Connecting,
            WatchState::Held { until: soon },
            WatchState::Held { until: None },
            WatchState::Updating,
            WatchState::RadioOff,
            WatchState::Stopped,
        ];
        let waiting = reasons.map(|reason| WatchState::Waiting { reason, until: soon });
        let shown = states.into_iter().chain(waiting).map(|state| in_a_line(&watch(state), NOW));
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
        left wrist: connecting
        left wrist: on hold, so that another host can have it; taken back in 2 h; to take it back run `nowbridge release "left wrist"`
        left wrist: on hold, so that another host can have it; to take it back run `nowbridge release "left wrist"`
        left wrist: its firmware is being replaced; leave it near this computer
        left wrist: not looked for, as the configuration switches the radio off; set radio.kind to "bluez" and restart the daemon
        left wrist: not looked after any more, as the daemon is stopping
        left wrist: everything fetched, link released; next try in 2 h
        left wrist: left alone in its quiet hours; `quiet` in the configuration sets them; next try in 2 h
        left wrist: does not answer; it is away, off, or connected to another phone; next try in 2 h
        left wrist: the radio is not ready: the adapter is switched off; switch it on with `bluetoothctl power on`; next try in 2 h
        left wrist: waits for its turn; `radio.max_links` sets how many watches may be connected at a time; next try in 2 h
        left wrist: waits for the radio: nowbridge itself needs the radio for a scan; next try in 2 h
        left wrist: wants to be paired: run `nowbridge pair E7:12:0A:00:00:01`; next try in 2 h
        left wrist: the bond is stale, the watch no longer knows it: run `nowbridge repair "left wrist"`; next try in 2 h
        left wrist: cannot be used: the watch refused with ATT error 0x02; once that is mended, run `nowbridge sync "left wrist"`; next try in 2 h
        left wrist: held up (2 in a row): the Bluetooth service is busy with another operation (InProgress); if it goes on, close other programs that use Bluetooth; next try in 2 h
        left wrist: the radio fails (9 in a row): no answer to a connect in time; if it goes on, restart bluetooth.service or replug the adapter; next try in 2 h
        left wrist: answers, but nothing can be stored: the outbox cannot be written: the outbox is closed; next try in 2 h
        left wrist: failed: the link is gone: the watch closed the link; next try in 2 h
        left wrist: failed (5 in a row): the link is gone: the watch closed the link; if it goes on, restart the watch; next try in 2 h
        "#);
    }

    #[test]
    fn a_live_sensor_tells_numbers_and_battery() {
        let newest = Some(UtcMicros(NOW.0 - 1_000_000));
        let listening = Listening {
            samples: 5_400,
            stored: 5_300,
            unreadable: 2,
            repeated: 0,
            newest,
            battery: Some(86),
        };
        let identity = Identity {
            maker: Some("Example".to_owned()),
            model: Some("Strap\u{7} 2".to_owned()),
            battery: Some(87),
            ..Identity::default()
        };
        let strap = WatchStatus {
            driver: Some(DriverName::Sensor),
            identity: Some(identity),
            ..watch(WatchState::Live(listening))
        };
        insta::assert_snapshot!(text(&strap, NOW), @r"
        watch left wrist: live, 5,400 samples heard, 5,300 stored, the newest 1 s ago, 2 notifications unreadable
          Example Strap� 2, driver sensor, battery 86 %
        ");
    }
}
