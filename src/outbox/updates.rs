//! The journal of firmware updates: what is intended for a watch, and how far it came.
//!
//! Every step is written down before it is taken. Where the watch really is, only the watch can tell; the journal says what was wanted,
//! and whether the watch had been told to start the new image.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Outbox, OutboxError, UpdateKey, columns};
use crate::measurement::UtcMicros;
use crate::wire::Sha256;
use crate::wire::bridge::DeviceId;

/// How far an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateStep {
    /// Known of, and wanted.
    Offered,
    /// Something stands in the way; the detail says what.
    Gated,
    /// The file is being fetched.
    Downloading,
    /// The file is here and may be trusted.
    Verified,
    /// The watch's history is fetched first: an image that wipes it then wipes nothing that we do not have.
    Draining,
    /// The watch is asked what it holds.
    Preflight,
    /// The image goes over.
    Uploading,
    /// The watch is told to try the image at its next start.
    Testing,
    /// The watch is told to start anew, and waited for.
    Rebooting,
    /// It is back; whether it is well is being found out.
    Checking,
    /// The watch is told to keep the image.
    Confirming,
    /// The image runs, is kept, and the watch is well.
    Done,
    /// The image runs, but only a person can make the watch keep it.
    Unconfirmed,
    /// The watch has gone back to its old image.
    Reverted,
    /// The watch's boot loader would not start the image.
    Rejected,
    /// It failed for good; the detail says why.
    Failed,
    /// A person called it off.
    Cancelled,
}

/// Who wanted an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// Somebody, now.
    Person,
    /// The configuration.
    Policy,
}

/// An update that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUpdate {
    /// The watch.
    pub device: DeviceId,
    /// The file.
    pub file: Sha256,
    /// The image in it, as the watch will name it; `None` if its protocol names none.
    pub image: Option<Sha256>,
    /// Its bytes.
    pub size: u32,
    /// Its version.
    pub version: String,
    /// Who wants it.
    pub asked_by: AskedBy,
    /// Whether a person lets it be older than what runs.
    pub allow_downgrade: bool,
}

/// An update on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRow {
    /// Its number.
    pub key: UpdateKey,
    /// The watch.
    pub device: DeviceId,
    /// The file.
    pub file: Sha256,
    /// The image in it, as the watch names it.
    pub image: Option<Sha256>,
    /// Its bytes.
    pub size: u32,
    /// What ran before; `None` until the watch has told it.
    pub from: Option<String>,
    /// What is to run.
    pub to: String,
    /// Who wanted it.
    pub asked_by: AskedBy,
    /// Whether a person lets it be older than what runs.
    pub allow_downgrade: bool,
    /// How far it is.
    pub step: UpdateStep,
    /// Whether the watch was told to start the new image.
    pub started: bool,
    /// Tries that failed.
    pub attempts: u32,
    /// Not tried again before; `None`: at once.
    pub not_before: Option<UtcMicros>,
    /// Of the last failure, or of what is waited for.
    pub detail: String,
    /// Image bytes sent, in all tries.
    pub sent_bytes: u64,
    /// Of them, those that were sent before.
    pub resent_bytes: u64,
    /// Since when it is wanted.
    pub asked: UtcMicros,
    /// When it ended, one way or another.
    pub ended: Option<UtcMicros>,
}

/// A step of an update, as it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStepRow {
    /// Which one.
    pub step: UpdateStep,
    /// Whatever helps to understand it.
    pub detail: String,
    /// When it began.
    pub at: UtcMicros,
}

/// The most that a watch's firmware was ever trusted by. All of it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareTrust {
    /// The level.
    pub level: u8,
    /// The highest number of a signed manifest.
    pub sequence: u64,
    /// The highest security counter.
    pub security_counter: u32,
    /// The latest time that could be believed.
    pub latest: UtcMicros,
}

