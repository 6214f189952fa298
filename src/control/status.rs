//! The answer to "what is going on?". Fields are only ever added.

use serde::{Deserialize, Serialize};

use super::updates::UpdateStatus;
use crate::cloud::AuthState;
use crate::measurement::UtcMicros;
use crate::outbox::{SinkCounts, SinkHold, SinkName, Summary};
use crate::radio::RadioState;
use crate::sync::{ClockStatus, RecoveryCounts, WatchStatus};
use crate::upload::UploadStatus;

/// Everything at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon itself.
    pub daemon: DaemonStatus,
    /// This computer's clock; `None` until the loops run.
    #[serde(default)]
    pub clock: Option<ClockStatus>,
    /// The radio; `None` if it is off or not started yet.
    #[serde(default)]
    pub radio: Option<RadioStatus>,
    /// Each watch that is looked after: those that are configured, and those that were paired.
    pub watches: Vec<WatchStatus>,
    /// The cloud, if one is configured.
    pub cloud: Option<CloudStatus>,
    /// Everyone that measurements are sent to, the cloud among them, and everyone that they once were sent to.
    #[serde(default)]
    pub sinks: Vec<SinkStatus>,
    /// Who keeps the room that is short, the one that keeps most first; empty while there is enough.
    #[serde(default)]
    pub holders: Vec<SinkHold>,
    /// What is stored; `None` until the outbox is open.
    pub outbox: Option<Summary>,
    /// Firmware on its way to a watch, or waiting for it.
    #[serde(default)]
    pub updates: Vec<UpdateStatus>,
}

/// The radio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadioStatus {
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: RadioState,
    /// What was tried to get it going again, if it ever was.
    #[serde(default)]
    pub recovery: RecoveryCounts,
}

/// The daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub started: UtcMicros,
    /// How far it is.
    pub stage: StageName,
    /// Loops that do not run at the moment, though they should; what else is told of them is old.
    #[serde(default)]
    pub failing: Vec<FailingLoop>,
}

/// A loop that failed and waits to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingLoop {
    /// Which one.
    pub name: String,
    /// What happened.
    pub reason: String,
    /// When it is started again.
    pub until: UtcMicros,
}

/// How far the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// The outbox is being opened.
    Starting,
    /// All loops run.
    Running,
    /// Going down.
    Stopping,
}

/// The answer to whoever wants a session now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// How many watches were asked.
    pub watches: u64,
    /// Those of them with which no session will begin now, and what stands in the way; it begins when that has ended.
    #[serde(default)]
    pub not_now: Vec<WatchStatus>,
}

/// The cloud and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudStatus {
    /// Where it is.
    pub base_url: String,
    /// Whether we are logged in.
    pub auth: AuthState,
    /// The upload loop.
    pub upload: UploadStatus,
}

/// Someone that measurements are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// The ledger's name of it.
    pub name: SinkName,
    /// Where it is; `None` if it is no longer configured.
    pub to: Option<String>,
    /// What was stored before this is not for it; `None`: everything is.
    pub since: Option<UtcMicros>,
    /// Since when it rests; `None` if it does not.
    pub paused: Option<UtcMicros>,
    /// What it has had, and what it waits for.
    pub counts: SinkCounts,
    /// The upload loop; `None` if it is no longer configured.
    pub upload: Option<UploadStatus>,
}

/// A watch that was met before.
#[cfg(test)]
pub(super) fn some_watch(address: PeerAddress, name: Option<String>, state: WatchState) -> WatchStatus {
    WatchStatus {
        address,
        name,
        device: None,
        driver: Some(DriverName::Bridge),
        identity: Some(Identity { battery: Some(80), ..Identity::default() }),
        state,
        complete_at: None,
        last_session: None,
        counts: WatchCounts { connects: 3, ..WatchCounts::default() },
    }
}

#[cfg(test)]
use crate::{
    radio::PeerAddress,
    sync::{WatchCounts, WatchState},
    watch::{DriverName, Identity},
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::LoginReason;
    use crate::measurement::Kind;
    use crate::radio::{PeerAddress, RadioTrouble};
    use crate::sync::{Listening, Progress, WaitReason, WatchState};
    use crate::upload::{HoldReason, UploadState};

    /// State and counts share one JSON object: a name that both use would make it unreadable.
    #[test]
    fn every_state_survives_the_trip_through_json() {
        let (until, detail) = (UtcMicros(1), String::new());
        let waits = [
            WaitReason::Scheduled,
            WaitReason::Away,
            WaitReason::RadioNotReady { trouble: RadioTrouble::NoAdapter { detail: detail.clone() } },
            WaitReason::QuietHours,
            WaitReason::ItsTurn,
            WaitReason::RadioTaken { detail: detail.clone() },
            WaitReason::PairingNeeded,
            WaitReason::StaleBond,
            WaitReason::Refused { detail: detail.clone() },
            WaitReason::BusyElsewhere { detail: detail.clone(), failures: 1 },
            WaitReason::RadioStuck { detail: detail.clone(), failures: 1 },
            WaitReason::OutboxFails { detail: detail.clone(), failures: 1 },
            WaitReason::Failed { detail: detail.clone(), failures: 1 },
        ];
        let watches = [
            WatchState::Connecting,
            WatchState::Syncing(Progress::default()),
            WatchState::Connected { next_sync: until },
            WatchState::Live(Listening::default()),
            WatchState::Held { until: None },
            WatchState::Held { until: Some(until) },
            WatchState::Updating,
            WatchState::Stopped,
        ];
        let waiting = waits.map(|reason| WatchState::Waiting { reason, until: Some(until) });
        for state in watches.into_iter().chain(waiting) {
            let address = PeerAddress("E7:12:0A:00:00:01".to_owned());
            let told = some_watch(address, None, state);
            survives(&told);
            let json = serde_json::to_value(&told).unwrap();
            let word = json.get("reason").or(json.get("state")).and_then(|word| word.as_str());
            assert_eq!(word, Some(told.state.name()));
        }

        let recovery = RecoveryCounts { power_cycle: 1, ..RecoveryCounts::default() };
        for state in [RadioState::Ready, RadioState::NotReady(RadioTrouble::AdapterOff)] {
            survives(&RadioStatus { state, recovery });
        }

        let holds = [
            HoldReason::NeedsLogin { detail: detail.clone() },
            HoldReason::NoConsent,
            HoldReason::Unavailable { detail: detail.clone(), failures: 1 },
            HoldReason::WrongClock { detail: detail.clone() },
            HoldReason::Misdirected { detail: detail.clone() },
            HoldReason::Refused { detail: detail.clone() },
            HoldReason::Outbox { detail },
        ];
        let kind = Kind::HeartRate;
        let uploads = [UploadState::Idle, UploadState::Uploading { kind, rows: 2 }, UploadState::Stopped];
        let holding = holds.map(|reason| UploadState::Holding { reason, until });
        let why = LoginReason::RefreshRefused { status: 401, message: String::new() };
        for state in uploads.into_iter().chain(holding) {
            let upload = UploadStatus { state, rows: 3, ..UploadStatus::default() };
            let auth = AuthState::NeedsLogin { why: why.clone() };
            survives(&CloudStatus { base_url: String::new(), auth, upload });
        }
    }

    fn survives<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(told: &T) {
        let json = serde_json::to_string(told).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), told, "{json}");
    }
}
