//! What the ledger is asked over the socket, and what it answers. The same is asked of an outbox whose daemon does not run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::desk::{Complaint, DeskError};
use super::known::Known;
use crate::measurement::UtcMicros;
use crate::outbox::{EntryId, ExportRow, Merged, Outbox, OutboxError, Salvage, SinkName, Why};
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