impl UpdateStep {
    /// Every step, in the order in which they are taken.
    pub const ALL: [Self; 17] = [
        Self::Offered,
        Self::Gated,
        Self::Downloading,
        Self::Verified,
        Self::Draining,
        Self::Preflight,
        Self::Uploading,
        Self::Testing,
        Self::Rebooting,
        Self::Checking,
        Self::Confirming,
        Self::Done,
        Self::Unconfirmed,
        Self::Reverted,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Gated => "gated",
            Self::Downloading => "downloading",
            Self::Verified => "verified",
            Self::Draining => "draining",
            Self::Preflight => "preflight",
            Self::Uploading => "uploading",
            Self::Testing => "testing",
            Self::Rebooting => "rebooting",
            Self::Checking => "checking",
            Self::Confirming => "confirming",
            Self::Done => "done",
            Self::Unconfirmed => "unconfirmed",
            Self::Reverted => "reverted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub const fn is_last(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Unconfirmed | Self::Reverted | Self::Rejected | Self::Failed | Self::Cancelled
        )
    }

    /// Whether from here on the watch may start the new image by itself.
    pub const fn starts_it(self) -> bool {
        matches!(self, Self::Rebooting | Self::Checking | Self::Confirming)
    }
}

impl AskedBy {
    /// Everyone.
    pub const ALL: [Self; 2] = [Self::Person, Self::Policy];

    /// The stable name, as in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Policy => "policy",
        }
    }
}

