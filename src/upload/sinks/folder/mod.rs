//! Files in a folder: one a watch, kind and UTC day.
//!
//! A parcel is merged into the files of its days: a second that a file has already is replaced, so that a parcel which comes twice, or
//! a second that has grown, changes nothing that it should not. Each file is written beside the old one and takes its place when it
//! is on the disk; whoever reads sees the one or the other, never half of one.

mod day;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::NO_HTTP;
use crate::config::FolderFormat;
use crate::measurement::{Day, Reading};
use crate::outbox::Receipt;
use crate::upload::receiver::{Failure, Parcel, Receiver, Verdict};
use day::DayFile;

/// How long the disk may take: a network share that is gone does not answer at all.
const DEADLINE: Duration = Duration::from_mins(1);

/// A folder that measurements are written to.
pub struct Folder {
    path: PathBuf,
    format: FolderFormat,
    /// What the disk has not answered to. Nothing else is written as long as it may still be.
    late: Option<JoinHandle<Result<Receipt, FolderError>>>,
}

/// Why a parcel could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder itself is not there.
    #[error("the folder {} is not there; make it, or mount what belongs there", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{} cannot be {doing}: {source}{}", path.display(), advice(source))]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is in the way.
    #[error("{} line {line} is not what nowbridge wrote there ({problem}); move the file away, and it is made anew from here on", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room, and it goes on by itself",
        io::ErrorKind::PermissionDenied => "; let the daemon's user write there",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; under systemd, allow it with ReadWritePaths= in a drop-in of the unit"
        }
        _ => "",
    }
}

impl FolderError {
    fn verdict(&self) -> Verdict {
        use io::ErrorKind::{
            AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
        };
        match self {
            Self::Missing { .. } | Self::Foreign { .. } => Verdict::Misdirected,
            Self::Disk { source, .. } => match source.kind() {
                PermissionDenied | ReadOnlyFilesystem | NotFound | NotADirectory | IsADirectory
                | AlreadyExists => Verdict::Misdirected,
                // A full disk gets room again; whatever else a disk says may have passed the next time.
                _ => Verdict::Later,
            },
        }
    }
}

impl Folder {
    /// The folder at `path`, which must exist when something is written.
    pub const fn new(path: PathBuf, format: FolderFormat) -> Self {
        Self { path, format, late: None }
    }

    /// What has come of the work that is under way, if it ends in time.
    async fn outcome(&mut self) -> Option<Result<Receipt, Failure>> {
        let late = self.late.as_mut()?;
        let Ok(ended) = tokio::time::timeout(DEADLINE, late).await else {
            let detail = format!(
                "{} does not answer for {} s; is it a network share that is gone?",
                self.path.display(),
                DEADLINE.as_secs()
            );
            return Some(Err(Failure::new(Verdict::Later, detail)));
        };
        self.late = None;
        Some(match ended {
            Ok(Ok(receipt)) => Ok(receipt),
            Ok(Err(error)) => Err(Failure::new(error.verdict(), error)),
            Err(error) => Err(Failure::new(Verdict::Later, format!("the files were not written: {error}"))),
        })
    }
}

impl Receiver for Folder {
    async fn admits(&mut self) -> Result<(), Failure> {
        // What was late is done before anything else begins; its parcel comes again and finds everything there.
        match self.outcome().await {
            Some(Err(failure)) if self.late.is_some() => Err(failure),
            _ => Ok(()),
        }
    }

    async fn deliver(&mut self, parcel: &Parcel) -> Result<Receipt, Failure> {
        self.admits().await?;
        let (path, format, parcel) = (self.path.clone(), self.format, parcel.clone());
        self.late = Some(tokio::task::spawn_blocking(move || store(&path, format, &parcel)));
        let none = || Err(Failure::new(Verdict::Later, "the files were not written"));
        self.outcome().await.unwrap_or_else(none)
    }
}

/// Merges a parcel into the files of its days.
fn store(root: &Path, format: FolderFormat, parcel: &Parcel) -> Result<Receipt, FolderError> {
    if !root.is_dir() {
        return Err(FolderError::Missing { path: root.to_owned() });
    }
    let mut days: BTreeMap<Day, Vec<Reading>> = BTreeMap::new();
    for reading in &parcel.table.readings {
        days.entry(reading.at.day()).or_default().push(reading.clone());
    }
    let kind = parcel.kind();
    let below = format!("{}{}/{kind}", if parcel.synthetic { "synthetic-" } else { "" }, parcel.device);
    write::make_folders(root, &below)?;
    let (mut names, mut bytes) = (Vec::with_capacity(days.len()), 0);
    for (day, readings) in days {
        let name = format!("{below}/{day}.{}", format.name());
        let path = root.join(&name);
        let mut file = DayFile::read(&path, kind, format)?;
        if file.merge(readings) {
            let text = file.text(kind, format);
            bytes += text.len() as u64;
            write::replace(&path, &text)?;
        }
        names.push(name);
    }
    Ok(Receipt { status: NO_HTTP, body: names.join(" "), bytes })
}
