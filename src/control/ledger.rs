//! What the ledger is asked over the socket, and what it answers. The same is asked of an outbox whose daemon does not run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::desk::{Complaint, DeskError};
use super::known::Known;
use crate::measurement::UtcMicros;
use crate::outbox::{
    EntryId, ExportRow, Merged, Outbox, OutboxError, Room, Salvage, SinkCounts, SinkEnd, SinkHold, SinkName,
    Why,
};
use crate::upload::{DayCheck, VerifyEnd};
use crate::wire::bridge::DeviceId;

/// Everything that explains what is missing or late, and what the watches are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyAnswer {
    /// What is known.
    #[serde(flatten)]
    pub why: Why,
    /// What to call each device.
    pub names: BTreeMap<DeviceId, String>,
    /// What to call each address.
    pub addresses: BTreeMap<String, String>,
}

impl WhyAnswer {
    /// Asks the outbox. Without `since` for the last day.
    pub async fn gather(
        outbox: &Outbox,
        known: &Known,
        since: UtcMicros,
        watch: Option<&str>,
        sinks: Vec<SinkName>,
    ) -> Result<Self, DeskError> {
        let device = watch.map(|watch| known.device(watch)).transpose()?;
        let mut why = outbox.why(since, device, sinks).await?;
        if let Some(device) = device {
            let own = known.address(device).map(|address| format!("watch {address}"));
            let of_others = |subject: &str| subject.starts_with("watch ") && Some(subject) != own.as_deref();
            why.spells.retain(|spell| !of_others(&spell.subject));
        }
        Ok(Self { why, names: known.names(), addresses: known.addresses() })
    }
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadRequest {
    /// These.
    pub ids: Vec<EntryId>,
    /// Every one that can be sent again; only for `retry`.
    pub all: bool,
}

/// Everyone that measurements are, or were, sent to, and what they keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinksAnswer {
    /// How much room the outbox has.
    pub room: Room,
    /// Those on record, the one that keeps most first.
    pub sinks: Vec<SinkKeeps>,
    /// Those that were given up, oldest first.
    pub forgotten: Vec<SinkEnd>,
}

/// What a sink keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkKeeps {
    /// How much.
    #[serde(flatten)]
    pub hold: SinkHold,
    /// Whether it is configured.
    pub configured: bool,
    /// When it last confirmed something.
    pub last_receipt: Option<UtcMicros>,
    /// Samples that it has confirmed.
    pub sent: u64,
}

impl SinksAnswer {
    /// Asks the outbox.
    pub async fn gather(outbox: &Outbox, configured: &[SinkName]) -> Result<Self, OutboxError> {
        let mut sinks = Vec::new();
        for hold in outbox.sink_holds().await? {
            let SinkCounts { last_receipt, sent, .. } = outbox.sink_counts(&hold.sink).await?;
            let configured = configured.contains(&hold.sink);
            sinks.push(SinkKeeps { hold, configured, last_receipt, sent });
        }
        let forgotten = outbox.sink_ends(UtcMicros(i64::MIN)).await?;
        Ok(Self { room: *outbox.room().borrow(), sinks, forgotten })
    }
}

/// Gives up on a sink, unless it is configured.
pub async fn forget_sink(
    outbox: &Outbox,
    configured: &[SinkName],
    sink: SinkName,
) -> Result<SinkEnd, DeskError> {
    if configured.contains(&sink) {
        return Err(DeskError::SinkConfigured(sink));
    }
    match outbox.forget_sink(&sink).await? {
        Some(end) => Ok(end),
        None => Err(DeskError::UnknownSink { asked: sink, known: outbox.sink_names().await? }),
    }
}

/// Which sink to give up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetSinkRequest {
    /// Its name.
    pub sink: SinkName,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnswer {
    /// In SQLite's words. Empty: all is well.
    pub problems: Vec<String>,
}

/// What is to be salvaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SalvageRequest {
    /// A file to fill holes from; without it only what was moved aside.
    pub file: Option<PathBuf>,
}

/// What a salvage came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SalvageAnswer {
    /// The damaged database that was moved aside last, if one was.
    pub salvage: Option<Salvage>,
    /// The file, if one was named.
    pub merged: Option<Merged>,
}

impl SalvageAnswer {
    /// Salvages to the end.
    pub async fn gather(outbox: &Outbox, file: Option<&Path>) -> Result<Self, OutboxError> {
        let salvage = outbox.salvage().await?;
        let merged = match file {
            Some(file) => Some(outbox.salvage_from(file).await?),
            None => None,
        };
        Ok(Self { salvage, merged })
    }
}

/// Where a copy of the outbox goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The file, with its whole path.
    pub file: PathBuf,
}

/// A copy that is whole, and on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupAnswer {
    /// The file.
    pub file: PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// A line of an export. One that says why it broke off is a [`Complaint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExportLine {
    /// The last one. Without it the export is not whole.
    End {
        /// How much there was.
        end: ExportEnd,
    },
    /// A sample.
    Row(ExportRow),
}

/// What an export came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportEnd {
    /// Samples.
    pub rows: u64,
    /// Blocks that hold no samples that could be read.
    pub unreadable: u64,
}

/// Which days to compare with the cloud, first and last included, as `2026-11-22`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyRequest {
    /// The first; a week ago without it.
    pub from: Option<String>,
    /// The last; today without it.
    pub to: Option<String>,
    /// Whether to send again what is missing or different there.
    pub repair: bool,
}

/// A line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VerifyLine {
    /// The last one. Without it the comparison is not whole.
    End {
        /// What it came to.
        end: VerifyEnd,
    },
    /// A day of a kind.
    Day(DayCheck),
    /// It could not go on.
    Failed(Complaint),
}

/// Which watch to forget, and how thoroughly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Its name, address or device id.
    pub watch: String,
    /// Also what was not sent yet.
    #[serde(default)]
    pub even_unsent: bool,
    /// Whether what the watch still has is to come again.
    #[serde(default)]
    pub and_refetch: bool,
}
