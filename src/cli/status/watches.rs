//! A watch in words: what it is doing, what there is to know of it, and what a person should do.

use std::fmt::Write as _;

use crate::cli::format;
use crate::measurement::UtcMicros;
use crate::sync::{Listening, WaitReason, WatchState, WatchStatus};

/// One line, and another one for details if there are any.
pub fn text(watch: &WatchStatus, now: UtcMicros) -> String {
    let name = watch.name.as_deref().unwrap_or(&watch.address.0);
    let complete = watch.complete_at.map_or_else(
        || "nothing fetched completely yet".to_owned(),
        |at| format!("complete {}", format::relative(at, now)),
    );
    let mut out = format!("watch {name}: {} ({complete})", state_text(watch, now));
    let details = details(watch);
    if !details.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n  {}", details.join(", "));
    }
    out
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
        WatchState::Updating => "its firmware is being replaced".to_owned(),
        WatchState::RadioOff => "not looked for: the radio is off; set radio.kind".to_owned(),
        WatchState::Stopped => "stopped".to_owned(),
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
        WaitReason::QuietHours => "left in peace, as it is quiet hours".to_owned(),
        WaitReason::Away => "away, off, or connected to another phone".to_owned(),
        WaitReason::RadioNotReady { trouble } => format!("the radio is not ready: {trouble}"),
        WaitReason::ItsTurn => "other watches have their turn".to_owned(),
        WaitReason::PairingNeeded => {
            format!("wants to be paired: run `nowbridge pair {}`", watch.address)
        }
        WaitReason::StaleBond => {
            format!("the bond is stale, the watch no longer knows it: run {}", command(watch, "repair"))
        }
        WaitReason::Refused { detail } => format!("cannot be used: {detail}"),
        WaitReason::BusyElsewhere { detail, .. } => format!("the Bluetooth service is busy: {detail}"),
        WaitReason::RadioStuck { detail, failures } => format!(
            "the radio fails ({failures} in a row): {detail}; \
             if it goes on, restart bluetooth.service or replug the adapter"
        ),
        WaitReason::Failed { detail, failures } => format!("failed ({failures} in a row): {detail}"),
    }
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
    use crate::radio::PeerAddress;
    use crate::sync::WatchCounts;
    use crate::watch::{DriverName, Identity};

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
    fn whoever_has_to_act_reads_the_command() {
        let waiting = |reason| WatchState::Waiting { reason, until: None };
        let shown = [
            waiting(WaitReason::StaleBond),
            waiting(WaitReason::PairingNeeded),
            WatchState::Held { until: Some(UtcMicros(NOW.0 + 7_200_000_000)) },
            WatchState::Held { until: None },
        ]
        .map(|state| text(&watch(state), NOW));
        insta::assert_snapshot!(shown.join("\n"), @r#"
        watch left wrist: the bond is stale, the watch no longer knows it: run `nowbridge repair "left wrist"` (nothing fetched completely yet)
        watch left wrist: wants to be paired: run `nowbridge pair E7:12:0A:00:00:01` (nothing fetched completely yet)
        watch left wrist: on hold, so that another host can have it; taken back in 2 h; to take it back run `nowbridge release "left wrist"` (nothing fetched completely yet)
        watch left wrist: on hold, so that another host can have it; to take it back run `nowbridge release "left wrist"` (nothing fetched completely yet)
        "#);
    }

    #[test]
    fn a_live_sensor_tells_numbers_and_battery() {
        let newest = Some(UtcMicros(NOW.0 - 1_000_000));
        let listening = Listening { samples: 5_400, stored: 5_300, unreadable: 2, newest, battery: Some(86) };
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
        watch left wrist: live, 5,400 samples heard, 5,300 stored, the newest 1 s ago, 2 notifications unreadable (nothing fetched completely yet)
          Example Strap� 2, driver sensor, battery 86 %
        ");
    }
}
