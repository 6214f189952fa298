//! Where verified firmware lies: one folder, each file named after the SHA-256 of what is in it.
//!
//! ```text
//! <sha256>.bin             the file; it gets this name only once it is whole, hashed and on the disk
//! <sha256>.manifest        its manifest, as it was signed
//! <sha256>.minisig         the signature of the manifest, or of the file if there is none
//! <sha256>.json            what it was offered as; for people, never for a decision
//! <key>.part, .part.json   a download under way
//! lock                     held by whoever downloads
//! ```
//!
//! Whatever is named otherwise is not looked at. A disk forgets, too: a file is hashed each time it is read for use.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::disk::{OWNER_ONLY, off_thread, read_up_to, remove, replace};
use crate::wire::Sha256;

/// No image is larger; a file that is was not written by us.
const LARGEST_BYTES: u64 = 64 << 20;
const LARGEST_PAPER_BYTES: u64 = 64 << 10;

/// The folder cannot be used as it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("the firmware store cannot use {}: {source}", path.display())]
    CannotUse {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The disk is full. What was begun is gone: measurements need the room more.
    #[error("the disk with {} is full; make room, the download begins anew then", dir.display())]
    DiskFull {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The disk would be too full for measurements.
    #[error(
        "{needed} bytes of firmware would leave less than {keep_free} bytes free on the disk with {} ({free} now); make room",
        dir.display()
    )]
    NoRoom {
        /// The folder.
        dir: PathBuf,
        /// What is wanted.
        needed: u64,
        /// What is free.
        free: u64,
        /// What is left to others.
        keep_free: u64,
    },
    /// Somebody else downloads into this folder.
    #[error("another download into {} is under way; wait for it", dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
    },
    /// The program is shutting down.
    #[error("the work on the firmware store was cut short; it can be taken up again")]
    CutShort,
}

impl StoreError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::DiskFull { dir: path.parent().unwrap_or(&path).to_owned(), source }
            }
            _ => Self::CannotUse { path, source },
        }
    }

    /// Whether the same may succeed later without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::CutShort)
    }
}

/// What comes with a file and says what it is: worth nothing until a signature is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Papers {
    /// The manifest, byte for byte as it was signed.
    pub manifest: Option<Bytes>,
    /// A minisign signature: of the manifest if there is one, else of the file.
    pub signature: Option<Bytes>,
}

/// What a file was offered as. For people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Label {
    /// What kind of watch it is for, as it was asked for.
    pub product: Option<String>,
    /// The version that was offered.
    pub version: Option<String>,
    /// The channel that it was asked for in.
    pub channel: Option<String>,
    /// The host that it came from.
    pub from: Option<String>,
}

/// A file that was just hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The hash.
    pub sha256: Sha256,
    /// Where it lies. Whoever reads it there again has to hash it again.
    pub path: PathBuf,
    /// What was hashed.
    pub bytes: Bytes,
    /// What came with it.
    pub papers: Papers,
}

/// An entry of the folder, not hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What its name says.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
    /// What it was offered as.
    #[serde(flatten)]
    pub label: Label,
    /// When it was written.
    #[serde(skip)]
    pub written: Option<SystemTime>,
}

/// The bytes are not for a log.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.bytes.len();
        f.debug_struct("Stored").field("path", &self.path).field("size", &size).finish_non_exhaustive()
    }
}

/// The folder. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareStore {
    dir: PathBuf,
}

