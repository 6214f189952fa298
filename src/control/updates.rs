//! Firmware for the watches, as the control socket sees it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::desk::{DeskError, Seat};
use crate::firmware::{Check, FirmwareStore, Verdict};
use crate::measurement::UtcMicros;
use crate::ota::{Doing, Leave, Progress};
use crate::outbox::{Outbox, OutboxError, UpdateKey, UpdateRow, UpdateStep};
use crate::wire::Sha256;
use crate::wire::bridge::DeviceId;

/// What somebody wants a watch to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateRequest {
    /// Which watch: its name or its address.
    pub watch: String,
    /// The file, which is in the store. Without it the version, and without that what the cloud offers.
    pub file: Option<Sha256>,
    /// This version, of those in the store or as the cloud offers it.
    pub version: Option<String>,
    /// Although the watch has tried it and not kept it.
    pub again: bool,
    /// Although it is older than what runs.
    pub allow_downgrade: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
}

/// A file that was given to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareAnswer {
    /// Its name from now on.
    pub sha256: Sha256,
    /// Its bytes.
    pub size: u64,
}

/// A check of a file, with its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// What was looked at.
    pub name: String,
    /// `passed`, `failed` or `not done`.
    pub verdict: String,
    /// What was found, or why not. May hold text from the file.
    pub detail: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateAnswer {
    /// What the watch is called.
    pub watch: String,
    /// The file.
    pub file: Sha256,
    /// Its version.
    pub version: String,
    /// Bytes that go over the air.
    pub size: u64,
    /// What runs on the watch, if it has told lately.
    pub from: Option<String>,
    /// Every check of the file.
    pub checks: Vec<CheckRow>,
    /// What stands in the way of beginning at once; only looked at in a dry run.
    pub gate: Option<String>,
    /// The update; `None` in a dry run.
    pub update: Option<UpdateKey>,
}

/// An update that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// Its number.
    pub key: UpdateKey,
    /// The watch.
    pub device: DeviceId,
    /// What it is called.
    pub watch: String,
    /// What ran before, once the watch has told.
    pub from: Option<String>,
    /// What is to run.
    pub to: String,
    /// How far it is.
    pub step: UpdateStep,
    /// Bytes of the image that the watch has acknowledged, in this try.
    pub acked: u64,
    /// Of so many.
    pub total: u64,
    /// Bytes a second, while it goes on.
    pub rate: Option<u64>,
    /// Seconds until the upload is done, at that rate.
    pub seconds_left: Option<u64>,
    /// Whether the watch may go away.
    pub leave: Leave,
    /// Tries that failed.
    pub attempts: u32,
    /// Not tried again before.
    pub not_before: Option<UtcMicros>,
    /// What is waited for, or what failed last.
    pub detail: String,
}

/// Updates under way, and those that are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatesAnswer {
    /// Those that are not over.
    pub open: Vec<UpdateStatus>,
    /// The latest that are, newest first.
    pub latest: Vec<UpdateRow>,
}

/// A request on its way to whoever judges it.
#[derive(Debug)]
pub struct UpdateAsk {
    /// What is wanted.
    pub request: UpdateRequest,
    /// The watch.
    pub seat: Seat,
    /// The answer.
    pub reply: oneshot::Sender<Result<UpdateAnswer, DeskError>>,
}

/// The updater as the control socket sees it.
#[derive(Clone, Debug)]
pub struct UpdatesView {
    /// What is being done.
    pub doing: watch::Receiver<Doing>,
    /// Where requests are brought.
    pub requests: mpsc::Sender<UpdateAsk>,
    /// Breaks off the update of this watch.
    pub cancelled: Arc<watch::Sender<Option<DeviceId>>>,
    /// Has the updater look at its journal.
    pub bell: Arc<Notify>,
    /// Files.
    pub store: FirmwareStore,
    /// The largest that is taken, bytes.
    pub largest: u64,
    /// What is left of the disk to others, bytes.
    pub keep_free: u64,
}

impl UpdatesView {
    /// The updates that are not over.
    pub async fn open(&self, outbox: &Outbox, seats: &[Seat]) -> Result<Vec<UpdateStatus>, OutboxError> {
        let rows = outbox.open_updates().await?;
        let doing = self.doing.borrow().now;
        let label = |device| {
            let seat = seats.iter().find(|seat| seat.status.borrow().device == Some(device));
            seat.map_or_else(|| format!("watch {device}"), |seat| seat.label().to_owned())
        };
        let status = |row: UpdateRow| {
            let now = doing.filter(|(device, _)| *device == row.device).map(|(_, progress)| progress);
            UpdateStatus::of(label(row.device), row, now)
        };
        Ok(rows.into_iter().map(status).collect())
    }
}

impl UpdateStatus {
    fn of(watch: String, row: UpdateRow, now: Option<Progress>) -> Self {
        let UpdateRow { key, device, from, to, size, attempts, not_before, detail, .. } = row;
        let step = now.map_or(row.step, |now| now.step);
        let sent = now.map(|now| now.sent).unwrap_or_default();
        // No rate of a radio is out of range.
        let rate = now.and_then(|now| now.rate).map(|rate| rate as u64);
        Self {
            key,
            device,
            watch,
            from,
            to,
            step,
            acked: sent.acked,
            total: if sent.total == 0 { size.into() } else { sent.total },
            rate,
            seconds_left: now.and_then(|now| now.seconds_left),
            leave: Leave::during(step),
            attempts,
            not_before,
            detail,
        }
    }
}

impl From<&Check> for CheckRow {
    fn from(check: &Check) -> Self {
        let (verdict, reason) = match &check.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(problem) => ("failed", Some(problem.to_string())),
            Verdict::NotDone(skipped) => ("not done", Some(skipped.to_string())),
        };
        let detail = match reason {
            None => check.detail.clone(),
            Some(reason) if check.detail.is_empty() => reason,
            Some(reason) => format!("{}; {reason}", check.detail),
        };
        Self { name: check.name.to_string(), verdict: verdict.to_owned(), detail }
    }
}
