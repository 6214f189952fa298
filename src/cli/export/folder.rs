//! A folder like the NOWATCH app's own export: a CSV file for each kind, one row a second, beats as frames.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::writers::broken;
use super::{CannotExport, Sink, create, publish};
use crate::draft::Draft;
use crate::measurement::beats::{self, TimedBeat};
use crate::measurement::{Quality, Reading, Value};
use crate::outbox::ExportRow;
use crate::wire::app_export::{FILES, HEADING, SKIN_CONDUCTANCE};
use crate::wire::bridge::{DeviceId, Stream};

/// How far a beat may be off from where its interval puts it, ms; no two beats are that close.
const BEAT_SLACK_MS: u64 = 200;

/// The folder.
pub struct Folder {
    dir: PathBuf,
    watch: Option<DeviceId>,
    files: BTreeMap<Stream, Table>,
    /// Whether it is ours to remove if nothing comes of it.
    is_new: bool,
}

/// A file, and what its next row is made of.
struct Table {
    rows: csv::Writer<BufWriter<Draft>>,
    /// The latest value of the second.
    last: Option<Reading>,
    /// The beats of the second.
    beats: Vec<TimedBeat>,
    beat: Option<ExportRow>,
}

impl Folder {
    /// Makes it; files that are there already are left alone.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;

        let is_new = !dir.exists();
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.with_context(|| format!("{} cannot be made", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), watch: None, files: BTreeMap::new(), is_new })
    }

    fn table(&mut self, name: &str, stream: Stream) -> anyhow::Result<&mut Table> {
        match self.files.entry(stream) {
            std::collections::btree_map::Entry::Occupied(table) => Ok(table.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let mut rows = csv::Writer::from_writer(create(&self.dir.join(name))?);
                rows.write_record(HEADING).map_err(broken)?;
                Ok(place.insert(Table { rows, last: None, beats: Vec::new(), beat: None }))
            }
        }
    }
}

impl Sink for Folder {
    fn take(&mut self, row: &ExportRow) -> anyhow::Result<bool> {
        let mut files = FILES.iter().chain([&SKIN_CONDUCTANCE]);
        let Some((name, _)) = files.find(|(_, stream)| *stream == row.stream) else {
            return Ok(false);
        };
        if row.at.is_none() {
            return Ok(false);
        }
        if *self.watch.get_or_insert(row.watch) != row.watch {
            return Err(CannotExport::ManyWatches.into());
        }
        let table = self.table(name, row.stream)?;
        if row.stream == Stream::BEATS {
            table.beat(row)?;
        } else {
            table.value(row)?;
        }
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for mut table in std::mem::take(&mut self.files).into_values() {
            table.end_second()?;
            table.rows.flush()?;
            files.push(table.rows.into_inner().map_err(|error| anyhow::anyhow!("{}", error.error()))?);
        }
        files.into_iter().try_for_each(publish)?;
        self.is_new = false;
        Ok(())
    }
}

impl Drop for Folder {
    /// A folder that was made for nothing goes again; one in which there is something does not.
    fn drop(&mut self) {
        self.files.clear();
        if self.is_new {
            let _ = std::fs::remove_dir(&self.dir);
        }
    }
}

impl Table {
    /// Of several in a second the later one stands, as in the API.
    fn value(&mut self, row: &ExportRow) -> anyhow::Result<()> {
        let Some(at) = row.at else { return Ok(()) };
        let reading =
            Reading { at: at.seconds(), value: row.stream.value(row.value), quality: Some(row.quality) };
        if self.last.as_ref().is_some_and(|last| last.at != reading.at) {
            self.end_second()?;
        }
        self.last = Some(match (row.stream, reading.value) {
            // The app writes microsiemens.
            (Stream::EDA, Value::Integer(nanosiemens)) => {
                Reading { value: Value::Decimal(nanosiemens as f64 / 1_000.0), ..reading }
            }
            (_, value) => Reading { value, ..reading },
        });
        Ok(())
    }

    fn beat(&mut self, row: &ExportRow) -> anyhow::Result<()> {
        let Some(at) = row.at else { return Ok(()) };
        if let (Some(last), Some(before)) = (self.beats.last_mut(), self.beat.as_ref()) {
            last.ends_run = !follows(before, row);
        }
        if self.beats.last().is_some_and(|last| last.at.seconds() != at.seconds()) {
            self.end_second()?;
        }
        self.beats.push(TimedBeat { watch_ms: row.ticks_ms, at, quality: row.quality, ends_run: false });
        self.beat = Some(*row);
        Ok(())
    }

    fn end_second(&mut self) -> anyhow::Result<()> {
        let frames = beats::readings(&std::mem::take(&mut self.beats));
        for reading in self.last.take().into_iter().chain(frames) {
            let quality = reading.quality.unwrap_or(Quality::BEST);
            let (at, value) = (reading.at.0.to_string(), reading.value.to_string());
            self.rows.write_record([at, value, quality.to_string()]).map_err(broken)?;
        }
        Ok(())
    }
}

/// Whether the interval that ended with a beat began with the one before.
fn follows(before: &ExportRow, row: &ExportRow) -> bool {
    let Ok(interval_ms @ 1..) = u64::try_from(row.value) else { return false };
    (before.log, before.boot) == (row.log, row.boot)
        && before.ticks_ms.saturating_add(interval_ms).abs_diff(row.ticks_ms) <= BEAT_SLACK_MS
}