impl Outbox {
    /// Writes down that an update is wanted. `None` if another one for this watch is not over.
    pub async fn ask_update(&self, new: NewUpdate) -> Result<Option<UpdateRow>, OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            if open(tx, new.device)?.is_some() {
                return Ok(None);
            }
            let NewUpdate { device, file, image, size, version, asked_by, allow_downgrade } = new;
            let values = params![device, file, image, size, version, asked_by, now, allow_downgrade];
            let key = tx.prepare_cached(sql!("update_ask"))?.query_row(values, |row| row.get(0))?;
            log(tx, key, UpdateStep::Offered, "", now)?;
            Ok(Some(tx.prepare_cached(sql!("update_get"))?.query_row([key], row)?))
        })
        .await
    }

    /// The update of a watch that is not over.
    pub async fn open_update(&self, device: DeviceId) -> Result<Option<UpdateRow>, OutboxError> {
        self.read(move |tx| open(tx, device)).await
    }

    /// The updates that are not over, oldest first.
    pub async fn open_updates(&self) -> Result<Vec<UpdateRow>, OutboxError> {
        self.read(|tx| {
            let mut list = tx.prepare_cached(sql!("update_all_open"))?;
            Ok(list.query_map([], row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The latest updates, of one watch or of all, newest first.
    pub async fn updates(&self, device: Option<DeviceId>, limit: u32) -> Result<Vec<UpdateRow>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("update_list"))?;
            Ok(list.query_map(params![device, limit], row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The steps of an update, in order.
    pub async fn update_steps(&self, update: UpdateKey) -> Result<Vec<UpdateStepRow>, OutboxError> {
        self.read(move |tx| {
            let mut list = tx.prepare_cached(sql!("update_steps"))?;
            let steps = list.query_map([update], |row| {
                Ok(UpdateStepRow { step: row.get(0)?, detail: row.get(1)?, at: row.get(2)? })
            })?;
            Ok(steps.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Writes down that a step begins; a last one ends the update. Nothing happens to an update that is over.
    pub async fn begin_update_step(
        &self,
        update: UpdateKey,
        step: UpdateStep,
        detail: String,
    ) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        self.write(move |tx| {
            let ended = step.is_last().then_some(now);
            let values = params![update, step, step.starts_it(), detail, ended];
            if tx.prepare_cached(sql!("update_step"))?.execute(values)? == 1 {
                log(tx, update, step, &detail, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Ends an update as [`UpdateStep::Reverted`] or [`UpdateStep::Rejected`], and keeps the image from this watch from now on; together.
    pub async fn refuse_update(
        &self,
        update: &UpdateRow,
        step: UpdateStep,
        detail: String,
    ) -> Result<(), OutboxError> {
        let now = self.house.clock.now();
        let (key, device, file) = (update.key, update.device, update.file);
        self.write(move |tx| {
            if tx.prepare_cached(sql!("update_step"))?.execute(params![key, step, false, detail, now])? == 1 {
                log(tx, key, step, &detail, now)?;
            }
            tx.prepare_cached(sql!("update_refuse"))?.execute(params![device, file, detail, now])?;
            Ok(())
        })
        .await
    }

    /// Why a watch does not get this file by itself again, if it has tried it and not kept it.
    pub async fn refused_firmware(
        &self,
        device: DeviceId,
        file: Sha256,
    ) -> Result<Option<String>, OutboxError> {
        self.read(move |tx| {
            let mut find = tx.prepare_cached(sql!("update_refused"))?;
            Ok(find.query_row(params![device, file], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Lets a watch have this file again. `false` if nothing was against it.
    pub async fn pardon_firmware(&self, device: DeviceId, file: Sha256) -> Result<bool, OutboxError> {
        self.write(
            move |tx| Ok(tx.prepare_cached(sql!("update_pardon"))?.execute(params![device, file])? > 0),
        )
        .await
    }

    /// Counts image bytes that were sent in a try, and what ran before it, unless that is known.
    pub async fn count_update(
        &self,
        update: UpdateKey,
        from: Option<String>,
        sent: u64,
        resent: u64,
    ) -> Result<(), OutboxError> {
        self.write(move |tx| {
            let values = params![update, from, sent.cast_signed(), resent.cast_signed()];
            tx.prepare_cached(sql!("update_count"))?.execute(values)?;
            Ok(())
        })
        .await
    }

    /// Puts an update off: what stands in the way passes by itself, or (`failed`) a try went wrong.
    pub async fn postpone_update(
        &self,
        update: UpdateKey,
        failed: bool,
        until: Option<UtcMicros>,
        detail: String,
    ) -> Result<(), OutboxError> {
        self.write(move |tx| {
            tx.prepare_cached(sql!("update_postpone"))?.execute(params![update, failed, until, detail])?;
            Ok(())
        })
        .await
    }

    /// The most that this watch's firmware was ever trusted by.
    pub async fn firmware_trust(&self, device: DeviceId) -> Result<FirmwareTrust, OutboxError> {
        self.read(move |tx| {
            let mut find = tx.prepare_cached(sql!("trust_get"))?;
            let found = find.query_row([device], |row| {
                Ok(FirmwareTrust {
                    level: row.get(0)?,
                    sequence: row.get::<_, i64>(1)?.cast_unsigned(),
                    security_counter: row.get(2)?,
                    latest: row.get(3)?,
                })
            });
            Ok(found.optional()?.unwrap_or_default())
        })
        .await
    }

    /// Remembers what a watch's firmware was trusted by; whatever of it is less than before stays as it was.
    pub async fn raise_firmware_trust(
        &self,
        device: DeviceId,
        trust: FirmwareTrust,
    ) -> Result<(), OutboxError> {
        self.write(move |tx| {
            let FirmwareTrust { level, sequence, security_counter, latest } = trust;
            // Beyond what a column holds is beyond what anybody counts to.
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            let values = params![device, level, sequence, security_counter, latest];
            tx.prepare_cached(sql!("trust_raise"))?.execute(values)?;
            Ok(())
        })
        .await
    }
}

fn open(tx: &Transaction<'_>, device: DeviceId) -> Result<Option<UpdateRow>, OutboxError> {
    Ok(tx.prepare_cached(sql!("update_open"))?.query_row([device], row).optional()?)
}

fn log(
    tx: &Transaction<'_>,
    update: UpdateKey,
    step: UpdateStep,
    detail: &str,
    at: UtcMicros,
) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("update_log"))?.execute(params![update, step, detail, at])?;
    Ok(())
}

fn row(row: &Row<'_>) -> rusqlite::Result<UpdateRow> {
    Ok(UpdateRow {
        key: row.get("id")?,
        device: row.get("device_id")?,
        file: row.get("file_sha256")?,
        image: row.get("image_sha256")?,
        size: row.get("size")?,
        from: row.get("from_version")?,
        to: row.get("to_version")?,
        asked_by: row.get("asked_by")?,
        allow_downgrade: row.get("allow_downgrade")?,
        step: row.get("step")?,
        started: row.get("started")?,
        attempts: row.get("attempts")?,
        not_before: row.get("not_before_us")?,
        detail: row.get("detail")?,
        sent_bytes: columns::count(row, "sent_bytes")?,
        resent_bytes: columns::count(row, "resent_bytes")?,
        asked: row.get("asked_us")?,
        ended: row.get("ended_us")?,
    })
}