/// The right to download into the folder, until dropped. The kernel ends it with the process.
#[derive(Debug)]
pub(super) struct StoreLock(#[expect(dead_code, reason = "held, not read")] File);

impl FirmwareStore {
    /// The store in `dir`, which is made when something is stored.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the file with this hash lies, if it is there.
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        self.beside(sha256, "bin")
    }

    fn beside(&self, sha256: &Sha256, what: &str) -> PathBuf {
        self.dir.join(format!("{sha256}.{what}"))
    }

    /// The file with this hash, hashed anew. One that has changed on the disk is removed, and so is none.
    pub async fn get(&self, sha256: Sha256) -> Result<Option<Stored>, StoreError> {
        let store = self.clone();
        off_thread(move || store.get_now(sha256)).await
    }

    fn get_now(&self, sha256: Sha256) -> Result<Option<Stored>, StoreError> {
        let path = self.path(&sha256);
        let Some(bytes) = read_up_to(&path, LARGEST_BYTES)? else { return Ok(None) };
        if Sha256::of(&bytes) != sha256 {
            tracing::warn!(path = %path.display(), "stored firmware has changed on the disk; it is removed");
            fs::remove_file(&path).map_err(StoreError::at(&path))?;
            return Ok(None);
        }
        let paper = |what| Ok(read_up_to(&self.beside(&sha256, what), LARGEST_PAPER_BYTES)?.map(Bytes::from));
        let papers = Papers { manifest: paper("manifest")?, signature: paper("minisig")? };
        Ok(Some(Stored { sha256, path, bytes: bytes.into(), papers }))
    }

    /// Keeps a file that somebody has here, under its hash. Nothing of it is judged.
    pub async fn put(
        &self,
        bytes: Bytes,
        papers: Papers,
        label: Label,
        keep_free: u64,
    ) -> Result<Sha256, StoreError> {
        let store = self.clone();
        off_thread(move || store.put_now(&bytes, &papers, &label, keep_free)).await
    }

    fn put_now(
        &self,
        bytes: &[u8],
        papers: &Papers,
        label: &Label,
        keep_free: u64,
    ) -> Result<Sha256, StoreError> {
        let _lock = self.lock()?;
        let sha256 = Sha256::of(bytes);
        self.check_room(bytes.len() as u64, keep_free)?;
        let half = self.beside(&sha256, "part");
        replace(&half, bytes)?;
        self.annotate(&sha256, papers, label)?;
        self.adopt(&half, &sha256)?;
        Ok(sha256)
    }

    /// What lies there, newest first. A folder that is not there holds nothing.
    pub async fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let store = self.clone();
        off_thread(move || store.list_now()).await
    }

    fn list_now(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for name in self.names()? {
            let Some(sha256) = name.strip_suffix(".bin").and_then(|hex| hex.parse().ok()) else { continue };
            // It may be pruned meanwhile.
            let Ok(about) = fs::metadata(self.path(&sha256)) else { continue };
            let label = read_up_to(&self.beside(&sha256, "json"), LARGEST_PAPER_BYTES)?;
            let label = label.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
            entries.push(Entry { sha256, size: about.len(), label, written: about.modified().ok() });
        }
        entries.sort_by_key(|entry| (std::cmp::Reverse(entry.written), entry.sha256));
        Ok(entries)
    }

    /// Removes all but the `most` newest and those in `needed`, and every download that was given up. Answers how many
    /// files of firmware went. Does nothing while somebody downloads.
    pub async fn prune(&self, most: usize, needed: Vec<Sha256>) -> Result<usize, StoreError> {
        let store = self.clone();
        off_thread(move || store.prune_now(most, &needed)).await
    }

    fn prune_now(&self, most: usize, needed: &[Sha256]) -> Result<usize, StoreError> {
        if !self.dir.is_dir() {
            return Ok(0);
        }
        let _lock = match self.lock() {
            Err(StoreError::Busy { .. }) => return Ok(0),
            lock => lock?,
        };
        let entries = self.list_now()?;
        let (needed, others): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| needed.contains(&entry.sha256));
        let gone = others.get(most.saturating_sub(needed.len())..).unwrap_or_default();
        for entry in gone {
            for what in ["bin", "manifest", "minisig", "json"] {
                remove(&self.beside(&entry.sha256, what))?;
            }
        }
        let kept = |name: &str| {
            let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
            stem.parse().is_ok_and(|sha256| self.path(&sha256).exists())
        };
        for name in self.names()? {
            let (_, kind) = name.split_once('.').unwrap_or_default();
            let half = matches!(kind, "part" | "part.json" | "part.json.new");
            let left =
                matches!(kind, "manifest" | "minisig" | "json" | "json.new" | "manifest.new" | "minisig.new");
            if half || (left && !kept(&name)) {
                remove(&self.dir.join(name))?;
            }
        }
        Ok(gone.len())
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::at(&self.dir))?,
        };
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// Makes the folder and takes its lock.
    pub(super) fn lock(&self) -> Result<StoreLock, StoreError> {
        let wrong = || StoreError::at(&self.dir);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(wrong())?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(OWNER_ONLY);
        let file = options.open(self.dir.join("lock")).map_err(wrong())?;
        match file.try_lock() {
            Ok(()) => Ok(StoreLock(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy { dir: self.dir.clone() }),
            Err(TryLockError::Error(source)) => Err(wrong()(source)),
        }
    }

    /// Puts what belongs to a file beside it.
    pub(super) fn annotate(&self, sha256: &Sha256, papers: &Papers, label: &Label) -> Result<(), StoreError> {
        for (what, paper) in [("manifest", &papers.manifest), ("minisig", &papers.signature)] {
            let path = self.beside(sha256, what);
            match paper {
                Some(paper) => replace(&path, paper)?,
                None => remove(&path)?,
            }
        }
        let label = serde_json::to_vec(label).map_err(io::Error::from);
        let path = self.beside(sha256, "json");
        replace(&path, &label.map_err(StoreError::at(&path))?)
    }

    /// Gives a whole and hashed file on the disk its name. From here on it is in the store.
    pub(super) fn adopt(&self, file: &Path, sha256: &Sha256) -> Result<PathBuf, StoreError> {
        let path = self.path(sha256);
        fs::rename(file, &path).map_err(StoreError::at(&path))?;
        self.sync()?;
        Ok(path)
    }

    fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(StoreError::at(&self.dir))
    }

    /// Refuses `needed` more bytes that would leave others less than `keep_free`.
    pub(super) fn check_room(&self, needed: u64, keep_free: u64) -> Result<(), StoreError> {
        let stat = rustix::fs::statvfs(&self.dir);
        let stat = stat.map_err(|error| StoreError::at(&self.dir)(error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < needed.saturating_add(keep_free) {
            return Err(StoreError::NoRoom { dir: self.dir.clone(), needed, free, keep_free });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &FirmwareStore, content: &[u8], age_s: u64) -> Sha256 {
        let sha256 = Sha256::of(content);
        fs::create_dir_all(store.dir()).unwrap();
        let half = store.dir().join("x.part");
        fs::write(&half, content).unwrap();
        let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000 - age_s);
        File::options().write(true).open(&half).unwrap().set_modified(written).unwrap();
        let papers = Papers { manifest: Some(Bytes::from_static(b"{}")), signature: None };
        let label = Label { version: Some("1.2.3".to_owned()), ..Label::default() };
        store.annotate(&sha256, &papers, &label).unwrap();
        store.adopt(&half, &sha256).unwrap();
        sha256
    }

    #[tokio::test]
    async fn what_has_changed_on_the_disk_is_not_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = FirmwareStore::new(dir.path().join("firmware"));
        let sha256 = put(&store, b"sound", 0);
        let stored = store.get(sha256).await.unwrap().unwrap();
        assert_eq!((&stored.bytes[..], stored.papers.manifest.as_deref()), (&b"sound"[..], Some(&b"{}"[..])));
        fs::write(store.path(&sha256), b"sounD").unwrap();
        assert_eq!(store.get(sha256).await.unwrap(), None);
        assert!(!store.path(&sha256).exists());
    }

    #[tokio::test]
    async fn only_what_is_named_after_its_hash_is_seen_and_the_oldest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = FirmwareStore::new(dir.path().join("firmware"));
        assert_eq!(store.list().await.unwrap(), []);
        assert_eq!(store.prune(0, vec![]).await.unwrap(), 0);
        let [old, middle, new] =
            [(b"a", 300), (b"b", 200), (b"c", 100)].map(|(what, age)| put(&store, what, age));
        for stray in ["firmware.bin", "beef.bin", "notes.txt", "k.part", "k.part.json"] {
            fs::write(store.dir().join(stray), "stray").unwrap();
        }
        fs::write(store.dir().join(format!("{}.json", Sha256::of(b"gone"))), "{}").unwrap();
        let listed = async || -> Vec<_> { store.list().await.unwrap().iter().map(|e| e.sha256).collect() };
        assert_eq!(listed().await, [new, middle, old]);
        assert_eq!(store.list().await.unwrap()[0].label.version.as_deref(), Some("1.2.3"));

        let lock = store.lock().unwrap();
        assert_eq!(store.prune(0, vec![]).await.unwrap(), 0, "somebody downloads");
        drop(lock);
        // What an update needs stays, however old it is.
        assert_eq!(store.prune(2, vec![old]).await.unwrap(), 1);
        assert_eq!(listed().await, [new, old]);
        let mut names = store.names().unwrap();
        names.retain(|name| !name.contains(&new.to_string()) && !name.contains(&old.to_string()));
        names.sort();
        assert_eq!(names, ["beef.bin", "firmware.bin", "lock", "notes.txt"]);
    }
}
